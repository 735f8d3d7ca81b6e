"""A real plant's log through the twin: nothing lost, the pieces add up, and the cards of three days as they were.

The log is not part of the project; where it is absent these tests skip. The cards' golden files are ours: after a change
that is meant to change cards, write them anew and look at the difference:

    FORESITE_UPDATE_GOLDEN=1 .venv/bin/python -m pytest tests/simulation/test_levy_replay.py
"""

import csv
import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streams.adapters.mapper import map_file
from streams.adapters.mapping_file import load_mapping
from streams.adapters.order_book import order_book
from streams.replay import Replay, ReplayResult
from twin import Twin
from twin.state.runs import RunProgress

ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT.parent / "shared" / "benchdata" / "real" / "levy_production_to_2012-02-12.csv.gz"
MAPPING = ROOT / "examples" / "levy" / "levy_production.yaml"
GOLDEN = ROOT / "tests" / "golden" / "levy"
DAYS = ("2012-01-20", "2012-01-31", "2012-02-10")
SEED = 1
TICK_S = 3600

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        not LOG.exists(), reason="the Levy production log is not here; it is not ours to pass on"
    ),
]


@dataclass
class Replayed:
    """The whole log through one twin, its cards at each of DAYS, and what its runs came to before it forgot the old."""

    runs: dict[str, RunProgress]
    result: ReplayResult
    cards: dict[str, dict[str, Any]]


def write_order_book(folder: Path) -> Path:
    path = folder / "orders.ndjson"
    events = order_book(LOG, load_mapping(MAPPING), SEED)
    path.write_text("".join(event.model_dump_json(exclude_none=True) + "\n" for event in events))
    return path


def log_rows() -> list[dict[str, str]]:
    """The log as it is, read without any code of ours."""
    with gzip.open(LOG, "rt", encoding="utf-8") as text:
        return list(csv.DictReader(text, delimiter=";"))


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    orders = write_order_book(tmp_path_factory.mktemp("levy"))
    twin = Twin()
    run = Replay([orders, LOG], load_mapping(MAPPING), twin, TICK_S)
    cards = {}
    runs: dict[str, RunProgress] = {}
    for day in DAYS:
        result = run.advance(datetime.fromisoformat(day).replace(tzinfo=UTC))
        cards[day] = {
            "until": day,
            "tally": result.tally(),
            "ended_cards": len(result.ranked(ended=True)),
            "cards": [card.model_dump(mode="json") for card in result.ranked()],
        }
        runs |= {each.run_id: each.progress for each in twin.model.runs.values()}
    assert run.last_at is not None
    result = run.advance(run.last_at)
    return Replayed(runs | {each.run_id: each.progress for each in twin.model.runs.values()}, result, cards)


def test_every_row_is_applied_and_none_is_lost(replayed: Replayed) -> None:
    rows = list(map_file(LOG, load_mapping(MAPPING)))
    from_rows = sum(len(row.bodies) for row in rows)
    from_book = len(order_book(LOG, load_mapping(MAPPING), SEED))
    print(f"{len(rows)} rows: {dict(Counter(body['kind'] for row in rows for body in row.bodies))}")
    print(replayed.result.tally())

    assert (1327, 1327) == (len(log_rows()), len(rows))
    assert all(row.bodies for row in rows), "each row is at least one event"
    assert {
        "lines": 1327 + from_book,
        "ignored": {},
        "dead_letters": {},
        "events": from_rows + from_book,
        "applied": from_rows + from_book,
        "repeated": {},
        "rejected": {},
        "after_until": 0,
    } == replayed.result.tally()


def test_the_pieces_in_the_twin_are_the_pieces_in_the_log(replayed: Replayed) -> None:
    good: Counter[str] = Counter()
    scrap: Counter[str] = Counter()
    for row in log_rows():
        run_id = f"{row['Case ID']}@{row['Activity']}"
        good[run_id] += int(row["Qty_Completed"])
        scrap[run_id] += int(row["Qty_for_MRB"])

    assert dict(good) == {run_id: progress.good_pcs for run_id, progress in replayed.runs.items()}
    assert dict(scrap) == {run_id: progress.scrap_pcs for run_id, progress in replayed.runs.items()}
    assert {"completed"} == {str(progress.state) for progress in replayed.runs.values()}


def test_a_run_is_never_counted_busy_for_longer_than_somebody_worked_on_it(replayed: Replayed) -> None:
    reported: Counter[str] = Counter()
    for row in log_rows():
        if row["Report_Type"] == "D":
            reported[f"{row['Case ID']}@{row['Activity']}"] += round(60 * float(row["activity_duration"]))

    counted = {run_id: progress.apt_s for run_id, progress in replayed.runs.items()}

    assert {} == {run_id: apt_s for run_id, apt_s in counted.items() if apt_s > reported[run_id]}
    # The rest are reports at the same time on one machine, which is on one run at once, and reports at weekends.
    assert sum(counted.values()) > 0.75 * sum(reported.values())


@pytest.mark.parametrize("day", DAYS)
def test_the_cards_of_a_day_are_as_they_were(replayed: Replayed, day: str) -> None:
    path = GOLDEN / f"cards_{day}.json"
    actual = json.dumps(replayed.cards[day], indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("FORESITE_UPDATE_GOLDEN"):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        path.write_text(actual, encoding="utf-8")

    assert json.loads(path.read_text(encoding="utf-8")) == json.loads(actual)


_DIGEST = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from streams.adapters.mapping_file import load_mapping
from streams.replay import replay
from twin import Twin
orders, log, mapping = map(Path, sys.argv[1:])
result = replay([orders, log], load_mapping(mapping), Twin, datetime(2012, 1, 4, tzinfo=UTC), tick_s=3600)
print(result.digest, result.applied, result.cards)
"""


def test_the_same_files_give_the_same_state_whatever_python_hashes(tmp_path: Path) -> None:
    orders = write_order_book(tmp_path)

    outputs = {
        subprocess.run(
            [sys.executable, "-c", _DIGEST, orders, LOG, MAPPING],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert 1 == len(outputs)
