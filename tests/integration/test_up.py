"""`foresite up`: every role by one command; the README's first card; a killed role comes back; nothing is left behind."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streams.settings import Settings
from tests.running import ROOT, cards, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

EVENTS = ROOT / "examples" / "first_card" / "events.ndjson"


def children_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(each) for each in found.read_text().split()] if found.exists() else []


def test_up_runs_everything_and_brings_back_what_was_killed() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli", "up", "--clock", "events"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "300", "FORESITE_WEB_PORT": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        found = re.search(r"on (127\.0\.0\.1:\d+)", first)
        assert found is not None, first
        settings = Settings(kafka=found[1], clock="events")
        said = subprocess.run(
            [sys.executable, "-m", "streams.cli", "publish", str(EVENTS), "--kafka", found[1], "--json"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (0, 10) == (said.returncode, json.loads(said.stdout)["delivered"]), said.stderr
        wait_until(lambda: len(cards(settings)) == 1, 60.0)
        [card] = cards(settings).values()
        assert "O. Roy" == card.owner.name

        roles = children_of(process.pid)
        assert 4 == len(roles)  # ingest, twin, solver, web
        os.kill(roles[1], signal.SIGKILL)
        wait_until(lambda: len(set(children_of(process.pid)) - set(roles)) == 1, 30.0)
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(60), process.stdout.read()
        assert "ended; starting it again" in process.stdout.read()
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
