"""Why: the Line 3 case as a planner works it out on paper, in both directions.

26,340 pieces left / 460 an hour = 57.26 h; Thursday 14, Friday 16, Monday 16, Tuesday 11.26: 17:15:39, with whole pieces
counted nine seconds earlier. Needed Tuesday 12:00: 5.26 h over. The plan ended at 10:00: 2 h of slack, 7.26 h consumed.
Next truck Thursday 12:00: 2 days x 2,500 = 5,000; margin 29,750 x 0.14 = 4,165 becomes -835.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from math import exp
from pathlib import Path

import pytest

from schemas import UsageError
from streams.picture import Picture, PictureTwin, picture_from_files
from streams.why_text import as_json, explain, why_lines
from tests.folding import Folded, at, count, event, order, run, small_plant
from tests.unit.test_line3_card import nov, the_card, told_until
from twin.explain.explanation import MOMENT, Explanation, Step
from twin.explain.why import why_card, why_line, why_order

CASES = Path(__file__).resolve().parents[2] / "examples" / "cases"
DAY = Path(__file__).resolve().parents[2] / "examples" / "day" / "day.ndjson.gz"


def walk(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        yield step
        yield from walk(step.steps)


def formulas(explanation: Explanation) -> list[str]:
    return [step.formula for step in walk(explanation.steps) if step.formula]


def numbers(explanation: Explanation) -> dict[str, float]:
    return {number.name: number.value for step in walk(explanation.steps) for number in step.numbers}


def of_order(order_id: str) -> Explanation:
    folded = told_until(nov(19, 8))
    assert folded.twin.now is not None
    return why_order(folded.twin.model, folded.twin.model.orders["plant-1", order_id], folded.twin.now)


def test_the_arithmetic_of_4471_is_that_on_paper() -> None:
    explanation = of_order("4471")
    said = formulas(explanation)

    assert "#4471 is late: 5.26 h of work too late, by drift on Line 3, P(late) 0.999" == explanation.headline
    assert "29,750 - 3,410 = 26,340 good pieces left" in said
    assert "500 planned x 0.920 pace = 460 an hour" in said
    assert "26,340 / 460 = 57.26 h" in said
    [walked] = [formula for formula in said if "Tue 24 Nov)" in formula]
    assert walked.startswith(
        "14.00 (Thu 19 Nov) + 16.00 (Fri 20 Nov) + 16.00 (Mon 23 Nov) + 11.26 (Tue 24 Nov) = 57.26 h: "
        "ends Tue 24 Nov 17:15"
    )
    assert abs(numbers(explanation)["finish"] - nov(24, 17, 15).timestamp() - 39) < 10
    assert "Tue 24 Nov 12:00 - 0.00 h of loading = Tue 24 Nov 12:00" in said
    assert "2.00 h before - 7.26 h consumed = -5.26 h left" in said
    assert "2 days begun x 2,500 EUR = 5,000 EUR" in said
    assert "29,750 x (4.00 - 3.86) = 4,165 EUR; less 5,000 EUR = -835 EUR" in said
    [ships] = [formula for formula in said if formula.startswith("ready ")]
    assert ships.endswith("ships Thu 26 Nov 12:00, promised Tue 24 Nov 12:00: slip 2.00 days")


def test_what_consumed_the_slack_adds_up_and_says_who_is_not_blamed() -> None:
    """26 h of Tuesday to Thursday 08:00 at 8 % less lost 34 x 0.08 = 2.7 h; 57.26 - 52.68 = 4.58 h are still to come."""
    explanation = of_order("4471")
    [slack] = [step for step in explanation.steps if step.what.startswith("slack")]
    parts = {step.what: step.numbers[-1].value for step in slack.steps}

    assert [
        "lost to pace under plan on Line 3 (blamed)",
        "the rest that nothing explains on Line 3 (not blamed)",
    ] == list(parts)
    assert "2.67 h so far + 4.58 h on what is left = 7.24 h" == slack.steps[0].formula
    assert abs(sum(parts.values()) - slack.numbers[1].value) < 1e-9
    assert abs(slack.numbers[0].value - slack.numbers[1].value - slack.numbers[2].value) < 1e-9


def test_from_the_line_all_orders_are_seen_and_why_the_others_are_not_late() -> None:
    folded = told_until(nov(19, 8))
    explanation = why_line(
        folded.twin.model, folded.twin.model.lines["plant-1", "L3"], folded.twin.now or 0.0
    )
    orders = {step.what: step.formula for step in explanation.steps[1:]}

    assert "Line 3: 1 of 3 open orders on it are late" == explanation.headline
    assert [
        "#4470 is not affected: it keeps slack, P(late) 0.001",
        "#4471 is late, P(late) 0.999: 7.24 h by drift on Line 3",
        "#4472 is not affected: it keeps slack, P(late) 0.001",
    ] == list(orders)
    first, _, third = orders.values()
    assert "43.91 h of slack left" in first
    assert "33.50 h of working slack - 8.65 h consumed = 24.85 h; 40.85 h by the clock" in third


def test_from_the_card_to_its_orders_its_money_and_its_rank() -> None:
    folded = told_until(nov(19, 8))
    card = the_card(folded)
    explanation = why_card(folded.twin.model, card, folded.twin.now or 0.0)
    said = formulas(explanation)

    assert card.title == explanation.headline
    assert "26,340 / 460 = 57.26 h" in said
    assert "5,000 EUR penalty = 5,000 EUR" in said
    assert (
        "5.26 h cost 4,103 EUR; 5,000 EUR avoided - cost = 897 EUR; margin 4,165 EUR - cost = 62 EUR" in said
    )
    assert "0.999 probability x 5000 exposure x 1 customer weight x 0.429 urgency = 2,142.86" in said
    [others] = [step for step in explanation.steps if step.what == "other orders on Line 3"]
    assert ["#4470", "#4472"] == [step.what.split()[0] for step in others.steps]
    assert set(card.evidence) <= {each for step in explanation.steps for each in step.events}


def test_a_queue_shows_whom_each_run_waits_for_and_where_a_stop_consumed_nothing_that_was_needed() -> None:
    """Line 1 is held 07:00-09:00; order 1 has 2 h of slack by its plan and none left, order 2 keeps 14 h."""
    folded = Folded()
    folded.tell(
        *small_plant(),
        order("1", at(0, "16:00"), route_id=None),
        order("2", at(1, "22:00"), route_id=None),
        run("R1", "L1", at(0, "06:00"), at(0, "14:00"), pegs=["1"]),
        run("R2", "L1", at(0, "14:00"), at(0, "22:00"), pegs=["2"]),
    )
    folded.tick(at(0, "06:00"))
    folded.tell(event("run_started", at(0, "06:00"), line_id="L1", run_id="R1"))
    folded.tell(count("L1", "R1", at(0, "07:00"), 100.0))
    folded.tell(event("run_held", at(0, "07:00"), line_id="L1", run_id="R1"))
    folded.tick(at(0, "09:00"))
    folded.tell(event("run_resumed", at(0, "09:00"), line_id="L1", run_id="R1"))
    folded.tick(at(0, "09:01"))
    model = folded.twin.model
    first = formulas(why_order(model, model.orders["S1", "1"], 0.0))
    second = why_order(model, model.orders["S1", "2"], 0.0)

    assert "2.00 h before - 2.00 h consumed = 0.00 h left" in first
    assert "16.00 h before - 2.00 h consumed = 14.00 h left" in formulas(second)
    whats = [step.what for step in walk(second.steps)]
    assert "R2 on Line 1: begins Mon 2 Mar 16:00, when R1 is through and the line is set up" in whats
    assert "lost to stops on Line 1 (not blamed)" in whats


def test_an_order_that_waits_for_material_shows_the_wait_apart_from_the_work() -> None:
    """The seed case: R-88 makes 4,000 of 6,400 pieces, stands until PO-712 comes, and makes 2,400 in 12 h more."""
    picture = picture_from_files([CASES / "shortage.ndjson"], None, None)
    explanation = explain(picture, "4480")
    walked = [formula for formula in formulas(explanation) if "of waiting): ends" in formula]
    parts = [step.what for step in walk(explanation.steps) if "(blamed)" in step.what]

    assert ["waited for material on Line 2 (blamed)"] == parts
    assert ["24.00 h of waiting" in formula for formula in walked] == [True]
    assert walked[0].endswith("= 56.00 h (32.00 h of work, 24.00 h of waiting): ends Fri 27 Nov 22:00")
    assert "14.00 h before - 24.00 h consumed = -10.00 h left" in formulas(explanation)


def test_an_order_over_two_runs_shows_both_and_which_decides() -> None:
    folded = Folded()
    folded.tell(
        *small_plant(),
        order("1", at(1, "12:00"), quantity=1600.0),
        run("R1", "L1", at(0, "06:00"), at(0, "14:00"), pegs=["1"]),
        run("R2", "L2", at(0, "08:00"), at(0, "16:00"), pegs=["1"]),
    )
    folded.tick(at(0, "05:00"))
    model = folded.twin.model
    [runs] = [s for s in why_order(model, model.orders["S1", "1"], 0.0).steps if "2 runs" in s.what]

    assert [
        "800 of it for #1, ends Mon 2 Mar 14:00",
        "800 of it for #1, ends Mon 2 Mar 16:00, decides",
    ] == [step.formula for step in runs.steps]


@pytest.mark.parametrize("path", [DAY, *sorted(CASES.glob("*.ndjson"))], ids=lambda path: path.name)
def test_every_explanation_adds_up(path: Path) -> None:
    """Left / rate is the work, days are the walk, slack less what was consumed is what is left, P is its factors'."""
    picture = picture_from_files([path], None, None)
    explained = 0
    for twin in picture.shards:
        for _, each in sorted(twin.model.orders.items()):
            steps = [*walk(why_order(twin.model, each, twin.now or 0.0).steps)]
            for step in steps:
                values = {number.name: number.value for number in step.numbers}
                if step.what == "work that is left":
                    assert abs(values["left"] / values["rate"] - values["work"]) < 1e-6
                if step.what == "through the calendar":
                    days = [n.value for n in step.numbers if n.name[-4:] in (" Nov", " Dec", " Mar", " Apr")]
                    assert abs(sum(days) - values["total"]) < 1e-6
                if step.what.startswith("slack: the plan ends"):
                    assert abs(values["slack_before"] - values["consumed"] - values["slack_after"]) < 1e-6
                    assert (
                        abs(
                            sum(part.numbers[-1].value for part in step.steps if "lamed)" in part.what)
                            - values["consumed"]
                        )
                        < 1e-6
                    )
                if step.what.startswith("probability"):
                    pace, stops = ({n.name: n.value for n in part.numbers} for part in step.steps)
                    late = 1 - (1 - pace["p_pace"]) * exp(-stops["long_stops"]) * (1 - stops["p_open_stop"])
                    assert abs(min(0.999, max(0.001, late)) - values["p_late"]) < 0.002
                    explained += 1
    assert explained >= 1


