"""Deciding on cards: with keys alone, two people at once, and what the twin refuses. The twin answers through the log."""

import re
from datetime import datetime

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import BERLIN
from tests.browser.looking import Eyes
from tests.browser.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

LINE_3 = "delivery_risk/plant-1/line/L3/1"
HINGE = "material_shortage/P2/item/M-7/1"


def row(page: Page, text: str) -> str:
    return f'.row:has-text("{text}")'


def state_of(stage: Stage, card_id: str) -> tuple[str, str | None]:
    card = stage.get("/cards", id=card_id)["items"][0]
    return card["state"], card["state_note"]


@pytest.fixture(autouse=True)
def _open_cards(stage: Stage) -> None:
    """Whatever a test before this one did: both cards are open, and theirs whose they were."""
    stage.answers.set()
    for card_id in (LINE_3, HINGE):
        for kind in ("card_resolve", "card_reopen"):
            card = stage.get("/cards", id=card_id)["items"][0]
            if card["state"] == "open":
                break
            if kind == "card_resolve" and card["state"] in ("resolved", "dismissed"):
                continue
            body = {
                "kind": kind,
                "site_id": card["site_id"],
                "card_id": card_id,
                "expected_revision": card["revision"],
            }
            stage.command(body)


def test_a_card_is_triaged_with_keys_alone(stage: Stage, eyes: Eyes) -> None:
    page = eyes.open(stage.url)
    hinge = page.locator(row(page, "M-7"))
    expect(hinge).to_be_visible()
    by = stage.get("/cards", id=HINGE)["items"][0][
        "state_by"
    ]  # a test before this one may have had it opened again
    still = f"open by {by}" if by else "open"

    page.keyboard.press("j")
    expect(hinge.locator(".open")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".card h2")).to_contain_text("Part M-7 will run short")
    eyes.picture(page, "open")
    stage.answers.clear()
    page.keyboard.press("a")
    expect(page.locator(".card .sent")).to_have_text("Acknowledge: sent")
    expect(page.locator(".card .facts").first).to_contain_text(f"{still}, since")  # until it came back
    eyes.picture(page, "sent")
    stage.answers.set()
    expect(page.locator(".card .facts").first).to_contain_text("acknowledged by")
    expect(page.locator(".card .sent")).to_have_count(0)

    page.keyboard.press("s")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Put aside for")
    expect(dialog.get_by_role("radio").first).to_be_focused()
    eyes.picture(page, "snooze")
    assert [] == eyes.axe(page)
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(page.locator(".card .facts").first).to_contain_text("snoozed by")
    page.keyboard.press("Escape")
    expect(page.locator(".card")).to_have_count(0)
    page.get_by_role("link", name="Snoozed").click()
    expect(hinge).to_contain_text("wakes in 1 h")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Reopen").click()
    expect(page.locator(".card .facts").first).to_contain_text("open by")
    assert "open" == state_of(stage, HINGE)[0]


def test_who_was_slower_is_shown_what_changed_and_keeps_what_they_typed(stage: Stage, eyes: Eyes) -> None:
    address = f"{stage.url}/cards/{LINE_3.replace('/', '%2F')}"
    slow, quick = eyes.open(address), eyes.open(address)
    expect(slow.locator(".card h2")).to_contain_text("#4471")
    slow.keyboard.press("d")
    slow.get_by_label("Why is it no risk?").fill("Northwind moved the truck")
    quick.get_by_role("button", name="Start work").click()
    expect(quick.locator(".card .facts").first).to_contain_text("in progress by")
    expect(slow.locator(".card .facts").first).to_contain_text("in progress by")

    dialog = slow.get_by_role("dialog")
    dialog.get_by_role("button", name="Dismiss").click()
    expect(dialog.locator("table")).to_contain_text(re.compile("state.*open.*in progress by"))
    expect(slow.get_by_label("Why is it no risk?")).to_have_value("Northwind moved the truck")
    eyes.picture(slow, "conflict")
    assert [] == eyes.axe(slow)
    dialog.get_by_role("button", name="Dismiss on revision").click()
    expect(dialog).to_have_count(0)
    expect(slow.locator(".card .banner-note")).to_contain_text("Northwind moved the truck")

    assert ("dismissed", "Northwind moved the truck") == state_of(stage, LINE_3)
    quick.get_by_role("button", name="Reopen").click()
    expect(quick.locator(".card .facts").first).to_contain_text("open by")


