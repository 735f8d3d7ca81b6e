"""A watched folder: each content once, whatever dies when; bad files aside with their reason."""

import contextlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas import UsageError
from streams import watch as watch_module
from streams.publish import PublishOutcome
from streams.sources import RefusedRecord, SourceRecord
from streams.watch import Told, Watcher
from streams.watch_ledger import LEDGER, Published, WatchLedger

MAPPING = """
mapping: counts
files: ["counts*.csv"]
row_id: "{Id}"
fields: { site_id: s, line_id: L, run_id: R, event_time: "2026-01-05T06:00:00Z" }
events:
  - kind: count_reported
    fields: { good_count: { number: Good } }
"""


class Died(BaseException):
    """What SIGKILL looks like from here."""


class Kafka:
    """Takes records; dies or refuses when it is told to."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.dies_after: int | None = None
        self.refuses = False

    def send(self, record: SourceRecord | RefusedRecord, outcome: PublishOutcome) -> None:
        if isinstance(record, RefusedRecord):
            outcome.refused += 1
            return
        if self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after < 0:
                raise Died
        if self.refuses:
            outcome.failed += 1
            return
        self.sent.append(orjson.loads(record.value)["event_id"])
        outcome.delivered += 1

    def wait(self) -> None:
        return


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "counts.yaml").write_text(MAPPING, encoding="utf-8")
    return tmp_path


def counts(folder: Path, name: str, ids: range, more: str = "") -> Path:
    path = folder / name
    path.write_text("Id,Good\n" + "".join(f"{n},1\n" for n in ids) + more, encoding="utf-8")
    return path


def looked(
    folder: Path, kafka: Kafka, settle_s: float = 0.0, now: Callable[[], float] | None = None
) -> list[Told]:
    told: list[Told] = []
    watcher = Watcher(folder, None, kafka, told.append, settle_s, now or Clock())
    with watcher.opened() as ledger:
        watcher.look(ledger)
    return told


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_published_and_put_away(folder: Path) -> None:
    counts(folder, "counts-1.csv", range(3))
    kafka = Kafka()

    [told] = looked(folder, kafka)

    assert ("counts-1.csv", "published", 3, 0) == (told.name, told.what, told.delivered, told.refused)
    assert [f"counts/{n}/count_reported" for n in range(3)] == kafka.sent
    assert ["counts-1.csv"] == names(folder / "done")


def test_the_same_content_is_published_once_whatever_it_is_called(folder: Path) -> None:
    kafka = Kafka()
    counts(folder, "counts-1.csv", range(3))
    looked(folder, kafka)
    counts(folder, "counts-1.csv", range(3))
    counts(folder, "counts-2.csv", range(3))

    told = looked(folder, kafka)

    assert ["published before", "published before"] == [each.what for each in told]
    assert 3 == len(kafka.sent)
    assert ["counts-1-2.csv", "counts-1.csv", "counts-2.csv"] == names(folder / "done")


def test_under_another_mapping_the_same_file_is_other_news(folder: Path) -> None:
    kafka = Kafka()
    counts(folder, "counts-1.csv", range(1))
    looked(folder, kafka)
    (folder / "mappings" / "counts.yaml").write_text(
        MAPPING.replace("line_id: L", "line_id: M"), encoding="utf-8"
    )
    counts(folder, "counts-1.csv", range(1))

    [told] = looked(folder, kafka)

    assert "published" == told.what


def test_killed_anywhere_nothing_is_lost_and_what_comes_again_has_its_id(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred seeded deaths while records are sent, and at each step behind that."""
    monkeypatch.setattr(watch_module, "CHUNK_RECORDS", 7)
    chance = random.Random(11)
    for number in range(200):
        kafka = Kafka()
        rows = chance.randint(1, 40)
        name = f"counts-{number}.csv"
        counts(folder, name, range(number * 100, number * 100 + rows))
        for _ in range(chance.randint(1, 3)):
            kafka.dies_after = chance.randint(0, rows)
            if chance.random() < 0.3:
                monkeypatch.setattr("shutil.move", _dies)
            with contextlib.suppress(Died):  # or it got to the end before
                looked(folder, kafka)
            monkeypatch.undo()
            monkeypatch.setattr(watch_module, "CHUNK_RECORDS", 7)
        kafka.dies_after = None
        looked(folder, kafka)

        expected = [f"counts/{n}/count_reported" for n in range(number * 100, number * 100 + rows)]
        assert expected == list(dict.fromkeys(kafka.sent)), f"death {number}"
        assert not (folder / name).exists()


def _dies(*_: Any) -> None:
    raise Died


def test_a_chunk_that_the_broker_has_is_not_sent_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "CHUNK_RECORDS", 10)
    counts(folder, "counts-1.csv", range(25))
    kafka = Kafka()
    kafka.dies_after = 23

    with pytest.raises(Died):
        looked(folder, kafka)
    kafka.dies_after = None
    looked(folder, kafka)

    assert 23 + 5 == len(kafka.sent), "the first twenty were noted"
    assert 25 == len(set(kafka.sent))


def test_a_file_that_the_broker_does_not_take_stays_and_is_tried_again(folder: Path) -> None:
    counts(folder, "counts-1.csv", range(3), more="x,none\n")
    kafka = Kafka()
    kafka.refuses = True

    [told] = looked(folder, kafka)

    assert ("not delivered", True) == (told.what, (folder / "counts-1.csv").exists())
    assert [] == names(folder / "refused")
    kafka.refuses = False
    [told] = looked(folder, kafka)
    assert ("published", 3, 1) == (told.what, told.delivered, told.refused)


