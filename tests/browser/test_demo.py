"""The demo as a visitor meets it: every role for real, a card, an option committed on the page, and the forecast moves."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.looking import Eyes
from tests.running import ROOT, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

PATIENCE_MS = 120_000
CARD = "delivery_risk%2Fplant-1%2Fline%2FL3%2F1"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where the page of a demo is, which runs as long as the test."""
    told = tmp_path / "told"
    folder = tmp_path / "folder"
    folder.mkdir()
    with told.open("wb") as errors:
        demo = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "demo"],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(folder)},
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        try:
            wait_until(lambda: b"The page, in a few seconds: " in told.read_bytes(), 60.0, told.read_text)
            found = re.search(r"The page, in a few seconds: (\S+)", told.read_text())
            assert found is not None
            yield found[1]
        finally:
            demo.send_signal(signal.SIGTERM)
            demo.wait(60)
    assert [] == list(folder.iterdir()), "it left something behind"


def test_a_visitor_commits_the_overtime_and_the_truck_may_be_met(address: str, eyes: Eyes) -> None:
    wait_until(lambda: _answers(address), 60.0)
    page = eyes.open(address)
    expect(page.get_by_text("Simulated factory.")).to_be_visible(timeout=PATIENCE_MS)
    row = page.locator(".row", has_text="#4471 for Northwind will miss its truck")
    expect(row).to_be_visible(timeout=PATIENCE_MS)
    eyes.picture(page, "now", whole=True)

    page.goto(f"{address}/cards/{CARD}")
    expect(page.locator(".card h2")).to_contain_text("#4471")
    expect(page.locator(".card", has_text="options proposed").first).to_be_visible(timeout=PATIENCE_MS)
    page.keyboard.press("o")
    expect(page.locator(".options")).to_be_visible()
    expect(page.locator(".proposal > p").first).not_to_contain_text("Better ones may follow")
    page.keyboard.press("2")
    eyes.picture(page, "options")  # the README's
    page.keyboard.press("a")
    approve = page.get_by_role("dialog", name="Approve an option")
    expect(approve).to_contain_text("5.26 h of overtime on Line 3")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Review before commit")).to_be_visible()
    page.keyboard.press("c")
    expect(page.get_by_role("dialog", name="Review before commit")).to_contain_text("4,103")
    page.keyboard.press("Enter")
    answer = page.locator(".answers tbody tr").first
    expect(answer).to_contain_text("accepted", timeout=PATIENCE_MS)
    expect(answer).to_contain_text("overtime")
    eyes.picture(page, "committed", whole=True)

    page.goto(f"{address}/cards/{CARD}")
    expect(page.locator(".card h2")).to_contain_text(
        "#4471 for Northwind may miss its truck", timeout=PATIENCE_MS
    )


def _answers(address: str) -> bool:
    """Whether the page is served yet."""
    try:
        return httpx.get(address, timeout=5.0).status_code == 200
    except httpx.TransportError:
        return False
