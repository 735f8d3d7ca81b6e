"""What happens to a valid record: on its bytes, in its values, or to its shape."""

import base64
import json
from collections.abc import Callable
from random import Random
from typing import Any

NUMBERS = (
    "0", "-0", "-1", "1e-400", "5e-324", "1e12", "1e15", "1e300", "1e400", "-1e400", "NaN", "Infinity", "-Infinity",
    "9007199254740993", "9223372036854775808", "18446744073709551616", "9" * 60, "9" * 5_000, "0.1e1", "00", "0x1", "1.",
)  # fmt: skip
TEXTS = (
    "", " ", "*", "\x00", "\n", "\x7f", "e\u0301", "\u00e9", "\u202eevil", "\u200d", "\U0001f600", "\u0000a", "a/b", "skip/1",
    "manifest", "header", "=1+1", "<script>", "${jndi}", "../../x", "'; --", "x" * 200, "x" * 201, "\u00e4" * 2_001, "x" * 60_000,
    "2026-13-01T00:00:00Z", "2026-03-02T06:00:00", "9999-12-31T23:59:59Z", "2000-01-01T00:00:00Z", "2099-12-31T23:59:59Z",
    "2026-03-02T06:00:00.123456789Z", "2026-03-02T06:00:00+14:00", "1794898800", "24:00", "25:00", "S2", "L9", "R9",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    0.5,
    1e12,
    5e-324,
    [],
    {},
    [[]],
    [None],
    {"a": 1},
    "x",
    "12",
)

Mutation = Callable[[bytes, bytes, Random], bytes]
"""A record and another one -> what comes of them."""


def mutated(record: bytes, other: bytes, random: Random) -> tuple[str, bytes]:
    """The names of one to three mutations, and what they made of the record."""
    names = []
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        mutation = random.choice(MUTATIONS)
        names.append(mutation.__name__.removeprefix("_"))
        record = mutation(record, other, random)
    return "+".join(names), record


# Bytes ---------------------------------------------------------------------------------------------------------------


def _nothing(record: bytes, _other: bytes, _random: Random) -> bytes:
    return record


def _flip(record: bytes, _other: bytes, random: Random) -> bytes:
    flipped = bytearray(record)
    for _ in range(random.choice((1, 1, 2, 8)) if record else 0):
        flipped[random.randrange(len(flipped))] ^= 1 << random.randrange(8)
    return bytes(flipped)


def _truncate(record: bytes, _other: bytes, random: Random) -> bytes:
    return record[: random.randrange(len(record) + 1)]


def _insert(record: bytes, _other: bytes, random: Random) -> bytes:
    place = random.randrange(len(record) + 1)
    return record[:place] + random.randbytes(random.choice((1, 2, 9))) + record[place:]


def _repeat(record: bytes, _other: bytes, random: Random) -> bytes:
    first, end = sorted(random.randrange(len(record) + 1) for _ in range(2))
    return record[:end] + record[first:]


def _splice(record: bytes, other: bytes, random: Random) -> bytes:
    return record[: random.randrange(len(record) + 1)] + other[random.randrange(len(other) + 1) :]


def _join(record: bytes, other: bytes, random: Random) -> bytes:
    return random.choice((b"", b",", b"\n")).join((record, other))


# Values --------------------------------------------------------------------------------------------------------------


def _parsed(record: bytes) -> Any:
    try:
        return json.loads(record)
    except (ValueError, RecursionError):
        return None


