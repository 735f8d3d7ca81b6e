"""Planned deaths, for the crash tests: kills or stops this process at a named point, or tells a simulator of it.

Only this file reads FORESITE_FAULT. Its form is `<point>:<count>[:kill|stop]`, so `after_documents:3` sends SIGKILL
to this process the third time it passes `after_documents`. Unset, which is always so in production, a point costs
one comparison.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

POINTS = (
    "after_begin",
    "after_outputs",
    "after_documents",
    "after_manifest",
    "after_commit",
    "after_acknowledge",
    "during_take_over",
)
"""Between any two steps of the commit, and between fencing the old owner and reading its state."""

NOTIFY_POINTS = ("after_note", "after_send")
"""Between noting a notice and handing it over, and between its leaving and noting what became of it."""

WEB_POINTS = ("before_command", "after_command")
"""Before a posted command is produced, and between its delivery and the answer to whoever posted it."""

FLUSH_WAIT_S = 0.05
"""How long a point lingers before it strikes, so that what was produced so far has reached the broker."""


class _Fault:
    """The one planned fault of this process."""

    def __init__(self, plan: str) -> None:
        point, count, *action = plan.split(":")
        known = (*POINTS, *NOTIFY_POINTS, *WEB_POINTS)
        if point not in known:
            raise ValueError(f"FORESITE_FAULT names no fault point: {point!r}, known are {', '.join(known)}")
        self.point = point
        self.remaining = int(count)
        self.signal = signal.SIGSTOP if action == ["stop"] else signal.SIGKILL

    def pass_through(self, point: str) -> None:
        """Die here if this is the planned place and time."""
        if point != self.point:
            return
        self.remaining -= 1
        if self.remaining == 0:
            time.sleep(FLUSH_WAIT_S)
            os.kill(os.getpid(), self.signal)


_plan = os.environ.get("FORESITE_FAULT")
_passing: Callable[[str], None] | None = _Fault(_plan).pass_through if _plan else None


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