def test_an_order_without_a_projection_says_why() -> None:
    folded = Folded()
    folded.tell(*small_plant(), order("1", at(3, "12:00")))
    folded.tick(at(0, "06:00"))
    alone = folded.twin.model.orders["S1", "1"]

    assert (
        "#1 has no projection: nothing is planned for it" == why_order(folded.twin.model, alone, 0.0).headline
    )
    folded.tell(event("order_cancelled", at(0, "06:00"), order_id="1"))
    assert (
        "#1 is cancelled: nothing is projected any more" == why_order(folded.twin.model, alone, 0.0).headline
    )


def line3_picture() -> Picture:
    folded = told_until(nov(19, 8))
    shard = PictureTwin()
    shard.twin = folded.twin
    for output in folded.outputs:
        if output.topic in shard.said and output.body is not None:
            shard.said[output.topic][output.key] = output.body
    picture = Picture(None)
    picture.add(shard)
    return picture


def test_a_name_is_a_card_an_order_or_a_line() -> None:
    picture = line3_picture()

    assert "order/plant-1/4471" == explain(picture, "#4471").subject
    assert "order/plant-1/4471" == explain(picture, "4471", "plant-1").subject
    assert "line/plant-1/L3" == explain(picture, "L3").subject
    assert "delivery_risk/plant-1/line/L3/1" == explain(picture, "delivery_risk").subject
    with pytest.raises(UsageError, match="is no card, order or line of this picture"):
        explain(picture, "nobody")


def test_several_cards_of_one_name_are_named() -> None:
    picture = picture_from_files([DAY], None, None)

    with pytest.raises(UsageError, match="may be one of several: delivery_risk/"):
        explain(picture, "delivery_risk")


def test_what_is_printed_and_what_machines_get() -> None:
    explanation = of_order("4471")
    text, body = why_lines(explanation), as_json(explanation)

    assert "as of Thu 19 Nov 08:00" == text[1]
    assert any(line.strip() == "26,340 / 460 = 57.26 h" for line in text)
    assert json.loads(json.dumps(body)) == body
    finishes = [
        n for step in walk(explanation.steps) for n in step.numbers if n.unit == MOMENT and n.name == "finish"
    ]
    assert finishes
    [said] = [
        number["value"]
        for step in body["steps"][0]["steps"]
        for number in step["numbers"]
        if number["name"] == "finish"
    ]
    assert abs(datetime.fromisoformat(said) - nov(24, 17, 15)).total_seconds() < 60
