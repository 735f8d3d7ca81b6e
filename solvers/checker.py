"""An independent judge of options: works everything out again from the problem and says in words what is wrong.

Law: imports nothing of solvers/ (a test holds it to that), so that no error of the engine can hide in it. It walks
working time span by span and knows the contract of schemas/scheduling.py from its text alone.
"""

from collections.abc import Iterable, Sequence

from schemas.plans import OrderEffect, OvertimeBought, PlanKpis, PlannedRun, PlanOption
from schemas.scheduling import SchedulingProblem, SchedulingRun
from solvers.checker_walk import Figures, Key, Placed, Simulation, simulate

NEAR_S = 1.0
"""Seconds that two ways of working out the same moment may differ by. Smaller: microseconds of the wire are violations."""

NEAR_PCS = 0.01
"""Pieces that may be lost to floats in a split."""

NEAR_FIGURE = 0.02
"""What a figure may differ by, in its own unit (hours, minutes, money, pieces); times a thousandth for large ones."""


class Checker:
    """Judges options of one problem; what holding the plan comes to is worked out once.

    Args:
        problem: that the options answer.
    """

    def __init__(self, problem: SchedulingProblem) -> None:
        self._problem = problem
        self._runs = {(run.site_id, run.run_id): run for run in problem.runs}
        self._lines = {(line.site_id, line.line_id): line for line in problem.lines}
        committed = sorted(
            (run for run in problem.runs if run.line_id is not None), key=lambda run: run.position or 0
        )
        self._queues: dict[Key, list[Key]] = {key: [] for key in self._lines}
        queues: dict[Key, list[Placed]] = {key: [] for key in self._lines}
        for run in committed:
            key, line = (run.site_id, run.run_id), (run.site_id, run.line_id or "")
            self._queues[line].append(key)
            queues[line].append(Placed(key, run, run.planned_start, run.remaining_pcs))
        self._hold = simulate(problem, queues, self._queues, {})
        self._hold_figures = self._figures(self._hold, queues, [], [])

    def check(self, option: PlanOption) -> list[str]:
        """What is wrong with an option, in words; nothing where all is well."""
        wrong = [*self._who_is_where(option), *self._what_must_stay(option), *self._overtime(option.overtime)]
        if wrong:
            return wrong  # figures of a plan that is none would only add noise
        queues = self._queues_of(option)
        bought: dict[Key, list[tuple[float, float]]] = {}
        for each in option.overtime:
            bought.setdefault((each.site_id, each.line_id), []).append(
                (each.start_at.timestamp(), each.end_at.timestamp())
            )
        found = simulate(self._problem, queues, self._queues, bought)
        wrong += found.stuck
        if wrong:
            return wrong
        wrong += self._times(option, queues, found)
        wrong += self._kpis(option, found, queues)
        return wrong + self._effects(option.per_order, found)

    def _who_is_where(self, option: PlanOption) -> list[str]:
        """Every run once, on a line that can make it, at a place of its own; pieces neither lost nor invented."""
        wrong: list[str] = []
        seen: set[Key] = set()
        pieces: dict[Key, float] = {}
        places: dict[Key, list[int]] = {}
        for each in option.plan:
            key, line = (each.site_id, each.run_id), _line_of(each)
            name = f"run {each.site_id}/{each.run_id}"
            if key in seen:
                wrong.append(f"{name} is in the plan twice")
            seen.add(key)
            places.setdefault(line, []).append(each.position)
            parent = key if each.of_run_id is None else (each.site_id, each.of_run_id)
            run = self._runs.get(parent)
            if run is None or (each.of_run_id is not None and key in self._runs):
                wrong.append(f"{name} is neither a run of the problem nor split from one")
                continue
            stays = line == (run.site_id, run.line_id) and (
                option.label == "hold" or run.freedom in ("started", "frozen")
            )
            if not stays and all(line != (one.site_id, one.line_id) for one in run.eligible):
                wrong.append(f"{name} is on line {line[0]}/{line[1]}, which cannot make it")
            if each.quantity_pcs <= 0 < run.quantity_pcs:
                wrong.append(f"{name} makes {each.quantity_pcs:g} pieces")
            if each.of_run_id is None and each.status != run.freedom:
                wrong.append(f"{name} is {run.freedom}, not {each.status}")
            pieces[parent] = pieces.get(parent, 0.0) + each.quantity_pcs
        for line, taken in places.items():
            if sorted(taken) != list(range(len(taken))):
                wrong.append(f"line {line[0]}/{line[1]}: positions {sorted(taken)} have holes or repeat")
        own_pieces = {(each.site_id, each.run_id): each.quantity_pcs for each in option.plan}
        for key, run in self._runs.items():
            if key not in seen:
                if option.label != "hold" or run.line_id is not None:
                    wrong.append(f"run {key[0]}/{key[1]} is missing")
            elif abs(pieces[key] - run.quantity_pcs) > NEAR_PCS:
                wrong.append(
                    f"run {key[0]}/{key[1]}: its parts make {pieces[key]:g} pieces, not {run.quantity_pcs:g}"
                )
            elif run.quantity_pcs - own_pieces[key] > run.remaining_pcs + NEAR_PCS:
                wrong.append(f"run {key[0]}/{key[1]}: pieces that are made already are split from it")
        return wrong

    def _what_must_stay(self, option: PlanOption) -> list[str]:
        """Started and frozen runs keep line and sequence and start no earlier; firm ones keep their line."""
        wrong: list[str] = []
        placed = {(each.site_id, each.run_id): each for each in option.plan}
        sequences: dict[Key, list[Key]] = {}
        for each in sorted(option.plan, key=lambda each: each.position):
            sequences.setdefault(_line_of(each), []).append((each.site_id, each.run_id))
        # What a planner's lock wants elsewhere may leave, even from before a frozen run.
        leaving = {
            key
            for key, run in self._runs.items()
            if run.freedom in ("firm", "free")
            and all((one.site_id, one.line_id) != (run.site_id, run.line_id) for one in run.eligible)
        }
        for key, run in self._runs.items():
            found = placed.get(key)
            if found is None or run.line_id is None or run.freedom == "free":
                continue
            home = (run.site_id, run.line_id)
            name = f"run {key[0]}/{key[1]} is {run.freedom}"
            if key in leaving:
                continue
            if _line_of(found) != home:
                wrong.append(f"{name}, but goes to line {found.line_id}")
            elif run.freedom != "firm":
                before = [
                    each
                    for each in self._queues[home][: (run.position or 0) + 1]
                    if each not in leaving or each in sequences.get(home, [])
                ]
                if sequences[home][: len(before)] != before:
                    wrong.append(f"{name}, but what comes before it on line {found.line_id} changes")
                planned = run.planned_start
                starts = found.planned_start_at.timestamp()
                if planned is not None and run.state == "planned" and starts < planned - NEAR_S:
                    wrong.append(f"{name}, but is planned earlier than it was")
        return wrong

    def _overtime(self, bought: Sequence[OvertimeBought]) -> list[str]:
        """Only what is on offer, no more of it, before the notice passes, at its price."""
        wrong: list[str] = []
        seen: set[tuple[str, str, str]] = set()
        for each in bought:
            name = f"overtime {each.window_id} of line {each.site_id}/{each.line_id}"
            key = (each.site_id, each.line_id, each.window_id)
            line = self._lines.get((each.site_id, each.line_id))
            offer = next(
                (one for one in (line.overtime if line else ()) if one.window_id == each.window_id), None
            )
            if line is None or offer is None or key in seen:
                wrong.append(f"{name} is not on offer, or bought twice")
                continue
            seen.add(key)
            start, end = each.start_at.timestamp(), each.end_at.timestamp()
            if offer.notice_by < self._problem.as_of:
                wrong.append(f"{name}: its notice has passed")
            if start < offer.start - NEAR_S or end > offer.end + NEAR_S or end <= start:
                wrong.append(f"{name} reaches beyond the window")
            if start < self._problem.as_of - NEAR_S:
                wrong.append(f"{name} begins in the past")
            worked = sum(max(0.0, min(end, stop) - max(start, begin)) for begin, stop in line.spans)
            if abs((end - start - worked) / 3600.0 - each.hours) > 0.0051:
                wrong.append(f"{name}: {each.hours:g} h are not what lies between its start and end")
            if abs(each.hours * offer.cost_per_h - each.cost) > 0.0051:
                wrong.append(f"{name}: costs {each.hours * offer.cost_per_h:.2f}, not {each.cost:.2f}")
        return wrong

    def _queues_of(self, option: PlanOption) -> dict[Key, list[Placed]]:
        queues: dict[Key, list[Placed]] = {line: [] for line in self._lines}
        for each in sorted(option.plan, key=lambda each: each.position):
            key = (each.site_id, each.run_id)
            run = self._runs[key if each.of_run_id is None else (each.site_id, each.of_run_id)]
            remaining = (
                each.quantity_pcs
                if each.of_run_id is not None
                else run.remaining_pcs - (run.quantity_pcs - each.quantity_pcs)
            )
            queues[_line_of(each)].append(
                Placed(
                    key,
                    run,
                    each.planned_start_at.timestamp(),
                    max(0.0, remaining),
                    is_split=each.of_run_id is not None,
                )
            )
        return queues

    def _times(self, option: PlanOption, queues: dict[Key, list[Placed]], found: Simulation) -> list[str]:
        """Starts and ends: possible in themselves, and those that the plan leads to."""
        wrong: list[str] = []
        placed = {(each.site_id, each.run_id): each for each in option.plan}
        for line, queue in queues.items():
            free_at = self._lines[line].free_from
            for each in queue:
                claim = placed[each.key]
                start, end = claim.start_at.timestamp(), claim.end_at.timestamp()
                name = f"run {each.key[0]}/{each.key[1]}"
                has_begun = each.run.state != "planned" and not each.is_split
                if start < free_at - NEAR_S:
                    wrong.append(f"{name} overlaps the run before it on line {line[1]}")
                if not has_begun:
                    wrong += _too_early(name, each.run, start, claim, found)
                    if not found.is_worked(line, start):
                        wrong.append(f"{name} starts outside working time")
                    setup_s = found.setups[each.key][0]
                    if (
                        found.work_between(line, free_at, start) < setup_s - NEAR_S
                        and free_at >= self._problem.as_of
                    ):
                        wrong.append(f"{name}: too little time for {setup_s / 60.0:g} min of setup before it")
                need_s = found.work_s[each.key]
                if found.work_between(line, start, end) < need_s - NEAR_S:
                    wrong.append(f"{name}: too little time for {need_s / 3600.0:.2f} h of work")
                own_start, own_end = found.starts[each.key], found.ends[each.key]
                if abs(own_start - start) > NEAR_S or abs(own_end - end) > NEAR_S:
                    wrong.append(
                        f"{name}: start and end are {start - own_start:+.0f} s and {end - own_end:+.0f} s off"
                    )
                free_at = end
        return wrong

    def _figures(
        self,
        found: Simulation,
        queues: dict[Key, list[Placed]],
        overtime: Sequence[OvertimeBought],
        splits: Iterable[Key],
    ) -> dict[str, float | None]:
        sequences = {line: [each.key for each in queue] for line, queue in queues.items()}
        return Figures(self._problem, found, queues).figures(
            moved=_moved(self._queues, sequences),
            split_of=splits,
            overtime_h=sum(each.hours for each in overtime),
            overtime_cost=sum(each.cost for each in overtime),
        )

    def _kpis(self, option: PlanOption, found: Simulation, queues: dict[Key, list[Placed]]) -> list[str]:
        split_of = [(each.site_id, each.of_run_id) for each in option.plan if each.of_run_id is not None]
        own = self._figures(found, queues, option.overtime, split_of)
        wrong: list[str] = []
        for name in PlanKpis.model_fields:
            said, mine, hold = getattr(option.kpis, name), own[name], self._hold_figures[name]
            if _differ(said, mine):
                wrong.append(f"{name} is {_text(mine)}, not {_text(said)}")
            if mine is not None and hold is not None:
                against = option.against_hold.get(name)
                if _differ(against, mine - hold):
                    wrong.append(f"{name} against hold is {mine - hold:g}, not {_text(against)}")
        return wrong

    def _effects(self, effects: Sequence[OrderEffect], found: Simulation) -> list[str]:
        """What is said of each order, and whether any whose shipment changes was left out."""
        wrong: list[str] = []
        told = {(each.site_id, each.order_id): each for each in effects}
        for key, (before, after) in (
            (key, (self._hold.orders[key], found.orders[key])) for key in found.orders
        ):
            each = told.pop(key, None)
            name = f"order {key[0]}/{key[1]}"
            if each is None:
                if _differ_s(before.ships_at, after.ships_at) or _differ(before.penalty, after.penalty):
                    wrong.append(f"{name} ships at another time than if nothing is done, and is not told")
                continue
            for said, moment in ((each.ships_before, before.ships_at), (each.ships_after, after.ships_at)):
                if _differ_s(None if said is None else said.timestamp(), moment):
                    wrong.append(f"{name}: ships_before or ships_after is wrong")
            for told_h, slip_s in ((each.slip_h_before, before.slip_s), (each.slip_h_after, after.slip_s)):
                if told_h is not None and abs(told_h * 3600.0 - slip_s) > 60.0:
                    wrong.append(f"{name}: its slip is {slip_s / 3600.0:.2f} h, not {told_h:.2f} h")
            if _differ(each.penalty_before, before.penalty) or _differ(each.penalty_after, after.penalty):
                wrong.append(f"{name}: penalties are {before.penalty:g} and {after.penalty:g}")
        wrong += [f"order {key[0]}/{key[1]} is not in the problem" for key in told]
        return wrong


