"""The pure middle of ingest: order, no hole, splitting, broadcast, grouping, dead letters."""

import base64
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import INPUT_TOPICS, Facts, ReasonCode, decode_facts
from schemas.topics import COMMANDS, MACHINE_EVENTS, MASTER_DATA, ORDERS, PLANT_MODEL
from streams.batcher import Batch, BatchRules, IngestBatcher
from streams.dead_letters import HEADER_BYTES_MAX, KEY_BYTES_MAX
from streams.routing import KINDS_FOR_EVERYWHERE, Router, facts_partition
from tests.unit.broken_records import (
    BASE,
    BROKEN_RECORDS,
    COUNT,
    CUSTOMER,
    GOOD_OF_TOPIC,
    RUN,
    SNOOZE,
    encoded,
    good_record,
    with_token,
)

PARTITIONS = 4


@dataclass
class Raw:
    """A consumed record."""

    _topic: str
    _partition: int
    _offset: int
    _value: bytes | None
    time_ms: int = 1_000
    _key: bytes | None = None
    _headers: list[tuple[str, bytes | None]] | None = None
    _error: str | None = None

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return self._headers

    def timestamp(self) -> tuple[int, int]:
        return 1, self.time_ms

    def error(self) -> str | None:
        return self._error


def count(event_id: str, site_id: str = "S1", **fields: Any) -> bytes:
    return encoded(COUNT | {"event_id": event_id, "site_id": site_id} | fields)


def batcher(
    groups: dict[str, list[str]] | None = None, partitions: int = PARTITIONS, **rules: Any
) -> IngestBatcher:
    return IngestBatcher(Router(groups or {}, partitions), BatchRules(**rules))


def written(batch: Batch) -> dict[int, list[tuple[str, int, int, int, str]]]:
    """Facts partition -> (topic, partition, offset, index, event id) in the order of writing, read from the bytes."""
    found: dict[int, list[tuple[str, int, int, int, str]]] = {}
    for record in batch.facts:
        for segment in decode_facts(record.value).segments:
            for (offset, index), event in zip(segment.positions, segment.events, strict=True):
                found.setdefault(record.partition, []).append(
                    (segment.topic, segment.partition, offset, index, event.event_id)
                )
    return found


def ids(batch: Batch) -> list[str]:
    return [event_id for events in written(batch).values() for *_, event_id in events]


def site_in(partition: int, name: str = "S") -> str:
    """A site whose events go to this facts partition."""
    return next(
        f"{name}{number}"
        for number in range(1000)
        if facts_partition(f"{name}{number}", PARTITIONS) == partition
    )


def test_the_rule_of_partitions_is_what_the_log_was_written_with() -> None:
    """These numbers are data: a change of the rule would split every group's history."""
    assert 0xCBF43926 == facts_partition("123456789", 2**32)  # the check value of CRC-32
    assert [3, 3, 2, 1] == [facts_partition(group, 4) for group in ("lyon", "turin", "S1", "Säge-Werk")]


def test_events_of_one_source_stand_in_its_order_and_position() -> None:
    records = [Raw(MACHINE_EVENTS, 0, 10 + n, count(f"e{n}")) for n in range(5)]

    batch = batcher().convert(records)

    expected = [(MACHINE_EVENTS, 0, 10 + n, 0, f"e{n}") for n in range(5)]
    assert {facts_partition("S1", PARTITIONS): expected} == written(batch)
    assert {(MACHINE_EVENTS, 0): 15} == batch.next_offsets
    assert 1 == len(batch.facts)
    assert Counter({(MACHINE_EVENTS, "accepted"): 5}) == batch.outcomes


def test_elements_of_an_array_have_positions_of_their_own() -> None:
    array = b"[" + b",".join(count(f"e{n}", good_count=n - 1) for n in range(3)) + b"]"

    batch = batcher().convert([Raw(MACHINE_EVENTS, 2, 7, array)])

    assert [[(MACHINE_EVENTS, 2, 7, 1, "e1"), (MACHINE_EVENTS, 2, 7, 2, "e2")]] == list(
        written(batch).values()
    )
    assert ["mes.machine-events.v1/2/7/0"] == [letter.output_id for letter in batch.dead_letters]


