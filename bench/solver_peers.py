"""What the solver is compared with, given the same instance and the same wall time: raw CP-SAT and PyJobShop.

Both take the kernel's instance as far as it is always open and has no steps, tails or taxes: what the benchmark
families have.
"""

from dataclasses import dataclass

from ortools.sat.python import cp_model
from pyjobshop import Model
from pyjobshop import Solution as ShopSolution

from bench.solver_clock import SolverClock
from schemas import ForesiteError
from solvers.construct import evaluate
from solvers.instance import Instance, Sequences
from solvers.job_shop import JobShop

NEVER_DUE = 2**40
"""PyJobShop wants a due date of every job."""


HINT_WORD = "The solution hint is "
HINT_IS_COMPLETE = "The solution hint is complete and is feasible"
"""What CP-SAT logs of its hint, and what it must log; a run that ends before it is loaded logs nothing."""


class HintIncomplete(ForesiteError):
    """CP-SAT was given a hint that it did not take for a whole plan: the comparison would be worth nothing."""


@dataclass(frozen=True, slots=True)
class CpSatFound:
    """What CP-SAT found: cost is None where nothing; has_read_hint is false where its time ended before."""

    cost: int | None
    has_read_hint: bool


def cp_sat_cost(
    instance: Instance, hint: Sequences, seconds: float, seed: int, clock: SolverClock | None = None
) -> CpSatFound:
    """What CP-SAT finds on the whole plan from a complete hint.

    One optional interval per task and eligible line, and a circuit per line that carries its setups: every variable of
    it is hinted. Building the model is within the time.

    Raises:
        HintIncomplete: CP-SAT's log says of the hint that it is not complete and feasible.
    """
    clock = clock or SolverClock()
    until = clock.now() + seconds
    model = cp_model.CpModel()
    m, n = instance.work.shape
    planned = evaluate(instance, hint)
    horizon = int(planned.makespan + instance.work.max() + instance.setup.max())
    start = [model.new_int_var(int(instance.release[j]), horizon, f"start {j}") for j in range(n)]
    end = [model.new_int_var(0, horizon, f"end {j}") for j in range(n)]
    for j in range(n):
        model.add_hint(start[j], int(planned.start[j]))
        model.add_hint(end[j], int(planned.end[j]))
    on = {(i, j): model.new_bool_var(f"on {i} {j}") for j in range(n) for i in instance.eligible_lines(j)}
    for j in range(n):
        model.add_exactly_one(on[i, j] for i in instance.eligible_lines(j))
    for i in range(m):
        held = [j for j in range(n) if (i, j) in on]
        node = {j: at + 1 for at, j in enumerate(held)} | {-1: 0}
        after = dict(zip([-1, *hint[i]], [*hint[i], -1], strict=True))
        arcs = []
        for j in held:
            model.add_hint(on[i, j], j in after)
            model.new_optional_interval_var(
                start[j], int(instance.work[i, j]), end[j], on[i, j], f"work {i} {j}"
            )
            arcs.append((node[j], node[j], on[i, j].negated()))
        for a in [-1, *held]:
            row = int(instance.initial_family[i] if a < 0 else instance.family[a])
            for b in [*held, -1]:
                if a == b:
                    if a < 0:
                        arc = model.new_bool_var(f"empty {i}")
                        model.add_hint(arc, after[-1] == -1)
                        arcs.append((0, 0, arc))
                    continue
                arc = model.new_bool_var(f"{a} then {b} on {i}")
                model.add_hint(arc, after.get(a) == b and (a >= 0 or b >= 0))
                arcs.append((node[a], node[b], arc))
                if b >= 0:
                    free = int(instance.available[i]) if a < 0 else end[a]
                    ticks = int(instance.setup[i, row, instance.family[b]])
                    model.add(start[b] >= free + ticks).only_enforce_if(arc)
            if clock.now() > until:
                return CpSatFound(None, has_read_hint=False)
        model.add_circuit(arcs)
    terms = []
    for j in range(n):
        if instance.weight[j] > 0:
            tardy = model.new_int_var(0, horizon, f"tardy {j}")
            model.add(tardy >= end[j] - int(instance.due[j]))
            model.add_hint(tardy, max(0, int(planned.end[j] - instance.due[j])))
            terms.append(int(instance.weight[j]) * tardy)
    if instance.makespan_weight:
        last = model.new_int_var(0, horizon, "makespan")
        model.add_max_equality(last, end)
        model.add_hint(last, planned.makespan)
        terms.append(instance.makespan_weight * last)
    model.minimize(sum(terms))
    solver = clock.solver(until - clock.now())
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    solver.parameters.log_search_progress = True
    solver.parameters.log_to_stdout = False
    log: list[str] = []
    solver.log_callback = log.append
    status = solver.solve(model)
    of_hint = [line for line in "\n".join(log).splitlines() if HINT_WORD in line]
    if any(HINT_IS_COMPLETE not in line for line in of_hint):
        raise HintIncomplete(f"CP-SAT's hint is not complete: {of_hint}")
    found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    return CpSatFound(int(solver.objective_value) if found else None, has_read_hint=bool(of_hint))


