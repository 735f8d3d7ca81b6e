"""Planned deaths, for the crash tests: kills or stops this process at a named point, or tells a simulator of it.

Only this file reads FORESITE_FAULT. Its form is `<point>:<count>[:kill|stop[:later]]`, so `after_documents:3` sends
SIGKILL to this process the third time it passes `after_documents`, and with `:later` the third time after a SIGUSR1.
Unset, which is always so in production, a point costs one comparison.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INGEST_POINTS = (
    "after_read",
    "after_convert",
    "during_send",
    "after_facts",
    "after_reports",
    "before_offsets",
    "after_offsets",
)
"""Between any two steps of ingest's loop, and between two records of one batch."""

TICK_POINTS = ("before_tick", "during_tick", "after_tick")
"""Around the wall clock's tick, and between the first facts partition that has it and the second."""

TWIN_POINTS = (
    "after_fold",
    "after_swap",
    "after_begin",
    "after_outputs",
    "after_documents",
    "after_manifest",
    "after_commit",
    "after_acknowledge",
    "during_take_over",
)
"""Between any two steps of the commit, and between fencing the old owner and reading its state."""

SOLVER_POINTS = (
    "after_request",
    "before_answer",
    "after_answer",
    "after_answered",
    "before_requests_commit",
    "after_requests_commit",
)
"""After a request was taken; around a revision's way to the broker; when the broker has the last one; around the commit
of the requests' offsets."""

NOTIFY_POINTS = ("after_cards", "during_note", "after_note", "after_dispatch", "after_send")
"""After cards were read; inside the transaction that notes what is to be told, and behind it; after it was handed to its
sink; and between its leaving and noting what became of it."""

WEB_POINTS = ("before_command", "after_command")
"""Before a posted command is produced, and between its delivery and the answer to whoever posted it."""

CONNECT_POINTS = ("before_kafka", "after_kafka", "after_mqtt_ack")
"""Of a reader of MQTT: while a message's events are on their way; when Kafka has them; when the source was told so."""

POINTS_OF_ROLE = {
    "ingest": (*INGEST_POINTS, *TICK_POINTS),
    "twin": TWIN_POINTS,
    "solver": SOLVER_POINTS,
    "notify": NOTIFY_POINTS,
    "web": WEB_POINTS,
    "connect": CONNECT_POINTS,
}
"""Every point, by the role that passes it."""

ARMED = b"fault_armed\n"
"""What a process says on stderr when a SIGUSR1 has reached it."""

FLUSH_WAIT_S = 0.05
"""How long a point lingers before it strikes, so that what was produced so far has reached the broker."""


class _Fault:
    """The one planned fault of this process."""

    def __init__(self, plan: str) -> None:
        point, count, *how = plan.split(":")
        known = [each for points in POINTS_OF_ROLE.values() for each in points]
        if point not in known:
            raise ValueError(f"FORESITE_FAULT names no fault point: {point!r}, known are {', '.join(known)}")
        self.point = point
        self.remaining = int(count)
        self.signal = signal.SIGSTOP if how[:1] == ["stop"] else signal.SIGKILL
        self.is_armed = how[1:] != ["later"]
        if not self.is_armed:
            signal.signal(signal.SIGUSR1, self._arm)

    def _arm(self, _number: int, _frame: object) -> None:
        self.is_armed = True
        # A signal waits for the main thread, and that one perhaps for a client: whoever sent it must hear of it.
        os.write(sys.stderr.fileno(), ARMED)

    def pass_through(self, point: str) -> None:
        """Die here if this is the planned place and time."""
        if point != self.point or not self.is_armed:
            return
        self.remaining -= 1
        if self.remaining == 0:
            time.sleep(FLUSH_WAIT_S)
            os.kill(os.getpid(), self.signal)


_passing: Callable[[str], None] | None = None


def plan_fault(plan: str | None) -> None:
    """Plan the one fault of this process, as FORESITE_FAULT has it; None: none."""
    global _passing  # noqa: PLW0603 - as global as the process that dies of it
    _passing = _Fault(plan).pass_through if plan else None


plan_fault(os.environ.get("FORESITE_FAULT"))


def fault_point(point: str) -> None:
    """Tell whoever plans faults that this point is passed; nobody does in production."""
    if _passing is not None:
        _passing(point)


@contextmanager
def planned_faults(passing: Callable[[str], None]) -> Iterator[None]:
    """For the simulator, which runs many workers in one process: `passing` is told of every point, and may raise."""
    global _passing  # noqa: PLW0603 - as global as the environment variable that it stands in for
    before, _passing = _passing, passing
    try:
        yield
    finally:
        _passing = before
