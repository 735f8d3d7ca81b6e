"""One walk by keyboard alone, with the real solver: acknowledge a card, its options, adjust, approve, commit, see the answers.

The mouse is never touched, and no element is focused or clicked by the test.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from schemas import ReplanRequested, topics
from solvers.engine import solve
from tests.asking import START, held, running
from tests.browser.looking import Eyes
from tests.browser.stage import Stage
from tests.folding import Folded, at, event
from tests.running import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PATIENCE_S = 30.0


class Solver:
    """Answers what the twin asks, as the solver role does, in the test's own thread."""

    def __init__(self, stage: Stage, folded: Folded) -> None:
        self._stage, self._folded = stage, folded
        self._answered = 0

    def answer(self) -> None:
        """Wait for the next request, and put every revision of the answer on its topic."""
        wait_until(lambda: len(self._requests()) > self._answered, PATIENCE_S)
        request = self._requests()[self._answered]
        self._answered += 1
        for made in solve(request, clock=time.monotonic, cancelled=lambda: False):
            if made is not None:
                self._stage.put(topics.PROPOSALS, made.proposal_id, made)
                self._stage.fold("S1", [made])

    def _requests(self) -> list[ReplanRequested]:
        return self._folded.on(topics.REPLAN_REQUESTS)


@pytest.fixture
def plant() -> Iterator[tuple[Stage, Folded]]:
    """Line 1 stops for eight hours: order 2 misses its truck, and Line 2 could make it."""
    folded = running()
    folded.tell(held(START))
    for minute in range(1, 4):
        folded.tick(at(0, f"08:0{minute}"))
    with Stage() as stage:
        stage.adopt("S1", folded)
        yield stage, folded


def tab_to(page: Page, name: str, limit: int = 200) -> None:
    """Press Tab until what has focus is called so."""
    for _ in range(limit):
        page.keyboard.press("Tab")
        found = page.evaluate(
            "() => { const e = document.activeElement; const l = e?.labels?.[0]?.textContent;"
            " return (e?.getAttribute('aria-label') || l || e?.textContent || '').trim(); }"
        )
        if str(found).startswith(name):
            return
    raise AssertionError(f"Tab never came to {name}")


def test_from_a_card_to_a_committed_plan_without_a_mouse(plant: tuple[Stage, Folded], eyes: Eyes) -> None:
    stage, folded = plant
    solver = Solver(stage, folded)
    solver.answer()
    page = eyes.open(stage.url)
    expect(page.locator(".row").first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator(".card h2")).to_be_visible()
    page.keyboard.press("a")
    expect(page.locator(".card .facts").first).to_contain_text("acknowledged by")
    page.keyboard.press("o")
    expect(page.get_by_role("heading", level=1)).to_have_text("Options")
    expect(page.locator(".options")).to_be_visible()
    told = page.locator(".proposal > p").first
    expect(told).not_to_contain_text(
        "Better ones may follow"
    )  # or a decision would be on options that are not the last
    page.keyboard.press("2")
    expect(page.locator(".moves tbody th").first).to_contain_text("R2 #2 Acme")

    # Into the chart, from bar to bar, and Enter picks what is to be adjusted.
    tab_to(page, "R1 #1 Acme: Line 1")
    page.keyboard.press("ArrowDown")
    expect(page.locator('[data-bar="S1/R2"]')).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Line", exact=True)).to_be_focused()
    expect(page.get_by_label("Run", exact=True)).to_have_value("S1/R2")
    page.keyboard.type("Line 2")
    expect(page.get_by_label("Line", exact=True)).to_have_value("L2")
    tab_to(page, "Lock it so")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Adjust", exact=True).locator("li")).to_contain_text("R2 #2 Acme, on Line 2")
    tab_to(page, "Solve again under 1 lock")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Options under your changes are being worked out.")).to_be_visible()
    solver.answer()
    expect(page.get_by_label("Before and after your change")).to_be_visible()
    expect(page.locator(".moves tbody tr", has_text="R2 #2 Acme")).to_contain_text("your change")
    expect(told).not_to_contain_text("Better ones may follow")
    eyes.picture(page, "solved", whole=True)

    page.keyboard.press("2")
    page.keyboard.press("a")
    expect(page.get_by_role("dialog", name="Approve an option")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Review before commit")).to_be_visible()
    page.keyboard.press("c")
    expect(page.get_by_role("dialog", name="Review before commit")).to_contain_text("R2")
    page.keyboard.press("Enter")
    answers = page.locator(".answers tbody tr")
    expect(answers.first).to_contain_text("waiting")
    [asked] = {each.proposal_id for each in folded.on(topics.PLAN_CHANGES)}
    state: dict[str, Any] = stage.get(f"/proposals/{asked}")["state"]
    assert "committing" == state["state"]
    changes = folded.on(topics.PLAN_CHANGES)
    assert ("R2", "L2") in [(each.run_id, each.line_id) for each in changes]
    for index, change in enumerate(changes):
        said = {"change_id": change.change_id, "outcome": "accepted"}
        stage.fold("S1", [event("plan_acknowledged", at(0, "08:05"), f"ack-{index}", **said)])
    expect(told).to_contain_text("committed")
    stage.tick("S1", at(0, "08:06"))  # the plan is told with the next tick

    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page.get_by_role("heading", level=1)).to_have_text("Plan")
    expect(page.locator(".plan-list tbody tr", has_text="R2")).to_contain_text("Line 2")
    eyes.picture(page, "plan", whole=True)
