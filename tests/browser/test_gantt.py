"""The plan of an option as a chart: where bars lie to the pixel, what moved, adjusting with keys and with a mouse, and solving again."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from schemas import ReplanRequested, RunChange, RunChoice, join_key, topics
from tests.browser.looking import Eyes
from tests.browser.stage import Stage
from tests.folding import Folded, at, event, order, run
from tests.proposing import AS_IT_IS, AT_TEN, ask, kpis, option, planned, proposal, reroute, two_lines
from tests.running import wait_until
from tests.web_plant import HOSTILE, node, plan_state, site, web_plant
from tests.web_plant import order as order_of
from tests.web_plant import proposal as bare_proposal

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

BECAUSE = "L2 is free at 10:00"


def moved(option_id: str = "A", start: datetime = AT_TEN, cost: float = 400.0) -> Any:
    """R2 goes to L2 after half an hour of setup, R3 follows R1 on L1 at Mon 14:30; R4 stays on L3."""
    plan = [
        AS_IT_IS[0],
        planned("R2", "L2", start, setup_s=1800.0, order_ids=["S1/2"]),
        planned("R3", "L1", at(0, "14:30"), 4.0, position=1, order_ids=["S1/3"]),
        planned("R4", "L3", at(0, "09:00"), 4.0, status="frozen", order_ids=["S1/4"]),
    ]
    changes = [
        RunChange(site_id="S1", run_id="R2", field="line_id", before="L1", after="L2", because=BECAUSE)
    ]
    fields = {"changes": changes, "title": "Run order 2 on L2", "kpis": kpis(cost=cost)}
    return reroute(option_id, start, **fields).model_copy(update={"plan": plan})


def going_on() -> Any:
    """As planned, with R4 on L3."""
    plan = [*AS_IT_IS, planned("R4", "L3", at(0, "09:00"), 4.0, status="frozen", order_ids=["S1/4"])]
    return option("hold", "hold", plan, kpis=kpis(late_orders=1, cost=1000.0), against_hold={})


class Asked:
    """A plant of three lines with a proposal, and a solver by hand."""

    def __init__(self, stage: Stage, folded: Folded) -> None:
        self.stage, self.folded = stage, folded

    def offer(self, made: Any) -> None:
        """Let the solver answer."""
        self.stage.put(topics.PROPOSALS, made.proposal_id, made)
        self.stage.fold("S1", [made])

    def asked_again(self) -> ReplanRequested:
        """What the twin asks after an adjustment."""
        wait_until(lambda: bool(self.folded.on(topics.REPLAN_REQUESTS)), 20.0)
        found: ReplanRequested = self.folded.on(topics.REPLAN_REQUESTS)[-1]
        return found

    @property
    def state(self) -> dict[str, Any]:
        """Where the proposal is."""
        found: dict[str, Any] = self.stage.get("/proposals/P1")["state"]
        return found

    def command(self, kind: str, **fields: Any) -> httpx.Response:
        """Somebody else decides."""
        body = {
            "command_id": f"other-{kind}-{len(self.folded.records)}",
            "kind": kind,
            "site_id": "S1",
            "proposal_id": "P1",
        }
        return httpx.post(f"{self.stage.url}/api/v1/commands", json={**body, **fields}, timeout=20.0)


@pytest.fixture
def plant() -> Iterator[Asked]:
    line3 = [
        event("line_upserted", at(0, "00:00"), line_id="L3", name="Line 3", calendar_id="two-shifts"),
        order("4", at(3, "12:00"), quantity=400.0),
        run("R4", "L3", at(0, "09:00"), at(0, "13:00"), quantity=400.0, pegs=["4"]),
    ]
    folded = two_lines(*line3)
    request = ask(folded, lines=("S1/L1", "S1/L2", "S1/L3"))
    made = proposal(request, 1, going_on(), moved())
    folded.tell(made)
    with Stage() as stage:
        stage.put(topics.PROPOSALS, "P1", made)
        stage.adopt("S1", folded)
        yield Asked(stage, folded)


def bar(page: Page, run_id: str) -> Locator:
    return page.locator(f'[data-bar="S1/{run_id}"]')


def drag(page: Page, run_id: str, *, to_row_of: str, by: float) -> None:
    """Take a bar with the mouse to another one's row, so many pixels to the right, and hold it there."""
    taken = bar(page, run_id).locator(".gantt-solid").bounding_box()
    other = bar(page, to_row_of).locator(".gantt-solid").bounding_box()
    assert taken is not None
    assert other is not None
    page.mouse.move(taken["x"] + 20, taken["y"] + 13)
    page.mouse.down()
    page.mouse.move(taken["x"] + 20 + by, other["y"] + 13, steps=5)


