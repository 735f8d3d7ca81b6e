"""The solver on scheduling problems from files, beside the dispatch rule, raw CP-SAT and PyJobShop.

    foresite bench solver --instances DIR --family wtsds --time 5 --seeds 5 --json
    (or --against atcs,cp-sat,pyjobshop; `none` for the solver alone)

Every solver gets the same time for an instance, on one thread, reading the file and compiling the kernel left out (a
warm-up comes first), building of its model included: wall time, or with `--clock cpu` processor time, which is what can be
compared on a busy machine. Gaps are against the best value that the folder names.
"""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.instances import FAMILIES, Case, cases
from bench.results import Machine, Result, rounded
from bench.solver_clock import ClockName, SolverClock
from bench.solver_peers import cp_sat_cost, shop_cost
from schemas import UsageError
from solvers.construct import atcs, best_insert, evaluate
from solvers.instance import Instance, Sequences
from solvers.job_shop import JobShop, dispatched, solve_job_shop
from solvers.local_search import improve, warm_up

PEERS = ("atcs", "cp-sat", "pyjobshop")

ATCS_GRID = tuple(
    (k1, k2, k3)
    for k1 in (0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5, 4.0)
    for k2 in (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
    for k3 in (0.2, 1.0, 4.0)
)
"""Multiples of the rule's own constants that the peer tries, the best kept: a rule that nobody has tuned is no peer."""

RATE_MOVES = 131_072
"""Moves of the first try, which says how many moves the time allows."""

USED_SHARE = 0.97
"""Of the wall time that the moves are planned for: the deadline guards the rest, and must not cut off the cold end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolverResult(Result):
    """One solver on one instance; value, min and max are the gap in percent over the seeds.

    Attributes:
        cost: the median over the seeds; None where nothing was found. best: the published value.
        time_s: time per seed that was given, by the `clock`; used_s: the median that was used.
        seed: the first of `runs` seeds in a row. moves: the median that the kernel tried.
        note: why a figure is missing.
    """

    instance: str
    family: str
    solver: str
    objective: str
    cost: float | None
    best: int | None
    time_s: float
    used_s: float | None
    seed: int
    moves: float | None
    clock: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """What to solve, and how.

    Attributes:
        instances: folder of the families, or of one; None where nothing was named.
        families: names of FAMILIES; seconds: time per instance and seed.
        seeds: how many, from the first one on; against: peers to run beside, on so many of the seeds.
        clock: what time is; every: of the instances by name, the first of each so many.
    """

    instances: Path | None
    families: tuple[str, ...] = tuple(FAMILIES)
    seconds: float = 2.0
    seeds: int = 1
    against: tuple[str, ...] = PEERS
    peer_seeds: int | None = None
    clock: ClockName = "wall"
    every: int = 1

    @property
    def seeds_of_peers(self) -> int:
        """Seeds that a peer is run with."""
        return self.seeds if self.peer_seeds is None else min(self.peer_seeds, self.seeds)


Found = tuple[int | None, int | None]
"""Cost, None where nothing was found; moves, None where there are none."""

Run = tuple[int | None, int | None, float]
"""The same, and seconds."""


def options_of(
    instances: str | None,
    families: list[str],
    seconds: float,
    seeds: int,
    against: str | None,
    *,
    peer_seeds: int | None = None,
    clock: ClockName = "wall",
    every: int = 1,
) -> Options:
    """The options as a command line gives them.

    Raises:
        UsageError: an unknown family or peer, or a time or number that is not positive.
    """
    peers = (
        PEERS if against is None else tuple(name for name in against.split(",") if name and name != "none")
    )
    for name, known in [*((name, FAMILIES) for name in families), *((name, PEERS) for name in peers)]:
        if name not in known:
            raise UsageError(f"{name} is none of {', '.join(known)}")
    if seconds <= 0 or seeds < 1 or every < 1 or (peer_seeds is not None and peer_seeds < 1):
        raise UsageError("--time, --seeds, --peer-seeds and --every must be above 0")
    folder = None if instances is None else Path(instances)
    return Options(
        folder, tuple(families) or tuple(FAMILIES), seconds, seeds, peers, peer_seeds, clock, every
    )


def measure(machine: Machine, *, quick: bool, seed: int, options: Options) -> Iterator[SolverResult]:
    """A row per instance and solver; a row that says why where a family is not there."""
    if options.instances is None:
        yield _nothing(machine, "", "no --instances DIR was given", options, seed)
        return
    warm_up()
    for family in options.families:
        found = False
        for number, case in enumerate(cases(options.instances, family)):
            found = True
            if number % options.every:
                continue
            yield from _solve(case, machine, seed, options)
            if quick:
                break
        if not found:
            yield _nothing(machine, family, f"no {family} instances in {options.instances}", options, seed)


def _solve(case: Case, machine: Machine, seed: int, options: Options) -> Iterator[SolverResult]:
    problem, seconds, clock = case.problem, options.seconds, SolverClock(options.clock)
    notes: dict[str, str] = {}

    def over_seeds(solve: Callable[[int], Found], seeds: int = options.seeds_of_peers) -> list[Run]:
        return [_timed(solve, at, clock) for at in range(seed, seed + seeds)]

    runs = {"foresite": over_seeds(lambda at: _ours(problem, seconds, at, clock), options.seeds)}
    for peer in options.against:
        if peer == "atcs":
            runs[peer] = [_timed(lambda _: (_rule_cost(problem), None), seed, clock)]
        elif peer == "pyjobshop":
            runs[peer] = over_seeds(lambda at: (shop_cost(problem, seconds, at, clock), None))
        elif isinstance(problem, Instance):
            unread: list[int] = []
            runs[peer] = over_seeds(_cp_sat(problem, seconds, clock, unread))
            if unread:
                notes[peer] = f"its time ended before it had read the hint in {len(unread)} runs"
    for solver, results in runs.items():
        yield _row(case, machine, solver, results, seed, options, notes.get(solver, ""))


def _timed(solve: Callable[[int], Found], seed: int, clock: SolverClock) -> Run:
    begun = clock.now()
    cost, moves = solve(seed)
    return cost, moves, clock.now() - begun


def _cp_sat(
    instance: Instance, seconds: float, clock: SolverClock, unread: list[int]
) -> Callable[[int], Found]:
    hint = atcs(instance)

    def solve(seed: int) -> Found:
        found = cp_sat_cost(instance, hint, seconds, seed, clock)
        if not found.has_read_hint:
            unread.append(seed)
        return found.cost, None

    return solve


def _rule_cost(problem: Instance | JobShop) -> int:
    if isinstance(problem, JobShop):
        return dispatched(problem).makespan
    return evaluate(problem, atcs(problem, ATCS_GRID)).cost


def _ours(problem: Instance | JobShop, seconds: float, seed: int, clock: SolverClock) -> Found:
    """The solver as the engine runs it: construct, then moves as many as the time allows, guarded by it."""
    until = clock.now() + seconds
    if isinstance(problem, JobShop):
        return solve_job_shop(
            problem, seconds=seconds, seed=seed, solver=clock.solver(seconds)
        ).makespan, None
    candidates: list[Sequences] = [
        atcs(problem),
        best_insert(problem, [problem.fixed_of(line) for line in range(problem.lines)]),
    ]
    sequences = min(candidates, key=lambda sequences: evaluate(problem, sequences).cost)

    def is_over() -> bool:
        return clock.now() >= until

    begun = clock.now()
    solution = improve(problem, sequences, seed=seed, moves=RATE_MOVES, deadline=is_over)
    tried = solution.moves
    while not is_over():
        left = until - clock.now()
        rate = max(1.0, tried / max(clock.now() - begun, 1e-6))
        moves = max(1, int(rate * left * USED_SHARE))
        solution = improve(problem, solution.sequences, seed=seed, moves=moves, deadline=is_over)
        tried += solution.moves
        if solution.cost == 0 or not solution.moves:
            break
    return solution.cost, tried


def _row(
    case: Case, machine: Machine, solver: str, runs: list[Run], seed: int, options: Options, said: str
) -> SolverResult:
    costs = [cost for cost, _, _ in runs if cost is not None]
    moves = [tried for _, tried, _ in runs if tried is not None]
    gaps = [100.0 * (cost - case.best) / case.best for cost in costs] if case.best else []
    note = said or (case.unknown if not gaps else "")
    if len(costs) < len(runs):
        nothing = f"found nothing in {len(runs) - len(costs)} of {len(runs)} runs"
        note = f"{nothing}; {said}" if said else nothing
        gaps = [*gaps, *([float("inf")] * (len(runs) - len(costs)))] if gaps else []
    return SolverResult(
        benchmark="solver",
        metric="gap_percent",
        value=_exact(statistics.median(gaps)) if gaps else None,
        unit="percent",
        runs=len(runs),
        min=_exact(min(gaps)) if gaps else None,
        max=_exact(max(gaps)) if gaps else None,
        machine=machine,
        instance=case.name,
        family=case.family,
        solver=solver,
        objective=case.objective,
        cost=_exact(statistics.median(costs)) if costs else None,
        best=case.best,
        time_s=options.seconds,
        used_s=rounded(statistics.median(used for _, _, used in runs)),
        seed=seed,
        moves=statistics.median(moves) if moves else None,
        clock=options.clock,
        note=note,
    )


def _exact(value: float) -> float | None:
    """Gaps to four decimals, not to four digits: 0.004 % and 0 % are not the same."""
    return None if value == float("inf") else round(value, 4)


def _nothing(machine: Machine, family: str, why: str, options: Options, seed: int) -> SolverResult:
    return SolverResult(
        benchmark="solver",
        metric="gap_percent",
        value=None,
        unit="percent",
        runs=0,
        min=None,
        max=None,
        machine=machine,
        instance="",
        family=family,
        solver="",
        objective="",
        cost=None,
        best=None,
        time_s=options.seconds,
        used_s=None,
        seed=seed,
        moves=None,
        clock=options.clock,
        note=why,
    )
