"""When the web role may say that its picture is whole."""

from collections.abc import Mapping

from schemas import TOPICS
from streams.admin import Health
from streams.embedded_broker import EmbeddedBroker
from streams.metrics import Metrics
from streams.settings import Settings
from streams.web.view import FOLLOWED, View
from streams.web.view_reader import ViewReader
from tests.running import wait_until


class Watched(View):
    """A view that asks, each time a topic is begun, whether its reader already takes the picture for whole."""

    reader: ViewReader

    def begin(self, topic: str, positions: Mapping[int, int]) -> None:
        """As ever, and ask."""
        super().begin(topic, positions)
        self.asked.append((topic, self.reader.is_caught_up))

    asked: list[tuple[str, bool]]


def test_no_picture_is_whole_before_the_last_topic_is_begun() -> None:
    """Empty topics are read to their ends at once: a client would get a picture without what the later ones hold."""
    with EmbeddedBroker() as broker:
        for topic in TOPICS:
            broker.create_topic(topic)
        view = Watched(documents_max=10, bytes_max=1_000_000)
        view.asked = []
        settings = Settings(kafka=broker.bootstrap_servers)
        view.reader = ViewReader(settings, view, Health(), Metrics(), lambda: None)
        view.reader.start()
        try:
            wait_until(lambda: view.reader.is_caught_up, 30.0)
        finally:
            view.reader.stop()
    assert [(topic, False) for topic in FOLLOWED] == view.asked
