"""The frame around every page: it loads, follows what changes, and stays whole when the server goes and comes back."""

import itertools
from datetime import datetime

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import BERLIN
from tests.browser.looking import THEMES, WIDTHS, Eyes, fits
from tests.browser.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

LINE_3 = "/cards/delivery_risk%2Fplant-1%2Fline%2FL3%2F1"


_SECONDS = itertools.count(10, 10)


def tick(stage: Stage) -> str:
    """Move the plant's clock on by ten seconds, whichever test comes first; what the page must say then."""
    second = next(_SECONDS)
    stage.tick("plant-1", datetime(2026, 11, 19, 8, 0, second, tzinfo=BERLIN))
    return f"as of Thu 08:00:{second}"


def settled(page: Page) -> None:
    """Wait until the page shows what it has."""
    expect(page.locator("main h1, main h2").first).to_be_visible()
    expect(page.locator(".as-of")).to_contain_text("as of")
    expect(page.locator("[aria-busy=true]")).to_have_count(0)


@pytest.mark.parametrize(
    ("address", "last"),
    [("/", ".row >> nth=1"), (LINE_3, ".card .history li >> nth=0"), ("/help", "main table")],
    ids=["now", "card", "help"],
)
def test_a_page_fits_and_axe_finds_nothing(stage: Stage, eyes: Eyes, address: str, last: str) -> None:
    page = eyes.open(stage.url + address)
    expect(page.locator(last)).to_be_visible()

    found: dict[tuple[str, str], list[str]] = {}
    for width in WIDTHS:
        for theme in THEMES:
            eyes.dress(page, width, theme)
            eyes.picture(page, f"{width}-{theme}", whole=True)
            assert fits(page), width
            found[width, theme] = eyes.axe(page)
    assert {} == {look: violations for look, violations in found.items() if violations}


def test_times_are_in_the_zone_of_the_site_whatever_the_browsers_is(stage: Stage, eyes: Eyes) -> None:
    page = eyes.open(stage.url)
    as_of = tick(stage)

    expect(page.locator(".as-of")).to_contain_text(as_of)
    row = page.locator(".row", has_text="#4471")
    expect(row).to_contain_text("Fri 14:00 in 1 day 5 h")  # and 59 min: hours are never rounded up


def test_what_happens_reaches_the_page(stage: Stage, eyes: Eyes) -> None:
    page = eyes.open(stage.url)
    settled(page)

    as_of = tick(stage)

    expect(page.locator(".as-of")).to_contain_text(as_of)


def test_one_connection_serves_all_tabs_and_the_next_one_takes_over(stage: Stage, eyes: Eyes) -> None:
    context = eyes.context()
    streams: list[str] = []
    context.on("request", lambda request: streams.append(request.url) if "/stream?" in request.url else None)
    first = eyes.open(stage.url, context=context)
    settled(first)
    second = eyes.open(stage.url, context=context)
    settled(second)
    expect(second.locator(".row")).to_have_count(2)
    assert 1 == len(streams)

    first.close()
    as_of = tick(stage)

    expect(second.locator(".as-of")).to_contain_text(as_of)
    assert 2 == len(streams)


def test_the_page_outlives_its_server(stage: Stage, eyes: Eyes) -> None:
    page = eyes.open(stage.url)
    settled(page)

    stage.stop()
    expect(page.locator(".banner-error")).to_contain_text("Picture of Thu")
    expect(page.locator(".banner-error")).to_contain_text("Reconnecting")
    expect(page.locator(".row")).to_have_count(2)
    eyes.picture(page)
    stage.start()
    as_of = tick(stage)

    expect(page.locator(".as-of")).to_contain_text(as_of, timeout=60_000)
    expect(page.locator(".banner-error")).to_have_count(0)


def test_an_address_that_is_none_says_so(stage: Stage, eyes: Eyes) -> None:
    page = eyes.open(f"{stage.url}/cards/no%2Fsuch%2Fcard")

    expect(page.locator(".failed")).to_contain_text("No such card")
    expect(page.locator(".row")).to_have_count(2)
