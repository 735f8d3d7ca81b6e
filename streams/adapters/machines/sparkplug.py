"""Sparkplug B topics and payloads: bytes to names, numbers and times, and our own requests to bytes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from schemas import BadRecord, ReasonCode
from schemas.base import EARLIEST_TIME, LATEST_TIME
from streams.adapters.machines.readings import Value
from streams.adapters.machines.wire_format import messages

NAMESPACE: Final = "spBv1.0"
NODE_MESSAGES: Final = frozenset({"NBIRTH", "NDATA", "NDEATH"})
DEVICE_MESSAGES: Final = frozenset({"DBIRTH", "DDATA", "DDEATH"})
COMMANDS: Final = frozenset({"NCMD", "DCMD"})

PAYLOAD_BYTES_MAX: Final = 4_000_000
"""Of one payload. Too small: the birth of a large node is refused. Too large: memory for what nobody means."""

METRICS_MAX: Final = 100_000

SIGNED: Final[Mapping[int, int]] = {1: 8, 2: 16, 3: 32, 4: 64}
"""Datatype code -> bits: Int8..Int64 travel as unsigned numbers, in two's complement."""

QUALITY_GOOD: Final = 192

REBIRTH: Final = "Node Control/Rebirth"
BIRTH_NUMBER: Final = "bdSeq"


@dataclass(frozen=True, slots=True)
class Address:
    """Who speaks.

    Attributes:
        kind: NBIRTH, DDATA, ...
        device: None for the edge node itself.
    """

    kind: str
    group: str
    node: str
    device: str | None

    @property
    def of_node(self) -> str:
        """The edge node's name: group/node."""
        return f"{self.group}/{self.node}"

    @property
    def name(self) -> str:
        """Of the node or device: what its tags begin with."""
        return self.of_node if self.device is None else f"{self.of_node}/{self.device}"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it came.

    Attributes:
        name: None where an alias stands for it. alias: None where it has none.
        value: None where it is null, or of a type that is not read (data set, template, file).
        at: None where only the payload has a time.
        is_good: False where the source says that the value cannot be trusted.
    """

    name: str | None
    alias: int | None
    value: Value | None
    at: datetime | None
    is_historical: bool
    is_good: bool


@dataclass(frozen=True, slots=True)
class Payload:
    """A decoded payload; `seq` is None where it has none, as in NDEATH."""

    at: datetime | None
    seq: int | None
    metrics: tuple[Metric, ...]


def parse_topic(topic: str) -> Address | None:
    """Who speaks; None for topics that carry no data: commands, STATE, other namespaces.

    Raises:
        BadRecord: it is a Sparkplug topic of an unknown form.
    """
    levels = topic.split("/")
    if levels[0] != NAMESPACE or (len(levels) > 1 and levels[1] == "STATE"):
        return None
    if len(levels) >= 4 and all(levels):
        kind = levels[2]
        if kind in COMMANDS:
            return None
        if (kind in NODE_MESSAGES and len(levels) == 4) or (kind in DEVICE_MESSAGES and len(levels) == 5):
            return Address(kind, levels[1], levels[3], levels[4] if len(levels) == 5 else None)
    raise BadRecord(ReasonCode.SCHEMA, f"{topic[:200]!r} is no Sparkplug topic", "topic")


def decode_payload(data: bytes) -> Payload:
    """Read a payload.

    Raises:
        BadRecord: it is no Sparkplug payload, or too large.
    """
    if len(data) > PAYLOAD_BYTES_MAX:
        raise BadRecord(ReasonCode.SIZE, f"{len(data)} bytes, at most {PAYLOAD_BYTES_MAX} are read")
    try:
        message = messages()["Payload"].FromString(data)
    except Exception as error:  # noqa: BLE001 - DecodeError; its class cannot be named without protobuf
        raise BadRecord(ReasonCode.PARSE, f"no Sparkplug B payload: {error}"[:200]) from None
    if len(message.metrics) > METRICS_MAX:
        raise BadRecord(ReasonCode.SIZE, f"{len(message.metrics)} metrics, at most {METRICS_MAX} are read")
    at = _moment(message.timestamp, "timestamp") if message.HasField("timestamp") else None
    seq = message.seq if message.HasField("seq") else None
    if seq is not None and seq > 255:
        raise BadRecord(ReasonCode.RANGE, f"seq {seq}: it counts from 0 to 255", "seq")
    metrics = (_metric(each, f"metrics.{index}") for index, each in enumerate(message.metrics))
    return Payload(at, seq, tuple(metrics))


def rebirth_request(address: Address, at: datetime) -> tuple[str, bytes]:
    """Topic and payload of the command that makes an edge node tell everything again."""
    kinds = messages()
    metric = kinds["Metric"](name=REBIRTH, timestamp=_ms(at), datatype=11, boolean_value=True)
    payload = kinds["Payload"](timestamp=_ms(at), metrics=[metric])
    return f"{NAMESPACE}/{address.group}/NCMD/{address.node}", payload.SerializeToString()


def _metric(raw: Any, path: str) -> Metric:
    name = raw.name if raw.HasField("name") and raw.name else None
    value = None if raw.is_null else _value(raw)
    if isinstance(name, bytes) or isinstance(value, bytes):  # what the runtime gives for text that is none
        raise BadRecord(ReasonCode.PARSE, "text that is not UTF-8", path)
    alias = raw.alias if raw.HasField("alias") else None
    if name is None and alias is None:
        raise BadRecord(ReasonCode.SCHEMA, "a metric has a name or an alias", path)
    at = _moment(raw.timestamp, f"{path}.timestamp") if raw.HasField("timestamp") else None
    return Metric(name, alias, value, at, raw.is_historical, _is_good(raw))


def _value(raw: Any) -> Value | None:
    if raw.HasField("int_value"):
        return _signed(raw.int_value, raw.datatype)
    if raw.HasField("long_value"):
        return _signed(raw.long_value, raw.datatype)
    for field in ("double_value", "float_value", "boolean_value", "string_value"):
        if raw.HasField(field):
            value: Value = getattr(raw, field)
            return value
    return None


def _signed(number: int, datatype: int) -> int:
    bits = SIGNED.get(datatype)
    if bits is None:
        return number
    # Int8 and Int16 come sign-extended to 32 bits, or not: what counts are the lowest bits.
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number


def _is_good(raw: Any) -> bool:
    properties = raw.properties
    for key, value in zip(properties.keys, properties.values, strict=False):
        if key == "Quality":
            quality: int = value.int_value or value.long_value
            return quality == QUALITY_GOOD
    return True


def _moment(milliseconds: int, path: str) -> datetime:
    try:
        at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        at = LATEST_TIME
    if not EARLIEST_TIME <= at < LATEST_TIME:
        raise BadRecord(ReasonCode.TIME, f"{milliseconds} ms since 1970 is outside 2000..2100", path)
    return at


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
