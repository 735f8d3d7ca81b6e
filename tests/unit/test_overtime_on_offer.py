"""Overtime is bought by price, then as it comes, each hour before the goods are needed; what lies later is not looked at."""

from math import inf
from random import Random
from typing import Any

from schemas import OvertimeWindowUpserted
from tests.folding import Folded, at, event, order, run, small_plant
from twin.forecast.assessment import Assessment
from twin.forecast.lookahead import assess_order
from twin.judges.rescue import overtime_plan
from twin.state.entities import Line

NOW = at(0, "09:00").timestamp()
P = 0.9


def plant() -> Folded:
    """L1 works 06:00 to 22:00; O1 needs 20 hours of it from Monday 06:00 and must be ready on Tuesday 08:00."""
    folded = Folded()
    folded.tell(*small_plant())
    folded.tell(
        run("R1", "L1", at(0, "06:00"), at(1, "10:00"), 2000.0, ["O1"]),
        order("O1", at(1, "08:00"), 2000.0, route_id=None),
    )
    folded.tick(at(0, "09:00"))
    return folded


def window(folded: Folded, window_id: str, day: int, price: float | None, **fields: Any) -> None:
    """Eight hours from 22:00 on."""
    start, end = at(day, "22:00"), at(day + 1, "06:00")
    said = event(
        "overtime_window_upserted", at(0, "00:00"), line_id="L1", window_id=window_id, start_at=start, end_at=end,
        cost_per_h=price, **fields,
    )  # fmt: skip
    folded.tell(said)


def late_order(folded: Folded) -> tuple[Line, Assessment]:
    model = folded.twin.model
    each = assess_order(model.orders["S1", "O1"], model)
    assert each is not None
    return model.lines["S1", "L1"], each


def test_the_cheapest_window_before_the_need_is_bought_first() -> None:
    """20 hours from 09:00 on are 5 h late, and pace may add some; of two nights one lies after the need."""
    folded = plant()
    window(folded, "dear", 0, 90.0)
    window(folded, "cheap but too late", 1, 1.0)
    line, each = late_order(folded)
    plan = overtime_plan(line, [each], P, None, NOW)

    assert plan is not None
    assert ["dear"] == plan.windows
    assert plan.cost == round(plan.hours * 90.0, 2)


def test_a_window_that_changes_is_read_anew() -> None:
    folded = plant()
    window(folded, "night", 0, 90.0)
    line, each = late_order(folded)
    assert overtime_plan(line, [each], P, None, NOW) is not None
    window(folded, "night", 0, 90.0, withdrawn=True)

    assert overtime_plan(line, [each], P, None, NOW) is None


def test_it_is_what_looking_at_all_windows_finds() -> None:
    """Against the plain search over all windows, by price, start and id: random windows on 60 days, 200 times."""
    folded = plant()
    line, each = late_order(folded)
    for seed in range(200):
        random = Random(seed)
        line.overtime = [_random_window(random, number) for number in range(random.randint(0, 12))]
        line.offers = None
        plan = overtime_plan(line, [each], P, 50.0 if seed % 2 else None, NOW)
        wanted = _plain(line, each, 50.0 if seed % 2 else None)

        assert wanted == (None if plan is None else plan.windows), seed


def _random_window(random: Random, number: int) -> OvertimeWindowUpserted:
    hour = random.randint(0, 23)
    day = random.choice([0, 0, 0, 1, 30])
    start = at(day, f"{hour:02}:00")
    made = event(
        "overtime_window_upserted", at(0, "00:00"), line_id="L1", window_id=f"W{number}", start_at=start,
        end_at=at(day + 1, f"{hour:02}:00"), cost_per_h=random.choice([None, 40.0, 50.0, 60.0]),
        committed=random.random() < 0.1, notice_by=at(0, random.choice(["08:00", "10:00"])) if number % 2 else None,
    )  # fmt: skip
    assert isinstance(made, OvertimeWindowUpserted)
    return made


def _plain(line: Line, each: Assessment, default_price: float | None) -> list[str] | None:
    """Windows bought for one order, by the plain rule."""
    offers = []
    for said in line.overtime:
        price = default_price if said.cost_per_h is None else said.cost_per_h
        start, end = said.start_at.timestamp(), min(said.end_at.timestamp(), each.need_by)
        notice_by = start if said.notice_by is None else said.notice_by.timestamp()
        if price is not None and not said.committed and notice_by >= NOW:
            hours = 0.0 if end <= start else (end - start - line.calendar.work_between(start, end)) / 3600.0
            offers.append((price, start, said.window_id, hours))
    missing_h = (each.overhang_s + 1.2815515655446004 * each.sd_work_s) / 3600.0
    bought = []
    for _, start, window_id, hours in sorted(offers):
        if missing_h > 0.005 and hours > 0:
            bought.append((start, window_id))
            missing_h -= hours
    assert each.need_by < inf
    return (
        [name for _, name in sorted(bought, key=lambda one: one[0])]
        if bought and missing_h <= 0.005
        else None
    )
