"""Valid events with absurd numbers must not stop a plant: the fuzzer found twins that worked for minutes on one."""

import pytest

from schemas import Event
from tests.folding import at, event, run
from tests.living_plant import begun
from twin.state.shifts import Interval, WeeklyPattern

LAID_OUT_MAX = 12_000
"""Weeks of shifts that one of these events may lay out, once; each step after it far fewer."""

ABSURD: dict[str, list[Event]] = {
    "a run of a trillion pieces": [
        run(
            "R1",
            "L1",
            at(0, "06:00"),
            at(0, "14:00"),
            quantity=1e12,
            when=at(0, "05:00"),
            feeds_run_ids=["R2"],
        )
    ],
    "a run at no speed to speak of": [
        run("R1", "L1", at(0, "06:00"), at(0, "14:00"), when=at(0, "05:00"), rate_pcs_per_h=5e-324)
    ],
    "a lead time of three billion years": [
        event("item_upserted", at(0, "05:00"), item_id="bolt", lead_time_days=1e12, buyer_id="sue"),
        event("stock_reported", at(0, "05:00"), item_id="bolt", location_id="A", quantity=1.0),
    ],
}


@pytest.mark.parametrize("events", ABSURD.values(), ids=ABSURD)
def test_an_absurd_number_costs_a_moment_and_not_minutes(
    events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    laid_out: list[int] = []
    lay_out = WeeklyPattern.intervals_of_week

    def counting(pattern: WeeklyPattern, week: int) -> list[Interval]:
        laid_out.append(week)
        return lay_out(pattern, week)

    folded = begun()
    monkeypatch.setattr(WeeklyPattern, "intervals_of_week", counting)
    folded.tell(*events)
    for minute in range(1, 6):
        folded.tick(at(0, f"05:0{minute}"))
    once = len(laid_out)
    for minute in range(6, 10):
        folded.tick(at(0, f"05:0{minute}"))

    assert once < LAID_OUT_MAX
    assert len(laid_out) - once < LAID_OUT_MAX / 10
    assert [] == folded.rejections
