"""The closed loop against the honest baseline, in the simulated shop: the same weeks, the same world, five seeds.

The baseline is the dispatch rule ATCS, its two parameters tuned anew, run every morning on everything that waits. The loop
is the product: twin, triggers, solver, an automatic planner who commits what loses less than doing nothing, ERP that
answers. Both are scored by the shop's truth. The loop hears of things within TICK_S and plans between mornings, too; the
rule waits for the morning. Both may move whatever has not begun, the loop within its rules.

Where the coupling of the two worlds is imperfect: chances.py says. Orders that are to be taken back count for neither.
"""

import time
from collections.abc import Iterator
from dataclasses import replace

from bench.closed_loop import ClosedLoop
from bench.results import Machine, Result, result
from bench.shop_weeks import Score, weeks_by_rule
from schemas import Rules
from streams.simulator.settings import FactorySettings

SEEDS = 5

SHOP = FactorySettings(
    lines=6,
    areas=2,
    days=5,
    load=0.88,
    setup_scale=2.0,
    setup_cost_per_h=120.0,
    stop_every_h=16.0,
    breakdown_share=0.1,
    count_step_s=1_800.0,
)
"""Three lines an area that can all make its items, setups of half an hour to two hours, every tenth stop a breakdown."""

RULES = Rules(rules_id="loop", version="1", plan_goal="cost", replan_moves_per_shift=6, replan_move_cost=5.0)
"""As by default, but by money as it is paid, and a run may be moved six times a shift, for little: the rule moves all of
them every morning. Penalties are the customers' weights in money (intake.py), so both sides want the same."""

MOVE_BUDGET = 100_000
"""Moves of the solver a request: a tenth of its default, so that five seeds take minutes."""

AIR_S = 5_400.0
"""Both may plan goods to be ready so long before loading, as planners do: a plan to the minute misses trucks by minutes.
The rule is run with and without it, and of each seed its better weeks count, which no planner could know beforehand."""

FIGURES = ("weighted_tardiness_h", "late", "changeovers", "setup_h", "money")
UNITS = {
    "weighted_tardiness_h": "h",
    "late": "orders",
    "changeovers": "setups",
    "setup_h": "h",
    "money": "EUR",
}


def measure(machine: Machine, *, quick: bool, seed: int) -> Iterator[Result]:
    """Scores of both, by seed and in the middle."""
    shop = replace(SHOP, lines=2, areas=1, days=2) if quick else SHOP
    pairs: list[tuple[int, Score, Score]] = []
    for each in range(seed, seed + (1 if quick else SEEDS)):
        settings = replace(shop, seed=each)
        rule = min((weeks_by_rule(settings, air_s) for air_s in (0.0, AIR_S)), key=_late_then_money)
        loop = ClosedLoop(settings, time.process_time, RULES, MOVE_BUDGET, AIR_S)
        score = loop.run()
        pairs.append((each, rule, score))
        for name in FIGURES:
            yield from _rows(
                f"seed_{each}/{name}", UNITS[name], [getattr(score, name)], [getattr(rule, name)], machine
            )
        yield result("factory", f"seed_{each}/orders", "orders", [float(score.orders)], machine)
        yield result(
            "factory", f"seed_{each}/plan_changes", "changes", [float(len(loop.log.changes))], machine
        )
        yield result("factory", f"seed_{each}/solver_s", "CPU s", [loop.log.solve_s], machine)
    for name in FIGURES:
        mine = [float(getattr(score, name)) for _, _, score in pairs]
        theirs = [float(getattr(rule, name)) for _, rule, _ in pairs]
        yield from _rows(name, UNITS[name], mine, theirs, machine)
        better = sum(a < b for a, b in zip(mine, theirs, strict=True))
        worse = sum(a > b for a, b in zip(mine, theirs, strict=True))
        yield result("factory", f"{name}/seeds_better", "seeds", [float(better)], machine)
        yield result("factory", f"{name}/seeds_worse", "seeds", [float(worse)], machine)


def _late_then_money(score: Score) -> tuple[float, float]:
    return (score.weighted_tardiness_h, score.money)


def _rows(name: str, unit: str, loop: list[float], rule: list[float], machine: Machine) -> Iterator[Result]:
    """The loop's figure against the rule's sum over the same seeds, and the rule's own."""
    mine = result("factory", f"{name}/loop", unit, [float(each) for each in loop], machine)
    total = sum(rule)
    yield mine if total <= 0.0 else mine.with_peer("the rule's", sum(loop) / total)
    yield result("factory", f"{name}/rule", unit, [float(each) for each in rule], machine)
