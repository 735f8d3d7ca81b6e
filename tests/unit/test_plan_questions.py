"""The questions of the trade, from the command line to the engine and back, with numbers on paper.

A machine goes down mid-shift: what to sacrifice. Two plants could take it. A rush order without blowing up changeovers.
"""

import json
from typing import Any

import pytest

from tests.unit.test_cli import foresite

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # the first start compiles

MID_SHIFT = ("examples/plans/mid_shift.ndjson", "--as-of", "2026-11-23T10:00+01:00")
TWO_PLANTS = ("examples/plans/two_plants.ndjson", "--as-of", "2026-11-23T07:00+01:00")


def answer(*arguments: str) -> dict[str, Any]:
    said = foresite(*arguments, "--json")
    assert 0 == said.returncode, said.stderr
    body: dict[str, Any] = json.loads(said.stdout)
    return body


def test_a_machine_goes_down_mid_shift_and_who_pays_for_the_way_out_is_said() -> None:
    """Line 1 stands from 10:00 to 14:00 with 200 of 600 boxes to go, at 100 an hour as everything here.

    Hold: R-1 ends 16:00 (Acme wanted 13:00: 200 of penalty), R-2 20:00 (Borel wanted 17:00: 1,000). Borel can only be
    saved on Line 2 from 12:00 on: all of it there ends at 16:00, an hour before he needs it, and puts Dara off from 16:00
    to 20:00, where 17:00 was promised: 100 of penalty. 200 + 100. With 100 pieces left on Line 1 Dara would be late by
    two hours instead of three, for the same money, but these end at 17:00 sharp: Borel would be late as likely as not.
    """
    said = answer("plan", "--options", *MID_SHIFT)
    hold, move, *parts = said["options"]

    assert (True, None, "manual") == (said["is_final"], said["error"], said["trigger"])
    assert ("hold", 2, 1_200.0) == (hold["label"], hold["kpis"]["late_orders"], hold["kpis"]["cost"])
    assert ("repair", 2, 300.0, 6.0) == (
        move["label"],
        move["kpis"]["late_orders"],
        move["kpis"]["cost"],
        move["kpis"]["total_slip_h"],
    )
    # A part shipped on time is named, too, but it takes the customers' word.
    assert {("partial_ship", False)} == {(each["label"], each["feasible"]) for each in parts}
    assert (-900.0, True, []) == (move["against_hold"]["cost"], move["feasible"], move["violations"])
    assert [
        (
            "#8005 for Dara ships Mon 23 Nov 20:00 instead of Mon 23 Nov 16:00: "
            "3.00 h late instead of 0.00 h, 100 EUR more penalty"
        )
    ] == move["sacrifices"]
    assert {
        ("R-2", "L2", 400.0, "2026-11-23T11:00:00Z", "2026-11-23T15:00:00Z"),
        ("R-5", "L2", 400.0, "2026-11-23T15:00:00Z", "2026-11-23T19:00:00Z"),
    } <= {
        (run["run_id"], run["line_id"], run["quantity_pcs"], run["start_at"], run["end_at"])
        for run in move["plan"]
    }


def test_the_same_question_has_the_same_answer() -> None:
    first, second = answer("plan", "--options", *MID_SHIFT), answer("plan", "--options", *MID_SHIFT)
    del first["solve_ms"], second["solve_ms"]

    assert first == second


def test_people_read_who_pays() -> None:
    said = foresite("plan", "--options", *MID_SHIFT)

    assert "Move R-2 to Line 2: 2 orders late, 300 EUR penalty, 900 EUR cheaper than hold" in (said.stdout)
    assert "sacrifices #8005 for Dara ships Mon 23 Nov 20:00 instead of Mon 23 Nov 16:00" in said.stdout


