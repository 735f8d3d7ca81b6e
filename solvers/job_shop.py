"""Flexible job shops: orders whose steps go from machine to machine. CP-SAT solves these; the line kernel has no steps."""

from dataclasses import dataclass

from ortools.sat.python import cp_model


@dataclass(frozen=True, slots=True)
class JobShop:
    """Jobs of steps in order; each step names the machines that can make it, with their ticks.

    Attributes:
        machines: how many; jobs: per job its steps, per step pairs of machine and ticks.
    """

    machines: int
    jobs: tuple[tuple[tuple[tuple[int, int], ...], ...], ...]


@dataclass(frozen=True, slots=True)
class JobShopPlan:
    """What was found.

    Attributes:
        makespan: of the plan; bound: no plan is shorter.
        starts, chosen: per job and step its start and its machine.
    """

    makespan: int
    bound: int
    starts: list[list[int]]
    chosen: list[list[int]]


def dispatched(shop: JobShop) -> JobShopPlan:
    """A plan by rule: of the jobs whose next step can begin first, the one with most work left goes on.

    It goes to the machine that has the step done first.
    """
    least = [[min(ticks for _, ticks in ways) for ways in steps] for steps in shop.jobs]
    free, ready, at = [0] * shop.machines, [0] * len(shop.jobs), [0] * len(shop.jobs)
    starts: list[list[int]] = [[] for _ in shop.jobs]
    chosen: list[list[int]] = [[] for _ in shop.jobs]
    while any(at[job] < len(steps) for job, steps in enumerate(shop.jobs)):
        _, _, job = min(
            (
                min(max(free[machine], ready[job]) for machine, _ in steps[at[job]]),
                -sum(least[job][at[job] :]),
                job,
            )
            for job, steps in enumerate(shop.jobs)
            if at[job] < len(steps)
        )
        end, machine, ticks = min(
            (max(free[machine], ready[job]) + ticks, machine, ticks)
            for machine, ticks in shop.jobs[job][at[job]]
        )
        starts[job].append(end - ticks)
        chosen[job].append(machine)
        free[machine] = ready[job] = end
        at[job] += 1
    return JobShopPlan(max(ready, default=0), 0, starts, chosen)


def solve_job_shop(
    shop: JobShop,
    *,
    seconds: float,
    seed: int,
    workers: int = 1,
    deterministic_limit: float | None = None,
    solver: cp_model.CpSolver | None = None,
) -> JobShopPlan:
    """The shortest plan that CP-SAT finds, begun from the dispatched one as a complete hint; never longer than that.

    Args:
        shop: the problem.
        seconds: of wall time.
        seed: of the search.
        workers: threads.
        deterministic_limit: deterministic time instead of wall time, for the same plan on any machine.
        solver: with a time limit of its own, instead of `seconds`.
    """
    hint = dispatched(shop)
    model = cp_model.CpModel()
    horizon = hint.makespan
    on_machine: list[list[cp_model.IntervalVar]] = [[] for _ in range(shop.machines)]
    makespan = model.new_int_var(0, horizon, "makespan")
    starts: list[list[cp_model.IntVar]] = []
    presences: list[list[list[cp_model.IntVar]]] = []
    for job, steps in enumerate(shop.jobs):
        starts.append([])
        presences.append([])
        before: cp_model.IntVar | int = 0
        for step, ways in enumerate(steps):
            start = model.new_int_var(0, horizon, f"start {job} {step}")
            end = model.new_int_var(0, horizon, f"end {job} {step}")
            model.add_hint(start, hint.starts[job][step])
            here = hint.chosen[job][step]
            model.add_hint(end, hint.starts[job][step] + dict(ways)[here])
            model.add(start >= before)
            present = [model.new_bool_var(f"on {machine} {job} {step}") for machine, _ in ways]
            for literal, (machine, ticks) in zip(present, ways, strict=True):
                name = f"work {machine} {job} {step}"
                on_machine[machine].append(model.new_optional_interval_var(start, ticks, end, literal, name))
                model.add_hint(literal, machine == here)
            model.add_exactly_one(present)
            starts[-1].append(start)
            presences[-1].append(present)
            before = end
        model.add(makespan >= before)
    for intervals in on_machine:
        model.add_no_overlap(intervals)
    model.add_hint(makespan, hint.makespan)
    model.minimize(makespan)
    is_timed = solver is not None
    solver = solver or cp_model.CpSolver()
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = seed
    solver.parameters.hint_conflict_limit = 0  # repairing the hint first costs more than it gives
    if deterministic_limit is not None:
        solver.parameters.max_deterministic_time = deterministic_limit
    elif not is_timed:
        solver.parameters.max_time_in_seconds = seconds
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE) or solver.value(makespan) > hint.makespan:
        return hint
    return JobShopPlan(
        makespan=int(solver.value(makespan)),
        bound=int(solver.best_objective_bound),
        starts=[[int(solver.value(start)) for start in row] for row in starts],
        chosen=[
            [
                next(
                    machine
                    for literal, (machine, _) in zip(present, ways, strict=True)
                    if solver.value(literal)
                )
                for present, ways in zip(of_job, steps, strict=True)
            ]
            for of_job, steps in zip(presences, shop.jobs, strict=True)
        ],
    )
