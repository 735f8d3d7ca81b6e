"""The decoder: every broken record is refused with the right reason, and no good one suffers for its neighbours."""

import base64
import json
import time
import tracemalloc
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas import INPUT_TOPICS, BadRecord, CountReported, Event, ReasonCode
from schemas.decode import Decoded, decode_batch
from schemas.json_text import Limits, nesting
from schemas.topics import MACHINE_EVENTS, ORDERS, TOPICS, list_validator
from tests.unit.broken_records import (
    BROKEN_RECORDS,
    CLOUD_EVENT,
    COUNT,
    GOOD_OF_TOPIC,
    ORDER,
    RUN,
    TIME,
    BrokenRecord,
    encoded,
    good_record,
    with_token,
    without,
)


def decode_one(value: bytes | None, topic: str = MACHINE_EVENTS) -> Decoded:
    (decoded,) = decode_batch(topic, [value])
    return decoded


def event_of(value: bytes, topic: str = MACHINE_EVENTS) -> Event:
    ((index, verdict),) = decode_one(value, topic).items
    assert 0 == index
    assert isinstance(verdict, Event), f"{verdict}"
    return verdict


def verdicts_of(decoded: Decoded) -> list[tuple[int, str, str]]:
    """(index, event id) of what was accepted, (index, code, path) of what was refused."""
    return [
        (index, str(item.code), item.field_path)
        if isinstance(item, BadRecord)
        else (index, item.event_id, "")
        for index, item in decoded.items
    ]


@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_the_good_neighbours_of_the_corpus_are_good(topic: str) -> None:
    assert "good-7" == event_of(good_record(topic, 7), topic).event_id


def test_the_corpus_is_large_and_its_names_are_distinct() -> None:
    assert len(BROKEN_RECORDS) >= 70
    assert len(BROKEN_RECORDS) == len({broken.name for broken in BROKEN_RECORDS})


@pytest.mark.parametrize("broken", BROKEN_RECORDS, ids=lambda broken: broken.name)
def test_a_broken_record_is_refused_with_its_reason_and_field(broken: BrokenRecord) -> None:
    ((index, verdict),) = decode_one(broken.value, broken.topic).items

    assert isinstance(verdict, BadRecord), f"accepted: {verdict!r}"
    assert (0, broken.code, broken.path) == (index, verdict.code, verdict.field_path), str(verdict)
    assert 0 < len(str(verdict)) < 400


@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_good_records_survive_broken_neighbours(topic: str) -> None:
    values: list[bytes | None] = []
    expected: list[tuple[str, str]] = []
    for number, broken in enumerate(b for b in BROKEN_RECORDS if b.topic == topic):
        values += [good_record(topic, number), broken.value]
        expected += [(f"good-{number}", ""), (str(broken.code), broken.path)]

    decoded = decode_batch(topic, values)

    assert expected == [verdict[1:] for record in decoded for verdict in verdicts_of(record)]


def test_broken_bodies_that_join_into_good_ones_are_both_refused() -> None:
    left, right = b'{"a":1},{"b":[{}', b"{}]}"

    assert [{"a": 1}, {"b": [{}, {}]}] == json.loads(b"[" + left + b"," + right + b"]")
    assert [[(0, "parse", "")], [(0, "parse", "")]] == [
        verdicts_of(decoded) for decoded in decode_batch(MACHINE_EVENTS, [left, right])
    ]


def test_each_element_of_an_array_gets_its_own_verdict() -> None:
    array = [
        COUNT | {"event_id": "a"},
        COUNT | {"event_id": "b", "good_count": -1},
        "text",
        CLOUD_EVENT,
        CLOUD_EVENT | {"specversion": "2.0"},
        COUNT | {"event_id": "c"},
    ]

    assert [
        (0, "a", ""),
        (1, "range", "good_count"),
        (2, "schema", ""),
        (3, "ce-1", ""),
        (4, "version", "specversion"),
        (5, "c", ""),
    ] == verdicts_of(decode_one(encoded(array)))


def test_a_number_that_cannot_be_read_condemns_its_own_element_only() -> None:
    array = [
        COUNT | {"event_id": "a"},
        COUNT | {"good_count": "@"},
        COUNT | {"event_id": "Säge"},
        COUNT | {"run_id": "@half"},
    ]
    value = encoded(array).replace(b'"@"', b"NaN").replace(b"@half", rb"\ud800")

    assert [(0, "a", ""), (1, "range", "good_count"), (2, "Säge", ""), (3, "parse", "run_id")] == verdicts_of(
        decode_one(value)
    )


def test_an_empty_array_holds_no_event() -> None:
    assert Decoded([]) == decode_one(b"[]")


