"""Options beside each other: what each costs whom, the decision with keys alone, and what became of every change."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from schemas import RunChange, topics
from tests.browser.looking import Eyes
from tests.browser.stage import Stage
from tests.folding import at, event
from tests.proposing import ask, hold, kpis, overtime, proposal, reroute, two_lines
from twin.decisions.proposal_life import PROPOSAL_MOVES

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

WORSE = "#3 for Acme ships 4 h later"


def moves() -> list[RunChange]:
    """What the twin sends for it: two runs."""
    because = "L2 is free at 10:00"
    later = "follows R1 at once, now that R2 has gone"
    start = {"before": at(1, "07:00").isoformat(), "after": at(0, "14:30").isoformat()}
    return [
        RunChange(site_id="S1", run_id="R2", field="line_id", before="L1", after="L2", because=because),
        RunChange(site_id="S1", run_id="R3", field="start_at", because=later, **start),
    ]


@pytest.fixture
def plant() -> Iterator[Stage]:
    """Two lines, and a proposal of hold, reroute, overtime (which costs least) and four more."""
    folded = two_lines()
    request = ask(folded)
    best = reroute(
        title="Run order 2 on L2", changes=moves(), sacrifices=[WORSE], kpis=kpis(cost=400.0, overtime_h=0.0)
    )
    others = [reroute(f"B{number}", kpis=kpis(cost=500.0 + number)) for number in range(4)]
    made = proposal(request, 1, hold(), best, overtime(), *others)
    folded.tell(made)
    with Stage() as stage:
        stage.put(topics.PROPOSALS, "P1", made)
        stage.adopt("S1", folded)
        yield stage


def state_of(plant: Stage) -> dict[str, Any]:
    found: dict[str, Any] = plant.get("/proposals/P1")["state"]
    return found


def test_options_stand_side_by_side_with_what_each_costs_whom(plant: Stage, eyes: Eyes) -> None:
    page = eyes.open(f"{plant.url}/proposals/P1")
    heads = page.locator(".options thead th")
    expect(heads).to_have_count(4)  # hold among them
    expect(heads.nth(0)).to_contain_text("baseline")
    expect(heads.nth(1)).to_contain_text("recommended")
    expect(heads.nth(1)).to_contain_text(f"It sacrifices {WORSE}")
    cost = page.locator(".options tbody tr", has=page.get_by_role("rowheader", name="Cost in all"))
    expect(cost.locator("td").nth(0)).to_contain_text("1,000")
    expect(cost.locator("td").nth(1)).to_contain_text("(-600")
    expect(cost.locator("strong")).to_have_count(1)
    expect(cost.locator("td").nth(2).locator("strong")).to_contain_text("best")
    expect(page.get_by_label("The chosen option")).to_contain_text("because L2 is free at 10:00")
    orders = page.get_by_role("region", name="Orders before and after")
    expect(orders.get_by_role("row").nth(1)).to_contain_text("24 h → 0 h")
    eyes.looks_well(page, "options")

    page.get_by_role("button", name="3 more").click()
    expect(heads).to_have_count(7)


def test_an_option_is_approved_and_committed_with_keys_alone(plant: Stage, eyes: Eyes) -> None:
    page = eyes.open(f"{plant.url}/proposals/P1")
    expect(page.locator(".options")).to_be_visible()
    page.keyboard.press("3")
    expect(page.locator(".options button[aria-pressed=true]")).to_contain_text("overtime")
    page.keyboard.press("2")
    expect(page.locator(".options button[aria-pressed=true]")).to_contain_text("Run order 2 on L2")
    page.keyboard.press("c")
    expect(page.get_by_role("dialog")).to_have_count(0)  # nothing is committed that nobody has approved
    page.keyboard.press("a")
    dialog = page.get_by_role("dialog", name="Approve an option")
    expect(dialog).to_contain_text("Nothing is sent to ERP and MES yet")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Review before commit")).to_be_visible()

    page.keyboard.press("c")
    dialog = page.get_by_role("dialog", name="Review before commit")
    expect(dialog).to_contain_text(
        "Run R2 goes to another line: Line 1 → Line 2, because L2 is free at 10:00"
    )
    expect(dialog).to_contain_text("Run R3 starts at another time")
    expect(dialog).to_contain_text(WORSE)
    eyes.looks_well(page, "review")
    page.keyboard.press("Enter")
    answers = page.locator(".answers tbody tr")
    expect(answers).to_have_count(2)
    expect(answers.nth(0)).to_contain_text("waiting")

    changes = state_of(plant)["changes"]
    assert "committing" == state_of(plant)["state"]
    for change, outcome in zip(changes, ("accepted", "rejected"), strict=True):
        said: dict[str, Any] = {"change_id": change["change_id"], "outcome": outcome}
        if outcome == "rejected":
            said["reason"] = "calendar closed"
        plant.fold("S1", [event("plan_acknowledged", at(0, "08:05"), f"ack-{outcome}", **said)])
    rejected = page.locator(".answers tr", has_text="rejected")
    expect(rejected).to_contain_text("calendar closed")
    expect(page.locator(".answers tr", has_text="accepted")).to_have_count(1)
    expect(page.get_by_role("status").filter(has_text="2 of 2 answered")).to_be_visible()
    eyes.looks_well(page, "answers")


def test_a_decision_on_an_old_picture_keeps_what_was_typed_and_says_what_changed(
    plant: Stage, eyes: Eyes
) -> None:
    page = eyes.open(f"{plant.url}/proposals/P1")
    expect(page.locator(".options")).to_be_visible()
    page.keyboard.press("r")
    dialog = page.get_by_role("dialog", name="Reject all options")
    page.keyboard.type("The customer comes on Monday")
    body = {"command_id": "other", "kind": "proposal_approve", "site_id": "S1", "proposal_id": "P1"}
    body |= {"option_id": "A", "expected_revision": state_of(plant)["revision"]}
    httpx.post(f"{plant.url}/api/v1/commands", json=body, timeout=20.0).raise_for_status()
    expect(page.locator(".proposal > p").first).to_contain_text("approved")

    dialog.get_by_role("button", name="Reject", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("It has changed since you looked")
    expect(dialog.get_by_role("row").filter(has_text="state")).to_contain_text("approved")
    expect(dialog.get_by_label("Why none of them")).to_have_value("The customer comes on Monday")
    eyes.looks_well(page, "conflict")
    dialog.get_by_role("button", name="Reject on revision").click()
    expect(dialog).to_have_count(0)
    expect(page.locator(".proposal > p").first).to_contain_text("rejected")
    assert "The customer comes on Monday" == state_of(plant)["reason"]


def test_the_page_knows_the_moves_of_the_twin(plant: Stage, eyes: Eyes) -> None:
    page = eyes.open(f"{plant.url}/proposals/P1")
    expect(page.locator(".options")).to_be_visible()
    known = page.evaluate(
        "async () => (await import(document.querySelector('script[src]').src.replace('app.js', 'proposals/decide.js')))"
        ".MOVES"
    )
    assert {state: set(of) for state, of in PROPOSAL_MOVES.items()} == {
        state: set(of) for state, of in known.items()
    }
