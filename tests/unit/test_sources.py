"""Input files to records, and records to the broker: nothing is dropped in silence."""

import gzip
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from schemas import MODEL_OF_KIND, TOPIC_OF_KIND, ReasonCode, UsageError
from streams.adapters.mapping_file import load_mapping
from streams.embedded_broker import EmbeddedBroker
from streams.partition_reader import read_to_end, reader
from streams.publish import PublishOutcome, publish
from streams.sources import (
    Origin,
    ReadTally,
    RefusedRecord,
    SourceRecord,
    input_files,
    read_records,
    record_key,
)

STARTED = {
    "kind": "run_started",
    "event_id": "e1",
    "event_time": "2026-01-01T00:00:00Z",
    "site_id": "s",
    "line_id": "L/1",
    "run_id": "R",
}
MACHINES = "mes.machine-events.v1"


def lines_file(folder: Path, *lines: str | bytes, name: str = "events.ndjson") -> Path:
    path = folder / name
    content = b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines)
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def refusals(path: Path) -> list[tuple[int, str]]:
    return [
        (record.origin.number, record.problem.code)
        for record in read_records([path])
        if isinstance(record, RefusedRecord)
    ]


@pytest.mark.parametrize("name", ["events.ndjson", "events.jsonl", "events.ndjson.gz"])
def test_a_line_becomes_a_record_with_its_own_bytes(tmp_path: Path, name: str) -> None:
    line = json.dumps(STARTED | {"unknown": [1]}, indent=None, separators=(" , ", ": "))
    path = lines_file(tmp_path, line, "", line, name=name)

    assert [
        SourceRecord(MACHINES, "L/1", line.encode(), Origin(path, 1)),
        SourceRecord(MACHINES, "L/1", line.encode(), Origin(path, 3)),
    ] == list(read_records([path]))


def test_a_body_that_ingest_would_refuse_is_sent_all_the_same(tmp_path: Path) -> None:
    path = lines_file(tmp_path, '{"kind": "run_started"}', json.dumps(STARTED | {"event_time": "yesterday"}))

    assert [(MACHINES, None), (MACHINES, "L/1")] == [
        (record.topic, record.key) for record in read_records([path]) if isinstance(record, SourceRecord)
    ]


def test_what_no_topic_can_be_named_for_is_refused_with_its_line(tmp_path: Path) -> None:
    path = lines_file(
        tmp_path,
        "{",
        "[]",
        "7",
        '{"event_id": "x"}',
        '{"kind": "run_exploded"}',
        json.dumps([STARTED, {"kind": "site_upserted"}]),
        b'{"kind": "run_started\xff"}',
        '{"kind": "run_started", "x": NaN}',
        json.dumps(STARTED),
    )

    assert [
        (1, ReasonCode.PARSE),
        (2, ReasonCode.SCHEMA),
        (3, ReasonCode.SCHEMA),
        (4, ReasonCode.SCHEMA),
        (5, ReasonCode.VERSION),
        (6, ReasonCode.SCHEMA),
        (7, ReasonCode.PARSE),
        (8, ReasonCode.RANGE),
    ] == refusals(path)


def test_a_line_beyond_the_limit_of_a_record_is_refused_unread(tmp_path: Path) -> None:
    long = json.dumps(STARTED | {"reason": "x" * 1_000_000})
    path = lines_file(tmp_path, long, long + long, json.dumps(STARTED))

    assert [(1, ReasonCode.SIZE), (2, ReasonCode.SIZE)] == refusals(path)


def test_a_byte_order_mark_before_the_first_line_does_not_matter(tmp_path: Path) -> None:
    path = lines_file(tmp_path, b"\xef\xbb\xbf" + json.dumps(STARTED).encode())

    assert [] == refusals(path)


def test_arrays_and_cloud_events_are_routed_by_the_bodies_inside(tmp_path: Path) -> None:
    wrapped = {"specversion": "1.0", "type": "t", "source": "/s", "id": "1", "data": STARTED}
    path = lines_file(tmp_path, json.dumps([STARTED, STARTED]), json.dumps(wrapped), json.dumps([wrapped]))

    assert [(MACHINES, "L/1")] * 3 == [
        (record.topic, record.key) for record in read_records([path]) if isinstance(record, SourceRecord)
    ]


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"kind": "count_reported", "line_id": "L"}, "L"),
        ({"kind": "order_upserted", "site_id": "s", "order_id": "a/b"}, "order_upserted/s/a%2Fb"),
        ({"kind": "site_upserted", "site_id": "s"}, "site_upserted/s"),
        ({"kind": "rules_updated", "site_id": "s"}, "rules_updated/s"),
        ({"kind": "setup_matrix_upserted", "site_id": "s"}, "setup_matrix_upserted/s/"),
        (
            {"kind": "stock_reported", "site_id": "s", "item_id": "i", "location_id": "w"},
            "stock_reported/s/i//w",
        ),
        ({"kind": "card_snooze", "card_id": "c"}, "c"),
        ({"kind": "proposal_commit", "proposal_id": "p"}, "p"),
        ({"kind": "stop_duration_report", "line_id": "L"}, "L"),
        ({"kind": "quote_request", "command_id": "q"}, "q"),
        ({"kind": "plan_acknowledged", "change_id": "ch"}, "ch"),
        ({"kind": "nonsense"}, None),
    ],
)
def test_keys_keep_a_lines_events_together_and_entities_apart(body: dict[str, Any], key: str | None) -> None:
    assert key == record_key(body)