@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_a_record_without_value_is_a_tombstone_where_the_topic_is_compacted(topic: str) -> None:
    decoded = decode_batch(topic, [good_record(topic, 1), None, good_record(topic, 2)])

    if TOPICS[topic].cleanup == "compact":
        assert [False, True, False] == [record.is_tombstone for record in decoded]
        assert [1, 0, 1] == [len(record.items) for record in decoded]
    else:
        assert [(0, "parse", "")] == verdicts_of(decoded[1])


def test_unknown_fields_are_ignored_and_counted_at_every_level() -> None:
    body = RUN | {"colour": "red", "extra": {"a": 1}, "pegs": [RUN["pegs"][0] | {"note": ""}, RUN["pegs"][0]]}

    decoded = decode_one(encoded(body), ORDERS)

    assert 3 == decoded.unknown_fields
    assert [(0, "e-1", "")] == verdicts_of(decoded)
    assert 0 == decode_one(encoded(RUN), ORDERS).unknown_fields
    assert 2 == decode_one(encoded([COUNT | {"a": 1}, COUNT | {"b": 1}, {"c": 1}])).unknown_fields


def test_of_duplicate_keys_the_last_wins() -> None:
    event = event_of(encoded(COUNT)[:-1] + b',"good_count":99}')

    assert isinstance(event, CountReported)
    assert 99.0 == event.good_count


def test_text_is_composed_and_distinct_ids_stay_distinct() -> None:
    lines = ["Sa\u0308ge", "S\u00e4ge", "S\u200b\u00e4ge", "Sage", "\u202eSage", "\U0001f3edA", "ﬁlm", "film"]

    events = [
        record.items[0][1]
        for record in decode_batch(MACHINE_EVENTS, [encoded(COUNT | {"line_id": line}) for line in lines])
    ]

    assert ["S\u00e4ge", "S\u00e4ge", *lines[2:]] == [
        event.line_id for event in events if isinstance(event, CountReported)
    ]


def test_escaped_text_is_composed_like_any_other() -> None:
    event = event_of(json.dumps(COUNT | {"line_id": "Sa\u0308ge \U0001f3ed"}).encode())

    assert isinstance(event, CountReported)
    assert "S\u00e4ge \U0001f3ed" == event.line_id


def test_nested_text_is_composed_too() -> None:
    event = event_of(encoded(RUN | {"pegs": [{"order_id": "a\u0308", "quantity_pcs": 1}]}), ORDERS)

    assert ["\u00e4"] == [peg["order_id"] for peg in event.model_dump()["pegs"]]


def test_the_envelope_fills_what_the_body_lacks() -> None:
    bare = event_of(encoded(CLOUD_EVENT))
    own = event_of(encoded(CLOUD_EVENT | {"data": COUNT | {"source_id": "plc-3"}}))

    assert ("ce-1", TIME, "/mes/line3") == (bare.event_id, bare.event_time.isoformat(), bare.source_id)
    assert ("e-1", "plc-3") == (own.event_id, own.source_id)


def test_an_envelope_may_carry_its_body_as_base64() -> None:
    body = base64.b64encode(encoded(COUNT | {"line_id": "Sa\u0308ge"})).decode()
    event = event_of(encoded(without(CLOUD_EVENT, "data") | {"data_base64": body}))

    assert isinstance(event, CountReported)
    assert "S\u00e4ge" == event.line_id


def test_later_minor_versions_of_the_envelope_are_read() -> None:
    assert "ce-1" == event_of(encoded(CLOUD_EVENT | {"specversion": "1.1"})).event_id


def test_the_message_names_the_topic_that_a_kind_belongs_on() -> None:
    ((_, verdict),) = decode_one(encoded(ORDER)).items

    assert "order_upserted belongs on erp.orders.v1" == str(verdict)


def test_the_message_quotes_little_and_nothing_unprintable() -> None:
    bodies = [
        COUNT | {"kind": "k\u202e\x00" * 500},
        COUNT | {"good_count": "\x1b[31m" * 50},
        COUNT | {"event_id": "x" * 9000},
    ]

    for body in bodies:
        ((_, verdict),) = decode_one(encoded(body)).items
        assert len(str(verdict)) < 200
        assert str(verdict).isprintable()


def test_limits_can_be_set() -> None:
    value = encoded(COUNT)
    limits = [Limits(record_bytes=len(value) - 1), Limits(depth=0), Limits(keys=3)]

    codes = [verdicts_of(decode_batch(MACHINE_EVENTS, [value], limit)[0])[0][1] for limit in limits]

    assert ["size", "depth", "size"] == codes


def test_brackets_in_text_are_no_nesting() -> None:
    assert 2 == nesting(rb'{"a":"[[[[\"[[[[\\","b":[1,"{{{"]}')
    assert "e-1" == event_of(encoded(COUNT | {"note": "[{" * 500 + '\\"[{'})).event_id
    assert "e-1" == event_of(with_token(COUNT, "extra", "[" * 63 + "]" * 63)).event_id


