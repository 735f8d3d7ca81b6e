"""What a host application knows of its edge nodes: births, aliases, sequence numbers; and what it must ask for. Pure.

Law: no value is taken before the birth certificate that names it, and no alias outlives the birth that gave it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from schemas import BadRecord, ReasonCode
from streams.adapters.machines.readings import Connection, Flow, Reading
from streams.adapters.machines.sparkplug import (
    BIRTH_NUMBER,
    Address,
    Metric,
    Payload,
    decode_payload,
    parse_topic,
    rebirth_request,
)

REBIRTH_EVERY_S: Final = 10.0
"""Between two requests to one node. Too small: a node that is slow to be born is asked again and again. Too large: its
data is dropped for that long when the first request is lost."""

NODES_MAX: Final = 10_000
NAMES_MAX: Final = 200_000
"""Nodes, and metrics of a node, that are remembered: who makes names up must not fill the memory."""


@dataclass(frozen=True, slots=True)
class Request:
    """A message to publish at QoS 0."""

    topic: str
    payload: bytes


@dataclass(slots=True)
class _Node:
    """One edge node since its last birth.

    Attributes:
        seq: of its last message; None: there was no birth yet.
        births: its birth number (bdSeq), by which a late death is told from the newest.
        names: alias -> (device or None, name).
        alive: devices that were born.
    """

    seq: int | None = None
    births: int | None = None
    names: dict[int, tuple[str | None, str]] = field(default_factory=dict)
    known: set[tuple[str | None, str]] = field(default_factory=set)
    alive: set[str] = field(default_factory=set)
    asked_at: datetime | None = None

    def forget(self) -> None:
        """As before its birth, but for its number and when it was asked."""
        self.seq = None
        self.names.clear()
        self.known.clear()
        self.alive.clear()


Told = Reading | Connection | Request | BadRecord


class SparkplugSession:
    """Follows all edge nodes of a broker.

    Attributes:
        skipped: why -> how many values were left out: null, bad quality, before birth.
    """

    def __init__(self) -> None:
        self.skipped: dict[str, int] = {}
        self._nodes: dict[str, _Node] = {}

    def receive(self, topic: str, data: bytes, now: datetime) -> Iterator[Told]:
        """What a message says, and what is to be asked because of it; a metric that cannot be read is a BadRecord.

        Args:
            topic: of MQTT.
            data: as it came.
            now: of the clock; only for how often a node is asked, and where a death has no time.

        Raises:
            BadRecord: the message as a whole cannot be read; what the node says next is judged by itself.
        """
        address = parse_topic(topic)
        if address is None:
            return
        payload = decode_payload(data)
        node = self._nodes.get(address.of_node)
        if node is None:
            if len(self._nodes) >= NODES_MAX:
                raise BadRecord(ReasonCode.RANGE, f"more than {NODES_MAX} edge nodes", "topic")
            node = self._nodes[address.of_node] = _Node()
        if address.kind == "NDEATH":
            yield from self._died(address, node, payload, now)
        elif address.kind == "NBIRTH":
            yield from self._born(address, node, payload, now)
        else:
            yield from self._told(address, node, payload, now)

    def _died(self, address: Address, node: _Node, payload: Payload, now: datetime) -> Iterator[Told]:
        births = _birth_number(payload)
        if node.seq is None or (node.births is not None and births != node.births):
            return  # the will of an earlier connection: the node was born again since
        node.forget()
        # A will is written when the node connects, so its own time is not that of the death.
        yield Connection(address.of_node, now, is_up=False, reason=f"edge node {address.of_node} is gone")

    def _born(self, address: Address, node: _Node, payload: Payload, now: datetime) -> Iterator[Told]:
        if payload.seq is None:
            raise BadRecord(ReasonCode.SCHEMA, "a birth has a seq", "seq")
        node.forget()
        node.births = _birth_number(payload)
        self._name(node, None, payload)
        node.seq, node.asked_at = payload.seq, None
        yield from self._readings(address, node, payload, now, is_birth=True)

    def _told(self, address: Address, node: _Node, payload: Payload, now: datetime) -> Iterator[Told]:
        if payload.seq is None:
            raise BadRecord(ReasonCode.SCHEMA, f"a {address.kind} has a seq", "seq")
        if node.seq is None:
            self._skip("before birth", len(payload.metrics))
            yield from self._ask(address, node, now)
            return
        expected = (node.seq + 1) % 256
        node.seq = payload.seq
        if payload.seq != expected:
            self._skip("messages that did not arrive", (payload.seq - expected) % 256)
            yield from self._ask(address, node, now)
        if address.kind == "DDEATH":
            assert address.device is not None, "a DDEATH topic has a device"
            node.alive.discard(address.device)
            at = payload.at or now
            yield Connection(address.name, at, is_up=False, reason=f"device {address.name} is gone")
            return
        is_birth = address.kind == "DBIRTH"
        if is_birth:
            assert address.device is not None, "a DBIRTH topic has a device"
            node.alive.add(address.device)
            self._name(node, address.device, payload)
        elif address.device is not None and address.device not in node.alive:
            self._skip("before birth", len(payload.metrics))
            yield from self._ask(address, node, now)
            return
        yield from self._readings(address, node, payload, now, is_birth=is_birth)

    def _name(self, node: _Node, device: str | None, payload: Payload) -> None:
        node.names = {alias: named for alias, named in node.names.items() if named[0] != device}
        for index, metric in enumerate(payload.metrics):
            if metric.name is None:
                raise BadRecord(
                    ReasonCode.SCHEMA, "a birth names each of its metrics", f"metrics.{index}.name"
                )
            if len(node.known) >= NAMES_MAX:
                raise BadRecord(ReasonCode.RANGE, f"more than {NAMES_MAX} metrics of one node", "metrics")
            node.known.add((device, metric.name))
            if metric.alias is not None:
                node.names[metric.alias] = (device, metric.name)

    def _readings(
        self, address: Address, node: _Node, payload: Payload, now: datetime, *, is_birth: bool
    ) -> Iterator[Told]:
        for index, metric in enumerate(payload.metrics):
            name = _name_of(address, node, metric)
            at = metric.at or payload.at
            if name is None:
                yield BadRecord(
                    ReasonCode.SCHEMA,
                    f"{_shown(metric)} of {address.name} is in no birth certificate",
                    f"metrics.{index}",
                )
                yield from self._ask(address, node, now)
            elif metric.value is None:
                self._skip("null", 1)
            elif not metric.is_good:
                self._skip("bad quality", 1)
            elif at is None:
                yield BadRecord(ReasonCode.TIME, "neither metric nor payload has a time", f"metrics.{index}")
            else:
                flow = Flow.HISTORICAL if metric.is_historical else Flow.SNAPSHOT if is_birth else Flow.LIVE
                yield Reading(f"{address.name}/{name}", metric.value, at, flow)
        if is_birth:
            yield Connection(address.name, payload.at or now, is_up=True, reason=f"{address.name} is born")

    def _ask(self, address: Address, node: _Node, now: datetime) -> Iterator[Request]:
        if node.asked_at is None or (now - node.asked_at).total_seconds() >= REBIRTH_EVERY_S:
            node.asked_at = now
            yield Request(*rebirth_request(address, now))

    def _skip(self, why: str, number: int) -> None:
        self.skipped[why] = self.skipped.get(why, 0) + number


def _name_of(address: Address, node: _Node, metric: Metric) -> str | None:
    """The metric's name as its birth gave it; None where no birth did."""
    if metric.name is not None:
        return metric.name if (address.device, metric.name) in node.known else None
    assert metric.alias is not None, "decode_payload refuses a metric without both"
    device, name = node.names.get(metric.alias, (None, ""))
    return name if name and device == address.device else None


def _shown(metric: Metric) -> str:
    return f"alias {metric.alias}" if metric.name is None else f"metric {metric.name[:100]!r}"


def _birth_number(payload: Payload) -> int | None:
    for metric in payload.metrics:
        if metric.name == BIRTH_NUMBER and isinstance(metric.value, int):
            return metric.value
    return None
