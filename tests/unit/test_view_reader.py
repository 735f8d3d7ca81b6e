"""When the web role may say that its picture is whole."""

from collections.abc import Mapping

from confluent_kafka import Producer

from schemas import TOPICS, topics
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


def test_it_is_ready_when_it_has_read_what_there_was() -> None:
    with EmbeddedBroker() as broker:
        for topic in TOPICS:
            broker.create_topic(topic)
        settings = Settings(kafka=broker.bootstrap_servers)
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
        producer.produce(topics.CARDS, key="gone", value=None)
        assert 0 == producer.flush(10)
        health = Health()
        reader = ViewReader(
            settings, View(documents_max=10, bytes_max=1_000_000), health, Metrics(), lambda: None
        )
        reader.start()
        try:
            wait_until(lambda: reader.is_caught_up and "catching_up" not in health.reasons, 30.0)
        finally:
            reader.stop()
