"""What was projected stays as it was said until it moved beyond a tolerance. Pure; what is kept is the state's.

What is kept is what the next projection is compared with, so that small moves add up and are seen.
"""

from twin.forecast.projection import ProjectedRun
from twin.forecast.stop_risk import risk_moved

MOVED_SD = 0.05
"""A projected finish that moved by less than this share of its own standard deviation stays as it was said, and so do
the orders that rest on it. Smaller: each count judges the whole queue again; larger: P(late) lags, by up to 0.4 of it."""

MOVED_S = 0.1
"""What moves less is the arithmetic of floats, also where nothing scatters."""

HELD_MOVED = 0.005
"""Share by which the pieces that wait for material must change."""


def settle(before: dict[str, ProjectedRun], after: dict[str, ProjectedRun]) -> dict[str, ProjectedRun]:
    """The new projection of a line, run by run the old one where it did not move beyond the tolerance.

    What is kept is what the next projection is compared with, so that small moves add up and are seen.

    Args:
        before: as it was said last.
        after: as it is worked out now.
    """
    return {
        run_id: old if (old := before.get(run_id)) is not None and not _moved(old, new) else new
        for run_id, new in after.items()
    }


def _moved(old: ProjectedRun, new: ProjectedRun) -> bool:
    if old is new:
        return False
    limit_s = max(MOVED_S, MOVED_SD * old.sd_work_s)
    start_s = abs(old.start_at - new.start_at)
    is_bound_anew = (old.bound_by, old.bound_run_id) != (new.bound_by, new.bound_run_id)
    return (
        is_bound_anew
        or (old.finish_at != new.finish_at and not abs(old.finish_at - new.finish_at) <= limit_s)
        or (old.start_at != new.start_at and not start_s <= limit_s)
        or abs(old.sd_work_s - new.sd_work_s) > limit_s
        or abs(old.run_work_s - new.run_work_s) > limit_s
        or abs(old.planned_work_s - new.planned_work_s) > limit_s
        or _wait_moved(old, new, limit_s)
        or risk_moved((old.at_risk, old.open_stop), (new.at_risk, new.open_stop))
    )


def _wait_moved(old: ProjectedRun, new: ProjectedRun, limit_s: float) -> bool:
    """Whether it waits for other material, for longer, or with other pieces: two items may hold a run to the same end."""
    if (old.waits_for, old.waits_until) != (new.waits_for, new.waits_until):
        return True
    if old.wait_work_s != new.wait_work_s and not abs(old.wait_work_s - new.wait_work_s) <= limit_s:
        return True
    return abs(old.held_pcs - new.held_pcs) > HELD_MOVED * old.held_pcs
