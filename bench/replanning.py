"""Replanning under random events: what must never be in a proposal, and how soon the first revision comes.

Small plants first, for their number: each lives through forty events (a line stands, a rush order, one is cancelled,
drift, late material, a planner's lock), is replanned with a small move budget after each, and half of the time an
option is committed, so that the next event meets what was committed before. Every option of every revision is judged
by the checker, and by two judgements of this file's own: that nothing started or frozen has moved, and that the plan
on the wire, evaluated again, is not worse than hold by the goal.

Then 20 lines with 200 runs, for the time to the first revision: CPU time of this process, for the machine may be busy.
"""

import gc
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from time import monotonic, process_time

from bench.plan_events import LivingPlan, request_of
from bench.random_problem import Size, random_problem
from bench.results import Machine, Result, result
from schemas import Proposal
from schemas.plans import OvertimeBought, PlanOption
from schemas.scheduling import SchedulingProblem
from solvers.checker import Checker
from solvers.engine import solve
from solvers.evaluator import Evaluated, evaluate
from solvers.goals import weights_of, worth
from solvers.problem import Plan, Problem, Split, hold_plan

EVENTS_A_PLANT = 40
SMALL = (Size(4, 20, extras=0.2), Size(4, 20, sites=2, extras=0.2), Size(8, 48, extras=0.1))
LARGE = Size(20, 200, extras=0.05)
MOVES = 2_000
LARGE_MOVES = 20_000


