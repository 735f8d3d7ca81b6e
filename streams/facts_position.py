"""Which facts record an output follows from, as a header of the output.

The output id names the event; this names its place in the one log. So a reader can tell which of the outputs of a topic
follow from facts before a checkpoint and which from those behind it, whatever partition of facts they came from.
"""

from typing import NamedTuple

from confluent_kafka import Message

HEADER = "ce_factsposition"
"""A CloudEvents extension attribute; its value is `<partition>/<offset>` of twin.facts.v1."""


class FactsPosition(NamedTuple):
    """Place of a facts record."""

    partition: int
    offset: int


def position_header(partition: int, offset: int) -> tuple[str, bytes]:
    """The header of an output that follows from this facts record."""
    return HEADER, b"%d/%d" % (partition, offset)


def header_of(message: Message, name: str) -> str | None:
    """The text of a header; None where the record has none of this name."""
    headers = message.headers()
    for found, value in headers.items() if isinstance(headers, dict) else headers or []:
        if found == name and value is not None:
            return value if isinstance(value, str) else value.decode(errors="replace")
    return None


def position_of(message: Message) -> FactsPosition | None:
    """The facts record that an output follows from; None where it does not say so."""
    partition, _, offset = (header_of(message, HEADER) or "").partition("/")
    if not (partition.isdecimal() and offset.isdecimal()):
        return None
    return FactsPosition(int(partition), int(offset))
