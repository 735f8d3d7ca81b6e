"""Records that must not become events, each with the reason code and field path that its dead letter names.

The rows follow the cases that a decoder must survive. `good_records` gives the neighbours that must survive them.
"""

import base64
import json
from dataclasses import dataclass
from typing import Any

from schemas import ReasonCode
from schemas.topics import COMMANDS, INVENTORY, MACHINE_EVENTS, MASTER_DATA, ORDERS, PLAN_ACKS, PLANT_MODEL

TIME = "2026-11-17T06:00:00+01:00"

BASE: dict[str, Any] = {"event_id": "e-1", "event_time": TIME, "site_id": "S1"}
COUNT: dict[str, Any] = {
    "kind": "count_reported",
    **BASE,
    "line_id": "L3",
    "run_id": "R-4471",
    "good_count": 12,
}
QUALITY: dict[str, Any] = {
    "kind": "quality_recorded",
    **BASE,
    "line_id": "L3",
    "run_id": "R-4471",
    "inspected_count": 5,
    "bad_count": 1,
}
ORDER: dict[str, Any] = {
    "kind": "order_upserted",
    **BASE,
    "order_id": "#4471",
    "customer_id": "Northwind",
    "item_id": "I-1",
    "quantity_pcs": 29750,
    "promised_at": "2026-11-24T12:00:00+01:00",
}
RUN: dict[str, Any] = {
    "kind": "run_planned",
    **BASE,
    "run_id": "R-4471",
    "line_id": "L3",
    "item_id": "I-1",
    "quantity_pcs": 29750,
    "planned_start_at": "2026-11-18T14:30:00+01:00",
    "planned_end_at": "2026-11-24T10:00:00+01:00",
    "pegs": [{"order_id": "#4471", "quantity_pcs": 29750}],
}
CUSTOMER: dict[str, Any] = {
    "kind": "customer_upserted",
    **BASE,
    "site_id": "*",
    "customer_id": "Northwind",
    "name": "Northwind",
}
SITE: dict[str, Any] = {"kind": "site_upserted", **BASE}
CALENDAR: dict[str, Any] = {
    "kind": "calendar_upserted",
    **BASE,
    "calendar_id": "two-shift",
    "shifts": [{"weekday": 0, "start": "06:00", "end": "22:00"}],
    "exceptions": [{"start_at": TIME, "end_at": "2026-11-17T07:00:00+01:00", "working": False}],
}
STOCK: dict[str, Any] = {
    "kind": "stock_reported",
    **BASE,
    "item_id": "I-9",
    "location_id": "W1",
    "quantity": 40.5,
}
SNOOZE: dict[str, Any] = {
    "kind": "card_snooze",
    **BASE,
    "command_id": "c-1",
    "actor": "r.okafor",
    "card_id": "card-1",
    "until": TIME,
}
ACK: dict[str, Any] = {"kind": "plan_acknowledged", **BASE, "change_id": "ch-1", "outcome": "accepted"}
CLOUD_EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "ce-1",
    "source": "/mes/line3",
    "type": "foresite.count_reported.v1",
    "time": TIME,
    "data": {key: value for key, value in COUNT.items() if key not in ("event_id", "event_time")},
}

GOOD_OF_TOPIC: dict[str, dict[str, Any]] = {
    MACHINE_EVENTS: COUNT,
    ORDERS: ORDER,
    MASTER_DATA: CUSTOMER,
    PLANT_MODEL: CALENDAR,
    INVENTORY: STOCK,
    COMMANDS: SNOOZE,
    PLAN_ACKS: ACK,
}


@dataclass(frozen=True)
class BrokenRecord:
    """A record that must be refused whole, with nothing accepted from it.

    Attributes:
        name: what is wrong with it.
        topic: where it arrives.
        value: its bytes; None is a record without value.
        code, path: what its dead letter must say.
    """

    name: str
    topic: str
    value: bytes | None
    code: ReasonCode
    path: str = ""


def encoded(body: Any) -> bytes:
    """The body as a source would send it, with non-ASCII text as it is."""
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


def good_record(topic: str, number: int) -> bytes:
    """A record that must be accepted, with an event_id that tells it apart."""
    return encoded(GOOD_OF_TOPIC[topic] | {"event_id": f"good-{number}"})


def without(body: dict[str, Any], *fields: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in fields}


def with_token(body: dict[str, Any], field: str, token: str) -> bytes:
    """The body with a field whose value is this very text, JSON or not."""
    return encoded(body | {field: "@token"}).replace(b'"@token"', token.encode())