def shape(page: Page, run_id: str, part: str = ".gantt-solid") -> tuple[float, float, float, float]:
    """x, y, width, height of a bar's part, in the chart's own pixels."""
    found = bar(page, run_id).locator(part)
    x, y, width, height = (
        float(found.get_attribute(name) or "nan") for name in ("x", "y", "width", "height")
    )
    return x, y, width, height


def test_bars_lie_where_their_times_say(plant: Asked, eyes: Eyes) -> None:
    page = eyes.open(f"{plant.stage.url}/proposals/P1")
    expect(page.locator(".gantt")).to_be_visible()
    expect(page.locator(".gantt-names li")).to_have_text(["Line 1", "Line 2"])  # L3 has no change

    x1, y1, wide1, high1 = shape(page, "R1")  # Mon 06:00 to 14:00
    hour = wide1 / 8.0
    x2, y2, wide2, _ = shape(page, "R2")  # Mon 10:00 to 18:00 on Line 2, 30 min of setup before it
    x3, y3, wide3, _ = shape(page, "R3")  # Mon 14:30 to 18:30 on Line 1
    setup_x, setup_y, setup_wide, _ = shape(page, "R2", ".gantt-setup")
    was = page.locator(
        ".gantt-plot .gantt-was"
    )  # R2 Mon 14:30 to 22:30, R3 Tue 07:00 to 11:00, both on Line 1
    outlines = sorted(
        tuple(float(each.get_attribute(name) or "nan") for name in ("x", "y", "width")) for each in was.all()
    )

    assert pytest.approx([x1 + 4 * hour, 8 * hour, x1 + 8.5 * hour, 4 * hour], abs=0.01) == [
        x2,
        wide2,
        x3,
        wide3,
    ]
    assert pytest.approx([x2 - hour / 2, hour / 2], abs=0.01) == [setup_x, setup_wide]
    [(x2_was, _, wide2_was), (x3_was, _, wide3_was)] = outlines
    assert pytest.approx([x1 + 8.5 * hour, 8 * hour, x1 + 25 * hour, 4 * hour], abs=0.01) == [
        x2_was, wide2_was, x3_was, wide3_was,
    ]  # fmt: skip
    # A row: 5 px, a bar of 26, 4, an outline of 9, 5. Line 2 lies below the 49 of Line 1.
    assert (5.0, 26.0, 5.0, 54.0, 58.0) == (y1, high1, y3, y2, setup_y)
    assert [35.0, 35.0] == [y for _, y, _ in outlines]
    assert 2 == page.locator(".gantt-link").count()
    assert 1 == bar(page, "R1").locator(".gantt-edge").count()  # started
    assert 0 == bar(page, "R2").locator(".gantt-edge").count()
    marks = page.locator(".gantt-mark-name")
    expect(marks).to_have_text(["now", "promise #2", "truck #2"])  # both at Tue 12:00
    now = page.locator(".gantt-plot .gantt-mark.now")
    assert pytest.approx(x1 + 2 * hour, abs=0.05) == float(now.get_attribute("x1") or "nan")
    assert pytest.approx(x1 + 30 * hour, abs=0.05) == float(
        page.locator(".gantt-plot .gantt-mark.truck").get_attribute("x1") or "nan"
    )

    page.get_by_label("All lines").check()
    expect(page.locator(".gantt-names li")).to_have_text(["Line 1", "Line 2", "Line 3"])
    assert 1 == bar(page, "R4").locator(".gantt-edge").count()  # frozen
    rows = page.locator(".moves tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("R2 #2 Acme")
    expect(rows.nth(0).locator("td")).to_have_text(
        ["Line 1, Mon 14:30 to Mon 22:30", "Line 2, Mon 10:00 to Mon 18:00", BECAUSE]
    )
    expect(rows.nth(1).locator("td").last).to_have_text("follows from the others")
    eyes.looks_well(page, "gantt")
    eyes.dress(page, "phone", "light")
    expect(page.locator(".gantt")).to_be_hidden()
    expect(page.locator(".moves")).to_be_visible()


def test_arrow_keys_go_from_bar_to_bar_and_every_bar_says_what_it_is(plant: Asked, eyes: Eyes) -> None:
    page = eyes.open(f"{plant.stage.url}/proposals/P1")
    expect(page.locator(".gantt")).to_be_visible()
    assert 1 == page.locator('[data-bar][tabindex="0"]').count()
    bar(page, "R1").focus()
    page.keyboard.press("ArrowRight")
    expect(bar(page, "R3")).to_be_focused()
    # Wednesday lies beyond this chart: no line stands where it is not.
    beyond = ["promise #3 Wed 12:00 →", "truck #3 Wed 12:00 →"]
    expect(page.locator(".gantt-mark-name")).to_have_text(["now", *beyond])
    expect(page.locator(".gantt-plot .gantt-mark")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(bar(page, "R2")).to_be_focused()
    expect(bar(page, "R2")).to_have_attribute(
        "aria-label",
        "R2 #2 Acme: Line 2, Mon 10:00 to Mon 18:00, setup of 30 min before it, was on Line 1, Mon 14:30 to Mon 22:30",
    )
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Home")
    expect(bar(page, "R1")).to_be_focused()
    expect(bar(page, "R1")).to_have_attribute(
        "aria-label", "R1 #1 Acme: Line 1, Mon 06:00 to Mon 14:00, started"
    )
    for _ in range(4):
        page.get_by_role("button", name="Closer").click()
    bar(page, "R1").focus()
    page.keyboard.press("End")  # out of sight at this scale: it is brought into view
    expect(bar(page, "R3")).to_be_focused()
    expect(bar(page, "R3").locator(".gantt-solid")).to_be_in_viewport()


def test_a_run_is_adjusted_with_keys_alone_and_the_new_options_stand_beside_the_old(
    plant: Asked, eyes: Eyes
) -> None:
    page = eyes.open(f"{plant.stage.url}/proposals/P1")
    expect(page.locator(".options")).to_be_visible()
    page.keyboard.press("e")
    expect(page.get_by_label("Run", exact=True)).to_be_focused()
    page.keyboard.type("R2")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Line", exact=True)).to_be_focused()
    expect(page.get_by_label("Line", exact=True).locator("option")).to_have_text(
        ["no lock: where it is best", "Line 1", "Line 2 (where it is)"]
    )
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.get_by_label("Not before").fill("2026-03-02T12:00")  # a date field's keys are the browser's
    page.get_by_label("Not before").press("Enter")
    locks = page.get_by_label("Adjust", exact=True).locator("li")
    expect(locks).to_contain_text("R2 #2 Acme, on Line 2, not before Mon 12:00")
    assert 1 == bar(page, "R2").locator(".gantt-lock").count()
    eyes.looks_well(page, "adjust")
    solve = page.get_by_role("button", name="Solve again under 1 lock")
    solve.focus()
    page.keyboard.press("Enter")

    expect(page.get_by_text("Options under your changes are being worked out.")).to_be_visible()
    expect(page.locator(".options")).to_be_visible()  # those from before stay
    expect(page.get_by_role("button", name="Approve")).to_have_attribute("aria-disabled", "true")
    again = plant.asked_again()
    [locked] = [each for each in again.problem.runs if each.run_id == "R2"]
    assert ("L2", at(0, "12:00").timestamp()) == (locked.locked_line_id, locked.not_before)
    plant.offer(proposal(again, again.first_revision, going_on(), moved("B", at(0, "12:00"), cost=450.0)))

    beside = page.get_by_label("Before and after your change")
    cost = beside.get_by_role("row").filter(has=page.get_by_role("rowheader", name="Cost in all"))
    expect(cost).to_contain_text("400 EUR450 EUR (+50 EUR)")
    expect(beside).to_contain_text("Revision 1, before")
    expect(page.locator(".moves tbody tr").first).to_contain_text("your change")
    assert 1 == bar(page, "R2").locator(".gantt-lock").count()
    expect(bar(page, "R2")).to_have_attribute(
        "aria-label",
        "R2 #2 Acme: Line 2, Mon 12:00 to Mon 20:00, setup of 30 min before it, was on Line 1, Mon 14:30 to Mon 22:30, locked by a planner",
    )
    beside.get_by_label("Hold the plan below against revision 1").check()
    expect(page.locator(".moves tbody tr")).to_have_count(1)
    expect(page.locator(".moves tbody tr td").first).to_have_text("Line 2, Mon 10:00 to Mon 18:00")
    eyes.looks_well(page, "beside")

    page.keyboard.press("e")
    page.get_by_role("button", name="Take off the lock of R2").click()
    page.get_by_role("button", name="Solve again under 0 locks").click()
    expect(page.get_by_label("Adjust", exact=True)).to_have_count(0)
    expect(
        beside.get_by_label("Hold the plan below against revision 1")
    ).to_be_focused()  # as before the form
    wait_until(lambda: 2 == len(plant.folded.on(topics.REPLAN_REQUESTS)), 20.0)
    [free] = [each for each in plant.asked_again().problem.runs if each.run_id == "R2"]
    assert (None, None, 2) == (free.locked_line_id, free.not_before, len(free.eligible))


def test_dragging_a_bar_locks_it_as_the_form_does(plant: Asked, eyes: Eyes) -> None:
    page = eyes.open(f"{plant.stage.url}/proposals/P1")
    expect(page.locator(".gantt")).to_be_visible()
    bar(page, "R3").click()  # a click picks it, and opens the form
    expect(page.get_by_label("Run", exact=True)).to_have_value("S1/R3")
    expect(page.get_by_label("Line", exact=True)).to_be_focused()
    hour = shape(page, "R1")[2] / 8.0
    bar(page, "R3").scroll_into_view_if_needed()
    drag(page, "R3", to_row_of="R2", by=2 * hour)
    expect(page.locator(".gantt-ghost")).to_be_visible()
    eyes.picture(page, "drag")
    page.mouse.up()
    expect(page.locator(".gantt-ghost")).to_have_count(0)

    locks = page.get_by_label("Adjust", exact=True).locator("li")
    expect(locks).to_contain_text("R3 #3 Acme, on Line 2, not before Mon 16:30")
    expect(page.get_by_label("Line", exact=True)).to_have_value("L2")
    expect(page.get_by_label("Not before")).to_have_value("2026-03-02T16:30")


def test_two_who_decide_at_once_the_slower_one_keeps_the_locks_and_sees_what_changed(
    plant: Asked, eyes: Eyes
) -> None:
    page = eyes.open(f"{plant.stage.url}/proposals/P1")
    expect(page.locator(".options")).to_be_visible()
    page.get_by_role("button", name="Adjust R2 #2 Acme").click()
    page.get_by_label("Line", exact=True).select_option("L2")
    page.get_by_role("button", name="Lock it so").click()
    plant.command(
        "proposal_approve", option_id="A", expected_revision=plant.state["revision"]
    ).raise_for_status()
    expect(page.locator(".proposal > p").first).to_contain_text("approved")

    page.get_by_role("button", name="Solve again under 1 lock").click()
    form = page.get_by_label("Adjust", exact=True)
    expect(form.get_by_role("alert")).to_contain_text("It has changed since you looked")
    expect(form.get_by_role("row").filter(has_text="state")).to_contain_text("approved")
    expect(form.locator("li")).to_contain_text("R2 #2 Acme, on Line 2")
    eyes.looks_well(page, "conflict")
    page.get_by_role("button", name="Solve again under 1 lock, on revision").click()
    expect(page.get_by_text("Options under your changes are being worked out.")).to_be_visible()
    assert "adjusted" == plant.state["state"]


def test_a_review_before_commit_that_was_overtaken_says_so_and_sends_nothing(
    plant: Asked, eyes: Eyes
) -> None:
    page = eyes.open(f"{plant.stage.url}/proposals/P1")
    expect(page.locator(".options")).to_be_visible()
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Review before commit")).to_be_visible()
    page.keyboard.press("c")
    dialog = page.get_by_role("dialog", name="Review before commit")
    expect(dialog).to_contain_text(BECAUSE)
    said = plant.command("proposal_adjust", locks=[], expected_revision=plant.state["revision"])
    said.raise_for_status()

    expect(dialog).to_contain_text("Not possible: it is adjusted now.")
    expect(dialog.get_by_role("button", name="Commit")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    again = plant.asked_again()
    plant.offer(proposal(again, again.first_revision, going_on(), moved("B")))
    expect(dialog).to_contain_text("Not possible: it is adjusted now.")
    assert [] == plant.folded.on(topics.PLAN_CHANGES)


def test_a_run_is_not_dragged_where_it_cannot_be_made_nor_out_of_what_is_frozen(
    plant: Asked, eyes: Eyes
) -> None:
    page = eyes.open(f"{plant.stage.url}/proposals/P1")
    page.get_by_label("All lines").check()
    bar(page, "R4").click()  # frozen: it keeps its line
    expect(page.get_by_label("Line", exact=True).locator("option")).to_have_text(
        ["no lock: where it is best", "Line 3 (where it is)"]
    )
    expect(page.get_by_label("Adjust", exact=True)).to_contain_text("It is frozen: starts within 2 h.")
    bar(page, "R1").click()
    expect(page.locator(".status")).to_have_text("It has begun: it stays where it is")
    expect(page.get_by_label("Run", exact=True)).to_have_value("S1/R4")
    bar(page, "R2").scroll_into_view_if_needed()
    drag(page, "R2", to_row_of="R4", by=0.0)
    page.mouse.up()
    expect(page.locator(".status")).to_have_text("It cannot be made on Line 3")
    expect(page.get_by_label("Adjust", exact=True).locator("li")).to_have_count(0)


@pytest.mark.parametrize(
    ("zone", "local", "moment"),
    [
        ("Europe/Berlin", "2026-11-20T14:00", "2026-11-20T13:00:00.000Z"),
        ("Europe/Berlin", "2026-07-20T14:00", "2026-07-20T12:00:00.000Z"),
        ("America/New_York", "2026-03-08T03:30", "2026-03-08T07:30:00.000Z"),  # an hour after clocks went on
        ("Asia/Kathmandu", "2026-01-01T00:10", "2025-12-31T18:25:00.000Z"),
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30:00.000Z"),  # comes twice: the first one
        ("UTC", "nonsense", None),
    ],
)
def test_a_date_field_speaks_in_the_zone_of_the_site(
    plant: Asked, eyes: Eyes, zone: str, local: str, moment: str | None
) -> None:
    page = eyes.open(f"{plant.stage.url}/help")
    found = page.evaluate(
        "async ([zone, local]) => { const base = document.querySelector('script[src]').src.replace('app.js', '');"
        " const { isoOf, localOf } = await import(base + 'gantt/moments.js'); const iso = isoOf(local, zone);"
        " return [iso, iso && localOf(iso, zone)]; }",
        [zone, local],
    )

    assert [moment, moment and local] == found


RTL = "\u202egnihtyna\u202c שלום עולם"
LONG = "Überlang" * 25
"""As long as an id may be."""


@pytest.mark.parametrize("name", [HOSTILE[:200], RTL, LONG], ids=["markup", "rtl", "long"])
def test_hostile_names_are_text_in_bars_forms_and_locks(eyes: Eyes, name: str) -> None:
    """As another system may call its lines, runs and orders; the proposal is of no plant of ours."""
    key = join_key("S1", name)
    run_on = [
        planned(name, line_id, at(0, "10:00"), order_ids=[key]).model_copy(update={"end_at": at(0, "18:00")})
        for line_id in ("L1", name)
    ]
    choice = RunChoice(
        site_id="S1", run_id=name, status="firm", because=name, lines=["S1/L1", key], locked_line_id=name
    )
    moving = RunChange(site_id="S1", run_id=name, field="line_id", before="L1", after=name, because=name)
    options = [
        option("hold", "hold", run_on[:1], kpis=kpis(cost=2.0), against_hold={}),
        option(name, "reroute", run_on[1:], title=name, changes=[moving], sacrifices=[name]),
    ]
    with web_plant(clock="events") as plant:
        plant.tell(topics.SITES, "S1", site())
        plant.tell(topics.GRAPH, f"line/{key}", node("line", name))
        plant.tell(topics.ORDER_PROJECTIONS, key, order_of(name, customer_id=name))
        plant.tell(topics.PLANS, "P1", plan_state("P1", say=name))
        made = bare_proposal(
            "P1",
            options=[each.model_dump(mode="json") for each in options],
            choices=[choice.model_dump(mode="json")],
        )
        plant.tell(topics.PROPOSALS, "P1", made)
        page = eyes.open(f"{plant.url}/proposals/P1")
        expect(page.locator(".moves tbody tr")).to_have_count(1)
        page.keyboard.press("e")
        expect(page.get_by_label("Adjust", exact=True).locator("li")).to_have_count(1)
        expect(page.get_by_label("Line", exact=True)).to_have_value(name)
        expect(page.locator("main script, main img, main iframe")).to_have_count(0)
        eyes.looks_well(page, "hostile")
