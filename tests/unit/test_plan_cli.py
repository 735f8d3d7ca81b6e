"""`foresite plan`: which order next, on which line, in what sequence, from the live state."""

import json

from tests.unit.test_cli import foresite

FIRST_CARD = "examples/first_card/events.ndjson"
LINE_DOWN = "examples/cases/line_down.ndjson"
AT_11_15 = "2026-11-23T11:15+01:00"


def test_the_readme_s_run_ends_at_21_and_its_order_is_three_hours_late() -> None:
    """300 of 1,000 boxes by 10:00, four hours of stop, 700 more at 100 an hour: from 14:00 to 21:00, promised 18:00."""
    said = foresite("plan", FIRST_CARD, "--json")
    assert 0 == said.returncode, said.stderr
    [line] = [json.loads(text) for text in said.stdout.splitlines()]
    [run] = line["runs"]
    [order] = run["orders"]

    assert ("Line 1", 1, "held", 700.0, 0.0) == (
        line["name"],
        run["place"],
        run["state"],
        run["remaining_pcs"],
        run["setup_min"],
    )
    assert ("2026-01-05T13:00:00+00:00", "2026-01-05T20:00:00+00:00") == (run["start_at"], run["end_at"])
    assert ("7001", "Acme", "2026-01-05T20:00:00+00:00", 10_800.0, True) == (
        order["order_id"],
        order["customer"],
        order["ships_at"],
        order["slip_s"],
        order["is_late"],
    )


def test_people_see_the_queue_in_the_site_s_own_time_and_what_is_late() -> None:
    said = foresite("plan", LINE_DOWN, "--as-of", AT_11_15, "--line", "L7")
    assert 0 == said.returncode, said.stderr
    shown = said.stdout.splitlines()

    assert "Line 7 (plant-1/L7): HELD, set up for tub" == shown[0]
    assert [
        "1 R-71 tub - held Tue 24 Nov 13:45 3,450 #7001 Fabrikam Tue 24 Nov 12:00 Wed 25 Nov 12:00 LATE 24.0 h late",
        "2 R-72 tub - Tue 24 Nov 13:45 Tue 24 Nov 21:45 2,400 #7002 Fabrikam Wed 25 Nov 12:00 Wed 25 Nov 12:00",
    ] == [" ".join(line.split()) for line in shown[2:4]]
    assert "2 runs on 1 line; 1 order late as things stand. As of Mon 23 Nov 11:15." in said.stdout


def test_a_line_that_is_not_known_is_answered_with_the_nearest() -> None:
    said = foresite("plan", LINE_DOWN, "--as-of", AT_11_15, "--line", "l77")

    assert (2, "foresite: there is no line 'l77'; did you mean L7?\n") == (said.returncode, said.stderr)
