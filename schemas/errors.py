"""Whose fault is it? The one tree of errors, and the codes of refused input.

ForesiteError
├── BadRecord        somebody sent a record that cannot be read: a dead letter, never fatal
├── FactsCorrupt     our own log cannot be read: a bug of ours or damage on disk, the worker stops
├── StateCorrupt     the state topic contradicts its manifest: the shard stops, never serves a wrong picture
├── ProblemInvalid   a scheduling problem that cannot be: answered with an error, never solved
└── UsageError       a person's command cannot be carried out as given: the message says what to do next
"""

from enum import StrEnum


class ForesiteError(Exception):
    """Root of everything Foresite raises on purpose."""


class ReasonCode(StrEnum):
    """Why a record became a dead letter; docs/dead-letters.md says cause and cure of each."""

    PARSE = "parse"  # not JSON: truncated, empty, not UTF-8, BOM, NUL, not an object
    SCHEMA = "schema"  # JSON, but a field is missing or of the wrong type or form
    VERSION = "version"  # a kind or schema version that this reader does not know
    RANGE = "range"  # a number outside what the field can mean: NaN, infinite, negative, too large
    TIME = "time"  # a time without zone, not RFC 3339, or outside 2000..2100
    SIZE = "size"  # the record is larger than the limit; it was not parsed
    DEPTH = "depth"  # nested deeper than the limit; it was not parsed
    CODEC = "codec"  # Kafka could not decompress the batch
    AUTHORISATION = "authorisation"  # the publisher may not speak for this site
    QUARANTINED = "quarantined"  # a facts record that our own code could not fold, left out by an operator


class BadRecord(ForesiteError):
    """A record that cannot become events.

    Attributes:
        code: reason code of the dead letter.
        field_path: dotted path of the offending field, "" where the record as a whole is at fault.
    """

    def __init__(self, code: ReasonCode, message: str, field_path: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.field_path = field_path


class FactsCorrupt(ForesiteError):
    """A record of twin.facts.v1 cannot be decoded; ingest wrote it, so this is ours."""


class StateCorrupt(ForesiteError):
    """The state topic does not hold what its manifest says (digest, count or a missing manifest)."""


class ProblemInvalid(ForesiteError):
    """A scheduling problem contradicts itself; the message names the entity and the field."""


class UsageError(ForesiteError):
    """A command was asked for something it cannot do; the message names the way out."""
