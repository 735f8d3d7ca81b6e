"""The publisher for programs: judged before it is sent, waited for, and every event that is missing is named."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas import TOPICS, CountReported, ForesiteError, OrderUpserted, topics
from streams.embedded_broker import EmbeddedBroker
from streams.publisher import Delivered, EventsNotDelivered, EventsRefused, Publisher, derived_event_id
from streams.settings import Settings
from tests.running import messages

SIX = datetime(2026, 11, 17, 6, tzinfo=UTC)
COUNT: dict[str, Any] = {
    "kind": "count_reported",
    "event_time": "2026-11-17T06:00:00+00:00",
    "site_id": "lyon",
    "line_id": "L1",
    "run_id": "R1",
    "good_count": 12,
}
ORDER: dict[str, Any] = {
    "kind": "order_upserted",
    "event_time": SIX,
    "site_id": "lyon",
    "order_id": "7001",
    "customer_id": "Acme",
    "item_id": "box",
    "quantity_pcs": 1000,
    "promised_at": "2026-11-24T12:00:00+00:00",
}


@pytest.fixture
def settings() -> Iterator[Settings]:
    with EmbeddedBroker() as broker:
        for topic in (*TOPICS, f"lyon.{topics.MACHINE_EVENTS}"):
            broker.create_topic(topic)
        yield Settings(kafka=broker.bootstrap_servers, site_topics={"lyon.": ["lyon"]})


def test_what_is_published_is_there_when_the_call_returns(settings: Settings) -> None:
    count = CountReported(
        event_id="c1", event_time=SIX, site_id="lyon", line_id="L1", run_id="R1", good_count=3.0
    )
    with Publisher("press", settings) as publisher:
        delivered = publisher.publish([ORDER, count, COUNT])

    assert [topics.ORDERS, topics.MACHINE_EVENTS, topics.MACHINE_EVENTS] == [each.topic for each in delivered]
    assert "c1" == delivered[1].event_id
    found = {
        (message.topic(), message.partition(), message.offset()): message
        for topic in (topics.ORDERS, topics.MACHINE_EVENTS)
        for message in messages(settings, topic)
    }
    assert {(each.topic, each.partition, each.offset) for each in delivered} == found.keys()
    first = found[delivered[0].topic, delivered[0].partition, delivered[0].offset]
    assert b"order_upserted/lyon/7001" == first.key()
    said = json.loads(first.value() or b"")
    assert delivered[0].event_id == said["event_id"]
    assert "unit_price" not in said, "what was not said is not sent"


def test_an_id_that_is_derived_is_the_same_each_time_and_another_for_another_event() -> None:
    first = derived_event_id("press", COUNT)

    assert first.startswith("press/count_reported/")
    assert first == derived_event_id("press", dict(reversed(COUNT.items())) | {"event_id": "whatever"})
    assert (
        len({first, derived_event_id("saw", COUNT), derived_event_id("press", COUNT | {"good_count": 13})})
        == 3
    )


def test_nothing_is_sent_where_one_event_is_not_good(settings: Settings) -> None:
    bad = [
        COUNT,
        COUNT | {"good_count": "12", "event_id": "b1"},
        COUNT | {"kind": "count_reportet"},
        ORDER | {"promised_at": datetime(2026, 11, 24)},  # noqa: DTZ001  # without a zone on purpose
        COUNT | {"reason": object()},
        COUNT | {"site_id": "*"},
        {"kind": "clock_ticked", "event_time": SIX, "site_id": "*"},
    ]
    with Publisher("press", settings) as publisher, pytest.raises(EventsRefused) as refused:
        publisher.publish(bad)

    problems = refused.value.problems
    assert isinstance(refused.value, ForesiteError)
    assert [
        (1, "schema", "good_count"),
        (2, "version", "kind"),
        (3, "time", "promised_at"),
        (4, "parse", ""),
        (5, "schema", "site_id"),
        (6, "schema", "kind"),
    ] == [(each.index, each.code, each.field_path) for each in problems]
    assert str(refused.value).startswith("nothing was sent: event 1 (b1): schema [good_count]: ")
    assert str(refused.value).endswith("; and 3 more")
    assert [] == messages(settings, topics.MACHINE_EVENTS) + messages(settings, topics.ORDERS)


def test_a_bound_publisher_writes_its_own_topics_about_its_own_sites(settings: Settings) -> None:
    with Publisher("press", settings, bound_to="lyon.") as publisher:
        [delivered] = publisher.publish(COUNT)
        with pytest.raises(EventsRefused, match="may speak for lyon, not for 'turin'"):
            publisher.publish(COUNT | {"site_id": "turin"})

    assert f"lyon.{topics.MACHINE_EVENTS}" == delivered.topic


def test_a_long_run_goes_in_batches(settings: Settings) -> None:
    counts = (COUNT | {"good_count": number} for number in range(25))
    with Publisher("press", settings) as publisher:
        delivered = list(publisher.publish_many(counts, batch_events=10))

    assert 25 == len({each.event_id for each in delivered}) == len(messages(settings, topics.MACHINE_EVENTS))


def test_a_closed_publisher_says_so(settings: Settings) -> None:
    with Publisher("press", settings) as publisher:
        pass
    publisher.close()

    with pytest.raises(ValueError, match="the publisher of press is closed"):
        publisher.publish(COUNT)


class _Refusing:
    """A client whose broker confirms nothing about orders."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self._waiting: list[Any] = []

    def produce(self, topic: str, *, key: str, value: bytes, on_delivery: Any) -> None:
        self._waiting.append((topic, on_delivery))

    def poll(self, _: float) -> None:
        raise AssertionError("its queue is never full")

    def flush(self) -> None:
        for topic, on_delivery in self._waiting:
            on_delivery(_TimedOut() if topic == topics.ORDERS else None, _Message(topic))
        self._waiting.clear()


class _TimedOut:
    def str(self) -> str:
        return "Local: Message timed out"


class _Message:
    def __init__(self, topic: str) -> None:
        self._topic = topic

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 7


def test_what_kafka_does_not_confirm_is_named_and_what_rests_on_it_is_not_sent() -> None:
    settings = Settings()
    item = {
        "kind": "customer_upserted",
        "event_time": SIX,
        "site_id": "*",
        "customer_id": "A",
        "name": "A",
        "event_id": "a",
    }
    with Publisher("erp", settings, new_producer=_Refusing) as publisher:
        with pytest.raises(EventsNotDelivered) as failed:
            publisher.publish([item, ORDER | {"event_id": "o"}, COUNT | {"event_id": "c"}])
        [alone] = publisher.publish(COUNT | {"event_id": "c"})

    assert [Delivered("a", topics.MASTER_DATA, 0, 7)] == failed.value.delivered
    assert [
        (1, "o", "delivery", "Local: Message timed out"),
        (2, "c", "delivery", "not sent: it rests on an event before it that was not confirmed"),
    ] == [(each.index, each.event_id, each.code, each.message) for each in failed.value.problems]
    assert "c" == alone.event_id


def test_an_order_without_a_kind_of_its_own_is_a_model(settings: Settings) -> None:
    """The kind of a model is its default: it is sent all the same."""
    order = OrderUpserted.model_validate({**ORDER, "event_id": "o1"})
    with Publisher("erp", settings) as publisher:
        publisher.publish(order)

    [message] = messages(settings, topics.ORDERS)
    assert "order_upserted" == json.loads(message.value() or b"")["kind"]
