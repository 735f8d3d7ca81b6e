"""The pure core as the shell sees it: what `twin.Twin` offers, and tests with a fold of their own too."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Output(Protocol):
    """What a fold says to the world; see schemas.outputs."""

    @property
    def topic(self) -> str:
        """Topic, without prefix."""

    @property
    def key(self) -> str:
        """Key, whose hash chooses the partition."""

    @property
    def output_id(self) -> str:
        """Derived from the causing fact, unique for ever."""

    def value(self) -> bytes | None:
        """Body; None is a tombstone."""

    def headers(self) -> list[tuple[str, bytes]]:
        """CloudEvents attributes; `ce_id` is the output id."""


class Fold(Protocol):
    """The pure core as the shell sees it; `twin.Twin` is one, tests have a smaller one.

    Attributes:
        counters: what it did since the shell last emptied it, as ("applied", kind), ("rejected", reason),
            ("duplicate", how), ("late", ""). For metrics, no part of the state.
    """

    counters: Counter[tuple[str, str]]

    @property
    def digest(self) -> str:
        """Of all documents and the header, in hex."""

    @property
    def document_count(self) -> int:
        """How many documents there are."""

    def apply(self, facts: Any) -> Sequence[Output]:
        """Fold one decoded facts record and say what follows from it."""

    def take_changes(self) -> Mapping[str, bytes | None]:
        """Documents changed since the last call; None is a tombstone."""

    def header(self) -> bytes:
        """Clock and watermarks, as JSON."""


@dataclass(frozen=True, slots=True)
class FoldKind:
    """How to make, restore and feed one kind of fold.

    Attributes:
        new: an empty fold.
        restore: a fold that continues from header and documents.
        decode: a facts record from its bytes.
        count_and_digest: what header and documents amount to, as a fold restored from them would say.
        now: the clock in a header, POSIX seconds; None before its first tick.
        schema_version, code_version: recorded in every manifest.
    """

    new: Callable[[], Fold]
    restore: Callable[[bytes, Mapping[str, bytes]], Fold]
    decode: Callable[[bytes], Any]
    count_and_digest: Callable[[bytes, Mapping[str, bytes]], tuple[int, str]]
    now: Callable[[bytes], float | None]
    schema_version: int
    code_version: str