def test_two_plants_could_take_it_and_each_place_says_what_it_costs_whom() -> None:
    """400 boxes by 20:00 in Lyon.

    Line 2 after R-3 (14:00): half an hour of setup for 60, then 5 h at 80 an hour: 14:30 to 19:30, harms nobody.
    Turin after R-4 (10:00): 3 h 20 at 120 an hour, then 4 h on the road: there at 17:20, for 200 + 400 x 0.10 = 240.
    Line 1 before R-2: 16:00 to 20:00 in time, but R-2 then ends at 02:00, two hours after Borel's midnight: 800.
    Line 1 after R-2: 22:00 to 02:00, six hours late itself.
    """
    places = answer("quote", "box", "400", "2026-11-23T20:00", *TWO_PLANTS, "--site", "lyon")["positions"]
    told = {(each["line_id"], each["after_run_id"]): each for each in places}

    assert [1, 2, 3, 4] == [each["rank"] for each in places]
    assert ("L2", "R-3") == (places[0]["line_id"], places[0]["after_run_id"])
    assert {
        ("L2", "R-3"): ("2026-11-23T13:30:00Z", "2026-11-23T18:30:00Z", 0.0, 60.0, 30.0, 0),
        ("T1", "R-4"): ("2026-11-23T09:00:00Z", "2026-11-23T16:20:00Z", 0.0, 240.0, 0.0, 0),
        ("L1", "R-1"): ("2026-11-23T15:00:00Z", "2026-11-23T19:00:00Z", 0.0, 800.0, 0.0, 1),
    } == {
        key: (
            told[key]["start_at"],
            told[key]["ships_at"],
            told[key]["slip_h"],
            told[key]["added_cost"],
            told[key]["added_setup_min"],
            len(told[key]["harmed"]),
        )
        for key in (("L2", "R-3"), ("T1", "R-4"), ("L1", "R-1"))
    }
    assert (6.0, "2026-11-24T01:00:00Z") == (
        told["L1", "R-2"]["slip_h"],
        told["L1", "R-2"]["ships_at"],
    )
    assert [
        (
            "#7002 for Borel ships Tue 24 Nov 02:00 instead of Mon 23 Nov 22:00: "
            "2.00 h late instead of 0.00 h, 800 EUR more penalty"
        )
    ] == told["L1", "R-1"]["harmed"]


def test_people_read_the_places_in_the_site_s_own_time() -> None:
    said = foresite("quote", "box", "400", "2026-11-23T20:00", *TWO_PLANTS, "--site", "lyon")
    shown = [" ".join(line.split()) for line in said.stdout.splitlines()]

    assert (
        "400 of box, wanted by Mon 23 Nov 20:00: 4 places where they could be made, the cheapest first"
        == shown[0]
    )
    assert (
        "1 lyon/L2 after R-3 Mon 23 Nov 14:30 Mon 23 Nov 19:30 Mon 23 Nov 19:30 in time 60 +30 min nobody"
        == shown[2]
    )


@pytest.mark.parametrize(
    ("item", "more", "why"),
    [
        ("boxx", ("--site", "lyon"), "there is no item 'boxx'; did you mean box?"),
        ("box", ("--site", "lion"), "there is no site 'lion'; did you mean lyon?"),
        ("box", (), "box is made at several sites: say which with --site lyon or --site turin"),
        ("tub", ("--site", "turin"), "there is no item 'tub'; there is box"),
    ],
)
def test_a_slip_is_answered_with_what_there_is(item: str, more: tuple[str, ...], why: str) -> None:
    said = foresite("quote", item, "400", "2026-11-23T20:00", *TWO_PLANTS, *more)

    assert (2, f"foresite: {why}\n") == (said.returncode, said.stderr)


def test_an_item_that_no_routing_names_is_told_what_to_publish() -> None:
    said = foresite("quote", "tub", "100", "2026-11-25T12:00", "examples/cases/line_down.ndjson")

    assert 2 == said.returncode
    assert "nothing says on which line tub is made: publish a routing_upserted of it" in said.stderr


def test_a_wish_for_yesterday_is_refused_in_the_twin_s_own_words() -> None:
    said = foresite("quote", "box", "400", "2026-11-22T20:00", *TWO_PLANTS, "--site", "lyon")

    assert (2, "foresite: it is Mon 23 Nov 07:00 already; ask for a later moment\n") == (
        said.returncode,
        said.stderr,
    )
