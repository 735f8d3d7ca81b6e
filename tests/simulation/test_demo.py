"""The whole demo, as a newcomer runs it: a broker, the real roles, three days of a plant, and its cards."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from schemas import Card


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_demo_prints_the_line_3_card_and_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "FORESITE_KAFKA": "no.such.host:1"}

    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "demo", "--headless", "--json"],
        env=environment,
        capture_output=True,
        check=False,
        timeout=240,
    )

    assert (0, b"") == (done.returncode, done.stderr)
    cards = [Card.model_validate_json(line) for line in done.stdout.splitlines()]
    first = cards[0]
    assert ("delivery_risk", "critical", "open") == (first.kind, first.severity, first.state)
    assert (
        "#4471 for Northwind will miss its truck of Tue 24 Nov: it ships Thu 26 Nov 12:00, 2 days late"
        == first.title
    )
    assert "R. Okafor" == first.owner.name
    assert first.impact.rescue is not None
    assert (5_000.0, 4_165.0, -835.0, 5.26) == (
        first.impact.exposure,
        first.impact.margin_before,
        first.impact.margin_if_late,
        first.impact.rescue.overtime_h,
    )
    assert [card.score for card in cards] == sorted((card.score for card in cards), reverse=True)
    assert len(cards) >= 2
    assert [] == list(tmp_path.iterdir())
