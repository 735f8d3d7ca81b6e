"""The benchmarks' form, not their figures: a quick fold in this process, and the rows that each benchmark makes."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from bench import fold
from bench.__main__ import ALONE, ORDER, WITH_BROKER, measure
from bench.noisy_lines import cusum_bound_h, cusum_threshold
from bench.plant import BATCH_EVENTS, BenchPlant, facts_values
from bench.results import Machine, Result, result, this_machine
from bench.told_lines import on_plan_alarms, told_drift
from schemas import decode_facts

MACHINE = Machine(python="3.11.7", cpus=2, platform="Linux x86_64", kafka=None, load=0.1)

FORM: dict[str, Any] = {
    "benchmark": str,
    "metric": str,
    "value": (int, float, type(None)),
    "unit": str,
    "runs": int,
    "min": (int, float, type(None)),
    "max": (int, float, type(None)),
    "against": dict,
    "machine": dict,
}


def assert_common_form(row: Result) -> None:
    told = json.loads(row.to_json())

    assert set(FORM) == set(told)
    assert [] == [name for name, kind in FORM.items() if not isinstance(told[name], kind)]
    assert {"python", "cpus", "platform", "kafka", "load"} == set(told["machine"])
    assert told["runs"] >= 1
    assert told["metric"]
    assert told["unit"]


def test_a_quick_fold_gives_rows_of_the_common_form() -> None:
    rows = list(measure("fold", None, quick=True))

    for row in rows:
        assert_common_form(row)
    assert {"fold"} == {row.benchmark for row in rows}
    assert [
        f"{case}/{step}"
        for case in ("burst", "steady", "factory")
        for step in ("decode", "apply", "decode_apply_encode")
    ] + ["problem/8x4"] == [row.metric for row in rows]


@pytest.mark.slow
def test_a_quick_detection_gives_the_rows_that_are_promised() -> None:
    rows = {row.metric: row for row in measure("detection", None, quick=True, seed=3)}

    for row in rows.values():
        assert_common_form(row)
    promised = {
        "median_delay_h_at_8_percent",
        "median_since_error_h_at_8_percent",
        "theoretical_cusum_bound_h_at_8_percent",
        "false_alarms_per_30_line_days",
        "median_delay_h_at_3_percent",
        "median_delay_h_at_20_percent_ramp",
        "median_delay_h_at_8_percent_student_t4",
        "false_alarms_per_30_line_days_ar1_0.3",
        "median_delay_h_at_8_percent_through_twin",
        "false_alarms_setups_breaks_short_runs",
    }
    assert set() == promised - set(rows)
    assert {"cusum_told_the_size"} == set(rows["median_delay_h_at_8_percent"].against)


@pytest.mark.slow
def test_a_quick_month_gives_the_rows_that_are_promised() -> None:
    rows = {row.metric: row for row in measure("alerts", None, quick=True, seed=3)}

    for row in rows.values():
        assert_common_form(row)
    assert {"precision", "recall", "new_cards_a_shift_max", "flaps"} <= set(rows)


def test_a_benchmark_with_the_same_seed_measures_the_same_lines() -> None:
    found = [told_drift(seed, lines=1, delta=-0.2) for seed in (5, 5, 6)]

    assert found[0] == found[1]
    assert found[0] != found[2]


def test_what_is_no_drift_raises_none() -> None:
    """Short runs, setups twice as long as planned, breaks, stops, resets, late, wrong and repeated counts."""
    alarms, line_days = on_plan_alarms(seed=2, lines=3, noise_sd=0.01)

    assert (0, 15.0) == (alarms, line_days)


def test_the_bound_is_siegmunds_approximation_at_one_false_alarm_in_30_line_days() -> None:
    """8 % of 15 %: I = 0.1422 a bucket. e^x - x - 1 = 2 x 5,760 I = 1,638.4 at x = 7.4066; (x - 1) / I = 45.05."""
    assert math.isclose(7.4066, cusum_threshold(0.08), abs_tol=1e-4)
    assert math.isclose(45.05 / 12, cusum_bound_h(0.08), abs_tol=1e-3)


def test_every_benchmark_is_in_the_order_of_all() -> None:
    assert {*ALONE, *WITH_BROKER, "solver"} == set(ORDER)  # the solver's takes options of its own


def test_a_result_is_the_median_with_its_range() -> None:
    row = result("twin", "events_per_s", "events/s", [30.0, 10.0, 20.0], MACHINE)

    assert (20.0, 10.0, 30.0, 3) == (row.value, row.min, row.max, row.runs)
    assert {} == row.against
    assert {"floor": 0.25} == row.with_peer("floor", 0.25).against
    assert_common_form(row)


def test_what_never_happened_is_null() -> None:
    """JSON knows no infinity: a drift that was not found made lines that no reader could parse."""
    row = result("detection", "found_after", "working hours", [1.0, math.inf, math.inf], MACHINE)

    assert (None, 1.0, None) == (row.value, row.min, row.max)
    assert_common_form(replace(row, machine=this_machine()))


def test_the_measured_plant_is_accepted_by_the_twin() -> None:
    plant = BenchPlant(lines=4, runs_a_line=2)
    counts = list(plant.counts(each_s=0.1, seconds=30.0))
    before, timed = facts_values(list(plant.model()), counts)
    twin = fold.folded(before)
    twin.counters.clear()
    for value in timed:
        twin.apply(decode_facts(value))

    assert {("applied", "count_reported"): 1_200, ("applied", "clock_ticked"): 30} == dict(twin.counters)
    assert BATCH_EVENTS == max(
        sum(len(segment.events) for segment in decode_facts(value).segments) for value in timed
    )
