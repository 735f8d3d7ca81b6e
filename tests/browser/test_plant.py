"""Lines, orders and what is around them: the numbers of Line 3, every state of a list, and hostile names."""

import json
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from schemas import topics
from schemas.keys import join_key
from tests.browser.conftest import BERLIN
from tests.browser.looking import Eyes
from tests.browser.stage import Stage
from tests.notify_plant import NOON
from tests.web_plant import HOSTILE, WebPlant, edge, line, node, order, proposal, site, web_plant

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

LINE_3 = "/lines/plant-1%2FL3"


def cells(page: Page, selector: str) -> list[str]:
    """Texts of the cells of a row, each on one line."""
    row = page.locator(selector)
    expect(row).to_have_count(1)
    return [" ".join(each.split()) for each in row.locator("th, td").all_inner_texts()]


def posted(request: Request) -> dict[str, Any]:
    """The JSON that the page has sent."""
    body: dict[str, Any] = json.loads(request.post_data or "{}")
    return body


def test_the_plant_shows_every_line_with_what_it_makes_and_its_worst_card(stage: Stage, eyes: Eyes) -> None:
    page = eyes.open(stage.url)
    expect(page.locator(".row").first).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("p")
    expect(page.locator("h1")).to_have_text("Plant")

    expect(page.locator(".plant .group", has_text="Forming")).to_contain_text("Plant 1")
    row = ".plant tr:has(a[href='/lines/plant-1%2FL3'])"
    expect(page.locator(row)).to_contain_text("critical")
    found = cells(page, row)
    assert ["Line 3", "unknown", "71 %", "R-4471 #4471"] == found[:4]
    assert "25 min ago" == found[5]
    eyes.looks_well(page, "plant")
    page.locator(row).get_by_role("link", name="Line 3", exact=True).click()
    expect(page.locator("h1")).to_have_text("Line 3")


def test_a_line_shows_its_shift_its_queue_and_the_elements_of_its_measures(stage: Stage, eyes: Eyes) -> None:
    page = eyes.open(stage.url + LINE_3)

    progress = page.locator(".progress")
    expect(progress).to_contain_text("Thu 06:00 to Thu 07:35")
    expect(progress).to_contain_text("792 pcs planned pace for 1.58 h of busy time without setups")
    expect(progress).to_contain_text("728 pcs (92.0 %)")
    expect(progress).to_contain_text("-8.0 % since Tue 06:00")
    expect(progress).to_contain_text("before this shift")
    expect(page.locator(".queue tbody tr")).to_have_count(2)
    assert [
        ["R-4471 on now", "#4471 Northwind", "29,750", "Tue 17:11", "Tue 12:00", "99.9 %", "-5 h 11 min"],
        ["R-4472", "#4472 Fabrikam", "8,000", "Wed 25 Nov 19:04", "Fri 27 Nov 12:00", "2.3 %", "1 day 16 h"],
    ] == [cells(page, f".queue tbody tr >> nth={index}") for index in range(2)]
    measures = page.locator(".measures")
    expect(measures.locator("tr", has_text="OEE")).to_contain_text("92.0 %85.9 %")
    expect(measures.locator("tr", has_text="AUST")).to_contain_text("0 min30 min")
    expect(page.locator(".signals tbody tr").first).to_be_visible()
    eyes.looks_well(page, "line")


def test_orders_say_promise_shipment_slip_slack_and_what_decides(stage: Stage, eyes: Eyes) -> None:
    page = eyes.open(stage.url)
    expect(page.locator(".row").first).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page.locator("h1")).to_have_text("Orders")

    assert [
        "#4471 Northwind",
        "Tue 24 Nov 12:00",
        "Thu 26 Nov 12:00",
        "2 days",
        "-5 h 11 min",
        "99.9 %",
        "R-4471 on Line 3: drift",
    ] == cells(page, ".orders tr:has(a[href='/orders/plant-1%2F4471'])")
    eyes.looks_well(page, "orders")
    page.locator("a[href='/orders/plant-1%2F4471']").click()
    expect(page.locator("h1")).to_have_text("#4471 Northwind")