def test_what_the_twin_refuses_is_said_and_can_be_put_right(stage: Stage, eyes: Eyes) -> None:
    page = eyes.open(f"{stage.url}/cards/{LINE_3.replace('/', '%2F')}")
    expect(page.locator(".card h2")).to_contain_text("#4471")
    page.keyboard.press("h")
    owner = page.get_by_label("To whom?")
    expect(owner).to_be_focused()
    owner.fill("nobody.we.know")
    page.keyboard.press("Enter")

    refused = page.locator(".card .refused")
    expect(refused).to_contain_text("Hand over: refused.")
    eyes.picture(page, "refused")
    page.keyboard.press("h")
    expect(owner).to_have_value("nobody.we.know")
    owner.fill("t.brandt")
    page.keyboard.press("Enter")
    expect(page.locator(".card .facts").first).to_contain_text("T. Brandt (given by")


def test_several_cards_are_acknowledged_at_once(stage: Stage, eyes: Eyes) -> None:
    page = eyes.open(stage.url)
    expect(page.locator(".row")).to_have_count(2)
    for mark in page.get_by_role("checkbox").all():
        mark.check()
    expect(page.locator(".list-bar")).to_contain_text("2 marked")
    eyes.picture(page)
    page.keyboard.press("a")

    expect(page.locator(".row .state", has_text="acknowledged")).to_have_count(2)
    expect(page.locator(".list-bar")).not_to_contain_text("marked")


def test_a_command_whose_answer_was_lost_is_sent_again_and_done_once(stage: Stage, eyes: Eyes) -> None:
    context = eyes.context()
    ids: list[str] = []

    def note(request: Request) -> None:
        body = request.post_data_json if request.method == "POST" else None
        if body is not None:
            ids.append(body["command_id"])

    context.on("request", note)
    page = eyes.open(f"{stage.url}/cards/{LINE_3.replace('/', '%2F')}", context=context)
    expect(page.locator(".card h2")).to_contain_text("#4471")
    before = stage.get("/cards", id=LINE_3)["items"][0]["revision"]
    page.get_by_role("button", name="Resolve").click()
    page.get_by_label("What was done?").fill("overtime is ordered")
    context.route(
        "**/api/v1/commands", lambda route: (route.fetch(), route.abort())[1], times=1
    )  # it arrives
    page.get_by_role("button", name="Resolve").last.click()
    expect(page.get_by_role("dialog")).to_contain_text("What you typed is kept.")
    page.get_by_role("button", name="Resolve").last.click()

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".card .banner-note")).to_contain_text("overtime is ordered")
    assert 2 == len(ids)
    assert 1 == len(set(ids))
    assert before + 1 == stage.get("/cards", id=LINE_3)["items"][0]["revision"]
    page.get_by_role("button", name="Reopen").click()
    expect(page.locator(".card .facts").first).to_contain_text("open by")


def test_the_arithmetic_is_worked_out_on_demand(stage: Stage, eyes: Eyes) -> None:
    """This stage writes no facts, so the server says that it cannot; what it can is in test_whole.py."""
    page = eyes.open(f"{stage.url}/cards/{LINE_3.replace('/', '%2F')}")
    page.get_by_text("Arithmetic").click()

    expect(page.locator(".failed")).to_contain_text("The path above stands.", timeout=60_000)
    eyes.forgive("502")
    stage.tick("plant-1", datetime(2026, 11, 19, 8, 1, tzinfo=BERLIN))
    expect(page.locator(".as-of")).to_contain_text("08:0")
