"""The writer's books: what may be committed, and what happens at the first refusal. Its client is a fake."""

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from schemas import UsageError
from streams.gapless_writer import (
    IN_FLIGHT_BYTES_MAX,
    DeliveryFailed,
    GaplessWriter,
    Outgoing,
    require_codecs,
)


class FakeProducer:
    """Keeps what is produced until the test says what the broker answers."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.waiting: list[tuple[str, Callable[[Any, Any], None]]] = []
        self.answers: list[tuple[int, KafkaError | None]] = []
        self.purged = False
        self.full_for = 0
        self.broken: KafkaException | None = None

    def produce(self, topic: str, value: bytes, key: bytes, *, on_delivery: Any, partition: int = -1) -> None:
        assert not self.purged, "nothing may follow a failure"
        if self.full_for:
            self.full_for -= 1
            raise BufferError
        if len(value) > self.config["message.max.bytes"]:
            raise KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
        self.waiting.append((f"{topic}/{partition}/{key.decode()}/{value[:9].decode()}", on_delivery))

    def poll(self, timeout: float) -> None:
        for place, error in self.answers:
            self.waiting[place][1](error, self)
        self.answers = []
        if self.broken is not None:
            raise self.broken

    def purge(self, **_: bool) -> None:
        self.purged = True

    def topic(self) -> str:
        return "facts"

    def partition(self) -> int:
        return 3


class Bench:
    """A writer, its fake client and its clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.clients: list[FakeProducer] = []
        self.writer = GaplessWriter({"client.id": "x"}, 1000, new_producer=self._new, clock=lambda: self.now)

    def _new(self, config: dict[str, Any]) -> FakeProducer:
        self.clients.append(FakeProducer(config))
        return self.clients[-1]

    @property
    def client(self) -> FakeProducer:
        return self.clients[0]

    def send(self, *values: str, offset: int) -> None:
        self.writer.send(
            [Outgoing("facts", 3, b"g", value.encode()) for value in values], {("in", 0): offset}
        )

    def answer(self, *places: int, error: int | None = None) -> None:
        self.client.answers = [(place, None if error is None else KafkaError(error)) for place in places]
        self.writer.poll(0.0)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_client_is_told_to_leave_no_hole(bench: Bench) -> None:
    wanted = {
        "enable.idempotence": True,
        "enable.gapless.guarantee": True,
        "acks": "all",
        "message.timeout.ms": 0,
    }

    assert wanted == {name: bench.client.config[name] for name in wanted}
    assert "x" == bench.client.config["client.id"]


def test_offsets_are_safe_when_all_records_up_to_there_have_arrived(bench: Bench) -> None:
    bench.send("a", "b", offset=10)
    bench.send("c", offset=11)

    bench.answer(2, 0)
    assert {} == bench.writer.take_delivered()
    bench.answer(1)
    assert {("in", 0): 11} == bench.writer.take_delivered()
    assert {} == bench.writer.take_delivered()


def test_a_batch_that_came_to_nothing_waits_for_those_before_it(bench: Bench) -> None:
    bench.send("a", offset=10)
    bench.send(offset=12)

    assert {} == bench.writer.take_delivered()
    bench.answer(0)
    assert {("in", 0): 12} == bench.writer.take_delivered()


def test_a_refusal_ends_it_and_nothing_follows(bench: Bench) -> None:
    bench.send("a", "b", offset=10)

    with pytest.raises(DeliveryFailed, match="facts/3: "):
        bench.answer(0, error=KafkaError.MSG_SIZE_TOO_LARGE)

    assert bench.client.purged
    assert {} == bench.writer.take_delivered()
    with pytest.raises(DeliveryFailed):
        bench.writer.poll(0.0)


def test_a_fatal_error_of_the_client_ends_it_too(bench: Bench) -> None:
    bench.client.config["error_cb"](KafkaError(KafkaError._GAPLESS_GUARANTEE, "gap", fatal=True))

    with pytest.raises(DeliveryFailed):
        bench.writer.poll(0.0)


def test_a_record_that_no_topic_takes_is_refused_before_anything_follows(bench: Bench) -> None:
    with pytest.raises(DeliveryFailed):
        bench.send("x" * 1001, "b", offset=10)

    assert [] == bench.client.waiting
    assert bench.client.purged


def test_a_full_queue_is_waited_for(bench: Bench) -> None:
    bench.client.full_for = 3

    bench.send("a", offset=1)

    assert ["facts/3/g/a"] == [record for record, _ in bench.client.waiting]


def test_bytes_in_flight_are_bounded(bench: Bench) -> None:
    sends = 0
    while bench.writer.has_room:
        bench.writer.send([Outgoing("facts", 0, b"", b"x" * 1000)] * 1000, {})
        sends += 1

    assert IN_FLIGHT_BYTES_MAX // 1_000_000 + 1 == sends
    bench.answer(*range(1000))
    assert 1_000_000 * (sends - 1) == bench.writer.in_flight_bytes


def test_a_producer_that_has_failed_for_good_is_a_failed_delivery_however_often_it_says_so(
    bench: Bench,
) -> None:
    bench.send("a", offset=1)
    bench.client.broken = KafkaException(KafkaError(KafkaError._GAPLESS_GUARANTEE, "too large", fatal=True))

    with pytest.raises(DeliveryFailed, match="too large"):
        bench.writer.poll(0.0)
    assert bench.client.purged


def test_draining_gives_up_at_its_deadline(bench: Bench) -> None:
    bench.send("a", offset=1)
    bench.now = 5.0

    assert 5.0 == bench.writer.oldest_age_s
    assert not bench.writer.drain(0.0)
    bench.answer(0)
    assert bench.writer.drain(0.0)


def test_a_missing_codec_is_named_at_the_start() -> None:
    def without_zstd(config: dict[str, Any]) -> None:
        if config["compression.type"] == "zstd":
            raise KafkaException(KafkaError(KafkaError._INVALID_ARG))

    require_codecs()
    with pytest.raises(UsageError, match="cannot decompress zstd"):
        require_codecs(without_zstd)
