"""Planned deaths, for the crash tests: kills or stops this process at a named point.

Only this file reads FORESITE_FAULT. Its form is `<point>:<count>[:kill|stop]`, so `after_documents:3` sends SIGKILL
to this process the third time it passes `after_documents`. Unset, which is always so in production, a point costs
one comparison.
"""

import os
import signal
import time

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


_plan = os.environ.get("FORESITE_FAULT")
_fault = _Fault(_plan) if _plan else None


def fault_point(point: str) -> None:
    """Die here if this is the planned place and time."""
    if _fault is None or _fault.point != point:
        return
    _fault.remaining -= 1
    if _fault.remaining == 0:
        time.sleep(FLUSH_WAIT_S)
        os.kill(os.getpid(), _fault.signal)