def test_an_order_shows_its_moments_and_its_chain(stage: Stage, eyes: Eyes) -> None:
    page = eyes.open(f"{stage.url}/orders/plant-1%2F4471")

    expect(page.locator(".chain tbody tr")).to_have_count(1)
    assert ["R-4471", "29,750", "Line 3", "Mon 06:00", "erp/run/R-4471"] == cells(page, ".chain tbody tr")
    moments = page.locator(".moments th")
    assert ["Now", "Needed by", "Promised", "Ready", "Ships"] == moments.all_inner_texts()
    expect(page.locator(".moments tr", has_text="Ready")).to_contain_text("Tue 17:11 in 5 days 9 h")
    expect(page.locator(".facts", has_text="P(late)")).to_contain_text(
        "99.9 % 1 - (1 - 0.999 by pace) \u00d7 exp(-0.3447 long stops)"
    )
    eyes.looks_well(page, "order")


def test_an_order_shows_the_material_of_the_run_that_decides(stage: Stage, eyes: Eyes) -> None:
    page = eyes.open(f"{stage.url}/orders/P2%2F4480")

    expect(page.locator(".material tbody tr")).to_have_count(1)
    assert ["Hinge", "12,800", "PO-712: 9,000"] == cells(page, ".material tbody tr")


def test_a_rush_order_is_quoted_through_the_public_api(stage: Stage, eyes: Eyes) -> None:
    page = eyes.open(f"{stage.url}/orders?site=plant-1")
    page.get_by_role("button", name="Ask for a quote").click()
    page.get_by_label("Site").select_option("plant-1")
    ask = page.get_by_role("button", name="Ask", exact=True)
    expect(ask).to_have_attribute("aria-disabled", "true")
    page.get_by_label("Item (its id)").fill("no-such-item")
    page.get_by_label("Pieces").fill("500")
    page.get_by_label("Due (Europe/Berlin)").fill("2026-11-25T12:00")
    eyes.looks_well(page, "quote")
    with page.expect_request("**/api/v1/quote") as sent:
        ask.click()

    body = posted(sent.value)
    assert {
        "site_id": "plant-1",
        "item_id": "no-such-item",
        "quantity_pcs": 500,
        "due_at": "2026-11-25T11:00:00.000Z",
    } == {key: value for key, value in body.items() if key != "command_id"}
    expect(page.get_by_role("alert")).to_contain_text("Refused")


def test_connections_are_drawn_and_listed_with_since_when_and_by_which_event(
    stage: Stage, eyes: Eyes
) -> None:
    page = eyes.open(f"{stage.url}/orders/plant-1%2F4471")
    page.get_by_role("link", name="Connections").click()
    expect(page.locator("h1")).to_have_text("Connections of order #4471")

    rows = page.locator(".connections tbody tr")
    told = {
        tuple(" ".join(each.split()) for each in row.locator("th, td").all_inner_texts())
        for row in rows.all()
    }
    assert {
        ("Customer Northwind", "placed", "Order #4471", "Mon 06:00", "erp/order/4471"),
        ("Order #4471", "needs 29,750", "Run R-4471", "Mon 06:00", "erp/run/R-4471"),
        ("Order #4471", "ships on", "Shipment northwind-truck", "Mon 06:00", "erp/order/4471"),
        ("Run R-4471", "on", "Line Line 3", "Mon 06:00", "erp/run/R-4471"),
        ("Run R-4472", "on", "Line Line 3", "Mon 06:00", "erp/run/R-4472"),
        ("Run R-4471", "before", "Run R-4472", "Mon 06:00", "tick/2026-11-16T05:00:00+00:00"),
    } == told
    expect(page.locator(".drawing .node")).to_have_count(6)
    expect(page.locator(".drawing .tie")).to_have_count(6)
    eyes.looks_well(page, "graph")

    page.get_by_role("button", name="Expand Line 3").click()
    expect(page.locator(".entities")).to_contain_text("R. Okafor")
    expect(page.locator(".drawing .node", has_text="person R. Okafor")).to_have_count(1)
    page.locator(".drawing").get_by_role("link", name="line Line 3").click()
    expect(page.locator("h1")).to_have_text("Connections of line Line 3")
    page.get_by_role("link", name="Open the page of Line 3").click()
    expect(page.locator("h1")).to_have_text("Line 3")


def told_plant(**settings: Any) -> AbstractContextManager[WebPlant]:
    return web_plant(clock="events", **settings)


