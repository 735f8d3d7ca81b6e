"""Whether P(late) is what it says: of the orders that are given 70 %, 70 % are late.

Simulated plants (streams/simulator), whose noise is not of the model's family: lognormal and autocorrelated speed times
gamma jitter times micro stops nobody logs, drifts that come and go, logged stops with heavy tails, material that comes
late, orders that change. Their events are folded by a Twin in memory. A day and three days before an order's promise
its P(late) is taken as the twin holds it at that moment; an order that is not known yet, or has no runs, at a lead is
left out there. Late is what left after the truck that keeps the promise of which the forecast spoke.

The expected calibration error takes 10 bins of equal width, weighted by their numbers. The peers are at their best: the
base rate and whatever smooths the plan and the straight line are fitted to the outcomes of the very run.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from heapq import heappop, heappush
from typing import Any

from rich.console import Console

from bench.calibration_peers import (
    Asked,
    base_rate_brier,
    plan_brier,
    plan_overhang_h,
    straight_line_brier,
    straight_line_overhang_h,
)
from bench.results import Machine, Result, result
from schemas import ClockTicked, Event, Facts, OrderUpserted, Segment
from streams.simulator import Factory, FactorySettings
from streams.simulator.truth import OrderTruth
from twin import Twin
from twin.forecast.lookahead import assess_order

PLANTS = 14
PLANT_DAYS = 28
LEADS_DAYS = (1, 3)
BINS = 10
COUNT_STEP_S = 1_800.0
PROCESSES = 2
DAY_S = 86_400.0
LOADS = (0.88, 0.92, 0.95)
NOISES = (1.0, 0.7, 1.4)

PEERS: dict[str, Callable[[Sequence[Asked]], float]] = {
    "base_rate": base_rate_brier,
    "plan_dates": plan_brier,
    "straight_line": straight_line_brier,
}


def plants_of(seed: int, *, quick: bool) -> list[FactorySettings]:
    """The plants of a seed: alike in kind, unlike in load and noise."""
    number, days, lines = (2, 8, 4) if quick else (PLANTS, PLANT_DAYS, 12)
    return [
        FactorySettings(
            seed=seed * 1_000 + index,
            lines=lines,
            days=days,
            load=LOADS[index % len(LOADS)],
            noise=NOISES[index // len(LOADS) % len(NOISES)],
            count_step_s=COUNT_STEP_S,
            clock_step_s=COUNT_STEP_S,
        )
        for index in range(number)
    ]


def forecasts_of(settings: FactorySettings) -> list[Asked]:
    """Fold a plant's events and ask for each order at each lead; the outcomes are the simulator's."""
    factory = Factory(settings)
    desk = _Desk(settings.seed)
    twin = Twin()
    waiting: list[Event] = []
    offset = 0
    for event in factory.events():
        waiting.append(event)
        if isinstance(event, OrderUpserted):
            desk.note(event)
        if isinstance(event, ClockTicked):
            twin.apply(_record(waiting, offset))
            offset += len(waiting)
            waiting = []
            desk.ask(twin, event.event_time.timestamp())
    shipped = {each.order_id: each.shipped_s for each in factory.truth if isinstance(each, OrderTruth)}
    return [
        replace(each, is_late=shipped[each.order_id] > promised + 1.0)
        for each, promised in desk.asked
        if each.order_id in shipped
    ]


class _Desk:
    """Asks for orders when their time has come, once a lead."""

    def __init__(self, plant: int) -> None:
        self.asked: list[tuple[Asked, float]] = []
        self._plant = plant
        self._due: list[tuple[float, int, str, str]] = []
        self._done: set[tuple[str, int]] = set()

    def note(self, event: OrderUpserted) -> None:
        """An order was told, or its promise moved."""
        for lead in LEADS_DAYS:
            due = event.promised_at.timestamp() - lead * DAY_S
            if due >= event.event_time.timestamp():
                heappush(self._due, (due, lead, event.site_id, event.order_id))

    def ask(self, twin: Twin, now: float) -> None:
        """Take what the twin holds of the orders whose time has come."""
        while self._due and self._due[0][0] <= now:
            due, lead, site_id, order_id = heappop(self._due)
            model = twin.model
            order = model.orders.get((site_id, order_id))
            if order is None or not order.is_open or (order_id, lead) in self._done:
                continue
            if abs(order.promised - lead * DAY_S - due) > 1.0:
                continue  # the promise has moved since
            each = assess_order(order, model)
            if each is None:
                continue
            self._done.add((order_id, lead))
            asked = Asked(
                plant=self._plant,
                order_id=order_id,
                lead_days=lead,
                p_late=each.p_late,
                plan_overhang_h=plan_overhang_h(order, model, each.need_by),
                line_overhang_h=straight_line_overhang_h(order, model, each.need_by),
                is_open=any(not run.is_finished for _, run in model.runs_of(order)),
                is_late=False,
            )
            self.asked.append((asked, order.promised))


def _record(events: Sequence[Event], offset: int) -> Facts:
    """Facts as ingest would write them; the simulator's events are models already and are not validated again."""
    positions = [(offset + index, 0) for index in range(len(events))]
    fields: dict[str, Any] = {
        "topic": "simulated",
        "partition": 0,
        "positions": positions,
        "events": list(events),
    }
    segment = Segment.model_construct(**fields)
    return Facts.model_construct(group_id="simulated", segments=[segment], tick=None)


