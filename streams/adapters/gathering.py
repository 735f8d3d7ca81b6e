"""Events that several rows of a table make together: a bill of material with a row a component."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Part:
    """What one row adds to an event.

    Attributes:
        kind: of the event; group: which of them.
        body: the event as this row alone would make it; None: the row was refused.
    """

    kind: str
    group: str
    body: dict[str, Any] | None


def joined(bodies: list[dict[str, Any]], mapping: str, group: str) -> dict[str, Any]:
    """The event of a group: its first row's, with the lists of all rows.

    The id follows from the content: a group that changed is another event, and one that did not is a repeat.
    """
    first = bodies[0]
    event = dict(first)
    for name, value in first.items():
        if isinstance(value, list):
            event[name] = [member for body in bodies for member in body.get(name, [])]
    content = {name: value for name, value in event.items() if name != "event_id"}
    digest = blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=5).hexdigest()
    event["event_id"] = f"{mapping}/{group}-{digest}/{event['kind']}"
    return event
