"""What the solver says of the plan as it stands is what the twin projects of it, within a second.

The two share no code: the twin builds the problem, the solver's evaluator works out what holding the plan comes to.
"""

from collections.abc import Iterable
from datetime import datetime
from math import inf
from zoneinfo import ZoneInfo

import pytest

from schemas import Event, Facts
from solvers.evaluator import evaluate
from solvers.problem import Problem, hold_plan
from streams.simulator import Factory, FactorySettings, line3_events
from tests.folding import Folded, segment_of
from tests.unit.cases import read_events
from twin import Twin
from twin.forecast.lookahead import assess_order, project_line
from twin.replan.problems import build_problem

BERLIN = ZoneInfo("Europe/Berlin")
SECOND = 1.0


def projected_anew(folded: Folded) -> Twin:
    """A copy of the twin whose projections are all of this moment: the live one keeps a forecast until it moved."""
    twin = Twin.restore(folded.twin.header(), folded.documents)
    assert twin.now is not None
    for _ in range(3):  # a line that is fed is projected from its feeder's projection
        for line in twin.model.lines.values():
            line.items = None
            line.projected = project_line(line, twin.model, twin.now)
    return twin


def differences(folded: Folded) -> tuple[list[str], int]:
    """What the evaluator and the twin's projections say more than a second apart, and how much was compared."""
    twin = projected_anew(folded)
    model, now = twin.model, twin.now
    assert now is not None
    keys = [key for key, line in model.lines.items() if line.queued()]
    if not keys:
        return [], 0
    wire = build_problem(model, now, keys, problem_id="all")
    problem = Problem(wire)
    found = evaluate(problem, hold_plan(problem))
    wrong: list[str] = []
    compared = 0

    def near(what: str, mine: float | None, projected: float | None) -> None:
        nonlocal compared
        compared += 1
        if mine != projected and not abs((mine or inf) - (projected or inf)) <= SECOND:
            wrong.append(f"{what}: {mine} instead of {projected} at {now}")

    for key in keys:
        for run_id, projected in model.lines[key].projected.items():
            mine = (key[0], run_id)
            if mine in found.end and projected.finish_at < wire.horizon_end:
                near(f"start of {mine}", found.start[mine], projected.start_at)
                near(f"end of {mine}", found.end[mine], projected.finish_at)
    for order_key, outcome in found.orders.items():
        assessment = assess_order(model.orders[order_key], model)
        if assessment is not None and outcome.ready_at is not None and assessment.ready_at < wire.horizon_end:
            near(f"{order_key} ready", outcome.ready_at, assessment.ready_at)
            near(f"{order_key} ships", outcome.ships_at, assessment.ships_at)
            near(f"{order_key} slip", outcome.slip_s, assessment.slip_s)
            if outcome.slip_s > 0.0:  # where it is in time the twin tells what missing the truck would cost
                near(f"{order_key} penalty", outcome.penalty, assessment.penalty)
    return wrong, compared


def compare_along(events: Iterable[Event], every_s: float) -> tuple[list[str], int]:
    """Fold events, comparing every so often."""
    folded = Folded()
    wrong: list[str] = []
    compared = 0
    at = -inf
    for number, event in enumerate(events):
        folded.fold(Facts(group_id=event.site_id, segments=[segment_of("story", number, event)]))
        moment = event.event_time.timestamp()
        if moment >= at + every_s:
            at = moment
            folded.tick(event.event_time)
            apart, count = differences(folded)
            wrong, compared = [*wrong, *apart], compared + count
    return wrong, compared


@pytest.mark.parametrize("case", ["shortage", "line_down", "quality", "conflict", "silence"])
def test_the_cases_come_out_as_projected(case: str) -> None:
    wrong, compared = compare_along(read_events(case), every_s=900.0)

    assert [] == wrong
    assert compared >= 30


def test_the_line_3_case_comes_out_as_projected() -> None:
    until = datetime(2026, 11, 19, 8, tzinfo=BERLIN)
    wrong, compared = compare_along(line3_events(until=until), every_s=7200.0)

    assert [] == wrong
    assert compared > 100


@pytest.mark.parametrize("seed", [1, 2])
def test_a_simulated_plant_comes_out_as_projected(seed: int) -> None:
    """Noise, stops, drifts, late material, feeding runs, two sites; counts every 30 minutes, for speed."""
    settings = FactorySettings(seed=seed, sites=2, lines=8, days=4, count_step_s=1800.0, clock_step_s=900.0)
    wrong, compared = compare_along(Factory(settings).events(), every_s=4 * 3600.0)

    assert [] == wrong
    assert compared > 500
