"""One thread a sink, behind a bounded queue: what is slow or down holds up nothing but itself."""

import queue
import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol

import structlog

from streams.notify.config import Retry
from streams.notify.letters import Letter

log = structlog.get_logger(__name__)

QUEUE_LETTERS = 20
"""Letters handed to a sink and not yet tried. Too small: a fast sink waits for the next turn of the loop. Too large:
so many may be repeated after a crash, and what they say may be overtaken while they wait."""


@dataclass(frozen=True, slots=True)
class SendResult:
    """What one attempt came to.

    Attributes:
        outcome: delivered: the other side has it; again: it may take it later; failed: it never will.
        reason: its answer or the failure, in words without secrets.
        retry_after_s: how long the other side asks us to wait.
    """

    outcome: Literal["delivered", "again", "failed"]
    reason: str
    retry_after_s: float | None = None


class Transport(Protocol):
    """Carries letters to one place."""

    def send(self, letter: Letter) -> SendResult:
        """Try once, within a bounded time. Raises nothing that the other side can cause."""
        ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """A letter that was tried, and how long that took."""

    letter: Letter
    result: SendResult
    seconds: float


class Carrier(Protocol):
    """What the desk needs of a sink."""

    def offer(self, letter: Letter) -> bool:
        """Take a letter, or refuse it for want of room."""
        ...

    def take_attempts(self) -> list[Attempt]:
        """What was tried since the last call."""
        ...

    def recall(self) -> list[Letter]:
        """Give back what was not tried yet."""
        ...


class Sink:
    """A transport with its queue and thread.

    Args:
        name: mail, or the webhook's.
        transport: what carries.
        size: of the queue.
    """

    def __init__(self, name: str, transport: Transport, size: int = QUEUE_LETTERS) -> None:
        self.name = name
        self._transport = transport
        self._letters: queue.Queue[Letter | None] = queue.Queue(size)
        self._attempts: queue.SimpleQueue[Attempt] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"sink-{name}", daemon=True)
        self._is_stopping = threading.Event()

    def start(self) -> None:
        """Begin to carry."""
        self._thread.start()

    def offer(self, letter: Letter) -> bool:
        """Hand a letter over; False where there is no room, and then it was not taken."""
        try:
            self._letters.put_nowait(letter)
        except queue.Full:
            return False
        return True

    def take_attempts(self) -> list[Attempt]:
        """What was tried since the last call."""
        found = []
        while True:
            try:
                found.append(self._attempts.get_nowait())
            except queue.Empty:
                return found

    def recall(self) -> list[Letter]:
        """Take back the letters that were not tried yet."""
        found: list[Letter] = []
        while True:
            try:
                letter = self._letters.get_nowait()
            except queue.Empty:
                return found
            if letter is not None:
                found.append(letter)

    def stop(self, timeout_s: float) -> None:
        """Let the letter that is under way arrive, within the time; those behind it are left for the next start."""
        self._is_stopping.set()
        with suppress(queue.Full):  # then it sees the flag after the letter that it is at
            self._letters.put_nowait(None)
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while (letter := self._letters.get()) is not None and not self._is_stopping.is_set():
            started = time.monotonic()
            try:
                result = self._transport.send(letter)
            except Exception as error:  # our own mistake, met in one letter, may not silence the others
                log.exception("letter_not_made", sink=self.name, delivery_id=letter.delivery_id)
                result = SendResult("failed", f"our own mistake: {type(error).__name__}: {error}")
            self._attempts.put(Attempt(letter, result, time.monotonic() - started))


def backoff_s(retry: Retry, attempts: int, asked_s: float | None, chance: Callable[[], float]) -> float:
    """Seconds until the next attempt: doubled each time, less up to half by chance, never above the maximum.

    Args:
        retry: the bounds.
        attempts: made so far, at least one.
        asked_s: what the other side asked for (Retry-After); a longer wait than our own is granted up to the maximum.
        chance: gives 0..1; without it, what failed together would come back together.
    """
    own = min(retry.max_s, retry.first_s * 2.0 ** min(attempts - 1, 30)) * (1.0 - chance() / 2.0)
    return min(retry.max_s, max(own, asked_s or 0.0))


def start_sinks(transports: Mapping[str, Transport]) -> dict[str, Sink]:
    """A running sink for each transport."""
    sinks = {name: Sink(name, transport) for name, transport in transports.items()}
    for sink in sinks.values():
        sink.start()
    return sinks


def some_chance() -> float:
    """Any number from 0 to 1."""
    return random.random()