def test_a_facts_record_holds_so_many_events_and_no_more() -> None:
    records = [Raw(MACHINE_EVENTS, n % 2, n // 2, count(f"e{n}")) for n in range(25)]

    batch = batcher(batch_events=10).convert(records)

    assert [10, 10, 5] == [record.events for record in batch.facts]
    assert [["0"], ["0", "1"], ["1"]] == [[str(s.partition) for s in r.facts.segments] for r in batch.facts]


def test_the_bytes_are_those_of_the_facts() -> None:
    batch = batcher().convert([Raw(topic, 0, 0, good_record(topic, 0)) for topic in INPUT_TOPICS])

    assert all(decode_facts(record.value) == record.facts for record in batch.facts)
    assert all(Facts.model_validate(record.facts.model_dump()) == record.facts for record in batch.facts)


def test_sites_of_a_planning_group_share_a_partition() -> None:
    groups = {"emea": ["lyon", "turin"]}
    records = [
        Raw(MACHINE_EVENTS, 0, n, count(f"e{n}", site)) for n, site in enumerate(["lyon", "turin", "lyon"])
    ]

    batch = batcher(groups).convert(records)

    assert [(facts_partition("emea", PARTITIONS), "emea", 3)] == [
        (record.partition, record.facts.group_id, record.events) for record in batch.facts
    ]


def test_groups_that_share_a_partition_share_records_so_that_positions_stay_in_order() -> None:
    """A record of each group would be written one behind the other, and the twin would drop the earlier positions."""
    one, other = site_in(1, "A"), site_in(1, "B")
    records = [Raw(MACHINE_EVENTS, 0, n, count(f"e{n}", (one, other)[n % 2])) for n in range(6)]

    batch = batcher().convert(records)

    assert [("*", 6)] == [(record.facts.group_id, record.events) for record in batch.facts]
    assert [0, 1, 2, 3, 4, 5] == [offset for _, _, offset, _, _ in written(batch)[1]]


def test_what_concerns_every_site_goes_to_every_partition_in_its_place() -> None:
    lyon = site_in(2)
    records = [
        Raw(MASTER_DATA, 0, 0, encoded(CUSTOMER | {"event_id": "a", "site_id": lyon})),
        Raw(MASTER_DATA, 0, 1, encoded(CUSTOMER | {"event_id": "b", "site_id": "*"})),
        Raw(MASTER_DATA, 0, 2, encoded(CUSTOMER | {"event_id": "c", "site_id": lyon})),
    ]

    found = {
        partition: [e for *_, e in events]
        for partition, events in written(batcher().convert(records)).items()
    }

    assert {0: ["b"], 1: ["b"], 2: ["a", "b", "c"], 3: ["b"]} == found


def test_only_some_kinds_may_concern_every_site() -> None:
    bodies = [(topic, body | {"site_id": "*"}) for topic, body in GOOD_OF_TOPIC.items()]
    bodies.append((PLANT_MODEL, {"kind": "rules_updated", **BASE, "site_id": "*", "rules": {}}))

    for topic, body in bodies:
        batch = batcher().convert([Raw(topic, 0, 0, encoded(body))])
        if body["kind"] in KINDS_FOR_EVERYWHERE:
            assert PARTITIONS == len(batch.facts)
        else:
            assert [("schema", "site_id")] == [
                (letter.code, letter.field_path) for letter in batch.dead_letters
            ]


@pytest.mark.parametrize("clock", ["wall", "events"])
def test_a_clock_that_is_driven_from_two_sides_is_refused(clock: str) -> None:
    tick = encoded({"kind": "clock_ticked", **BASE, "site_id": "*"})

    batch = batcher(clock=clock).convert([Raw(PLANT_MODEL, 0, 0, tick)])

    if clock == "events":
        assert PARTITIONS == len(batch.facts)
    else:
        assert [("schema", "kind")] == [(letter.code, letter.field_path) for letter in batch.dead_letters]
        assert "FORESITE_CLOCK=events" in batch.dead_letters[0].message


def test_ticks_of_a_driven_clock_stand_between_what_came_before_and_after_them() -> None:
    def tick(n: int) -> bytes:
        return encoded({"kind": "clock_ticked", **BASE, "event_id": f"tick{n}", "site_id": "*"})

    records = [
        *(Raw(MACHINE_EVENTS, 0, n, count(f"a{n}"), time_ms=10 * n) for n in range(6)),
        *(Raw(MACHINE_EVENTS, 1, n, count(f"b{n}"), time_ms=10 * n) for n in range(6)),
        Raw(PLANT_MODEL, 0, 0, tick(1), time_ms=20),
        Raw(PLANT_MODEL, 0, 1, tick(2), time_ms=45),
    ]

    order = [
        e for *_, e in written(batcher(clock="events").convert(records))[facts_partition("S1", PARTITIONS)]
    ]

    assert ["a0", "a1", "a2", "b0", "b1", "b2", "tick1", "a3", "a4", "b3", "b4", "tick2", "a5", "b5"] == order


def test_the_plant_comes_before_what_happens_in_it_where_times_are_equal() -> None:
    records = [
        Raw(topic, 0, 0, encoded(GOOD_OF_TOPIC[topic] | {"site_id": "S1", "event_id": topic}))
        for topic in INPUT_TOPICS
    ]
    random.Random(7).shuffle(records)

    order = ids(batcher().convert(records))

    assert [PLANT_MODEL, MASTER_DATA, ORDERS] == order[:3]
    assert order.index(MACHINE_EVENTS) < order.index(COMMANDS)


def test_records_that_would_be_too_large_are_split() -> None:
    records = [Raw(MACHINE_EVENTS, n % 3, n // 3, count(f"e{n}")) for n in range(60)]

    batch = batcher(record_bytes=4_500).convert(records)

    assert len(batch.facts) > 3
    assert max(len(record.value) for record in batch.facts) <= 4_500
    assert [f"e{n}" for n in range(60)] == sorted(ids(batch), key=lambda e: int(e[1:]))
    for partition in range(3):
        offsets = [o for events in written(batch).values() for _, p, o, _, _ in events if p == partition]
        assert list(range(20)) == offsets


def test_an_event_too_large_for_a_fact_becomes_a_dead_letter() -> None:
    pegs = [{"order_id": f"#{n}", "quantity_pcs": 1} for n in range(500)]
    records = [
        Raw(ORDERS, 0, 0, encoded(RUN | {"event_id": "small"})),
        Raw(ORDERS, 0, 1, encoded(RUN | {"event_id": "large", "pegs": pegs})),
        Raw(ORDERS, 0, 2, encoded(RUN | {"event_id": "small too"})),
    ]

    batch = batcher(record_bytes=10_000).convert(records)

    assert ["small", "small too"] == ids(batch)
    assert [("size", 1)] == [(letter.code, letter.source_offset) for letter in batch.dead_letters]
    assert {(ORDERS, 0): 3} == batch.next_offsets


def test_a_dead_letter_holds_what_came_and_where_it_came_from() -> None:
    raw = Raw(
        COMMANDS,
        3,
        41,
        b'{"kind":',
        1_794_898_800_000,
        b"card-1",
        [("traceparent", b"00-\xff"), ("empty", None)],
    )

    (letter,) = batcher().convert([raw]).dead_letters

    assert b'{"kind":' == base64.b64decode(letter.payload_base64)
    assert b"card-1" == base64.b64decode(letter.key_base64 or "")
    assert [("traceparent", base64.b64encode(b"00-\xff").decode()), ("empty", None)] == letter.headers
    assert ("planner.commands.v1/3/41/0", "parse", "") == (letter.output_id, letter.code, letter.field_path)
    assert (COMMANDS, 3, 41, 0) == (
        letter.source_topic,
        letter.source_partition,
        letter.source_offset,
        letter.index,
    )
    assert (1_794_898_800_000, 8, False) == (
        letter.source_timestamp_ms,
        letter.payload_bytes,
        letter.payload_truncated,
    )


def test_a_dead_letter_always_fits_into_a_record() -> None:
    raw = Raw(
        MACHINE_EVENTS,
        0,
        0,
        b"\x00" * 10_000_000,
        _key=b"k" * 1_000_000,
        _headers=[("h" * 100, b"v" * 1000)] * 1000,
    )

    (letter,) = batcher(record_bytes=900_000).convert([raw]).dead_letters

    assert len(letter.model_dump_json()) <= 900_000
    assert letter.payload_truncated
    assert 10_000_000 == letter.payload_bytes
    assert len(base64.b64decode(letter.payload_base64)) > 600_000
    assert KEY_BYTES_MAX == len(base64.b64decode(letter.key_base64 or ""))
    assert HEADER_BYTES_MAX // 1100 == len(letter.headers)


def test_a_bad_array_is_not_multiplied_by_its_length() -> None:
    array = encoded([SNOOZE | {"card_id": ""}] * 1000)

    letters = batcher().convert([Raw(COMMANDS, 0, 5, array)]).dead_letters

    assert list(range(1000)) == [letter.index for letter in letters]
    assert array == base64.b64decode(letters[0].payload_base64)
    assert {""} == {letter.payload_base64 for letter in letters[1:]}
    assert {(True, len(array))} == {
        (letter.payload_truncated, letter.payload_bytes) for letter in letters[1:]
    }


def test_a_batch_that_kafka_could_not_read_becomes_a_dead_letter_without_payload() -> None:
    records = [
        Raw(MACHINE_EVENTS, 0, 0, count("e0")),
        Raw(MACHINE_EVENTS, 0, 1, None, _error="Local: Decompression failed"),
        Raw(MACHINE_EVENTS, 0, 2, count("e2")),
    ]

    batch = batcher().convert(records)

    assert ["e0", "e2"] == ids(batch)
    assert [("codec", "", 0)] == [(x.code, x.payload_base64, x.payload_bytes) for x in batch.dead_letters]


def test_tombstones_empty_arrays_and_unknown_fields_are_counted() -> None:
    records = [
        Raw(ORDERS, 0, 0, None),
        Raw(ORDERS, 0, 1, b"[]"),
        Raw(ORDERS, 0, 2, encoded(RUN | {"colour": "red", "shape": "round"})),
    ]

    batch = batcher().convert(records)

    expected = {
        (ORDERS, "tombstone"): 1,
        (ORDERS, "empty"): 1,
        (ORDERS, "unknown_fields"): 2,
        (ORDERS, "accepted"): 1,
    }
    assert expected == dict(batch.outcomes)
    assert {(ORDERS, 0): 3} == batch.next_offsets
    assert not batch.dead_letters


def test_names_of_topics_stand_without_prefix_and_offsets_with_it() -> None:
    records = [Raw("plant7." + MACHINE_EVENTS, 0, 0, count("e")), Raw("plant7." + MACHINE_EVENTS, 0, 1, b"")]

    batch = batcher(topic_prefix="plant7.").convert(records)

    assert [MACHINE_EVENTS] == [segment.topic for record in batch.facts for segment in record.facts.segments]
    assert [MACHINE_EVENTS] == [letter.source_topic for letter in batch.dead_letters]
    assert {("plant7." + MACHINE_EVENTS, 0): 2} == batch.next_offsets


def test_nothing_consumed_is_nothing_to_write() -> None:
    assert Batch() == batcher().convert([])


def test_every_broken_record_leaves_its_good_neighbours_and_its_bytes() -> None:
    records: list[Raw] = []
    for topic in INPUT_TOPICS:
        broken = [b for b in BROKEN_RECORDS if b.topic == topic]
        for number, bad in enumerate(broken):
            records.append(Raw(topic, 0, 2 * number, good_record(topic, number)))
            records.append(Raw(topic, 0, 2 * number + 1, bad.value))

    batch = batcher(partitions=1).convert(records)

    expected = {(b.code, b.path, b.value) for b in BROKEN_RECORDS if len(b.value or b"") < 500_000}
    got = {
        (ReasonCode(letter.code), letter.field_path, base64.b64decode(letter.payload_base64))
        for letter in batch.dead_letters
        if not letter.payload_truncated
    }
    assert len(BROKEN_RECORDS) == len(batch.dead_letters) == len(ids(batch))
    assert {(code, path, value or b"") for code, path, value in expected} <= got


# Properties ---------------------------------------------------------------------------------------------------------

SITES = ["S1", "S2", "S3", "lyon", "turin", "*"]


@st.composite
def histories(draw: st.DrawFn) -> list[Raw]:
    """Records of several source partitions, interleaved as a consumer might see them."""
    next_offset: Counter[tuple[str, int]] = Counter()
    records = []
    for number in range(draw(st.integers(0, 40))):
        topic = draw(st.sampled_from([MACHINE_EVENTS, MASTER_DATA, PLANT_MODEL]))
        partition = draw(st.integers(0, 2))
        site = draw(st.sampled_from(SITES))
        body = GOOD_OF_TOPIC[topic] | {"event_id": str(number), "site_id": site}
        if topic == PLANT_MODEL and draw(st.booleans()):
            body = {"kind": "clock_ticked", **BASE, "event_id": str(number), "site_id": "*"}
        value = draw(
            st.sampled_from(
                [
                    encoded(body),
                    encoded(body),
                    encoded([body, body, {}]),
                    b"{",
                    None,
                    with_token(body, "x", "NaN"),
                ]
            )
        )
        next_offset[topic, partition] += draw(st.integers(1, 3))  # compaction leaves gaps
        records.append(Raw(topic, partition, next_offset[topic, partition], value, draw(st.integers(1, 50))))
    return records


def accepted_by_source(batches: list[Batch]) -> dict[tuple[int, str, int], list[tuple[int, int, str]]]:
    """(facts partition, source) -> its events in the order of writing."""
    found: dict[tuple[int, str, int], list[tuple[int, int, str]]] = {}
    for batch in batches:
        for facts_of, events in written(batch).items():
            for topic, partition, offset, index, event_id in events:
                found.setdefault((facts_of, topic, partition), []).append((offset, index, event_id))
    return found


@settings(max_examples=150, deadline=None)
@given(histories(), st.data())
def test_however_records_are_cut_each_source_stands_in_order_without_a_hole(
    records: list[Raw], data: st.DataObject
) -> None:
    groups = {"emea": ["lyon", "turin"]}
    options: dict[str, Any] = {"clock": "events", "batch_events": data.draw(st.integers(1, 7))}
    alone = [batcher(groups).convert([record]) for record in records]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=4)))
    parts = [records[first:end] for first, end in zip([0, *cuts], [*cuts, len(records)], strict=True)]

    worker = batcher(groups, record_bytes=data.draw(st.sampled_from([2_500, 900_000])), **options)
    batches = [worker.convert(part) for part in parts]

    found = accepted_by_source(batches)
    for events in found.values():
        assert events == sorted(set(events)), "positions strictly rise"
    expected = accepted_by_source([batcher(groups, clock="events").convert([record]) for record in records])
    assert {source: sorted(events) for source, events in expected.items()} == found
    letters = [letter for batch in batches for letter in batch.dead_letters]
    assert len(letters) == sum(len(batch.dead_letters) for batch in alone) - sum(
        letter.field_path == "kind" and "clock" in letter.message
        for batch in alone
        for letter in batch.dead_letters
    )
    assert all(record.events <= options["batch_events"] for batch in batches for record in batch.facts)
