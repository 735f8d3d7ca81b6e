"""The committed plan: as a chart and as a list, filtered by the address, what waits for an answer, on paper, and its states."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from schemas import ChangeStatus, PlannedRun, PlanState, topics
from tests.browser.looking import Eyes
from tests.notify_plant import NOON
from tests.web_plant import HOSTILE, WebPlant, line, node, order, plan_state, site, web_plant

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

RTL = "\u202egnihtyna\u202c שלום עולם"
LONG = "Überlang" * 25
"""As long as an id may be."""


def planned(run_id: str, line_id: str, start_h: float, hours: float = 8.0, **fields: Any) -> PlannedRun:
    """A run from so many hours after noon."""
    start = NOON + timedelta(hours=start_h)
    values: dict[str, Any] = {
        "site_id": "S1",
        "run_id": run_id,
        "line_id": line_id,
        "position": 0,
        "planned_start_at": start,
        "start_at": start,
        "end_at": start + timedelta(hours=hours),
        "quantity_pcs": 1000.0,
        "status": "free",
        **fields,
    }
    return PlannedRun.model_validate(values)


RUNS = [
    planned("R1", "L1", -2, status="started", order_ids=["S1/4471"]),
    planned("R2", "L1", 6.5, position=1, status="frozen", setup_s=1800.0, order_ids=["S1/4472"]),
    planned("R3", "L2", 1, 4, status="firm", order_ids=["S1/4471"], planned_start_at=NOON),
    planned("R4", "L10", 20, 10),
]


def committed(*runs: PlannedRun, revision: int = 7, **changes: Any) -> PlanState:
    body = {"state": "committed", "proposal_revision": None, "runs": list(runs), **changes}
    return plan_state("committed/S1", revision, **body)


def pending(*outcomes: str, revision: int = 3, state: str = "committing") -> PlanState:
    """A commit, and what came back to each of its changes so far."""
    changes = [
        ChangeStatus.model_validate(
            {"change_id": f"c{index}", "site_id": "S1", "run_id": f"R{index}", "outcome": outcome,
             "reason": "calendar closed" if outcome == "rejected" else None}
        )
        for index, outcome in enumerate(outcomes, start=1)
    ]  # fmt: skip
    return plan_state("P1", revision, state=state, changes=changes, say="sent to ERP")


@pytest.fixture
def plant() -> Iterator[WebPlant]:
    with web_plant(clock="events") as made:
        made.tell(topics.SITES, "S1", site())
        for name in ("L1", "L2", "L10"):
            made.tell(topics.LINES, f"S1/{name}", line(name))
            made.tell(topics.GRAPH, f"line/S1/{name}", node("line", name))
        made.tell(topics.GRAPH, "customer/S1/C1", node("customer", "C1"))
        for name in ("4471", "4472"):
            made.tell(topics.ORDER_PROJECTIONS, f"S1/{name}", order(name))
        yield made


def test_the_plan_is_there_as_a_chart_and_as_a_list(plant: WebPlant, eyes: Eyes) -> None:
    plant.tell(topics.PLANS, "committed/S1", committed(*RUNS))
    page = eyes.open(plant.url)
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page.get_by_role("heading", level=1)).to_have_text("Plan")

    facts = page.locator(".plan-facts dd")
    expect(facts).to_have_text(
        [
            "7, of Thu 13:00:00",
            "4 runs on 3 lines, 1 begun",
            "1 run: line and sequence stay. The last of them starts Thu 19:30",
            "nothing waits for an answer",
        ]
    )
    expect(page.locator(".gantt-names li")).to_have_text(["L1", "L2", "L10"])
    expect(page.locator('[data-bar="S1/R2"]')).to_have_attribute(
        "aria-label", "R2 #4472 C1: L1, Thu 19:30 to Fri 03:30, setup of 30 min before it, frozen"
    )
    expect(page.locator('[data-bar="S1/R2"] .gantt-setup')).to_have_count(1)
    rows = page.locator(".plan-list tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.nth(1)).to_have_text("L1R2#4472 C1 30 minThu 19:30Fri 03:301,000frozen")
    expect(rows.nth(2)).to_have_text(
        "L2R3#4471 C1 Thu 14:00 planned Thu 13:00Thu 18:001,000firm: its line stays"
    )
    eyes.looks_well(page)

    plant.tell(topics.PLANS, "committed/S1", committed(RUNS[0], revision=8))
    expect(facts.first).to_contain_text("8, of")  # by the stream, without loading anew
    expect(rows).to_have_count(1)


def test_filters_stand_in_the_address(plant: WebPlant, eyes: Eyes) -> None:
    plant.tell(topics.PLANS, "committed/S1", committed(*RUNS))
    page = eyes.open(f"{plant.url}/plan?order=4471")
    rows = page.locator(".plan-list tbody tr")
    expect(rows.locator("th")).to_have_text(["R1", "R3"])
    expect(page.get_by_role("status").filter(has_text="2 of 4 runs: order #4471")).to_be_visible()
    page.get_by_label("Line", exact=True).select_option("S1/L2")
    expect(rows.locator("th")).to_have_text(["R3"])
    expect(page.locator(".gantt-names li")).to_have_text(["L2"])
    assert page.url.endswith("/plan?order=4471&line=S1%2FL2")
    page.get_by_label("Order", exact=True).fill("4472")
    page.keyboard.press("Enter")
    expect(page.locator(".empty")).to_contain_text("No run passes these filters.")
    page.locator(".empty").get_by_role("link", name="Clear filters").click()
    expect(rows).to_have_count(4)
    assert page.url.endswith("/plan")


def test_each_change_that_waits_is_shown_until_it_is_answered(plant: WebPlant, eyes: Eyes) -> None:
    plant.tell(topics.PLANS, "committed/S1", committed(*RUNS))
    plant.tell(topics.PLANS, "P1", pending("accepted", "sent", "held_back"))
    page = eyes.open(f"{plant.url}/plan")
    answers = page.locator(".answers tbody tr")
    expect(answers.locator("td").nth(0)).to_have_text("accepted")
    expect(answers.locator("td").nth(2)).to_have_text("waiting")
    expect(answers.locator("td").nth(4)).to_have_text("held back until others are answered")
    expect(page.locator(".plan-facts dd").last).to_have_text("2 changes not answered yet")

    plant.tell(
        topics.PLANS,
        "P1",
        pending("accepted", "modified", "rejected", revision=4, state="partially_committed"),
    )
    expect(answers.nth(2)).to_contain_text("rejected")
    expect(answers.nth(2)).to_contain_text("calendar closed")
    expect(answers.nth(1)).to_contain_text("modified")
    expect(page.locator(".plan-facts dd").last).to_have_text("nothing waits for an answer")
    eyes.looks_well(page)
    page.get_by_role("link", name="Proposal P1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Options")


def test_on_paper_there_is_the_list_without_what_only_a_screen_can_do(plant: WebPlant, eyes: Eyes) -> None:
    plant.tell(topics.PLANS, "committed/S1", committed(*RUNS))
    page = eyes.open(f"{plant.url}/plan?line=L1")
    expect(page.locator(".plan-list tbody tr")).to_have_count(2)
    page.emulate_media(media="print")
    expect(page.locator(".plan-list")).to_be_visible()
    expect(page.locator(".plan-facts")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="2 of 4 runs: line L1")).to_be_visible()
    for screen_only in (".top", ".gantt", ".legend", ".plan-filters"):
        expect(page.locator(screen_only).first).to_be_hidden()
    eyes.picture(page, whole=True)


def test_no_plan_says_when_there_will_be_one(plant: WebPlant, eyes: Eyes) -> None:
    page = eyes.open(f"{plant.url}/plan")
    expect(page.locator(".empty")).to_contain_text("No plan is committed at S1.")
    eyes.looks_well(page, "none")
    plant.tell(topics.PLANS, "committed/S1", committed())
    expect(page.locator(".empty")).to_contain_text("Nothing is planned.")
    eyes.looks_well(page, "empty")


def test_loading_shows_grey_blocks_and_a_failure_what_still_works(plant: WebPlant, eyes: Eyes) -> None:
    context = eyes.context()
    held: list[Route] = []
    context.route("**/api/v1/plan?*", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks what it is given
    page = eyes.open(f"{plant.url}/plan", context=context)
    expect(page.locator("main .block").first).to_be_visible()
    eyes.looks_well(page, "loading")
    body = (
        '{"type":"error","title":"A fault of ours","status":500,"detail":"in the log","request_id":"abc123"}'
    )
    held[0].fulfill(status=500, body=body, content_type="application/problem+json")
    expect(page.locator(".failed")).to_contain_text("Request abc123")
    expect(page.locator(".failed")).to_contain_text("The other pages still work.")
    eyes.looks_well(page, "failed")
    context.unroute("**/api/v1/plan?*")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".empty")).to_contain_text("No plan is committed")
    eyes.forgive("500")


@pytest.mark.parametrize("name", [HOSTILE[:200], RTL, LONG], ids=["markup", "rtl", "long"])
def test_hostile_names_are_text_in_bars_and_lists(plant: WebPlant, eyes: Eyes, name: str) -> None:
    key = name.replace("%", "%25").replace("/", "%2F")
    plant.tell(topics.GRAPH, f"line/S1/{key}", node("line", name))
    plant.tell(topics.ORDER_PROJECTIONS, f"S1/{key}", order(name, customer_id=name))
    far = planned("R9", "L1", 24 * 365 * 74, 10.0)  # a date in the year 2100 must not make all others a point
    odd = planned(name, name, 1, 6.0, order_ids=[f"S1/{key}"])
    plant.tell(topics.PLANS, "committed/S1", committed(*RUNS, odd, far, say=name))
    page = eyes.open(f"{plant.url}/plan")
    expect(page.locator(".plan-list tbody tr")).to_have_count(6)
    expect(page.locator("[data-bar]", has_text=name.strip("\u202e")[:8])).not_to_have_count(0)
    expect(page.locator(".gantt")).to_contain_text("1 bar beyond what can be drawn")
    expect(page.locator("main script, main img, main iframe")).to_have_count(0)
    eyes.looks_well(page)


def test_two_thousand_runs_are_drawn_as_far_as_they_are_seen(plant: WebPlant, eyes: Eyes) -> None:
    runs = [
        planned(f"R{number}", f"L{number % 40:02}", 8.5 * (number // 40), position=number // 40)
        for number in range(2_000)
    ]
    plant.tell(topics.PLANS, "committed/S1", committed(*runs))
    page = eyes.open(f"{plant.url}/plan")
    expect(page.locator(".gantt")).to_be_visible()
    expect(page.locator(".plan-list tbody tr")).to_have_count(200)
    drawn = page.locator("[data-bar]").count()
    assert 40 < drawn < 600, drawn
    page.locator('[data-bar="S1/R0"]').focus()
    page.keyboard.press("End")
    expect(page.locator('[data-bar="S1/R1960"]')).to_be_focused()
    expect(page.locator('[data-bar="S1/R1960"] .gantt-solid')).to_be_in_viewport()
    page.keyboard.press("ArrowDown")
    expect(page.locator('[data-bar="S1/R1961"]')).to_be_focused()
    eyes.picture(page)
    expect(page.locator(".plan-list caption")).to_contain_text("The first 200 of 2,000 runs")
    page.evaluate(
        "() => { window.print = () => { window.printed = document.querySelectorAll('.plan-list tbody tr').length; }; }"
    )
    page.get_by_role("button", name="Print").click()
    page.wait_for_function("() => window.printed === 2000")  # on paper there is no button for the rest
    page.get_by_role("button", name="Only the first 200").click()
    expect(page.locator(".plan-list tbody tr")).to_have_count(200)
