"""A sink that takes long for each letter: its queue is bounded, it is shown, and nobody else waits for it."""

import threading
from datetime import timedelta

from streams.metrics import Metrics
from streams.notify.desk import Desk
from streams.notify.letters import Letter
from streams.notify.sinks import QUEUE_LETTERS, SendResult, start_sinks
from tests.notify_plant import NOON, Clock, card, config_of
from tests.running import wait_until

CARDS = 3 * QUEUE_LETTERS


class Slow:
    """A transport that answers no letter until it is let, as one that takes ten seconds for each."""

    def __init__(self) -> None:
        self.is_let, self.sent = threading.Event(), list[Letter]()

    def send(self, letter: Letter) -> SendResult:
        assert self.is_let.wait(60)
        self.sent.append(letter)
        return SendResult("delivered", "at last")


class Fast:
    def __init__(self) -> None:
        self.sent = list[Letter]()

    def send(self, letter: Letter) -> SendResult:
        self.sent.append(letter)
        return SendResult("delivered", "yes")


def test_a_slow_sink_holds_a_bounded_queue_and_no_other_sink_up() -> None:
    """Sixty cards for two people: the fast webhook has them all while the slow one has not sent its first. Of the slow
    one's letters, one is being sent and QUEUE_LETTERS wait in its queue; the others wait in the desk, and the gauge counts
    all sixty. When it goes on, each arrives once."""
    hooks = {name: {"url": "http://127.0.0.1:9/", "allow_http": True} for name in ("slow", "fast")}
    people = {"okafor": {"webhook": "slow"}, "boss": {"webhook": "fast"}}
    config = config_of(webhooks=hooks, people=people, always=["boss"], digest_above=1_000)
    slow, fast, metrics, clock = Slow(), Fast(), Metrics(), Clock()
    sinks = start_sinks({"slow": slow, "fast": fast})
    desk = Desk(
        config, sinks, metrics, clock=clock, plant_now=lambda each: each.as_of, max_age=timedelta(hours=72)
    )
    desk.adopt(0, [], is_first_start=False)
    desk.caught_up(0)

    def turn() -> None:
        desk.take_attempts()
        desk.take_changes()
        desk.dispatch()

    def arrived(sent: list[Letter]) -> bool:
        turn()
        return len(sent) == CARDS

    for number in range(CARDS):
        desk.card_changed(0, card(f"L{number}"), NOON)
    try:
        wait_until(lambda: arrived(fast.sent), 60.0)
        turn()
        desk.look()
        waiting = metrics.registry.get_sample_value("foresite_notify_waiting", {"sink": "slow"})
        flying = desk.flying_count
        slow.is_let.set()
        wait_until(lambda: arrived(slow.sent), 60.0)
    finally:
        slow.is_let.set()
        for sink in sinks.values():
            sink.stop(5.0)

    assert (CARDS, QUEUE_LETTERS + 1) == (waiting, flying)
    assert CARDS == len({letter.delivery_id for letter in slow.sent})