def measure(machine: Machine, *, quick: bool = False, seed: int = 1) -> Iterator[Result]:
    """Events on small plants, then the first revision on large ones."""
    events, plants = (80, 2) if quick else (10_000, 5)
    tally = Tally()
    for number in range(events // EVENTS_A_PLANT):
        live_on(seed * 100_003 + number, EVENTS_A_PLANT, SMALL[number % len(SMALL)], MOVES, tally)
    for each in tally.wrong[:20]:
        print(each, file=sys.stderr)

    def row(metric: str, unit: str, value: float) -> Result:
        return result("replanning", metric, unit, [value], machine)

    yield row("events", "events", tally.events)
    yield row("violations", "violations", len(tally.wrong))
    yield row("options_checked", "options", tally.options)
    yield row("options_committed", "options", tally.committed)
    yield row("options_dropped_by_the_engine", "options", tally.dropped)
    # As the solver's process does once it is warm: what lives for ever is not looked through again and again.
    gc.collect()
    gc.freeze()
    large = Tally()
    for number in range(plants):
        live_on(seed * 200_003 + number, EVENTS_A_PLANT, LARGE, LARGE_MOVES, large)
    yield row("violations_200_runs_20_lines", "violations", len(large.wrong))
    for name, times in (("first_revision", large.first_ms), ("repair", large.repair_ms)):
        times.sort()
        yield row(f"{name}_cpu_ms_p50_200_runs_20_lines", "ms", times[len(times) // 2])
        yield row(f"{name}_cpu_ms_p99_200_runs_20_lines", "ms", times[int(len(times) * 0.99)])
    gc.unfreeze()


@dataclass
class Tally:
    """What came of many events.

    Attributes:
        events, proposals, options: how many; committed: options that a planner took.
        dropped: options that the engine itself dropped because its checker objected.
        wrong: everything that must not be, in words.
        first_ms, repair_ms: CPU time to the first revision of each, and to its first one with an option beside hold.
        happened: events of each kind.
    """

    events: int = 0
    proposals: int = 0
    options: int = 0
    committed: int = 0
    dropped: int = 0
    wrong: list[str] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    repair_ms: list[float] = field(default_factory=list)
    happened: dict[str, int] = field(default_factory=dict)


def live_on(seed: int, events: int, size: Size, move_budget: int, tally: Tally) -> Tally:
    """Let so many events happen to one plan, answer each, check every option, commit some."""
    random = Random(seed)
    problem = random_problem(seed, size).model_copy(
        update={"move_budget": move_budget, "goal": random.choice(["service", "cost", "throughput"])}
    )
    plan = LivingPlan(problem, random)
    for number in range(events):
        plan.pass_time()
        trigger = plan.happen()
        asked = plan.problem
        before = process_time()
        last: Proposal | None = None
        is_repaired = False
        for step in solve(
            request_of(asked, trigger, f"request-{seed}-{number}"), clock=monotonic, cancelled=lambda: False
        ):
            if step is None:
                continue
            if last is None:
                tally.first_ms.append((process_time() - before) * 1000.0)
            if len(step.options) > 1 and not is_repaired:
                is_repaired = True
                tally.repair_ms.append((process_time() - before) * 1000.0)
            last = step
            tally.proposals += 1
            tally.options += len(step.options)
            pause = process_time()
            tally.wrong += [f"seed {seed}, event {number}: {each}" for each in wrong_in(asked, step)]
            before += process_time() - pause
        assert last is not None, "every request is answered"
        tally.events += 1
        if last.error is not None:
            tally.dropped += 1
        others = [option for option in last.options[1:] if option.feasible]
        if others and random.random() < 0.6:
            plan.commit(others[0] if random.random() < 0.5 else random.choice(others))
            tally.committed += 1
        plan.without_the_unplanned()
    for kind, count in plan.happened.items():
        tally.happened[kind] = tally.happened.get(kind, 0) + count
    return tally


def wrong_in(problem: SchedulingProblem, proposal: Proposal) -> Iterator[str]:
    """Everything that must not be in a proposal, found without the engine's own judgement."""
    if proposal.error is not None:
        yield f"error: {proposal.error}"
    if not proposal.options or proposal.options[0].label != "hold":
        yield "hold is not the first option"
        return
    checker, indexed = Checker(problem), Problem(problem)
    weights = weights_of(problem.goal, problem.move_cost)
    hold = worth(evaluate(indexed, hold_plan(indexed)), weights)
    for option in proposal.options:
        if not option.feasible and option.label in ("expedite_material", "partial_ship"):
            if not option.violations:
                yield f"{option.label} does not say whose word it needs"
            continue
        for each in checker.check(option):
            yield f"{option.label}: {each}"
        for each in _moved_what_stays(problem, option):
            yield f"{option.label}: {each}"
        if option.label != "hold" and worth(plan_in(indexed, option), weights) > hold + 1e-6:
            yield f"{option.label} is worse than hold"


def plan_in(problem: Problem, option: PlanOption) -> Evaluated:
    """The plan that an option states, evaluated from what is on the wire."""
    sequences: list[list[tuple[str, str]]] = [[] for _ in problem.lines]
    for each in sorted(option.plan, key=lambda each: each.position):
        sequences[problem.line_index[each.line_site_id or each.site_id, each.line_id]].append(
            (each.site_id, each.run_id)
        )
    plan = Plan(
        tuple(map(tuple, sequences)),
        {
            (each.site_id, each.run_id): each.planned_start_at.timestamp()
            for each in option.plan
            if each.of_run_id is not None or problem.runs[each.site_id, each.run_id].state == "planned"
        },
        {(each.site_id, each.line_id, each.window_id): _hours(problem, each) for each in option.overtime},
        {
            (each.site_id, each.run_id): Split((each.site_id, each.of_run_id), each.quantity_pcs)
            for each in option.plan
            if each.of_run_id is not None
        },
    )
    return evaluate(problem, plan)


def _hours(problem: Problem, bought: OvertimeBought) -> float:
    """Working time bought, from its moments: hours are told to 0.01."""
    window = (bought.site_id, bought.line_id, bought.window_id)
    free = problem.window(window)[2]
    until = bought.end_at.timestamp()
    return sum(max(0.0, min(end, until) - start) for start, end in free) / 3600.0


def _moved_what_stays(problem: SchedulingProblem, option: PlanOption) -> Iterator[str]:
    """Started and frozen runs that are not where they were, at the place where they were."""
    placed = {(each.site_id, each.run_id): each for each in option.plan}
    gone: dict[tuple[str, str], int] = {}  # runs that a lock sent away, by the line that they have left
    for run in sorted(problem.runs, key=lambda run: run.position or 0):
        found = placed.get((run.site_id, run.run_id))
        home = (run.site_id, run.line_id or "")
        if run.freedom in ("started", "frozen"):
            if found is None or found.line_site_id is not None:
                yield f"{run.freedom} run {run.run_id} is gone"
            elif (found.line_id, found.position) != (run.line_id, (run.position or 0) - gone.get(home, 0)):
                yield f"{run.freedom} run {run.run_id} was moved"
        elif all((each.site_id, each.line_id) != home for each in run.eligible) and (
            found is None or (found.line_site_id or found.site_id, found.line_id) != home
        ):
            gone[home] = gone.get(home, 0) + 1
