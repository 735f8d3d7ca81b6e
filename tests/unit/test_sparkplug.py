"""Sparkplug B to events: births, aliases, sequence numbers that wrap, gaps, deaths, and what hostile nodes send."""

import dataclasses
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas import BadRecord, ReasonCode
from streams.adapters.machines.sparkplug import decode_payload, parse_topic
from streams.adapters.machines.sparkplug_session import SparkplugSession
from streams.adapters.machines.tag_map import load_tag_map
from streams.adapters.machines.translators import SparkplugTranslator, Translated
from streams.adapters.machines.wire_format import messages
from tests.running import ROOT
from tests.sparkplug_plant import T0, births, metric, payload, topic

MAP = Path(ROOT) / "examples" / "machines" / "sparkplug.yaml"


def at(minutes: float) -> str:
    return (T0 + timedelta(minutes=minutes)).isoformat()


class Plant:
    """A translator with the example's map, and what it made so far."""

    def __init__(self) -> None:
        self.translator = SparkplugTranslator(load_tag_map(MAP))

    def tell(self, told: Iterable[tuple[str, bytes]], minutes: float = 0.0) -> Translated:
        made = Translated()
        for name, data in told:
            each = self.translator.translate(name, data, T0 + timedelta(minutes=minutes))
            made.bodies += each.bodies
            made.problems += each.problems
            made.requests += each.requests
        return made

    def data(self, seq: int, *metrics: Any, minutes: float = 1.0, device: str | None = "P1") -> Translated:
        kind = "DDATA" if device else "NDATA"
        return self.tell([(topic(kind, device), payload(minutes, seq, *metrics))], minutes)


def told(made: Translated) -> list[tuple[Any, ...]]:
    """Kind, line and what an event says besides."""
    common = {"kind", "event_id", "site_id", "line_id", "event_time"}
    return [
        (
            body["kind"],
            body["line_id"],
            body["event_time"],
            {k: v for k, v in body.items() if k not in common},
        )
        for body in made.bodies
    ]


def test_a_birth_tells_how_the_line_stands() -> None:
    made = Plant().tell(births(0, good=40, scrap=2))

    assert [
        ("run_started", "press-1", at(0), {"run_id": "R-1"}),
        ("state_changed", "press-1", at(0), {"state": "EXECUTE"}),
        (
            "count_reported",
            "press-1",
            at(0),
            {"counter": "total", "run_id": "R-1", "good_count": 40.0, "scrap_count": 2.0},
        ),
        ("connection_changed", "press-1", at(0), {"is_up": True, "reason": "Essen/E1/P1 is born"}),
    ] == [each for each in told(made) if each[3].get("scrap_count") != 0.0]
    assert [] == made.problems
    assert [] == made.requests


def test_aliases_are_those_of_the_birth() -> None:
    plant = Plant()
    plant.tell(births(0))

    made = plant.data(2, metric(None, 57, alias=2, at=1), metric(None, 11, alias=1, at=1))

    assert [
        (
            "count_reported",
            "press-1",
            at(1),
            {"counter": "total", "run_id": "R-1", "good_count": 57.0, "scrap_count": 0.0},
        ),
        ("state_changed", "press-1", at(1), {"state": "HELD"}),
    ] == told(made)


def test_an_alias_of_another_birth_is_refused_and_asked_for() -> None:
    plant = Plant()
    plant.tell(births(0))

    made = plant.data(2, metric(None, 57, alias=9), metric(None, 58, alias=2))

    assert [(ReasonCode.SCHEMA, "metrics.0")] == [(bad.code, bad.field_path) for bad in made.problems]
    assert ["spBv1.0/Essen/NCMD/E1"] == [each.topic for each in made.requests]
    assert [58.0] == [body["good_count"] for body in made.bodies], "its neighbour counts"


def test_sequence_numbers_wrap_after_255() -> None:
    plant = Plant()
    plant.tell(births(0))

    made = [plant.data(seq % 256, metric(None, seq, alias=2, at=1 + seq / 100)) for seq in range(2, 600)]

    assert [] == [request for each in made for request in each.requests]
    assert 599.0 == made[-1].bodies[-1]["good_count"]