def measure(machine: Machine, *, quick: bool = False, seed: int = 1) -> Iterator[Result]:
    """All figures; the reliability table goes to stderr.

    Args:
        machine: for the results.
        quick: few small plants, to see that it works.
        seed: of all plants.
    """
    plants = plants_of(seed, quick=quick)
    workers = min(PROCESSES, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        asked = [each for forecasts in pool.map(forecasts_of, plants) for each in forecasts]
    _print_reliability(asked, seed)
    orders = len({(each.plant, each.order_id) for each in asked})
    yield _row("distinct_orders", "orders", orders, len(plants), machine)
    subsets: list[tuple[str, list[Asked]]] = [("", asked)]
    for lead in LEADS_DAYS:
        days = "1_day" if lead == 1 else f"{lead}_days"
        subsets.append((f"_at_{days}", [each for each in asked if each.lead_days == lead]))
    # Most orders are ready long before their truck; these are the ones of which anything has to be forecast.
    subsets.append(("_of_orders_not_yet_made", [each for each in asked if each.is_open]))
    for suffix, chosen in subsets:
        error = calibration_error(chosen)
        yield _row(f"expected_calibration_error{suffix}", "probability", error, len(chosen), machine)
        score = brier(chosen)
        row = _row(f"brier_score{suffix}", "squared probability", score, len(chosen), machine)
        for peer, of_peer in PEERS.items():
            row = row.with_peer(peer, score / of_peer(chosen))
        yield row
        late = sum(each.is_late for each in chosen) / len(chosen)
        yield _row(f"late{suffix}", "share", late, len(chosen), machine)


def brier(asked: Sequence[Asked]) -> float:
    """Mean squared distance of P(late) from what came."""
    return sum((each.p_late - each.is_late) ** 2 for each in asked) / len(asked)


def reliability(asked: Sequence[Asked]) -> list[tuple[float, int, float, float]]:
    """By bin of P(late), empty ones left out: where it begins, how many, their mean P, the share that was late."""
    bins: dict[int, list[Asked]] = {}
    for each in asked:
        bins.setdefault(min(BINS - 1, int(each.p_late * BINS)), []).append(each)
    return [
        (
            number / BINS,
            len(held),
            sum(each.p_late for each in held) / len(held),
            sum(each.is_late for each in held) / len(held),
        )
        for number, held in sorted(bins.items())
    ]


def calibration_error(asked: Sequence[Asked]) -> float:
    """Distance between mean P and share late, over the bins, weighted by how many are in them."""
    return sum(count * abs(mean - late) for _, count, mean, late in reliability(asked)) / len(asked)


def _print_reliability(asked: Sequence[Asked], seed: int) -> None:
    notes = Console(stderr=True)
    notes.print(f"reliability of P(late), seed {seed}, both leads together:", highlight=False)
    notes.print("  P(late)    forecasts  mean P  were late", highlight=False)
    for begin, count, mean, late in reliability(asked):
        bounds = f"{begin:.1f} - {begin + 1.0 / BINS:.1f}"
        notes.print(f"  {bounds}  {count:9,}  {mean:6.3f}  {late:9.3f}", highlight=False)


def _row(metric: str, unit: str, value: float, runs: int, machine: Machine) -> Result:
    return replace(result("calibration", metric, unit, [value], machine), runs=runs)
