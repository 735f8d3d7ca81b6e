"""Events judged before they are sent: the verdicts that ingest would give, for whoever can still mend what is wrong.

Law: what is found good here becomes a fact, unless Kafka or a full site is in the way; one event a record.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from schemas import BadRecord, Event, ReasonCode
from schemas.decode import decode_batch
from streams.routing import misplaced
from streams.site_binding import not_authorised
from streams.sources import route_of


@dataclass(frozen=True, slots=True)
class ReadyEvent:
    """An event that can be sent.

    Attributes:
        topic: in the table, without prefixes; key: of the record; value: its bytes.
        unknown_fields: of the body, which are ignored and not sent.
    """

    topic: str
    key: str
    value: bytes
    event: Event
    unknown_fields: int


def judged(
    bodies: Sequence[bytes | BadRecord],
    clock: Literal["wall", "events"],
    sites: Collection[str] | None = None,
) -> list[ReadyEvent | BadRecord]:
    """The verdict on each body, in order.

    Args:
        bodies: each one event or structured CloudEvent in JSON; what is refused already stays so.
        clock: what drives the time of the installation.
        sites: that may be spoken for; None: all.
    """
    verdicts: list[ReadyEvent | BadRecord | None] = [None] * len(bodies)
    places: dict[str, list[tuple[int, bytes, str]]] = {}
    for place, body in enumerate(bodies):
        routed = body if isinstance(body, BadRecord) else _routed(body)
        if isinstance(routed, BadRecord):
            verdicts[place] = routed
        else:
            topic, key = routed
            assert not isinstance(body, BadRecord)
            places.setdefault(topic, []).append((place, body, key or ""))
    for topic, theirs in places.items():
        for (place, _, key), decoded in zip(
            theirs, decode_batch(topic, [body for _, body, _ in theirs]), strict=True
        ):
            [(_, verdict)] = decoded.items
            verdicts[place] = (
                verdict
                if isinstance(verdict, BadRecord)
                else _placed(verdict, topic, key, decoded.unknown_fields, clock, sites)
            )
    assert None not in verdicts, "each has its verdict"
    return [verdict for verdict in verdicts if verdict is not None]


def _routed(body: bytes) -> tuple[str, str | None] | BadRecord:
    if body.lstrip()[:1] == b"[":
        return BadRecord(ReasonCode.SCHEMA, "one event is expected here, not an array of them")
    return route_of(body)


def _placed(
    event: Event,
    topic: str,
    key: str,
    unknown_fields: int,
    clock: Literal["wall", "events"],
    sites: Collection[str] | None,
) -> ReadyEvent | BadRecord:
    refused = None if sites is None else not_authorised(event, frozenset(sites))
    refused = refused or misplaced(event, clock)
    if refused is not None:
        return refused
    # As it was said: defaults are left out, so that a later version may read them otherwise for others.
    value = event.model_dump_json(exclude_unset=True).encode()
    return ReadyEvent(topic, key, value, event, unknown_fields)