def _text(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container and key at which a value stands."""
    found: list[tuple[Any, Any]] = []
    rest = [value]
    while rest and len(found) < 2_000:
        container = rest.pop()
        keys = list(container) if isinstance(container, dict) else range(len(container))
        for key in keys:
            found.append((container, key))
            if isinstance(container[key], dict | list):
                rest.append(container[key])
    return found


def _with(record: bytes, random: Random, change: Callable[[Any, Any], None]) -> bytes:
    """The record with one of its values changed; itself where it is no JSON any more."""
    value = _parsed(record)
    places = _places(value) if isinstance(value, dict | list) else []
    if not places:
        return record
    change(*random.choice(places))
    return _text(value)


def _retype(record: bytes, _other: bytes, random: Random) -> bytes:
    return _with(record, random, lambda container, key: container.__setitem__(key, random.choice(VALUES)))


def _drop(record: bytes, _other: bytes, random: Random) -> bytes:
    return _with(record, random, lambda container, key: container.__delitem__(key))


def _words(record: bytes, _other: bytes, random: Random) -> bytes:
    return _with(record, random, lambda container, key: container.__setitem__(key, random.choice(TEXTS)))


def _number(record: bytes, _other: bytes, random: Random) -> bytes:
    marked = _with(record, random, lambda container, key: container.__setitem__(key, "@number@"))
    return marked.replace(b'"@number@"', random.choice(NUMBERS).encode())


def _scale(record: bytes, _other: bytes, random: Random) -> bytes:
    """Numbers of another size, which mostly stay valid: what the fold must bear."""

    def change(container: Any, key: Any) -> None:
        if isinstance(container[key], float | int) and not isinstance(container[key], bool):
            container[key] *= random.choice((0, -1, 0.001, 1e3, 1e6, 1e9))

    for _ in range(4):
        record = _with(record, random, change)
    return record


def _borrow(record: bytes, other: bytes, random: Random) -> bytes:
    """A value of another record in the place of ours."""
    value = _parsed(other)
    places = _places(value) if isinstance(value, dict | list) else []
    if not places:
        return record
    donor, theirs = random.choice(places)

    def change(container: Any, key: Any) -> None:
        same = isinstance(container, dict) and isinstance(value, dict) and key in value
        container[key] = value[key] if same else donor[theirs]

    return _with(record, random, change)


def _surrogate(record: bytes, _other: bytes, random: Random) -> bytes:
    marked = _with(record, random, lambda container, key: container.__setitem__(key, "@half@"))
    return marked.replace(
        b"@half@", random.choice((rb"\ud800", rb"\udc00\ud800", rb"\ud83d\ude00", b"\xed\xa0\x80"))
    )


# Shapes --------------------------------------------------------------------------------------------------------------


def _unknown(record: bytes, _other: bytes, random: Random) -> bytes:
    return _with(
        record,
        random,
        lambda container, key: _put(container, f"x{random.randrange(99)}", random.choice(VALUES)),
    )


def _put(container: Any, key: str, value: Any) -> None:
    if isinstance(container, dict):
        container[key] = value
    else:
        container.append(value)


def _twice(record: bytes, other: bytes, random: Random) -> bytes:
    """A key that stands twice."""
    value = _parsed(record)
    if not isinstance(value, dict) or not value:
        return record
    key = random.choice(list(value))
    again = random.choice((value[key], random.choice(VALUES), random.choice(TEXTS)))
    return b"{" + _text(key) + b":" + _text(again) + b"," + record.lstrip()[1:]


def _nest(record: bytes, _other: bytes, random: Random) -> bytes:
    depth = random.choice((3, 20, 58, 63, 64, 65, 200, 20_000))
    opening, closing = random.choice(((b"[", b"]"), (b'{"x":', b"}")))
    nested = opening * depth + b"1" + closing * depth
    marked = _with(record, random, lambda container, key: container.__setitem__(key, "@nested@"))
    return marked.replace(b'"@nested@"', nested)


def _array(record: bytes, other: bytes, random: Random) -> bytes:
    bodies = [
        random.choice((record, record, other, b"{}", b"null", b"[]"))
        for _ in range(random.choice((0, 1, 2, 7, 40)))
    ]
    return b"[" + b",".join(bodies) + b"]"


def _envelope(record: bytes, _other: bytes, random: Random) -> bytes:
    """A structured CloudEvent around the record, now and then a strange one."""
    attributes: dict[str, Any] = {
        "specversion": random.choice(("1.0", "1.0", "1.0", "0.3", 1, "1.9999", None)),
        "id": random.choice(("e1", "ce-2", "", 7)),
        "source": random.choice(("gw", "/mes", "")),
        "type": "foresite.event.v1",
        "time": random.choice(("2026-03-02T06:00:00Z", "now", 0)),
    }
    for name in random.sample(sorted(attributes), random.choice((0, 0, 1, 2))):
        if name != "specversion":
            del attributes[name]
    if random.random() < 0.5:
        data = base64.b64encode(record)
        if random.random() < 0.2:
            data = _flip(data, b"", random)
        return _text(attributes)[:-1] + b',"data_base64":"' + data.replace(b'"', b"") + b'"}'
    return _text(attributes)[:-1] + b',"data":' + record + b"}"


MUTATIONS: tuple[Mutation, ...] = (
    _nothing, _flip, _truncate, _insert, _repeat, _splice, _join, _retype, _retype, _drop, _words, _words, _number, _number,
    _scale, _scale, _borrow, _borrow, _surrogate, _unknown, _twice, _nest, _array, _array, _envelope, _envelope,
)  # fmt: skip
