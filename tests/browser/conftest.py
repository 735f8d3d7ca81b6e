"""Chromium for the browser tests: the system's, driven by Playwright; one browser for all tests of a run.

Without Chromium the tests are skipped and say so; under CI that is a failure, or a green run would prove nothing.
"""

import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.looking import Eyes
from tests.browser.stage import Stage

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        reason = f"no Chromium for the browser tests: none of {', '.join(NAMES)} is on the PATH"
        if os.environ.get("CI", "").lower() in {"true", "1"}:
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        # Chromium refuses its sandbox to root, as tests in containers run; what it loads here is ours.
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture
def eyes(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Eyes]:
    """Opens pages, and sees to it that none broke its content policy, asked a stranger for something, or threw."""
    watching = Eyes(browser, request.node.name)
    yield watching
    watching.close()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Line 3 on Thursday morning, and a part that runs short at another site: two cards, several orders and lines."""
    with Stage() as made:
        made.line3(datetime(2026, 11, 19, 8, 0, tzinfo=BERLIN))
        made.case("shortage", "P2", datetime(2026, 11, 24, 8, 0, tzinfo=BERLIN))
        yield made
