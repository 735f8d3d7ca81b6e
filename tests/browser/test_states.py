"""What the page shows when there is nothing, not yet anything, too much, or something wrong: each state, and its picture."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from schemas import topics
from streams.web.tokens import new_token
from tests.browser.looking import Eyes, Theme, fits
from tests.notify_plant import NOON
from tests.web_plant import HOSTILE, WebPlant, line, node, order, site, web_plant

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

LONG = "Überlang" * 1_250
"""Ten thousand characters without a space."""

RTL = "\u202egnihtyna\u202c שלום עולם"

LOOKS: list[tuple[str, Theme]] = [("desktop", "light"), ("phone", "dark")]


@contextmanager
def small_plant(**settings: Any) -> Iterator[WebPlant]:
    """A site with a line, an order with room, and no card."""
    with web_plant(clock="events", **settings) as plant:
        plant.tell(topics.SITES, "S1", site())
        plant.tell(topics.LINES, "S1/L3", line("L3"))
        plant.tell(topics.ORDER_PROJECTIONS, "S1/4480", order("4480", slack_s=6 * 3600.0))
        for kind, name in (("site", "S1"), ("line", "L3"), ("customer", "C1")):
            plant.tell(topics.GRAPH, f"{kind}/S1/{name}", node(kind, name))
        yield plant


def card_of(owner: str, name: str, **changes: Any) -> dict[str, Any]:
    return {"owner": {"id": owner, "name": name, "rule": "supervisor"}, **changes}


def looked_at(eyes: Eyes, page: Page) -> None:
    """At two widths and in both themes it fits, and axe finds nothing."""
    for width, theme in LOOKS:
        eyes.dress(page, width, theme)
        eyes.picture(page, f"{width}-{theme}")
        assert fits(page)
        assert [] == eyes.axe(page)


def test_empty_says_that_nothing_needs_a_decision_and_what_could_next(eyes: Eyes) -> None:
    with small_plant() as plant:
        page = eyes.open(plant.url)

        expect(page.locator(".empty")).to_contain_text("Nothing needs a decision.")
        expect(page.locator(".empty")).to_contain_text("1 line watched, checked Thu 13:00:00")
        expect(page.locator(".empty")).to_contain_text("Tightest: #4480 C1, slack 6 h")
        looked_at(eyes, page)


def test_loading_shows_nothing_at_first_and_then_grey_blocks(eyes: Eyes) -> None:
    with small_plant() as plant:
        plant.card()
        context = eyes.context()
        held: list[Route] = []
        context.route("**/api/v1/snapshot", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks what it is given
        page = eyes.open(plant.url, context=context)
        expect(page.locator(".block").first).to_be_visible()
        expect(page.locator(".row")).to_have_count(0)
        expect(page.get_by_text("Nothing needs a decision")).to_have_count(0)
        looked_at(eyes, page)
        context.unroute("**/api/v1/snapshot")  # those that were held go on

        expect(page.locator(".row")).to_have_count(1)
        expect(page.locator(".block")).to_have_count(0)


def test_one_silent_source_is_named_with_its_age(eyes: Eyes) -> None:
    with small_plant() as plant:
        silent = line("L3", last_event_at=NOON - timedelta(minutes=11))
        plant.tell(topics.LINES, "S1/L3", silent)
        caveat = "rests on Line L3, which has said nothing since 12:49"
        plant.card("L3", kind="data_stale", card_id="data_stale/S1/line/L3/1")
        plant.card("L4", caveats=[caveat], score=50.0)
        page = eyes.open(plant.url)

        expect(page.locator(".banner-warn")).to_contain_text("L3: no data since Thu 12:49")
        expect(page.locator(".row", has_text="waits for L4")).to_contain_text(caveat)
        looked_at(eyes, page)


def test_a_lost_connection_says_of_when_the_picture_is_and_when_it_is_too_old_to_commit(eyes: Eyes) -> None:
    with small_plant() as plant:
        plant.card()
        context = eyes.context()
        page = eyes.open(plant.url, context=context)
        expect(page.locator(".row")).to_have_count(1)
        context.set_offline(True)
        plant.web.feed.heartbeat_s = 3600.0
        plant.drop_streams()

        expect(page.locator(".banner-error")).to_contain_text("Picture of Thu 13:00:00. Reconnecting.")
        expect(page.locator(".banner-error")).to_contain_text("Next try in")
        expect(page.locator(".row")).to_have_count(1)
        looked_at(eyes, page)
        page.evaluate("() => { const now = Date.now; Date.now = () => now() + 130_000; }")
        expect(page.locator(".banner-error")).to_contain_text("Plans cannot be committed on it")
        context.set_offline(False)
        page.evaluate("() => dispatchEvent(new Event('online'))")
        page.get_by_role("button", name="Try now").click()
        expect(page.locator(".banner-error")).to_have_count(0)


def test_a_part_that_fails_says_what_still_works_and_can_be_tried_again(eyes: Eyes) -> None:
    with small_plant() as plant:
        made = plant.card()
        context = eyes.context()
        body = '{"type":"error","title":"A fault of ours","status":500,"detail":"in the log","request_id":"abc123"}'
        context.route(
            "**/api/v1/cards/**",
            lambda route: route.fulfill(status=500, body=body, content_type="application/problem+json"),
        )
        page = eyes.open(f"{plant.url}/cards/{made.card_id.replace('/', '%2F')}", context=context)

        expect(page.locator(".card h2")).to_contain_text("#4471 for Müller")
        expect(page.locator(".failed")).to_contain_text("Request abc123")
        expect(page.locator(".failed")).to_contain_text("The card itself is shown.")
        looked_at(eyes, page)
        context.unroute("**/api/v1/cards/**")
        page.get_by_role("button", name="Try again").click()
        expect(page.locator(".failed")).to_have_count(0)
        expect(page.locator(".history li")).to_have_count(1)
    eyes.forgive("500")


def test_five_hundred_cards_come_in_groups_by_root_and_pages(eyes: Eyes) -> None:
    with small_plant() as plant:
        for number in range(500):
            lines = number % 120
            plant.card(
                f"L{lines}",
                card_id=f"delivery_risk/S1/line/L{lines}/{number}",
                score=1000.0 - number,
                severity=("critical", "high", "medium", "low")[number % 4],
                opened_at=NOON - timedelta(hours=2),
            )
        page = eyes.open(plant.url)

        expect(page.locator(".list-bar")).to_contain_text("500 cards")
        expect(page.locator(".group")).to_have_count(100)
        first = page.locator(".group").first
        expect(first).to_contain_text("L0: 5 cards")
        expect(first).to_contain_text("25,000 EUR")
        looked_at(eyes, page)
        eyes.dress(page, "desktop", "light")
        first.get_by_role("button").click()
        expect(first.locator("li.row")).to_have_count(5)
        eyes.picture(page, "opened")
        page.get_by_role("navigation", name="Pages of the list").get_by_role("link", name="2").click()
        expect(page.locator(".group")).to_have_count(20)
        page.get_by_role("searchbox").fill("L119")
        expect(page.locator(".row")).to_have_count(4)


def test_a_flood_is_one_group_a_cause_and_said_once(eyes: Eyes) -> None:
    with small_plant() as plant:
        plant.card("L1", opened_at=NOON - timedelta(hours=5))
        for number in range(12):
            plant.card(f"N{number}", card_id=f"line_down/S1/line/N{number}/1", score=10.0)
        page = eyes.open(plant.url)

        expect(page.locator(".flood")).to_contain_text("New in the last 10 min: drift: 12 cards")
        expect(page.locator("li.row")).to_have_count(1)
        expect(page.locator(".status")).to_contain_text("12 cards at once")
        looked_at(eyes, page)


def test_who_may_not_sees_the_button_and_who_may(eyes: Eyes, tmp_path: Path) -> None:
    token, entry = new_token("vic", "viewer")
    file = tmp_path / "tokens"
    file.write_text(entry + "\n")
    with small_plant(web_tokens_file=file) as plant:
        made = plant.card()
        page = eyes.open(f"{plant.url}/cards/{made.card_id.replace('/', '%2F')}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Foresite")
        looked_at(eyes, page)
        page.get_by_label("Token").fill("not-a-token")
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator(".failed")).to_contain_text("this token is not known")
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Sign in").click()

        expect(page.locator(".card h2")).to_contain_text("#4471")
        expect(page.locator(".who")).to_contain_text("vic viewer")
        button = page.get_by_role("button", name="Acknowledge")
        expect(button).to_have_attribute("aria-disabled", "true")
        expect(button).to_have_attribute("title", "vic is viewer: planners and approvers may")
        expect(page.locator(".why-not")).to_have_text("vic is viewer: planners and approvers may")
        looked_at(eyes, page)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Token")).to_be_visible()


def test_catching_up_and_what_kind_of_picture_it_is_are_said_on_top(eyes: Eyes) -> None:
    with small_plant(web_notice="Simulated factory") as plant:
        plant.card()
        plant.is_caught_up = False
        page = eyes.open(plant.url)
        expect(page.locator(".banner-warn")).to_contain_text("The server is still reading the topics.")
        eyes.picture(page, "server")
        plant.is_caught_up = True
        expect(page.locator(".row")).to_have_count(1)

        plant.tell(
            topics.SITES, "S1", site(is_catching_up=True, behind_s=245.0, as_of=NOON + timedelta(seconds=10))
        )
        expect(page.locator(".banner-warn")).to_contain_text("Catching up, 4 min behind")
        expect(page.locator(".banner-note")).to_have_text("Simulated factory")
        plant.view.trouble = "Kafka unreachable: reading only"
        expect(page.locator(".banner-warn", has_text="reading only")).to_be_visible()
        page.locator(".row .open").click()
        expect(page.get_by_role("button", name="Acknowledge")).to_have_attribute("aria-disabled", "true")
        looked_at(eyes, page)


@pytest.mark.parametrize("name", [HOSTILE, RTL, LONG], ids=["markup", "rtl", "long"])
def test_hostile_names_are_text_and_break_nothing(eyes: Eyes, name: str) -> None:
    identity = name[:200]  # more is a dead letter
    affected = {
        "order_id": identity,
        "site_id": "S1",
        "customer_id": identity,
        "customer_name": name,
        "item_id": identity,
        "quantity_pcs": 1.0,
        "run_id": identity,
        "line_id": identity,
        "promised_at": NOON,
        "ready_at": None,
        "ships_at": None,
        "on_time_slot_at": NOON,
        "need_by": NOON,
        "slip_s": 90_000.0,
        "slip_days": 2,
        "slack_s": None,
        "overhang_h": None,
        "p_late": 0.5,
        "penalty": 1.0,
        "exposure": 1.0,
        "margin_before": None,
        "margin_if_late": None,
    }
    key = identity.replace("%", "%25").replace("/", "%2F")
    step = {
        "from_id": f"line/S1/{key}",
        "relation": name,
        "to_id": f"order/S1/{key}",
        "event_id": name,
        "detail": name,
    }
    cause = {"signal": "drift", "entity_type": "line", "entity_id": identity, "in_words": name}
    claim = {"source": name, "value": name, "since": NOON, "event_id": name}
    with small_plant(web_notice=name[:200]) as plant:
        plant.tell(topics.GRAPH, f"line/S1/{key}", node("line", identity))
        made = plant.card(
            card_id=f"delivery_risk/S1/line/{key}/1",
            affected=[affected],
            affected_total=1,
            path=[step],
            cause=cause,
            evidence=[name],
            caveats=[name],
            state_note=name,
            state_by=name,
            data={"subject": name, "claims": [claim], "used": name},
            stop={
                "station_id": name,
                "run_id": identity,
                "since": NOON,
                "expected_end_at": None,
                "expected_because": name,
                "reason": name,
                "down_h": 1.0,
                "remaining_h": None,
                "moves": [{"run_id": identity, "line_ids": [identity]}],
            },
            title=name,
            summary=name,
            severity_because=name,
            deadline_because=name,
            update_reason=name,
            owner={"id": name, "name": name, "rule": name},
        )
        page = eyes.open(plant.url)
        page.locator(".row .open").click()
        expect(page.locator(".card h2")).to_be_visible()
        expect(page.locator(".history li")).to_have_count(1)

        looked_at(eyes, page)
        eyes.dress(page, "desktop", "light")
        eyes.picture(page, "whole", whole=True)
        assert 200 > page.locator(".status").bounding_box()["height"]  # type: ignore[index]
        expect(page.locator("main script, main img, main iframe")).to_have_count(0)
        assert made.card_id in page.evaluate("() => decodeURIComponent(location.pathname)")
        if name == LONG:
            page.locator(".card .summary").get_by_role("button", name="Show all 10,000 characters").click()
            expect(page.locator(".card .summary")).to_have_text(LONG)
        if name == HOSTILE:
            expect(page.locator(".card .summary")).to_contain_text("<script>alert(1)</script>")


def test_a_list_holds_still_under_the_hand(eyes: Eyes) -> None:
    with small_plant() as plant:
        for number in range(3):
            plant.card(f"L{number}", score=100.0 - number)
        page = eyes.open(plant.url)
        titles = page.locator(".row .open")
        expect(titles).to_have_count(3)
        titles.first.hover()
        plant.card("L2", revision=2, score=500.0)
        plant.card("L9", score=900.0)

        expect(page.get_by_role("button", name="4 cards changed order")).to_be_visible()
        expect(titles).to_have_text([f"#4471 for Müller waits for L{number}" for number in range(3)])
        eyes.picture(page)
        page.keyboard.press(".")
        expect(titles).to_have_text(
            [f"#4471 for Müller waits for {name}" for name in ("L9", "L2", "L0", "L1")]
        )


def test_filters_and_tabs_stand_in_the_address(eyes: Eyes) -> None:
    with small_plant() as plant:
        plant.card("L1", severity="critical")
        plant.card("L2", kind="line_down", card_id="line_down/S1/line/L2/1", **card_of("roy", "O. Roy"))
        plant.card("L3", state="snoozed", snoozed_until=NOON + timedelta(hours=4))
        plant.card(
            "L4", state="dismissed", state_since=NOON, state_note="the truck was moved", state_by="roy"
        )
        page = eyes.open(f"{plant.url}/?owner=roy")
        expect(page.locator(".row")).to_have_count(1)
        page.get_by_role("link", name="Clear filters").click()
        expect(page.locator(".row")).to_have_count(2)
        page.get_by_label("Kind").select_option("line_down")
        assert page.url.endswith("/?kind=line_down")
        expect(page.locator(".row")).to_have_count(1)
        page.goto(f"{plant.url}/?tab=snoozed")
        expect(page.locator(".row")).to_contain_text("wakes in 4 h")
        page.get_by_role("link", name="Cleared today").click()
        expect(page.locator(".row")).to_contain_text("dismissed")
        looked_at(eyes, page)
        page.goto(f"{plant.url}/?tab=mine")
        expect(page.locator(".empty")).to_contain_text("Nothing waits for")


def test_help_knows_every_kind_and_single_keys_can_be_switched_off(eyes: Eyes) -> None:
    with small_plant() as plant:
        plant.card()
        page = eyes.open(plant.url)
        expect(page.locator(".row")).to_have_count(1)
        page.keyboard.press("?")
        expect(page.get_by_role("heading", level=1)).to_have_text("Help")
        expect(page.locator("main section")).to_have_count(7)
        page.get_by_label("Single keys are on").uncheck()
        page.keyboard.press("g")
        page.keyboard.press("n")
        time.sleep(0.2)
        expect(page.get_by_role("heading", level=1)).to_have_text("Help")
        page.get_by_label("Single keys are on").check()
        page.get_by_role("heading", level=1).focus()
        page.keyboard.press("g")
        page.keyboard.press("n")
        expect(page.get_by_role("heading", level=1)).to_have_text("What needs action now")