def test_a_gap_asks_for_a_birth_once_in_ten_seconds() -> None:
    plant = Plant()
    plant.tell(births(0))

    first = plant.data(4, metric(None, 5, alias=2), minutes=1.0)
    second = plant.data(6, metric(None, 6, alias=2), minutes=1.1)
    third = plant.data(8, metric(None, 7, alias=2), minutes=1.0 + 11 / 60)

    (request,) = first.requests
    assert "spBv1.0/Essen/NCMD/E1" == request.topic
    asked = messages()["Payload"].FromString(request.payload)
    assert [("Node Control/Rebirth", True)] == [(each.name, each.boolean_value) for each in asked.metrics]
    assert [0, 1] == [len(second.requests), len(third.requests)]
    assert [5.0] == [body["good_count"] for body in first.bodies], "what came is true all the same"
    assert 4 == plant.translator.ignored()["messages that did not arrive"]


def test_before_a_birth_nothing_is_taken_and_a_birth_is_asked_for() -> None:
    plant = Plant()

    made = plant.data(17, metric("Count/Good", 5))

    assert [] == made.bodies
    assert 1 == len(made.requests)
    assert 1 == plant.translator.ignored()["before birth"]


def test_a_rebirth_repeats_no_event() -> None:
    """A run that goes on is no new run, and a delta that a birth shows again was counted when it came."""
    plant = Plant()
    plant.tell(births(0))
    used = plant.data(2, metric(None, 1.5, alias=5, at=1))

    again = plant.tell(births(2, good=40))

    assert [("material_consumed", 1.5)] == [(body["kind"], body["quantity"]) for body in used.bodies]
    assert {"state_changed", "count_reported", "connection_changed"} == {
        body["kind"] for body in again.bodies
    }


def test_a_restarted_reader_makes_the_same_ids() -> None:
    first, second = Plant().tell(births(0, good=40)), Plant().tell(births(0, good=40))

    assert first.bodies == second.bodies
    assert len({body["event_id"] for body in first.bodies}) == len(first.bodies)


def test_a_death_cuts_the_lines_off_and_the_birth_brings_them_back() -> None:
    plant = Plant()
    plant.tell(births(0, number=7))

    late = plant.tell([(topic("NDEATH"), payload(None, None, metric("bdSeq", 6)))], 5)
    death = plant.tell([(topic("NDEATH"), payload(None, None, metric("bdSeq", 7)))], 6)
    back = plant.tell(births(9, number=8))

    assert [] == late.bodies, "the will of an earlier connection"
    assert [
        ("connection_changed", "press-1", at(6), {"is_up": False, "reason": "edge node Essen/E1 is gone"})
    ] == told(death)
    assert ("connection_changed", "press-1", at(9), {"is_up": True, "reason": "Essen/E1/P1 is born"}) in told(
        back
    )
    assert [] == plant.data(3, metric(None, 5, alias=2)).problems


def test_a_device_dies_alone() -> None:
    plant = Plant()
    plant.tell(births(0))

    made = plant.tell([(topic("DDEATH", "P1"), payload(3, 2))], 3)
    after = plant.data(3, metric(None, 5, alias=2))

    assert [
        ("connection_changed", "press-1", at(3), {"is_up": False, "reason": "device Essen/E1/P1 is gone"})
    ] == told(made)
    assert [] == after.bodies
    assert 1 == len(after.requests)


def test_another_job_ends_the_one_before_and_keeps_zeros() -> None:
    """The scrap counter stays at zero and is not sent; the good one begins anew and is."""
    plant = Plant()
    plant.tell(births(0, good=500))

    switch = plant.data(2, metric(None, "R-2", alias=4, at=1))
    early = plant.data(3, metric(None, 0, alias=3, at=1.5))
    count = plant.data(4, metric(None, 3, alias=2, at=2))

    assert [("run_completed", "R-1"), ("run_started", "R-2")] == [
        (b["kind"], b["run_id"]) for b in switch.bodies
    ]
    assert [] == early.bodies, "the 500 pieces are of R-1"
    assert [("R-2", 3.0, 0.0)] == [(b["run_id"], b["good_count"], b["scrap_count"]) for b in count.bodies]


def test_null_bad_quality_and_the_past_are_left_out_by_name() -> None:
    plant = Plant()
    plant.tell(births(0))
    kinds = messages()
    stale = metric(None, 99, alias=2)
    stale.properties.keys.append("Quality")
    stale.properties.values.append(kinds["PropertyValue"](type=3, int_value=500))

    made = plant.data(2, metric(None, None, alias=2), stale, metric(None, 1, alias=2, is_historical=True))

    assert [] == made.bodies
    ignored = plant.translator.ignored()
    assert (1, 1, 1) == (ignored["null"], ignored["bad quality"], ignored["a total of the past"])