def test_rows_that_are_refused_stand_in_a_table_beside_and_all_others_are_published(folder: Path) -> None:
    counts(folder, "counts-1.csv", range(2), more="7,=1+1\n8,5\n")

    kafka = Kafka()
    [told] = looked(folder, kafka)

    assert ("published", 3, 1, "see refused/counts-1.csv.rows.csv") == (
        told.what,
        told.delivered,
        told.refused,
        told.why,
    )
    text = (folder / "refused" / "counts-1.csv.rows.csv").read_bytes().decode("utf-8-sig")
    why = "\"'=1+1' is no number (decimal '.', thousands None)\""
    assert f"row,code,column,reason,Id,Good\r\n4,schema,Good,{why},7,'=1+1\r\n" == text


def test_a_file_that_cannot_be_read_is_set_aside_with_the_reason(folder: Path) -> None:
    (folder / "counts-1.csv").write_text("Nothing,Here\n1,2\n", encoding="utf-8")
    (folder / "stock.csv").write_text("Item\n1\n", encoding="utf-8")
    (folder / "orders.xlsx").write_bytes(b"PK\x05\x06" + b"\0" * 18)
    (folder / "notes.docx").write_bytes(b"?")

    told = looked(folder, Kafka())

    assert {"set aside"} == {each.what for each in told}
    assert [
        "counts-1.csv",
        "counts-1.csv.reason.txt",
        "orders.xlsx",
        "orders.xlsx.reason.txt",
        "stock.csv",
        "stock.csv.reason.txt",
    ] == names(folder / "refused")
    reason = (folder / "refused" / "counts-1.csv.reason.txt").read_text(encoding="utf-8")
    assert "no column 'Good', 'Id' in row 1, which has Nothing, Here" in reason
    assert (folder / "notes.docx").exists(), "what is no table is nobody's business"


def test_a_file_is_read_when_it_has_stood_still(folder: Path) -> None:
    clock = Clock()
    kafka = Kafka()
    told: list[Told] = []
    watcher = Watcher(folder, None, kafka, told.append, settle_s=2.0, now=clock)
    path = counts(folder, "counts-1.csv", range(2))
    with watcher.opened() as ledger:
        assert 1 == watcher.look(ledger)
        clock.seconds += 1.0
        counts(folder, "counts-1.csv", range(5))
        assert 1 == watcher.look(ledger), "it has grown"
        clock.seconds += 1.5
        assert 1 == watcher.look(ledger)
        clock.seconds += 1.0
        assert 0 == watcher.look(ledger)

    assert [5] == [each.delivered for each in told]
    assert not path.exists()


@pytest.mark.parametrize("content", [b"Id,Good\n1,1\n2,12", b""])
def test_a_file_without_its_last_line_end_may_be_half_written_and_is_waited_for(
    folder: Path, content: bytes
) -> None:
    """Half of "12" is "1": a count that nobody made."""
    clock = Clock()
    kafka = Kafka()
    told: list[Told] = []
    watcher = Watcher(folder, None, kafka, told.append, settle_s=2.0, now=clock)
    (folder / "counts-1.csv").write_bytes(content)
    with watcher.opened() as ledger:
        watcher.look(ledger)
        clock.seconds += watch_module.PATIENCE_S - 1
        watcher.look(ledger)
        assert [] == told
        clock.seconds += 2
        watcher.look(ledger)

    assert 1 == len(told)


def test_half_a_workbook_is_waited_for(folder: Path) -> None:
    clock = Clock()
    told: list[Told] = []
    watcher = Watcher(folder, None, Kafka(), told.append, settle_s=2.0, now=clock)
    (folder / "orders.xlsx").write_bytes(b"PK\x03\x04 and so on")
    with watcher.opened() as ledger:
        for _ in range(10):
            watcher.look(ledger)
            clock.seconds += 5
        assert [] == told
        clock.seconds += watch_module.PATIENCE_S
        watcher.look(ledger)

    assert ["set aside"] == [each.what for each in told]


def test_files_of_office_programs_are_left_alone(folder: Path) -> None:
    (folder / "~$counts.csv").write_bytes(b"owner")
    (folder / ".counts.csv").write_bytes(b"hidden")

    assert [] == looked(folder, Kafka())


def test_the_plan_goes_before_what_machines_say(folder: Path) -> None:
    counts(folder, "counts-1.csv", range(1))
    (folder / "site.ndjson").write_text(
        '{"kind": "line_upserted", "event_id": "l", "event_time": "2026-01-01T00:00:00Z", "site_id": "s", "line_id": "L"}\n',
        encoding="utf-8",
    )
    kafka = Kafka()

    looked(folder, kafka)

    assert ["l", "counts/0/count_reported"] == kafka.sent


def test_a_folder_is_watched_by_one_process(folder: Path) -> None:
    watcher = Watcher(folder, None, Kafka(), print)
    with watcher.opened(), pytest.raises(UsageError, match="is watched by another process"):
        looked(folder, Kafka())
    with pytest.raises(UsageError, match="is no folder"):
        looked(folder / "none", Kafka())


def test_a_line_of_the_memory_that_broke_off_is_cut_away(folder: Path) -> None:
    entry = Published("d1", "a.csv", 3, is_whole=True)
    ledger = WatchLedger(folder)
    ledger.note(entry)
    ledger.close()
    path = folder / LEDGER
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"digest": "d2", "na')

    again = WatchLedger(folder)
    again.note(Published("d3", "c.csv", 1, is_whole=False))
    again.close()

    third = WatchLedger(folder)
    third.close()
    assert entry == third.known("d1")
    assert third.known("d2") is None
    assert third.known("d3") is not None
    path.write_bytes(b"broken\n" + whole)
    with pytest.raises(UsageError, match="is damaged before its end"):
        WatchLedger(folder)