def check_option(problem: SchedulingProblem, option: PlanOption) -> list[str]:
    """What is wrong with one option, in words."""
    return Checker(problem).check(option)


def _too_early(
    name: str, run: SchedulingRun, start: float, claim: PlannedRun, found: Simulation
) -> list[str]:
    wrong = []
    for moment, what in ((run.release_at, "its material is released"), (run.not_before, "its lock allows")):
        if moment is not None and start < moment - NEAR_S:
            wrong.append(f"{name} starts before {what}")
    feeds = [found.ends[feeder] for feeder in run.fed_by]
    if run.fed_at is not None:
        feeds.append(run.fed_at)
    if any(start < moment - NEAR_S for moment in feeds):
        wrong.append(f"{name} starts before a run that feeds it has ended")
    if claim.planned_start_at.timestamp() > start + NEAR_S:
        wrong.append(f"{name} starts before its planned start")
    return wrong


def _moved(committed: dict[Key, list[Key]], sequences: dict[Key, list[Key]]) -> list[Key]:
    """Runs on another line, or outside the longest part of a line's sequence that keeps the committed order."""
    home = {key: line for line, queue in committed.items() for key in queue}
    moved: list[Key] = []
    for line, sequence in sequences.items():
        place = {key: index for index, key in enumerate(committed[line])}
        stayed = [key for key in sequence if key in place]
        # best[i]: the longest rising part that ends at i; of equally long ones the smallest.
        best: list[list[int]] = []
        for index, key in enumerate(stayed):
            before = [best[other] for other in range(index) if place[stayed[other]] < place[key]]
            longest = max((len(each) for each in before), default=0)
            best.append([*min((each for each in before if len(each) == longest), default=[]), place[key]])
        longest = max((len(each) for each in best), default=0)
        kept = set(min((each for each in best if len(each) == longest), default=[]))
        moved += [key for key in sequence if key in home and (home[key] != line or place[key] not in kept)]
    return moved


def _line_of(each: PlannedRun) -> Key:
    return (each.site_id if each.line_site_id is None else each.line_site_id), each.line_id


def _differ(said: float | None, mine: float | None) -> bool:
    if said is None or mine is None:
        return said is not mine
    return abs(said - mine) > NEAR_FIGURE + 0.001 * abs(mine) * (abs(mine) > 1000.0)


def _differ_s(said: float | None, mine: float | None) -> bool:
    return (said is not mine) if said is None or mine is None else abs(said - mine) > NEAR_S


def _text(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"
