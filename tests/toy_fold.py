"""A fold small enough to check by hand: counts events by key, and says one output for each.

A facts record is `{"events": [[event_id, key], ...]}`. A key's document holds its count; the output of an event holds
the count it led to. With `"crash": true` our own code fails at the end of the record, its changes half done.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from streams.fold import FoldKind

OUTPUT_TOPIC = "toy.outputs.v1"
MODULUS = 2**128


@dataclass(frozen=True, slots=True)
class ToyOutput:
    event_id: str
    key: str
    count: int
    topic: str = OUTPUT_TOPIC

    @property
    def output_id(self) -> str:
        return f"{self.event_id}/count"

    def value(self) -> bytes | None:
        return json.dumps({"key": self.key, "count": self.count}).encode()

    def headers(self) -> list[tuple[str, bytes]]:
        return [("ce_id", self.output_id.encode())]


def _weight(name: str, document: bytes) -> int:
    return int.from_bytes(blake2b(name.encode() + b"\0" + document, digest_size=16).digest())


class ToyTwin:
    def __init__(self) -> None:
        self.counters: Counter[tuple[str, str]] = Counter()
        self._documents: dict[str, bytes] = {}
        self._changed: dict[str, bytes | None] = {}
        self._sum = 0
        self._events = 0

    @property
    def digest(self) -> str:
        return f"{(self._sum + _weight('header', self.header())) % MODULUS:032x}"

    @property
    def document_count(self) -> int:
        return len(self._documents)

    @property
    def documents(self) -> Mapping[str, bytes]:
        return self._documents

    def header(self) -> bytes:
        return json.dumps({"events": self._events}).encode()

    def apply(self, facts: Any) -> list[ToyOutput]:
        outputs = []
        for event_id, key in facts["events"]:
            name = f"toy/count/{key}"
            count = json.loads(self._documents.get(name, b"0")) + 1
            self._put(name, json.dumps(count).encode())
            outputs.append(ToyOutput(event_id, key, count))
            self._events += 1
            self.counters["applied", "event"] += 1
        assert "crash" not in facts, "a record that our own code cannot fold"
        return outputs

    def _put(self, name: str, document: bytes) -> None:
        old = self._documents.get(name)
        self._sum += _weight(name, document) - (0 if old is None else _weight(name, old))
        self._documents[name] = self._changed[name] = document

    def take_changes(self) -> Mapping[str, bytes | None]:
        changed, self._changed = self._changed, {}
        return changed

    @classmethod
    def restore(cls, header: bytes, documents: Mapping[str, bytes]) -> "ToyTwin":
        twin = cls()
        twin._documents = dict(documents)
        twin._sum = sum(_weight(name, document) for name, document in documents.items())
        twin._events = json.loads(header)["events"]
        return twin


def _count_and_digest(header: bytes, documents: Mapping[str, bytes]) -> tuple[int, str]:
    weights = [_weight(name, document) for name, document in documents.items()]
    return len(documents), f"{(sum(weights) + _weight('header', header)) % MODULUS:032x}"


def toy_now(header: bytes) -> float:
    """The toy's clock: an event is a minute."""
    return 60.0 * float(json.loads(header)["events"])


TOY = FoldKind(
    new=ToyTwin,
    restore=ToyTwin.restore,
    decode=json.loads,
    count_and_digest=_count_and_digest,
    now=toy_now,
    schema_version=1,
    code_version="toy",
)


def facts(first: int, count: int, keys: int = 20, prefix: str = "e") -> bytes:
    """A facts record of `count` events, numbered from `first`."""
    events = [[f"{prefix}{number}", f"k{number % keys}"] for number in range(first, first + count)]
    return json.dumps({"events": events}).encode()


def folded(records: Iterable[bytes]) -> ToyTwin:
    """What a twin must be after these records."""
    twin = ToyTwin()
    for record in records:
        twin.apply(json.loads(record))
    return twin