def shop_cost(
    problem: Instance | JobShop, seconds: float, seed: int, clock: SolverClock | None = None
) -> int | None:
    """Cost of what PyJobShop finds, one thread, or None where it finds nothing. Building is within the time."""
    clock = clock or SolverClock()
    until = clock.now() + seconds
    model = _job_shop_model(problem) if isinstance(problem, JobShop) else _lines_model(problem)
    with clock.pyjobshop(until - clock.now()) as limit:
        found = model.solve(time_limit=limit, display=False, num_workers=1, random_seed=seed)
    best: ShopSolution = found.best
    if not best.tasks or found.objective == float("inf"):
        return None
    return int(found.objective)


def _job_shop_model(shop: JobShop) -> Model:
    model = Model()
    machines = [model.add_machine() for _ in range(shop.machines)]
    for steps in shop.jobs:
        job = model.add_job()
        before = None
        for ways in steps:
            task = model.add_task(job)
            for machine, ticks in ways:
                model.add_mode(task, machines[machine], ticks)
            if before is not None:
                model.add_end_before_start(before, task)
            before = task
    model.set_objective(weight_makespan=1)
    return model


def _lines_model(instance: Instance) -> Model:
    """A task of no length at 0 on each machine stands for its initial state."""
    model = Model()
    m, n = instance.work.shape
    machines = [model.add_machine() for _ in range(m)]
    tasks = []
    for j in range(n):
        due = int(instance.due[j]) if instance.weight[j] > 0 else NEVER_DUE
        job = model.add_job(weight=int(instance.weight[j]) or 1, due_date=due)
        tasks.append(model.add_task(job, earliest_start=int(instance.release[j])))
        for i in instance.eligible_lines(j):
            model.add_mode(tasks[j], machines[i], int(instance.work[i, j]))
    for i in range(m):
        held = [j for j in range(n) if instance.work[i, j] >= 0]
        for a in held:
            for b in held:
                ticks = int(instance.setup[i, instance.family[a], instance.family[b]])
                if a != b and ticks:
                    model.add_setup_time(machines[i], tasks[a], tasks[b], ticks)
        firsts = [int(instance.setup[i, instance.initial_family[i], instance.family[j]]) for j in held]
        if any(firsts):
            state = model.add_task(latest_end=0)
            model.add_mode(state, machines[i], 0)
            for j, ticks in zip(held, firsts, strict=True):
                if ticks:
                    model.add_setup_time(machines[i], state, tasks[j], ticks)
    model.set_objective(
        weight_makespan=instance.makespan_weight, weight_total_tardiness=int(bool(instance.weight.any()))
    )
    return model