@pytest.mark.parametrize("kind", sorted(MODEL_OF_KIND))
def test_every_kind_has_a_key(kind: str) -> None:
    fields = MODEL_OF_KIND[kind].model_fields

    assert record_key(dict.fromkeys(fields, "x") | {"kind": kind}), TOPIC_OF_KIND[kind]


def test_a_table_is_read_through_its_mapping_and_every_row_is_accounted_for(tmp_path: Path) -> None:
    mapping = tmp_path / "m.yaml"
    mapping.write_text(
        """
mapping: m
fields: { site_id: s, line_id: L, run_id: { column: run }, event_time: { time: at } }
ignore: [{ when: [{ column: run, equals: none }], because: nobody was there }]
events: [{ kind: run_started }, { kind: run_completed }]
"""
    )
    table = lines_file(tmp_path, "run,at", "R,2026-01-01T00:00:00Z", "none,", "R,", name="t.csv.gz")
    tally = ReadTally()

    first, second, refused = read_records([table], load_mapping(mapping), tally)

    assert isinstance(first, SourceRecord)
    assert isinstance(second, SourceRecord)
    assert isinstance(refused, RefusedRecord)
    assert ("row 2", "row 4") == (str(first.origin).split(": ")[1], str(refused.origin).split(": ")[1])
    assert f"{table}: row 4: schema [at]: column 'at' is empty" == str(refused)
    assert {"run": "R", "at": ""} == json.loads(refused.value)
    assert ReadTally(lines=3, recorded=1, records=2, refused=tally.refused, ignored=tally.ignored) == tally
    assert ({"schema": 1}, {"nobody was there": 1}) == (dict(tally.refused), dict(tally.ignored))


def test_folders_stand_for_the_files_in_them_and_odd_paths_are_told(tmp_path: Path) -> None:
    second = lines_file(tmp_path, name="b.csv")
    first = lines_file(tmp_path, name="a.ndjson.gz")
    odd = lines_file(tmp_path, name="readme.txt")

    assert [first, second] == input_files([tmp_path])
    with pytest.raises(UsageError, match=r"only \.ndjson, \.jsonl, \.csv, \.tsv, \.xlsx, \.xlsm are read"):
        input_files([odd])
    with pytest.raises(UsageError, match="there is no such file"):
        input_files([tmp_path / "gone.csv"])
    with pytest.raises(UsageError, match="needs a mapping"):
        list(read_records([second]))


class Settings:
    """Where the tests publish."""

    topic_prefix = "test."

    def __init__(self, servers: str) -> None:
        self._servers = servers

    def client_config(self) -> Mapping[str, object]:
        return {"bootstrap.servers": self._servers}


class FakeProducer:
    """Acknowledges on poll, has room for two records, and refuses what it is told to."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.waiting: list[tuple[str, Callable[[Any, Any], None]]] = []
        self.sent: list[tuple[str, str | None, bytes]] = []

    def produce(self, topic: str, key: str | None, value: bytes, on_delivery: Any) -> None:
        if len(self.waiting) == 2:
            raise BufferError
        if value == b"large":
            raise KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
        self.sent.append((topic, key, value))
        self.waiting.append((value.decode(), on_delivery))

    def poll(self, timeout: float) -> int:
        if timeout:
            self.flush()
        return 0

    def flush(self) -> int:
        for value, tell in self.waiting:
            tell(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED) if value == "denied" else None, None)
        self.waiting.clear()
        return 0


def test_publish_tells_of_every_record_what_became_of_it(tmp_path: Path) -> None:
    path = tmp_path / "f"
    [refused] = read_records([lines_file(tmp_path, "{")])
    made: list[FakeProducer] = []
    records = [
        SourceRecord("t", "k", value, Origin(path, number))
        for number, value in enumerate((b"a", b"denied", b"b", b"large", b"c"), start=1)
    ]
    seen: list[int] = []

    def new_producer(config: dict[str, Any]) -> FakeProducer:
        made.append(FakeProducer(config))
        return made[-1]

    outcome = publish(Settings("x:1"), [*records[:3], refused, *records[3:]], seen.append, new_producer)

    assert (3, 2, 1, 1) == (outcome.delivered, outcome.failed, outcome.refused, outcome.exit_code)
    assert [("test.t", "k", value) for value in (b"a", b"denied", b"b", b"c")] == made[0].sent
    assert made[0].config["enable.idempotence"] is True
    assert [3] == seen
    assert 3 == len(outcome.failures)
    assert any(failure.startswith(f"{path}: line 2: not delivered") for failure in outcome.failures)
    assert any(failure.startswith(f"{path}: line 4: not sent") for failure in outcome.failures)
    assert str(refused) in outcome.failures


def test_a_broker_receives_the_records_in_order(tmp_path: Path) -> None:
    lines = [json.dumps(STARTED | {"event_id": f"e{number}"}) for number in range(50)]

    with EmbeddedBroker() as broker:
        broker.create_topic(f"test.{MACHINES}")
        settings = Settings(broker.bootstrap_servers)
        outcome = publish(settings, read_records([lines_file(tmp_path, *lines)]))
        with reader(settings.client_config(), isolation="read_uncommitted") as consumer:
            topic = f"test.{MACHINES}"
            received = [
                message.value()
                for partition in range(4)
                for message in read_to_end(consumer, topic, partition)
            ]

    assert PublishOutcome(delivered=50) == outcome
    assert [line.encode() for line in lines] == received
