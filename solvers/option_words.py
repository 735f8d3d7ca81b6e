"""What an option says to people: its title, why each run moved, who gets worse. Every number in it is computed."""

from datetime import UTC, datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from schemas.plans import OptionLabel
from solvers.evaluator import Evaluated
from solvers.outcomes import miss_probability
from solvers.problem import OrderKey, RunKey

WORSE_S = 60.0
"""An order that slips by less more is not worth a word."""

SURER_DAYS = 0.02
"""Late days to be expected by which an order must gain to be told as surer: what moves no run needs no word."""

MOST_NAMED = 2
"""Runs or lines that a title names; more are counted."""


class Words:
    """Texts about one plan against hold.

    Args:
        hold: the committed plan, evaluated.
        found: the plan, evaluated.
    """

    def __init__(self, hold: Evaluated, found: Evaluated) -> None:
        self._hold, self._found = hold, found
        self._problem = found.problem
        self._zone = ZoneInfo(self._problem.wire.zone)
        self._line_of = found.plan.line_of()

    def title(self, label: OptionLabel) -> str:
        """One line that a planner can act on: what to do, and what comes of it."""
        if label == "hold":
            return f"Hold the plan: {self._lateness()}"
        steps = self._steps()
        return f"{'; '.join(steps) or 'Keep the plan'}: {self.effect()}"

    def sacrifices(self) -> list[str]:
        """Orders that get later than if nothing is done, worst first."""
        worse: list[tuple[float, str]] = []
        for key, after in self._found.orders.items():
            before = self._hold.orders[key]
            if after.slip_s <= before.slip_s + WORSE_S:
                continue
            order = self._problem.orders[key]
            money = after.penalty - before.penalty
            penalty = f", {self._money(money)} more penalty" if money > 0 else ""
            text = (
                f"#{key[1]} for {order.customer_name} ships {self._at(after.ships_at)} instead of "
                f"{self._at(before.ships_at)}: {_hours(after.slip_s)} late instead of "
                f"{_hours(before.slip_s)}{penalty}"
            )
            worse.append(
                (
                    after.slip_s - before.slip_s,
                    text,
                )
            )
        return [text for _, text in sorted(worse, key=lambda each: (-each[0], each[1]))]

    def why_moved(self, key: RunKey) -> str:
        """Why a run is on another line, at another place, split or new: the order that gains by it, or the setup."""
        own = self._gains_by.get(key)
        if own is not None:
            return self._rescue(own)
        run = self._problem.run_of(key, self._found.plan)
        if run.line_id is None and key not in self._found.plan.splits:
            return "it is not planned yet"
        lines = {
            line
            for line in (self._line_of.get(key), self._problem.committed_line.get((run.site_id, run.run_id)))
            if line is not None
        }
        for order_key in self._gaining:
            if not lines.isdisjoint(self._lines_of[order_key]):
                return f"makes room: {self._rescue(order_key)}"
        saved_s = self._hold.setup_s - self._found.setup_s
        if saved_s >= WORSE_S:
            return f"with the other moves {saved_s / 60.0:.0f} min of setup are saved"
        saved = self._hold.kpis.cost - self._found.kpis.cost
        if saved > 0:
            return f"with the other moves {self._money(saved)} are saved"
        if self._gaining:
            return f"makes room elsewhere: {self._rescue(self._gaining[0])}"
        return "follows from the other moves"

    def why_shifted(self, key: RunKey, start: float) -> str:
        """Why a run that keeps its place is planned at another time."""
        run = self._problem.runs[key]
        if run.planned_start is not None and start < run.planned_start:
            own = self._gains_by.get(key)
            return self._rescue(own) if own is not None else "its line is free earlier"
        return "the runs before it end later"

    @cached_property
    def _gaining(self) -> list[OrderKey]:
        """Orders that ship earlier than if nothing is done, by what that is worth; then those that are surer to be in time."""
        gains, surer = [], []
        for key, after in self._found.orders.items():
            before = self._hold.orders[key]
            if before.slip_s > after.slip_s + WORSE_S:
                gains.append((after.penalty - before.penalty, after.slip_s - before.slip_s, key))
            elif before.days_at_risk > after.days_at_risk + SURER_DAYS and after.slip_s == 0.0:
                money = self._problem.orders[key].penalty_per_day or 0.0
                surer.append((money * (after.days_at_risk - before.days_at_risk), key))
        return [*(key for _, _, key in sorted(gains)), *(key for _, key in sorted(surer))]

    @cached_property
    def _gains_by(self) -> dict[RunKey, OrderKey]:
        """Of each run that orders gain by, the one that gains most."""
        gains: dict[RunKey, OrderKey] = {}
        for order in self._gaining:
            for key in self._runs_of(order):
                gains.setdefault(key, order)
        return gains

    def _runs_of(self, order: OrderKey) -> list[RunKey]:
        runs = self._problem.runs_of[order]
        return [*runs, *(key for key, split in self._found.plan.splits.items() if split.of in runs)]

    @cached_property
    def _lines_of(self) -> dict[OrderKey, set[int]]:
        """The lines of each order that gains, as committed and as planned."""
        committed = self._problem.committed_line
        return {
            order: {
                line
                for key in self._runs_of(order)
                for line in (self._line_of.get(key), committed.get(key))
                if line is not None
            }
            for order in self._gaining
        }

    def _rescue(self, key: OrderKey) -> str:
        """An order that gains: what it would miss if nothing is done, and by how much, or how likely."""
        order, before = self._problem.orders[key], self._hold.orders[key]
        name = f"#{key[1]}"
        if before.ready_at is None:
            return f"{name} for {order.customer_name} is not planned yet"
        if before.days_at_risk > 0.0:
            room_s = order.on_time_slot - order.loading_s - before.ready_at
            chance = miss_probability(order, before.ready_at)
            return (
                f"{name} for {order.customer_name} would be ready only {_hours(room_s)} before it must be, "
                f"and late with {chance:.0%}"
            )
        missed_s = before.ready_at + order.loading_s - order.on_time_slot
        if order.departures is not None and missed_s > 0:
            return (
                f"{name} would miss {order.customer_name}'s truck of {self._at(order.on_time_slot)} "
                f"by {_hours(missed_s)}"
            )
        return f"{name} for {order.customer_name} would be {_hours(before.slip_s)} late"

    def _steps(self) -> list[str]:
        """What is to be done, overtime first."""
        found, problem = self._found, self._problem
        steps: list[str] = []
        hours: dict[int, float] = {}
        for window, bought in found.plan.overtime.items():
            line = problem.window(window)[0]
            hours[line] = hours.get(line, 0.0) + round(bought, 2)
        for line, total in hours.items():
            notice = min(
                problem.window(key)[1].notice_by
                for key in found.plan.overtime
                if problem.window(key)[0] == line
            )
            steps.append(f"Order {total:g} h of overtime on {problem.lines[line].name} by {self._at(notice)}")
        steps += [
            f"Make {split.quantity_pcs:,.0f} pieces of {split.of[1]} on {self._place(key)}"
            for key, split in found.plan.splits.items()
        ]
        new = [key for key, run in problem.runs.items() if run.line_id is None and key in self._line_of]
        steps += [f"Make {key[1]} on {self._place(key)} at {self._at(found.start[key])}" for key in new]
        away = [key for key in found.moved if self._line_of[key] != problem.committed_line[key]]
        if away:
            named = [f"{key[1]} to {self._place(key)}" for key in away[:MOST_NAMED]]
            more = f" and {len(away) - MOST_NAMED} more" if len(away) > MOST_NAMED else ""
            steps.append(f"Move {', '.join(named)}{more}")
        within: dict[int, list[RunKey]] = {}
        for key in found.moved:
            if key not in away:
                within.setdefault(self._line_of[key], []).append(key)
        if len(within) == 1 and sum(map(len, within.values())) == 1:
            line, (key,) = next(iter(within.items()))
            sequence = found.plan.sequences[line]
            place = sequence.index(key)
            where = f"before {sequence[place + 1][1]}" if place + 1 < len(sequence) else "last"
            steps.append(f"Make {key[1]} {where} on {problem.lines[line].name}")
        elif within:
            count = sum(map(len, within.values()))
            names = [problem.lines[line].name for line in within]
            lines = ", ".join(names) if len(names) <= MOST_NAMED else f"{len(names)} lines"
            steps.append(f"Change the sequence of {count} runs on {lines}")
        if not steps and found.plan.starts != self._hold.plan.starts:
            steps.append("Start runs earlier where their lines are free")
        return steps

    def _place(self, key: RunKey) -> str:
        line = self._problem.lines[self._line_of[key]]
        return line.name if line.site_id == key[0] else f"{line.name} in {line.site_id}"

    def effect(self) -> str:
        """What comes of it, in a few words: lateness, money, changeovers."""
        before, after = self._hold.kpis, self._found.kpis
        parts = [self._lateness()]
        if before.late_orders != after.late_orders:
            parts[0] += f" (hold: {before.late_orders})"
        saved = before.cost - after.cost
        if abs(saved) >= 0.5:
            parts.append(f"{self._money(abs(saved))} {'cheaper' if saved > 0 else 'dearer'} than hold")
        surer = before.penalty_at_risk - after.penalty_at_risk
        if abs(surer) >= 0.5:
            parts.append(f"{self._money(abs(surer))} {'less' if surer > 0 else 'more'} at risk")
        changeovers = before.changeovers - after.changeovers
        if changeovers:
            parts.append(f"{abs(changeovers)} {'fewer' if changeovers > 0 else 'more'} changeovers")
        return ", ".join(parts)

    def _lateness(self) -> str:
        kpis = self._found.kpis
        if kpis.late_orders == 0:
            return "no order late"
        orders = "1 order" if kpis.late_orders == 1 else f"{kpis.late_orders} orders"
        penalty = f", {self._money(kpis.penalty)} penalty" if kpis.penalty > 0 else ""
        return f"{orders} late{penalty}"

    def _money(self, amount: float) -> str:
        return f"{amount:,.0f} {self._problem.wire.currency}"

    def _at(self, moment: float | None) -> str:
        if moment is None:
            return "nobody knows when"
        return f"{datetime.fromtimestamp(moment, UTC).astimezone(self._zone):%a %-d %b %H:%M}"


def _hours(seconds: float) -> str:
    """Hours, days from two on: as coarse as people speak."""
    hours = seconds / 3600.0
    return f"{hours:.2f} h" if hours < 48 else f"{hours / 24:.1f} days"