@pytest.mark.parametrize(
    "value",
    [b'"' * 1_000_000, b'"' + b'\\"' * 499_999, b"\\" * 1_000_000, b"[]" * 500_000, b'{"":' * 99_000, b"[" * 999_999, b"1" * 1_000_000, b"-" * 1_000_000, b'[{"a":NaN}' + b',{"a":1}' * 100_000],
    ids=["quotes", "escaped quotes", "backslashes", "brackets", "objects", "open", "digits", "signs", "NaN and many"],
)  # fmt: skip
def test_the_worst_records_are_judged_in_bounded_time_and_memory(value: bytes) -> None:
    tracemalloc.start()
    started = time.process_time()
    decode_one(value)
    seconds = time.process_time() - started
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert seconds < 20.0  # under tracing, on a slow machine; the square of a million would take hours
    assert peak < 200_000_000


# Properties ---------------------------------------------------------------------------------------------------------

topics = st.sampled_from(INPUT_TOPICS)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([TIME, "*", "1.0", 2**80]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@st.composite
def mutated_bodies(
    draw: st.DrawFn, topic: str, shapes: Sequence[str] = ("bare", "bare", "envelope", "array")
) -> bytes:
    """A good body with some fields replaced or taken away, perhaps in an envelope or an array."""
    body: Any = dict(GOOD_OF_TOPIC[topic])
    for field in draw(st.lists(st.sampled_from([*body, "schema_version", "source_sequence"]), max_size=3)):
        if draw(st.booleans()):
            body[field] = draw(json_values)
        else:
            body.pop(field, None)
    shape = draw(st.sampled_from(shapes))
    if shape == "envelope":
        body = CLOUD_EVENT | {"data": body}
    elif shape == "array":
        body = [body, *draw(st.lists(json_values, max_size=3))]
    return encoded(body)


@st.composite
def mutated_bytes(draw: st.DrawFn, topic: str) -> bytes:
    """The bytes of a good record, cut, or with some of them replaced."""
    value = bytearray(good_record(topic, 1))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(value) - 1))
        value[at : at + draw(st.integers(0, 4))] = draw(
            st.binary(max_size=3) | st.sampled_from([b'"', b"\\", b"{", b"NaN"])
        )
        value = value or bytearray(b" ")
    return bytes(value)


def records(topic: str) -> st.SearchStrategy[bytes | None]:
    return (
        st.none()
        | st.binary(max_size=40)
        | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass"))
        | json_values.map(encoded)
        | mutated_bodies(topic)
        | mutated_bytes(topic)
        | st.just(good_record(topic, 2))
    )


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_a_record_is_accepted_or_refused_with_a_code_whatever_its_neighbours(data: st.DataObject) -> None:
    topic = data.draw(topics)
    values = data.draw(st.lists(records(topic), max_size=5))

    together = decode_batch(topic, values)

    assert len(values) == len(together)
    for value, decoded in zip(values, together, strict=True):
        alone = decode_one(value, topic)
        assert verdicts_of(alone) == verdicts_of(decoded)
        assert (alone.unknown_fields, alone.is_tombstone) == (decoded.unknown_fields, decoded.is_tombstone)
        for _, verdict in decoded.items:
            assert isinstance(verdict, Event) or verdict.code in ReasonCode
            if isinstance(verdict, Event):
                assert verdict == type(verdict).model_validate_json(verdict.model_dump_json())


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_the_verdict_is_that_of_the_contract(data: st.DataObject) -> None:
    """Bodies are validated kind by kind; the topic's one validator would have said the same."""
    topic = data.draw(topics)
    body = json.loads(data.draw(mutated_bodies(topic, shapes=["bare"])))
    try:
        encoded_body = json.dumps(body, allow_nan=False).encode()
    except ValueError:
        return  # no JSON
    ((_, verdict),) = decode_one(encoded_body, topic).items

    try:
        (expected,) = list_validator(topic).validate_python([orjson.loads(encoded_body)])
    except ValidationError:
        assert isinstance(verdict, BadRecord)
    else:
        assert "kind" in body or isinstance(verdict, BadRecord)
        assert "kind" not in body or expected == verdict


def strictly_json(value: bytes) -> bool:
    """The standard library's opinion, without what it allows beyond JSON."""

    def refuse(_: str) -> None:
        raise ValueError

    try:
        text = value.decode("utf-8")
        json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return not text.startswith("\ufeff")


@settings(max_examples=600, deadline=None)
@given(mutated_bytes(MACHINE_EVENTS) | json_values.map(lambda value: encoded({"x": value})))
def test_what_is_accepted_as_json_is_json(value: bytes) -> None:
    """Two parsers agree: the fast one reads no record that the standard library refuses."""
    refused = [item for _, item in decode_one(value).items if isinstance(item, BadRecord)]

    if not strictly_json(value):
        assert refused, value
        assert {bad.code for bad in refused} <= {ReasonCode.PARSE, ReasonCode.RANGE}
