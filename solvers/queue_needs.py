"""What the end of a run hangs on: moments before it, and the work that lies between them and its end.

The arithmetic is that of solvers/line_walk.py, turned round: not "when does it end", but "how much working time must lie
before a moment for it to have ended by then". Working time can be bought, so this is what overtime is decided by.
"""

from dataclasses import dataclass
from math import expm1, inf

from schemas.scheduling import SchedulingRun
from solvers.evaluator import Evaluated, pieces_of
from solvers.problem import Problem, RunKey


@dataclass(frozen=True, slots=True)
class Need:
    """Working time that is missing between two moments: so much must be bought in between."""

    since: float
    short_s: float


class QueueNeeds:
    """One line's queue under a plan.

    Args:
        problem: that the plan answers.
        evaluated: the plan; feeders end as in it.
        line: by index.
    """

    def __init__(self, problem: Problem, evaluated: Evaluated, line: int) -> None:
        self._calendar = problem.working_time(line, evaluated.plan)
        self._sources: dict[RunKey, list[tuple[float, float]]] = {}
        plan, facts = evaluated.plan, problem.lines[line]
        result = evaluated.lines[line]
        sources: list[tuple[float, float]] = [(facts.free_from, 0.0)]
        ahead_s = 0.0
        for place, key in enumerate(result.keys):
            run = problem.run_of(key, plan)
            pieces = pieces_of(problem, plan, key)
            rate = problem.eligible[run.site_id, run.run_id][line].rate_pcs_per_h
            work_s = pieces / rate * 3600.0 / facts.level
            before_s, ahead_s = ahead_s, ahead_s + work_s
            ends = facts.drift_ends_per_s
            if ends > 0.0:
                lasting = (expm1(-ends * before_s) - expm1(-ends * ahead_s)) / ends
                work_s -= (1.0 - facts.level) * (work_s - lasting)
            work_s *= 1.0 + facts.short_share
            has_begun = run.state != "planned" and key not in plan.splits
            if has_begun:
                assert run.next_piece_at is not None
                starts = [run.next_piece_at]
                sources = [] if place == 0 else sources
            else:
                starts = self._starts(problem, evaluated, run, key)
                if place == 0:
                    sources = [(max(facts.free_from, problem.wire.as_of), 0.0)]
            setup_s = result.setup_s[place]
            sources = [(since, behind_s + setup_s + work_s) for since, behind_s in sources]
            sources += [(since, work_s) for since in starts]
            if pieces > 0.0:
                sources += [
                    (gate.at, min(pieces, gate.after_pcs) / rate * 3600.0 / facts.level)
                    for gate in run.gates
                    if gate.at > -inf
                ]
            sources = _undominated(sources)
            self._sources[key] = sources

    def of(self, run: RunKey, by: float) -> list[Need]:
        """Working time that is missing for a run to end by a moment, for all that its end hangs on."""
        needs: list[Need] = []
        for since, work_s in self._sources[run]:
            if since > by:
                short_s = work_s
            else:
                short_s = work_s - self._calendar.work_between(since, by)
            if short_s > 0.0 or since > by:
                needs.append(Need(since, max(0.0, short_s)))
        return needs

    @staticmethod
    def _starts(problem: Problem, evaluated: Evaluated, run: SchedulingRun, key: RunKey) -> list[float]:
        """Moments before which a planned run does not start."""
        feeders = [evaluated.end[each] for each in problem.feeders.get((run.site_id, run.run_id), ())]
        known = [run.release_at, run.not_before, run.fed_at, evaluated.plan.starts.get(key), *feeders]
        return [max([problem.wire.as_of, *(moment for moment in known if moment is not None)])]


def _undominated(sources: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Without those that a later moment with as much work behind it covers."""
    kept: list[tuple[float, float]] = []
    for since, work_s in sorted(sources, reverse=True):
        if not kept or work_s > kept[-1][1]:
            kept.append((since, work_s))
    return kept