def test_no_line_no_order_and_an_entity_that_is_not_there(eyes: Eyes) -> None:
    with told_plant() as plant:
        plant.tell(topics.SITES, "S1", site())
        page = eyes.open(f"{plant.url}/lines")
        expect(page.locator(".empty")).to_contain_text("No line is known yet.")
        eyes.looks_well(page, "no-lines")
        page.goto(f"{plant.url}/orders")
        expect(page.locator(".empty")).to_contain_text("No order waits to be shipped.")
        for address in ("/lines/S1%2FL9", "/orders/S1%2F9", "/graph/line/S1%2FL9", "/graph/nothing/x"):
            page.goto(plant.url + address)
            expect(page.get_by_role("alert")).to_contain_text("Try again")
            expect(page.get_by_role("alert")).to_contain_text("Request")
            eyes.looks_well(page, f"missing{address.replace('/', '-').replace('%', '-')}")


def test_a_list_that_fails_can_be_asked_again(eyes: Eyes) -> None:
    with told_plant() as plant:
        plant.tell(topics.SITES, "S1", site())
        plant.tell(topics.LINES, "S1/L3", line("L3"))
        context = eyes.context()
        context.route(
            "**/api/v1/lines?*",
            lambda route: route.fulfill(status=503, json={"title": "Busy", "status": 503}),
        )
        page = eyes.open(f"{plant.url}/lines", context=context)
        expect(page.get_by_role("alert")).to_contain_text("Busy")
        context.unroute("**/api/v1/lines?*")
        page.get_by_role("button", name="Try again").click()
        expect(page.locator(".plant tbody tr:has(a)")).to_have_count(1)


def test_two_thousand_lines_come_in_parts_and_stay_live(eyes: Eyes) -> None:
    with told_plant() as plant:
        plant.tell(topics.SITES, "S1", site())
        for number in range(2_000):
            plant.tell(topics.LINES, f"S1/L{number:04}", line(f"L{number:04}"))
        page = eyes.open(f"{plant.url}/lines")
        rows = page.locator(".plant tbody tr:has(a)")
        expect(rows).to_have_count(100)
        expect(page.locator(".pager")).to_contain_text("1 to 100 of 2,000 lines")
        eyes.looks_well(page, "2000")
        page.get_by_role("link", name="Next").click()
        expect(page.locator(".pager")).to_contain_text("101 to 200 of 2,000 lines")
        expect(rows.first).to_contain_text("L0100")
        expect(rows.first).to_contain_text("92 %")
        plant.tell(topics.LINES, "S1/L0100", line("L0100", attainment=0.5, as_of=NOON + timedelta(minutes=1)))
        expect(rows.first).to_contain_text("50 %")
        page.goto(f"{plant.url}/lines?offset=5000")
        expect(page.locator(".pager")).to_contain_text("none of 2,000 lines")
        page.get_by_role("link", name="To the first").click()
        expect(rows).to_have_count(100)


def test_ten_thousand_orders_come_in_parts(eyes: Eyes) -> None:
    with told_plant() as plant:
        plant.tell(topics.SITES, "S1", site())
        for number in range(10_000):
            plant.tell(
                topics.ORDER_PROJECTIONS, f"S1/{number}", order(f"{number}", p_late=1.0 - number / 10_000)
            )
        page = eyes.open(f"{plant.url}/orders?offset=9900")
        expect(page.locator(".pager")).to_contain_text("9,901 to 10,000 of 10,000 orders")
        expect(page.locator(".orders tbody tr").last).to_contain_text("#9999")
        page.locator(".orders tbody tr").last.get_by_role("link").first.click()
        expect(page.locator("h1")).to_contain_text("#9999")


def test_hostile_names_stay_text_and_can_be_opened(eyes: Eyes) -> None:
    with told_plant() as plant:
        plant.tell(topics.SITES, "S1", site())
        plant.tell(topics.LINES, join_key("S1", HOSTILE), line(HOSTILE, run_id=HOSTILE, order_ids=[HOSTILE]))
        plant.tell(topics.ORDER_PROJECTIONS, join_key("S1", HOSTILE), order(HOSTILE, customer_id=HOSTILE))
        ends = [node("line", HOSTILE), node("run", HOSTILE), node("order", HOSTILE)]
        for each in ends:
            plant.tell(topics.GRAPH, each.node_id, each)
        for tie in (edge(ends[1], "on", ends[0]), edge(ends[2], "needs", ends[1])):
            plant.tell(topics.GRAPH, tie.edge_id, tie)
        page = eyes.open(f"{plant.url}/lines")
        page.locator(".plant tbody th a").click()
        expect(page.locator("h1")).to_contain_text("<script>alert(1)</script>")
        expect(page.locator(".queue tbody tr")).to_have_count(1)
        eyes.looks_well(page, "line")
        page.locator(".queue tbody a").click()
        expect(page.locator("h1")).to_contain_text("#<script>alert(1)</script>")
        eyes.looks_well(page, "order")
        page.get_by_role("link", name="Connections").click()
        expect(page.locator(".connections tbody tr")).to_have_count(2)
        expect(page.locator(".drawing .node")).to_have_count(3)
        eyes.looks_well(page, "graph")
        assert 0 == page.locator("main script").count()


