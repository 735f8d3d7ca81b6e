"""A proposal as a planner reads it in a terminal, and the locks as one writes them."""

from zoneinfo import ZoneInfo

import pytest

from schemas import UsageError
from streams.proposal_cli import _lock
from streams.proposal_text import proposal_line, proposal_text
from tests.folding import at
from tests.proposing import (
    answer,
    approved,
    changes,
    command,
    hold,
    kpis,
    overtime,
    proposal,
    reroute,
    state,
    two_lines,
)

UTC = ZoneInfo("UTC")


def test_options_stand_side_by_side_with_what_they_cost_against_hold_and_why_each_run_moved() -> None:
    folded = two_lines()
    better = reroute(
        kpis=kpis(cost=250.0, changeovers=1, changeover_min=30.0, moved_orders=1, margin=1350.0),
        against_hold={"late_orders": -1.0, "cost": -750.0, "changeovers": 1.0, "changeover_min": 30.0},
        sacrifices=["#3 ships 1 day later"],
    )
    request = approved(folded, better, overtime())
    shown = proposal_text(state(folded), proposal(request, 1, hold(), better, overtime()), UTC)

    assert (
        """P1 at S1: approved, revision 3, as of Mon 2 Mar 08:00
  sue approved A: reroute A. Commit it to send it to ERP and MES.
  A approved by sue
  because sue asked

  option  what        late  slip h  penalty  at risk  overtime h  setups  setup min        cost   margin  moved
  hold    hold           1     0.0        0        0         0.0       0          0       1,000  unknown      0
  A       reroute   0 (-1)     0.0        0        0         0.0  1 (+1)   30 (+30)  250 (-750)    1,350      1
  O       overtime  0 (-1)     0.0        0        0         0.0       0          0  0 (-1,000)  unknown      0

  hold  hold hold

  A  reroute A
      order      #2 Acme: ships Wed 4 Mar 12:00 -> Tue 3 Mar 12:00, penalty 1,000 -> 0
      sacrifices #3 ships 1 day later
      moves      R2: line L1 -> L2 (L2 is free at 10:00)

  O  overtime O
      overtime   2 h on L1 for 100, to be ordered by Mon 2 Mar 20:00"""
        == shown
    )


def test_a_commit_shows_each_change_and_what_came_back() -> None:
    folded = two_lines()
    approved(folded, reroute())
    command(folded, "proposal_commit", at(0, "08:02"), option_id="A")
    answer(folded, changes(folded)[0], at(0, "08:03"), "rejected", reason="no tool\x1b[31m")
    shown = proposal_text(state(folded), None, UTC).splitlines()

    assert ["  rejected   R2 at S1 (no tool [31m)", "  sent       R3 at S1"] == shown[-2:]
    assert "committing           P1  (revision 5)  waiting for the answer to R3 to L1." == proposal_line(
        state(folded)
    )


@pytest.mark.parametrize(
    ("text", "lock"),
    [
        ("R-1@L2", {"run_id": "R-1", "line_id": "L2"}),
        ("R-1+2026-03-02T06:00+01:00", {"run_id": "R-1", "not_before": "2026-03-02T06:00:00+01:00"}),
        (
            "R-1@L2+2026-03-02T06:00Z",
            {"run_id": "R-1", "line_id": "L2", "not_before": "2026-03-02T06:00:00+00:00"},
        ),
    ],
)
def test_a_lock_is_written_as_run_line_and_time(text: str, lock: dict[str, str]) -> None:
    assert lock == _lock(text)


def test_a_lock_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="is no lock"):
        _lock("R-1")
