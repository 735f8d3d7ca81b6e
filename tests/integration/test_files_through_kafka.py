"""Two spreadsheets to a card, through a watched folder that is killed in the middle, on Apache Kafka."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import Producer
from python_calamine import CalamineWorkbook

from schemas import ClockTicked, decode_facts, topics
from streams.doctor import examine_kafka
from streams.doctor_findings import DRIFT, RISKS
from streams.doctor_text import verdict
from streams.exports import export_table, write_table
from streams.first_site import make_site
from streams.picture import picture_from_kafka
from streams.settings import Settings
from streams.topic_admin import create_topics
from streams.watch_ledger import LEDGER
from tests.running import ROOT, cards, facts_log, messages, roles, wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]

EXAMPLES = Path(ROOT) / "examples" / "first_sheet"
REPORTS_PER_H = 500
GOOD_PER_H = (50, 51, 49, 50, 38, 41, 40, 39, 40, 42, 40, 38)
"""Of examples/first_sheet/counts.csv, here in reports of a fraction each: 6,000 rows, three chunks."""
DIES_AFTER = 4_700

KILLED = """
import os, signal, sys
from pathlib import Path
from streams.publish import RecordPublisher
from streams.settings import Settings
from streams.watch import Watcher

class Mortal(RecordPublisher):
    left = {dies_after}
    def send(self, record, outcome):
        super().send(record, outcome)
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

watcher = Watcher(Path(sys.argv[1]), None, Mortal(Settings()), print, settle_s=0.0)
with watcher.opened() as ledger:
    watcher.look(ledger)
"""


@pytest.fixture
def settings(kafka: str) -> Settings:
    made = Settings(kafka=kafka, topic_prefix=f"files-{os.getpid()}-", clock="events")
    create_topics(made, replication=1)
    return made


def counts_file(path: Path) -> None:
    """The shift of the example, a report every few seconds."""
    begin = datetime.fromisoformat("2026-01-05T06:00:00+01:00")
    lines = ["Time;Line;Order;Good"]
    for hour, good in enumerate(GOOD_PER_H):
        for number in range(1, REPORTS_PER_H + 1):
            moment = begin + timedelta(hours=hour, seconds=number * 3_600 / REPORTS_PER_H)
            lines.append(f"{moment.isoformat()};Line 1;4471;{good / REPORTS_PER_H:.3f}".replace(".", ","))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def environment(settings: Settings) -> dict[str, str]:
    given = {"KAFKA": settings.kafka, "TOPIC_PREFIX": settings.topic_prefix, "CLOCK": "events"}
    return (
        os.environ | {f"FORESITE_{name}": value for name, value in given.items()} | {"PYTHONPATH": str(ROOT)}
    )


def watch_once(folder: Path, settings: Settings) -> subprocess.CompletedProcess[str]:
    words = ["watch", str(folder), "--once", "--settle", "0", "--every", "0.2"]
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", *words],
        env=environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )


def events_in_facts(settings: Settings) -> int:
    return sum(
        len(segment.events)
        for records in facts_log(settings).values()
        for record in records
        for segment in decode_facts(record).segments
    )


def test_two_spreadsheets_become_a_card_although_the_folder_s_watcher_is_killed(
    settings: Settings, tmp_path: Path
) -> None:
    counts = tmp_path / "counts.csv"
    counts_file(counts)
    folder = tmp_path / "lyon"
    make_site(
        folder,
        EXAMPLES / "orders.xlsx",
        counts,
        zone="Europe/Paris",
        owner="O. Roy",
        now=datetime(2026, 2, 1, tzinfo=UTC),
    )
    (folder / "counts.csv").rename(tmp_path / "later.csv")
    first = watch_once(folder, settings)
    assert first.returncode == 0, first.stderr
    with roles(settings, "ingest", "twin"):
        wait_until(lambda: events_in_facts(settings) == 13, timeout_s=120.0)

        (tmp_path / "later.csv").rename(folder / "counts.csv")
        killed = subprocess.run(
            [sys.executable, "-c", KILLED.format(dies_after=DIES_AFTER), str(folder)],
            env=environment(settings),
            check=False,
        )
        assert -signal.SIGKILL == killed.returncode
        assert (folder / "counts.csv").exists()
        assert b'"rows":4000' in (folder / LEDGER).read_bytes()
        again = watch_once(folder, settings)
        assert again.returncode == 0, again.stderr
        assert "counts.csv: published 2,000 records" in again.stdout
        assert not (folder / "counts.csv").exists()

        producer = Producer(dict(settings.client_config()))
        tick = ClockTicked(
            event_id="t", event_time=datetime(2026, 1, 5, 17, tzinfo=UTC), site_id="lyon"
        ).model_dump_json()
        wait_until(lambda: events_in_facts(settings) >= 13 + 6_000, timeout_s=120.0)
        producer.produce(settings.topic_prefix + topics.PLANT_MODEL, value=tick, key="clock_ticked/lyon")
        producer.produce(
            settings.topic_prefix + topics.MACHINE_EVENTS, value=b'{"kind": "=1+1"', key="Line 1"
        )
        producer.flush()
        wait_until(lambda: bool(cards(settings)), timeout_s=120.0)
        wait_until(lambda: bool(messages(settings, topics.DEAD_LETTERS)), timeout_s=60.0)

    sent = len(messages(settings, topics.MACHINE_EVENTS)) - 1
    [twin] = [each for each in picture_from_kafka(settings, None).shards if each.model.runs]
    assert sum(GOOD_PER_H) == pytest.approx(twin.model.runs["lyon", "4471"].progress.good_pcs, abs=1e-6)
    assert 6_000 <= sent < 6_000 + 2_000, "some were sent twice, and each was counted once"
    [card] = cards(settings).values()
    assert card.title.startswith("#4472 for Borel will miss its date of Tue 6 Jan 17:00")
    assert ("O. Roy", 450.0) == (card.owner.name, card.impact.parts["penalty"])

    found = examine_kafka(settings, "lyon").findings["lyon"]
    told = {risk: verdict([each for each in found if each.risk == risk]) for risk in RISKS}
    assert "can be seen in part" == told[DRIFT]
    assert "1 records are no events: 1 parse" in [each.says for each in found]
    write_table(
        tmp_path / "letters.xlsx",
        export_table("dead-letters", None, None, settings, None, "Europe/Paris", 60),
    )
    _, row = CalamineWorkbook.from_path(tmp_path / "letters.xlsx").get_sheet_by_index(0).iter_rows()
    assert ("parse", topics.MACHINE_EVENTS, '{"kind": "=1+1"') == (row[0], row[3], row[8])
