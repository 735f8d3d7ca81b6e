"""The benchmarks' form, not their figures: a quick fold in this process, and the rows that each benchmark makes."""

import json
import math
from dataclasses import replace
from typing import Any

from bench import fold
from bench.__main__ import ALONE, ORDER, WITH_BROKER, measure
from bench.plant import BATCH_EVENTS, BenchPlant, facts_values
from bench.results import Machine, Result, result, this_machine
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
    ] == [row.metric for row in rows]


def test_every_benchmark_is_in_the_order_of_all() -> None:
    assert {*ALONE, *WITH_BROKER} == set(ORDER)


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
