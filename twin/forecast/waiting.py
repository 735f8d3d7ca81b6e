"""Working time that orders lost because a run waited for material."""

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING

from twin.shopfloor.drift import DriftPhase
from twin.state.entities import Line

if TYPE_CHECKING:
    from twin.judges.causes import Link

GATE_MATTERS = 0.1
"""A wait for material counts from this share of the time by which it is later than planned. Below it the run is hardly
sooner without the wait, and what delayed it before is to blame."""


def gated_link(chain: Sequence["Link"]) -> int | None:
    """The last run on the way that waited for material long enough for what came before it not to matter."""
    for index in range(len(chain) - 1, -1, -1):
        link = chain[index]
        if 0 < GATE_MATTERS * _lost_at_gate(link) <= link.projected.wait_work_s:
            return index
    return None


def parts_from_gate(chain: Sequence["Link"]) -> list[tuple[str, Line, float]]:
    """Working time lost from the moment on at which the first run of the chain has its material.

    What was lost before did no harm: without it the run would have waited longer.
    """
    gated = chain[0]
    parts = [("material", gated.line, _lost_at_gate(gated))]
    for line in dict.fromkeys(link.line for link in chain):
        if line.drift.phase is not DriftPhase.DRIFTING or line.delta >= 0:
            continue
        ahead_s = 0.0
        for link in chain:
            if link.line is line:
                held = link.projected.held_pcs / max(link.run.remaining_pcs, 1e-9) if link is gated else 1.0
                ahead_s += min(1.0, held) * (link.projected.run_work_s - link.projected.planned_work_s)
        parts.append(("drift", line, ahead_s))
    return parts


def _lost_at_gate(link: "Link") -> float:
    """Working time from when the plan made the first piece that waits for material to when that comes."""
    projected, calendar = link.projected, link.line.calendar
    if projected.waits_until is None or link.run.remaining_pcs <= 0 or projected.waits_until == inf:
        return 0.0
    planned_s = projected.planned_work_s * min(1.0, projected.held_pcs / link.run.remaining_pcs)
    planned = calendar.subtract_work(link.run.planned_end, planned_s)
    if planned == -inf:
        return 0.0
    return max(0.0, calendar.work_between(planned, projected.waits_until))
