"""Lines, orders and what is around them: the numbers of Line 3, every state of a list, and hostile names."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.looking import THEMES, Eyes, fits
from tests.browser.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

LINE_3 = "/lines/plant-1%2FL3"


def looked_at(eyes: Eyes, page: Page, name: str) -> None:
    """No violation and nothing too wide, on a desk and on a phone, by day and by night."""
    for width in ("desktop", "phone"):
        for theme in THEMES:
            eyes.dress(page, width, theme)
            eyes.picture(page, f"{name}-{width}-{theme}", whole=True)
            assert [] == eyes.axe(page), (name, width, theme)
            assert fits(page), (name, width, theme)
    eyes.dress(page, "desktop", "light")


def cells(page: Page, selector: str) -> list[str]:
    """Texts of the cells of a row, each on one line."""
    row = page.locator(selector)
    expect(row).to_have_count(1)
    return [" ".join(each.split()) for each in row.locator("th, td").all_inner_texts()]


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
    looked_at(eyes, page, "plant")
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
    looked_at(eyes, page, "line")


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
    looked_at(eyes, page, "orders")
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
        "99.9 % 1 - (1 - 0.999 by pace) × exp(-0.3447 long stops)"
    )
    looked_at(eyes, page, "order")


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
    looked_at(eyes, page, "quote")
    with page.expect_request("**/api/v1/quote") as sent:
        ask.click()

    body = sent.value.post_data_json
    assert {
        "site_id": "plant-1",
        "item_id": "no-such-item",
        "quantity_pcs": 500,
        "due_at": "2026-11-25T11:00:00.000Z",
    } == {key: value for key, value in body.items() if key != "command_id"}
    expect(page.get_by_role("alert")).to_contain_text("Refused")