def _nested(depth: int) -> bytes:
    return b'{"x":' * depth + b"1" + b"}" * depth


_PARSE: list[tuple[str, bytes | None]] = [
    ("no value", None),
    ("empty", b""),
    ("white space", b" \r\n\t "),
    ("truncated object", encoded(COUNT)[:-1]),
    ("truncated in text", encoded(COUNT)[:40]),
    ("truncated array", b"[" + encoded(COUNT) + b","),
    ("two bodies", encoded(COUNT) + encoded(COUNT)),
    ("two lines", encoded(COUNT) + b"\n" + encoded(COUNT)),
    ("half of a join, left", b'{"a":1},{"b":[{}'),
    ("half of a join, right", b"{}]}"),
    ("a comma too many", encoded(COUNT)[:-1] + b",}"),
    ("single quotes", encoded(COUNT).replace(b'"', b"'")),
    ("bare key", b"{kind: 1}"),
    ("a comment", b"/* count */" + encoded(COUNT)),
    ("leading zero", with_token(COUNT, "good_count", "012")),
    ("hexadecimal", with_token(COUNT, "good_count", "0x1F")),
    ("null", b"null"),
    ("text", b'"text"'),
    ("a number", b"42"),
    ("true", b"true"),
    ("byte order mark", b"\xef\xbb\xbf" + encoded(COUNT)),
    ("UTF-16", json.dumps(COUNT).encode("utf-16")),
    ("Latin-1", encoded(COUNT | {"line_id": "Säge"}).replace("ä".encode(), b"\xe4")),
    ("overlong UTF-8", encoded(COUNT | {"line_id": "@"}).replace(b"@", b"\xc0\xaf")),
    ("surrogate in UTF-8", encoded(COUNT | {"line_id": "\udc80"})),
    ("raw NUL in an id", encoded(COUNT | {"line_id": "L@"}).replace(b"L@", b"L\x00")),
    ("raw line feed in an id", encoded(COUNT | {"line_id": "L@"}).replace(b"L@", b"L\n")),
    ("NUL behind the body", encoded(COUNT) + b"\x00"),
    ("garbage behind the body", encoded(COUNT) + b"x"),
    ("binary", bytes(range(256))),
    ("gzip without Kafka's knowledge", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\x56\x4a"),
    ("XML", b"<?xml version='1.0'?><Count/>"),
]

_PARSE_WITH_PATH: list[tuple[str, bytes, str]] = [
    ("half a surrogate pair", encoded(COUNT | {"run_id": "@"}).replace(b"@", rb"R\ud800"), "run_id"),
    ("wrong order of surrogates", encoded(COUNT | {"run_id": "@"}).replace(b"@", rb"\udc00\ud800"), "run_id"),
    ("base64 that is none", encoded(without(CLOUD_EVENT, "data") | {"data_base64": "%%%"}), "data_base64"),
    (
        "base64 of half a body",
        encoded(
            without(CLOUD_EVENT, "data") | {"data_base64": base64.b64encode(encoded(COUNT)[:-1]).decode()}
        ),
        "data_base64",
    ),
]

_TOO_LARGE: list[tuple[str, ReasonCode, bytes]] = [
    ("10 MB", ReasonCode.SIZE, encoded(COUNT | {"note": "x" * 10_000_000})),
    ("10 MB of nothing", ReasonCode.SIZE, b" " * 10_000_000),
    (
        "a million keys",
        ReasonCode.SIZE,
        b"{" + b",".join(b'"k%d":1' % number for number in range(1_000_000)) + b"}",
    ),
    ("a tenth of a million keys and two", ReasonCode.SIZE, b"{" + b'"k":1,' * 100_001 + b'"k":1}'),
    ("100,000 deep", ReasonCode.DEPTH, _nested(100_000)),
    ("100,000 open brackets", ReasonCode.DEPTH, b"[" * 100_000),
    ("65 deep", ReasonCode.DEPTH, _nested(65)),
    (
        "65 deep in an unknown field",
        ReasonCode.DEPTH,
        with_token(COUNT, "extra", "[" * 64 + "]" * 64),
    ),
]

_MACHINE_RANGE: list[tuple[str, str]] = [
    ("NaN", "NaN"),
    ("Infinity", "Infinity"),
    ("minus Infinity", "-Infinity"),
    ("1e400", "1e400"),
    ("-1e400", "-1e400"),
    ("2**80", str(2**80)),
    ("-2**80", str(-(2**80))),
    ("400 digits", "9" * 400),
    ("5,000 digits", "9" * 5000),
    ("minus one", "-1"),
    ("above any count", "1e13"),
]

_RANGE: list[tuple[str, str, bytes, str]] = [
    ("scrap below zero", MACHINE_EVENTS, encoded(COUNT | {"scrap_count": -0.5}), "scrap_count"),
    ("bad above inspected", MACHINE_EVENTS, encoded(QUALITY | {"bad_count": 6}), "bad_count"),
    (
        "sequence beyond 53 bits",
        MACHINE_EVENTS,
        encoded(COUNT | {"source_sequence": 2**53 + 1}),
        "source_sequence",
    ),
    (
        "sequence beyond 64 bits",
        MACHINE_EVENTS,
        encoded(COUNT | {"source_sequence": 2**64}),
        "source_sequence",
    ),
    ("an order of nothing", ORDERS, encoded(ORDER | {"quantity_pcs": 0}), "quantity_pcs"),
    ("a negative price", ORDERS, encoded(ORDER | {"unit_price": -4}), "unit_price"),
    ("priority above 1,000", ORDERS, encoded(ORDER | {"priority": 1001}), "priority"),
    (
        "a peg of nothing",
        ORDERS,
        encoded(RUN | {"pegs": [{"order_id": "#4471", "quantity_pcs": 0}]}),
        "pegs.0.quantity_pcs",
    ),
    ("a run at no speed", ORDERS, encoded(RUN | {"rate_pcs_per_h": 0}), "rate_pcs_per_h"),
    ("setup of two years", ORDERS, encoded(RUN | {"setup_min": 1_051_200}), "setup_min"),
    ("stock below zero", INVENTORY, encoded(STOCK | {"quantity": -1}), "quantity"),
    ("weight of zero", MASTER_DATA, encoded(CUSTOMER | {"weight": 0}), "weight"),
    (
        "an eighth weekday",
        PLANT_MODEL,
        encoded(CALENDAR | {"shifts": [{"weekday": 7, "start": "06:00", "end": "22:00"}]}),
        "shifts.0.weekday",
    ),
    ("NaN in an unknown field", MACHINE_EVENTS, with_token(COUNT, "temperature", "NaN"), "temperature"),
    (
        "NaN inside a CloudEvent",
        MACHINE_EVENTS,
        encoded(CLOUD_EVENT | {"data": COUNT | {"good_count": "@"}}).replace(b'"@"', b"NaN"),
        "data.good_count",
    ),
]

_TIMES: list[tuple[str, Any]] = [
    ("no zone", "2026-11-17T06:00:00"),
    ("a date only", "2026-11-17"),
    ("epoch 0 as a number", 0),
    ("epoch 0 as text", "1970-01-01T00:00:00Z"),
    ("seconds as a number", 1794898800),
    ("milliseconds as a number", 1794898800000),
    ("milliseconds as text", "1794898800000"),
    ("year 9999", "9999-12-31T23:59:59Z"),
    ("year 1999", "1999-12-31T23:59:59Z"),
    ("month 13", "2026-13-17T06:00:00Z"),
    ("30 February", "2026-02-30T06:00:00Z"),
    ("hour 24", "2026-11-17T24:00:01Z"),
    ("a zone by name", "2026-11-17T06:00:00 Europe/Berlin"),
    ("day first", "17.11.2026 06:00"),
    ("empty text", ""),
    ("null", None),
]

_SCHEMA: list[tuple[str, str, Any, str]] = [
    ("an empty object", MACHINE_EVENTS, {}, "kind"),
    ("a list in a list", MACHINE_EVENTS, [[COUNT]], ""),
    ("null in a list", MACHINE_EVENTS, [None], ""),
    ("text in a list", MACHINE_EVENTS, ["count_reported"], ""),
    ("a number in a list", MACHINE_EVENTS, [1], ""),
    ("no kind", MACHINE_EVENTS, without(COUNT, "kind"), "kind"),
    ("kind null", MACHINE_EVENTS, COUNT | {"kind": None}, "kind"),
    ("kind a list", MACHINE_EVENTS, COUNT | {"kind": ["count_reported"]}, "kind"),
    ("no kind where the topic has one only", PLAN_ACKS, without(ACK, "kind"), "kind"),
    ("kind of another topic", MACHINE_EVENTS, ORDER, "kind"),
    ("kind of another topic, here of one kind", PLAN_ACKS, COUNT, "kind"),
    ("no event_id", MACHINE_EVENTS, without(COUNT, "event_id"), "event_id"),
    ("no event_time", MACHINE_EVENTS, without(COUNT, "event_time"), "event_time"),
    ("no site_id", MACHINE_EVENTS, without(COUNT, "site_id"), "site_id"),
    ("no good_count", MACHINE_EVENTS, without(COUNT, "good_count"), "good_count"),
    ("count null", MACHINE_EVENTS, COUNT | {"good_count": None}, "good_count"),
    ("count as text", MACHINE_EVENTS, COUNT | {"good_count": "12"}, "good_count"),
    ("count a boolean", MACHINE_EVENTS, COUNT | {"good_count": True}, "good_count"),
    ("count a list", MACHINE_EVENTS, COUNT | {"good_count": [12]}, "good_count"),
    ("sequence with a fraction", MACHINE_EVENTS, COUNT | {"source_sequence": 1.5}, "source_sequence"),
    ("sequence a boolean", MACHINE_EVENTS, COUNT | {"source_sequence": True}, "source_sequence"),
    ("id a number", MACHINE_EVENTS, COUNT | {"event_id": 1}, "event_id"),
    ("id empty", MACHINE_EVENTS, COUNT | {"event_id": ""}, "event_id"),
    ("id of 201 characters", MACHINE_EVENTS, COUNT | {"event_id": "e" * 201}, "event_id"),
    ("id with NUL", MACHINE_EVENTS, COUNT | {"line_id": "L\x00"}, "line_id"),
    ("id with a line feed", MACHINE_EVENTS, COUNT | {"line_id": "L\n"}, "line_id"),
    ("id with DEL", MACHINE_EVENTS, COUNT | {"run_id": "R\x7f"}, "run_id"),
    (
        "reason with NUL",
        MACHINE_EVENTS,
        {"kind": "run_held", **without(COUNT, "kind"), "reason": "\x00"},
        "reason",
    ),
    (
        "reason of 2,001 characters",
        MACHINE_EVENTS,
        {"kind": "run_held", **without(COUNT, "kind"), "reason": "ä" * 2001},
        "reason",
    ),
    ("unknown counter", MACHINE_EVENTS, COUNT | {"counter": "sum"}, "counter"),
    (
        "PackML state as a number",
        MACHINE_EVENTS,
        {"kind": "state_changed", **BASE, "line_id": "L3", "state": 6},
        "state",
    ),
    (
        "PackML state in lower case",
        MACHINE_EVENTS,
        {"kind": "state_changed", **BASE, "line_id": "L3", "state": "held"},
        "state",
    ),
    ("peg not an object", ORDERS, RUN | {"pegs": ["#4471"]}, "pegs.0"),
    ("peg without order", ORDERS, RUN | {"pegs": RUN["pegs"] + [{"quantity_pcs": 1}]}, "pegs.1.order_id"),
    ("pegs no list", ORDERS, RUN | {"pegs": {"order_id": "#4471"}}, "pegs"),
    ("more pegs than a run can have", ORDERS, RUN | {"pegs": RUN["pegs"] * 1001}, "pegs"),
    ("no such time zone", PLANT_MODEL, SITE | {"zone": "Mars/Olympus"}, "zone"),
    ("currency in lower case", PLANT_MODEL, SITE | {"currency": "eur"}, "currency"),
    (
        "shift at 25:00",
        PLANT_MODEL,
        CALENDAR | {"shifts": [{"weekday": 0, "start": "25:00", "end": "22:00"}]},
        "shifts.0.start",
    ),
    ("unknown disposition", INVENTORY, STOCK | {"disposition": "mine"}, "disposition"),
    ("unknown outcome", PLAN_ACKS, ACK | {"outcome": "maybe"}, "outcome"),
    ("command without actor", COMMANDS, without(SNOOZE, "actor"), "actor"),
    ("command to every site", COMMANDS, SNOOZE | {"site_id": "*"}, "site_id"),
    ("CloudEvent without data", MACHINE_EVENTS, without(CLOUD_EVENT, "data"), "data"),
    ("CloudEvent with data null", MACHINE_EVENTS, CLOUD_EVENT | {"data": None}, "data"),
    ("CloudEvent with a list of data", MACHINE_EVENTS, CLOUD_EVENT | {"data": [COUNT]}, "data"),
    ("CloudEvent with text as data", MACHINE_EVENTS, CLOUD_EVENT | {"data": json.dumps(COUNT)}, "data"),
    (
        "CloudEvent with a body that lacks a field",
        MACHINE_EVENTS,
        CLOUD_EVENT | {"data": without(COUNT, "line_id")},
        "data.line_id",
    ),
    ("CloudEvent with an empty id", MACHINE_EVENTS, CLOUD_EVENT | {"id": ""}, "id"),
]

_VERSION: list[tuple[str, str, Any, str]] = [
    ("unknown kind", MACHINE_EVENTS, COUNT | {"kind": "count_reportet"}, "kind"),
    ("a kind in capitals", MACHINE_EVENTS, COUNT | {"kind": "COUNT_REPORTED"}, "kind"),
    ("a kind of 100,000 characters", MACHINE_EVENTS, COUNT | {"kind": "k" * 100_000}, "kind"),
    ("unknown kind where the topic has one only", PLAN_ACKS, ACK | {"kind": "plan_acked"}, "kind"),
    ("schema_version 2", MACHINE_EVENTS, COUNT | {"schema_version": 2}, "schema_version"),
    (
        "schema_version 2 and other fields",
        MACHINE_EVENTS,
        {**without(COUNT, "good_count"), "schema_version": 2, "pieces": {"good": 12}},
        "schema_version",
    ),
    ("schema_version as text", MACHINE_EVENTS, COUNT | {"schema_version": "1"}, "schema_version"),
    ("schema_version 0", ORDERS, ORDER | {"schema_version": 0}, "schema_version"),
    ("CloudEvents 2.0", MACHINE_EVENTS, CLOUD_EVENT | {"specversion": "2.0"}, "specversion"),
    ("CloudEvents 0.3", MACHINE_EVENTS, CLOUD_EVENT | {"specversion": "0.3"}, "specversion"),
    ("CloudEvents version as a number", MACHINE_EVENTS, CLOUD_EVENT | {"specversion": 1.0}, "specversion"),
    (
        "schema_version 2 in a CloudEvent",
        MACHINE_EVENTS,
        CLOUD_EVENT | {"data": COUNT | {"schema_version": 2}},
        "data.schema_version",
    ),
]

BROKEN_RECORDS: list[BrokenRecord] = [
    *(BrokenRecord(name, MACHINE_EVENTS, value, ReasonCode.PARSE) for name, value in _PARSE),
    *(BrokenRecord(name, MACHINE_EVENTS, value, ReasonCode.PARSE, path) for name, value, path in _PARSE_WITH_PATH),
    *(BrokenRecord(name, MACHINE_EVENTS, value, code) for name, code, value in _TOO_LARGE),
    *(
        BrokenRecord(f"count of {name}", MACHINE_EVENTS, with_token(COUNT, "good_count", token), ReasonCode.RANGE, "good_count")
        for name, token in _MACHINE_RANGE
    ),
    *(BrokenRecord(name, topic, value, ReasonCode.RANGE, path) for name, topic, value, path in _RANGE),
    *(
        BrokenRecord(f"time: {name}", MACHINE_EVENTS, encoded(COUNT | {"event_time": time}), ReasonCode.TIME, "event_time")
        for name, time in _TIMES
    ),
    BrokenRecord(
        "promise without zone",
        ORDERS,
        encoded(ORDER | {"promised_at": "2026-11-24T12:00:00"}),
        ReasonCode.TIME,
        "promised_at",
    ),
    BrokenRecord(
        "a run that ends before it starts",
        ORDERS,
        encoded(RUN | {"planned_end_at": TIME}),
        ReasonCode.TIME,
        "planned_end_at",
    ),
    BrokenRecord(
        "an exception that ends when it starts",
        PLANT_MODEL,
        encoded(CALENDAR | {"exceptions": [{"start_at": TIME, "end_at": TIME, "working": True}]}),
        ReasonCode.TIME,
        "exceptions.0.end_at",
    ),
    BrokenRecord(
        "CloudEvent with a time without zone",
        MACHINE_EVENTS,
        encoded(CLOUD_EVENT | {"time": "2026-11-17T06:00:00"}),
        ReasonCode.TIME,
        "time",
    ),
    *(BrokenRecord(name, topic, encoded(body), ReasonCode.SCHEMA, path) for name, topic, body, path in _SCHEMA),
    *(BrokenRecord(name, topic, encoded(body), ReasonCode.VERSION, path) for name, topic, body, path in _VERSION),
]  # fmt: skip
