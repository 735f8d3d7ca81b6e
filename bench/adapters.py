"""What each adapter maps: messages, documents or rows a second of processor time, on one core, without a broker.

The inputs are the recorded examples, told again and again with other numbers and times; what is measured is decoding
and mapping to checked events, which the reader then sends.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.results import Machine, Result, result
from streams.adapters.erp import b2mml
from streams.adapters.erp.documents import Document, Plant
from streams.adapters.machines.tag_map import load_tag_map
from streams.adapters.machines.translators import (
    JsonTranslator,
    SparkplugTranslator,
    Translated,
    UmhTranslator,
)
from streams.adapters.machines.wire_format import messages
from streams.connect.documents import READERS
from streams.connect.maps import load_map

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
RUNS = 3


@dataclass(frozen=True, slots=True)
class Work:
    """What is measured: one pass over `items` of a `unit`, which tells how many events it made."""

    name: str
    unit: str
    items: int
    once: Callable[[], int]


def measure(machine: Machine, *, quick: bool, seed: int = 1) -> Iterator[Result]:
    """A row for each adapter; nothing in it is random."""
    del seed
    for work in (*_machines(200 if quick else 20_000), *_documents(5 if quick else 300)):
        rates = []
        for _ in range(1 if quick else RUNS):
            started = time.process_time()
            events = work.once()
            rates.append(work.items / max(1e-9, time.process_time() - started))
            assert events > 0, f"{work.name} made nothing"
        yield result("adapters", work.name, f"{work.unit}/CPU s", rates, machine)


def _machines(number: int) -> Iterator[Work]:
    sparkplug = _sparkplug(number)
    yield Work("sparkplug", "messages", number, lambda: _told(_sparkplug_translator(), sparkplug))
    core = [
        (f"umh.v1.acme.cologne.packaging.line{n // 2 % 50}._packml_v1.count.{'good' if n % 2 else 'scrap'}", _json({"timestamp_ms": _ms(n), "value": n}))
        for n in range(number)
    ]  # fmt: skip
    yield Work("umh", "messages", number, lambda: _told(_umh_translator(), core))
    plain = [("plant/P1/counts", _json({"ts": _at(n), "job": "R-1", "good": 1})) for n in range(number)]
    yield Work("mqtt json", "messages", number, lambda: _told(_json_translator(), plain))


def _documents(times: int) -> Iterator[Work]:
    plant = Plant("essen", "Europe/Berlin", {}, "press-1")
    for name, file in (("erpnext", "documents"), ("odoo", "records"), ("frepple", "objects")):
        found: list[dict[str, Any]] = _list(EXAMPLES / "erp" / name / f"{file}.json") * times
        yield Work(name, "documents", len(found), _mapped(name, found, plant))
    stock = [
        {"record": "stock", "item": f"i{n}", "lot": f"l{n}", "location": "A", "quantity": n, "as_of": _at(n)}
        for n in range(20 * times)
    ]
    yield Work("wms", "rows", len(stock), _mapped("wms", stock, plant))
    text = (EXAMPLES / "erp" / "b2mml" / "schedule.xml").read_text(encoding="utf-8")
    begin, end = text.index("<OperationsRequest>"), text.index("</OperationsSchedule>")
    many = (text[:begin] + text[begin:end] * times + text[end:]).encode()
    yield Work("b2mml", "requests", times, lambda: sum(1 for _ in b2mml.read_xml(many, plant)))


def _mapped(system: str, found: Sequence[dict[str, Any]], plant: Plant) -> Callable[[], int]:
    return lambda: sum(1 for fields in found for _ in READERS[system](Document(fields, plant)))


def _sparkplug(number: int) -> list[tuple[str, bytes]]:
    """A node with twenty devices, born once; then each message has the state and two counters of one device."""
    kinds = messages()

    def payload(seq: int, n: int, *metrics: Any) -> bytes:
        data: bytes = kinds["Payload"](timestamp=_ms(n), seq=seq % 256, metrics=metrics).SerializeToString()
        return data

    def metric(alias: int, value: int, name: str | None = None) -> Any:
        return kinds["Metric"](
            alias=alias, datatype=4, long_value=value, **({} if name is None else {"name": name})
        )

    told = [("spBv1.0/Essen/NBIRTH/E1", payload(0, 0))]
    for device in range(20):
        names = ("Status/StateCurrent", "Count/Good", "Count/Scrap")
        born = (metric(3 * device + n, 6 if n == 0 else 0, name) for n, name in enumerate(names))
        told.append((f"spBv1.0/Essen/DBIRTH/E1/P{device}", payload(1 + device, 0, *born)))
    for n in range(number):
        device = n % 20
        data = (metric(3 * device, 6), metric(3 * device + 1, n), metric(3 * device + 2, n // 100))
        told.append((f"spBv1.0/Essen/DDATA/E1/P{device}", payload(21 + n, n + 1, *data)))
    return told


def _sparkplug_translator() -> SparkplugTranslator:
    return SparkplugTranslator(load_tag_map(EXAMPLES / "machines" / "sparkplug.yaml"))


def _umh_translator() -> UmhTranslator:
    return UmhTranslator(load_tag_map(EXAMPLES / "machines" / "umh.yaml"))


def _json_translator() -> JsonTranslator:
    mapping = load_map(EXAMPLES / "machines" / "json.yaml").mapping
    assert mapping is not None
    return JsonTranslator(mapping)


def _told(translator: Any, told: Sequence[tuple[str, bytes]]) -> int:
    events = 0
    for address, data in told:
        made: Translated = translator.translate(address, data, START)
        assert not made.problems, str(made.problems[0])
        events += len(made.bodies)
    return events


def _list(path: Path) -> list[dict[str, Any]]:
    content = json.loads(path.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = content["data"] if isinstance(content, dict) else content
    return found


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()


def _at(n: int) -> str:
    return (START + timedelta(seconds=n)).isoformat()


def _ms(n: int) -> int:
    return int(START.timestamp() * 1000) + 1000 * n
