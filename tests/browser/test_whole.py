"""The whole installation, every role a process of its own: from an event to the card on the page, and back with a decision."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from schemas import TOPICS
from streams.embedded_broker import EmbeddedBroker
from streams.settings import Settings
from tests.browser.looking import Eyes
from tests.running import ROOT, Role, roles, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

PATIENCE_S = 240.0
FIRST_CARD = Path(ROOT) / "examples" / "first_card" / "events.ndjson"


def test_an_event_becomes_a_card_and_a_key_an_acknowledgement(eyes: Eyes) -> None:
    with EmbeddedBroker() as broker:
        for topic in TOPICS:
            broker.create_topic(topic)
        settings = Settings(kafka=broker.bootstrap_servers, clock="events")
        with roles(settings, "ingest", "twin") as running:
            web = Role("web", settings, FORESITE_WEB_PORT="0", FORESITE_ADMIN_PORT="0")
            running["web"] = web
            wait_until(lambda: "web_listening" in web.printed, PATIENCE_S, lambda: web.printed[-3000:])
            [url] = re.findall(r'"web_listening".*"url": "([^"]+)"', web.printed)
            wait_until(
                lambda: httpx.get(f"{url}/api/v1/snapshot", timeout=30.0).status_code == 200, PATIENCE_S
            )
            page = eyes.open(url)
            expect(page.locator(".empty")).to_contain_text("Nothing needs a decision.")
            done = subprocess.run(
                [sys.executable, "-m", "streams.cli", "publish", str(FIRST_CARD)],
                cwd=ROOT,
                env={**os.environ, "FORESITE_KAFKA": settings.kafka, "FORESITE_CLOCK": "events"},
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
            assert 0 == done.returncode, done.stderr

            row = page.locator(".row")
            expect(row).to_contain_text("O. Roy", timeout=PATIENCE_S * 1000)
            page.keyboard.press("j")
            page.keyboard.press("Enter")
            expect(page.locator(".card h2")).to_contain_text("#7001")
            page.keyboard.press("a")
            facts = page.locator(".card .facts").first
            expect(facts).to_contain_text("acknowledged by", timeout=PATIENCE_S * 1000)
            page.get_by_text("Arithmetic").click()
            expect(page.locator(".arithmetic li").first).to_be_visible(timeout=PATIENCE_S * 1000)
            eyes.picture(page, whole=True)