def test_a_hundred_and_fifty_nodes_are_drawn_and_the_rest_is_counted(eyes: Eyes) -> None:
    with told_plant() as plant:
        plant.tell(topics.SITES, "S1", site())
        hub = node("line", "L3")
        plant.tell(topics.GRAPH, hub.node_id, hub)
        for number in range(400):
            run = node("run", f"R{number:03}")
            plant.tell(topics.GRAPH, run.node_id, run)
            tie = edge(run, "on", hub)
            plant.tell(topics.GRAPH, tie.edge_id, tie)
        page = eyes.open(f"{plant.url}/graph/line/S1%2FL3")
        expect(page.locator(".drawing .node")).to_have_count(150)
        expect(page.locator("main")).to_contain_text(
            "150 entities and 149 connections; 251 more are within reach"
        )
        eyes.looks_well(page, "150")


def test_how_long_a_line_will_stand_is_sent_as_a_command(eyes: Eyes) -> None:
    with Stage() as own:
        own.case("line_down", "plant-1", datetime(2026, 11, 23, 11, 0, tzinfo=BERLIN))
        page = eyes.open(f"{own.url}/lines/plant-1%2FL7")
        page.get_by_role("button", name="Say how long it will stand").click()
        report = page.get_by_role("button", name="Report")
        expect(report).to_have_attribute("aria-disabled", "true")
        page.get_by_label("Minutes from now (needed)").fill("90")
        eyes.looks_well(page, "stop")
        with page.expect_request("**/api/v1/commands") as sent:
            report.click()

        told = {
            "kind": "stop_duration_report",
            "site_id": "plant-1",
            "line_id": "L7",
            "expected_duration_min": 90,
        }
        body = posted(sent.value)
        assert told == {key: value for key, value in body.items() if key != "command_id"}
        expect(page.locator(".status")).to_contain_text("Done: stop duration report")


def test_a_quote_shows_every_place_and_who_pays_for_it(eyes: Eyes) -> None:
    with Stage() as own:
        own.line3(datetime(2026, 11, 19, 8, 0, tzinfo=BERLIN))
        page = eyes.open(f"{own.url}/orders")
        page.get_by_role("button", name="Ask for a quote").click()
        page.get_by_label("Item (its id)").fill("HX-31")
        page.get_by_label("Pieces").fill("500")
        page.get_by_label("Due (Europe/Berlin)").fill("2026-11-25T12:00")
        with page.expect_request("**/api/v1/quote") as sent:
            page.get_by_role("button", name="Ask", exact=True).click()
        asked = posted(sent.value)["command_id"]
        result = own.get(f"/commands/{asked}", wait_s="10")["result"]
        assert "accepted" == result["outcome"], result
        place = {
            "rank": 1,
            "site_id": "plant-1",
            "line_id": "L3",
            "position": 1,
            "after_run_id": "R-4471",
            "start_at": "2026-11-25T09:00:00+01:00",
            "end_at": "2026-11-25T10:30:00+01:00",
            "ships_at": "2026-11-27T12:00:00+01:00",
            "slip_h": 0.0,
            "added_cost": 120.0,
            "added_setup_min": 30.0,
            "harmed": ["#4472 for Fabrikam ships 2 h later"],
        }
        quote = {
            "item_id": "HX-31",
            "quantity_pcs": 500.0,
            "due_at": NOON,
            "positions": [place],
            "compared": 3,
        }
        answer = result["message"].rsplit(" ", 1)[-1]
        own.put(topics.PROPOSALS, answer, proposal(answer, site_id="plant-1", quote=quote, trigger="quote"))

        expect(page.get_by_text("3 places compared, the cheapest first.")).to_be_visible()
        row = cells(page, ".places tbody tr")
        assert "1: Line 3 after R-4471" == row[0]
        for shown, clock in zip(row[1:4], ("09:00", "10:30", "12:00"), strict=True):
            assert shown.endswith(
                clock
            )  # the command's own moment is by the clock on the wall, and so is the distance
        assert ["0 h", "120 EUR", "30 min", "#4472 for Fabrikam ships 2 h later"] == row[4:]
        eyes.looks_well(page, "places")