def test_negative_numbers_come_in_twos_complement() -> None:
    kinds = messages()
    raw = kinds["Payload"](
        metrics=[
            kinds["Metric"](name="a", datatype=1, int_value=0xFF),
            kinds["Metric"](name="b", datatype=2, int_value=0xFFFFFFFE),
            kinds["Metric"](name="c", datatype=4, long_value=2**64 - 3),
            kinds["Metric"](name="d", datatype=8, long_value=2**64 - 3),
        ]
    )

    assert [-1, -2, -3, 2**64 - 3] == [each.value for each in decode_payload(raw.SerializeToString()).metrics]


HOSTILE: dict[str, tuple[str, bytes, ReasonCode, str]] = {
    "no protobuf": (topic("DDATA", "P1"), b"\xff\xff\xff\xff", ReasonCode.PARSE, ""),
    "json": (topic("DDATA", "P1"), b'{"seq": 2}', ReasonCode.PARSE, ""),
    "cut short": (topic("DDATA", "P1"), payload(1, 2, metric("Count/Good", 5))[:-3], ReasonCode.PARSE, ""),
    "too large": (topic("DDATA", "P1"), b"\x00" * 4_000_001, ReasonCode.SIZE, ""),
    "no seq": (topic("DDATA", "P1"), payload(1, None, metric("Count/Good", 5)), ReasonCode.SCHEMA, "seq"),
    "seq above 255": (topic("DDATA", "P1"), payload(1, 256), ReasonCode.RANGE, "seq"),
    "seconds as milliseconds": (
        topic("DDATA", "P1"),
        messages()["Payload"](timestamp=1_763_359_200, seq=2).SerializeToString(),
        ReasonCode.TIME,
        "timestamp",
    ),
    "far future": (
        topic("DDATA", "P1"),
        messages()["Payload"](timestamp=2**64 - 1, seq=2).SerializeToString(),
        ReasonCode.TIME,
        "timestamp",
    ),
    "no name and no alias": (topic("DDATA", "P1"), payload(1, 2, metric(None, 5)), ReasonCode.SCHEMA, "metrics.0"),
    "a birth without names": (topic("DBIRTH", "P1"), payload(1, 2, metric(None, 5, alias=1)), ReasonCode.SCHEMA, "metrics.0.name"),
    "another kind": ("spBv1.0/Essen/XDATA/E1", b"", ReasonCode.SCHEMA, "topic"),
    "a device too much": ("spBv1.0/Essen/NDATA/E1/P1", b"", ReasonCode.SCHEMA, "topic"),
    "text as a count": (topic("DDATA", "P1"), payload(1, 2, metric("Count/Good", "many")), ReasonCode.SCHEMA, "Essen/E1/P1/Count/Good"),
    "less than nothing": (topic("DDATA", "P1"), payload(1, 2, metric("Count/Good", -5)), ReasonCode.RANGE, "Essen/E1/P1/Count/Good"),
    "no number": (topic("DDATA", "P1"), payload(1, 2, metric("Count/Good", float("nan"))), ReasonCode.RANGE, "Essen/E1/P1/Count/Good"),
    "a state of no table": (topic("DDATA", "P1"), payload(1, 2, metric("Status/StateCurrent", 99)), ReasonCode.RANGE, "Essen/E1/P1/Status/StateCurrent"),
    "text that is not UTF-8": (topic("DDATA", "P1"), b"\x18\x02\x12\x06\x0a\x04\xff\xfe\xfd\xfc", ReasonCode.PARSE, "metrics.0"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_what_cannot_be_read_is_refused_with_its_place_and_the_next_message_counts(case: str) -> None:
    plant = Plant()
    plant.tell(births(0))
    name, data, code, path = HOSTILE[case]

    made = plant.tell([(name, data)])
    after = plant.data(3, metric("Count/Good", 7, at=2))

    assert [(code, path)] == [(bad.code, bad.field_path) for bad in made.problems]
    assert [] == made.bodies
    assert [7.0] == [body["good_count"] for body in after.bodies]


def test_what_carries_no_data_is_passed_over() -> None:
    for name in ("spBv1.0/STATE/scada", "spBv1.0/Essen/NCMD/E1", "spBv1.0/Essen/DCMD/E1/P1", "plant/P1"):
        assert parse_topic(name) is None
        assert [] == list(SparkplugSession().receive(name, b"anything", T0))


def test_payloads_are_values() -> None:
    """A decoded payload cannot be changed behind the session's back."""
    decoded = decode_payload(payload(1, 2))

    with pytest.raises(dataclasses.FrozenInstanceError):
        decoded.seq = 3  # type: ignore[misc]


def test_a_wrong_topic_names_itself() -> None:
    with pytest.raises(BadRecord, match=r"spBv1\.0/Essen"):
        parse_topic("spBv1.0/Essen")
