"""The life of a run (ISA-95 job order) as a table, and what a run has made so far."""

from enum import StrEnum

import msgspec


class RunState(StrEnum):
    """States of a run."""

    PLANNED = "planned"
    SETUP = "setup"
    RUNNING = "running"
    HELD = "held"
    SUSPENDED = "suspended"
    COMPLETED = "completed"
    ABORTED = "aborted"


_STOPPED: dict[str, RunState] = {
    "setup_started": RunState.SETUP,
    "run_started": RunState.RUNNING,
    "run_resumed": RunState.RUNNING,
    "run_held": RunState.HELD,
    "run_suspended": RunState.SUSPENDED,
    "run_completed": RunState.COMPLETED,
    "run_aborted": RunState.ABORTED,
}

# Every legal move of a run. An absent pair leaves the run as it was and comes out as EventRejected.
# Shop floors set up again in mid-run and say "started" after a break: both are moves, not errors.
RUN_TRANSITIONS: dict[RunState, dict[str, RunState]] = {
    RunState.PLANNED: {
        "setup_started": RunState.SETUP,
        "run_started": RunState.RUNNING,
        "run_held": RunState.HELD,
        "run_suspended": RunState.SUSPENDED,
        "run_aborted": RunState.ABORTED,
    },
    RunState.SETUP: {
        "setup_started": RunState.SETUP,
        "run_started": RunState.RUNNING,
        "run_held": RunState.HELD,
        "run_suspended": RunState.SUSPENDED,
        "run_completed": RunState.COMPLETED,
        "run_aborted": RunState.ABORTED,
    },
    RunState.RUNNING: {
        "setup_started": RunState.SETUP,
        "run_started": RunState.RUNNING,
        "run_resumed": RunState.RUNNING,
        "run_held": RunState.HELD,
        "run_suspended": RunState.SUSPENDED,
        "run_completed": RunState.COMPLETED,
        "run_aborted": RunState.ABORTED,
    },
    RunState.HELD: _STOPPED,
    RunState.SUSPENDED: _STOPPED,
    RunState.COMPLETED: {},
    RunState.ABORTED: {},
}

FINISHED = frozenset({RunState.COMPLETED, RunState.ABORTED})
STOPPED = frozenset({RunState.HELD, RunState.SUSPENDED})


class RunProgress(msgspec.Struct):
    """What a run has done. Times are POSIX seconds, quantities in the item's unit.

    Attributes:
        good_pcs, scrap_pcs, rework_pcs: GQ, SQ, RQ of ISO 22400.
        totals: last counter readings [good, scrap, rework] where the source sends totals.
        apt_s: actual production time.
        state_since: when the state was entered.
        setup_since: when its setup began, None if it has not.
        stopped_until: when a stop is expected to end, None if nobody said.
        down_work_s: working time spent held or suspended; aust_s: working time spent on setup.
        planned_s: planned run time of everything made.
        state_event_id: the event that brought the state.
        planned_line_id: the line that the plan named, where the floor makes it on another; None where they agree.
    """

    state: RunState = RunState.PLANNED
    good_pcs: float = 0.0
    scrap_pcs: float = 0.0
    rework_pcs: float = 0.0
    totals: list[float] | None = None
    apt_s: float = 0.0
    first_started_at: float | None = None
    ended_at: float | None = None
    state_since: float | None = None
    setup_since: float | None = None
    stopped_until: float | None = None
    down_work_s: float = 0.0
    state_event_id: str = ""
    planned_line_id: str | None = None
    aust_s: float = 0.0
    planned_s: float = 0.0

    @property
    def made_pcs(self) -> float:
        """PQ: everything produced, good or not."""
        return self.good_pcs + self.scrap_pcs + self.rework_pcs

    def encode(self) -> bytes:
        """JSON of the progress."""
        return msgspec.json.encode(self)
