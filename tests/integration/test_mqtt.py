"""Machines over a real MQTT broker into Kafka: killed at each step, with TLS, through reconnects, to a card."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import KafkaException

from schemas import Card
from schemas.topics import DEAD_LETTERS, MACHINE_EVENTS
from streams.faults import CONNECT_POINTS
from streams.local_kafka import LocalKafka
from streams.publish import publish
from streams.settings import Settings
from streams.sources import read_records
from streams.topic_admin import create_topics
from tests.certificates import Authority
from tests.mosquitto import Mosquitto, Publisher
from tests.running import ROOT, Role, cards, messages, roles, wait_until
from tests.sparkplug_plant import births, metric, payload, topic

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.timeout(300)]

DYNAMIC_SECURITY = "/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so"  # comes with Debian's mosquitto
MAPS = Path(ROOT) / "examples" / "machines"
COUNTS = "plant/P1/counts"


@pytest.fixture
def settings(kafka: str, request: pytest.FixtureRequest) -> Settings:
    made = Settings(kafka=kafka, topic_prefix=f"mqtt-{os.getpid()}-{abs(hash(request.node.name)) % 10**8}.")
    create_topics(made, replication=1)
    return made


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.close()


@contextmanager
def reader(settings: Settings, url: str, map_file: Path, *more: str, **environment: str) -> Iterator[Role]:
    """`foresite connect mqtt` as an operator runs it."""
    role = Role("connect", settings, "mqtt", str(map_file), *more, FORESITE_MQTT=url, **environment)
    try:
        yield role
    finally:
        role.end()


def url_of(broker: Mosquitto) -> str:
    return f"mqtt://127.0.0.1:{broker.port}"


def connected(role: Role, times: int = 1) -> None:
    wait_until(lambda: role.printed.count("mqtt_connected") >= times, 60, lambda: role.printed)


def event_ids(settings: Settings) -> list[str]:
    return [json.loads(each.value() or b"")["event_id"] for each in messages(settings, MACHINE_EVENTS)]


def ids_so_far(settings: Settings) -> list[str]:
    """None while a broker that stood still has not found its partitions again."""
    try:
        return event_ids(settings)
    except KafkaException:
        return []


def count(number: int) -> bytes:
    at = datetime(2026, 11, 23, 8, 0, tzinfo=UTC) + timedelta(seconds=number)
    return json.dumps({"ts": at.isoformat(), "job": "R-1", "good": 1}).encode()


def expected_id(number: int) -> str:
    ts = json.loads(count(number))["ts"]
    return f"essen-json/{COUNTS}@{ts}/count_reported"


@pytest.mark.parametrize("point", CONNECT_POINTS)
def test_killed_between_mqtt_and_kafka_nothing_is_lost_and_nothing_doubled(
    point: str, settings: Settings, mosquitto: Mosquitto
) -> None:
    """What came twice to Kafka has one id, by which the twin tells repeats; what came once is all there."""
    options = ("--topic", "plant/#")
    with reader(settings, url_of(mosquitto), MAPS / "json.yaml", *options) as first:
        connected(first)  # the broker keeps messages for a session from here on
    machine = Publisher(mosquitto.port)
    try:
        for number in range(60):
            machine.send(COUNTS, count(number))
    finally:
        machine.close()
    with reader(
        settings, url_of(mosquitto), MAPS / "json.yaml", *options, FORESITE_FAULT=f"{point}:3"
    ) as dying:
        wait_until(lambda: dying.process.poll() is not None, 60, lambda: dying.printed)
        assert -9 == dying.process.returncode
    expected = [expected_id(number) for number in range(60)]
    with reader(settings, url_of(mosquitto), MAPS / "json.yaml", *options) as again:
        wait_until(lambda: set(expected) == set(event_ids(settings)), 60, lambda: again.printed)

    first_times = list(dict.fromkeys(event_ids(settings)))
    assert expected == first_times, "each once, and in the order of the machine"


def test_what_kafka_has_not_taken_is_not_acknowledged(own_kafka: LocalKafka, mosquitto: Mosquitto) -> None:
    """Kafka stands still while messages come, and the reader dies: an acknowledged message would be gone for good."""
    settings = Settings(kafka=own_kafka.bootstrap_servers)
    create_topics(settings, replication=1)
    options = ("--topic", "plant/#")
    assert own_kafka.pid is not None
    with reader(settings, url_of(mosquitto), MAPS / "json.yaml", *options) as dying:
        connected(dying)
        os.kill(own_kafka.pid, signal.SIGSTOP)
        try:
            machine = Publisher(mosquitto.port)
            try:
                for number in range(10):
                    machine.send(COUNTS, count(number))
            finally:
                machine.close()
            time.sleep(2.0)  # long enough to acknowledge, if it were so minded
            dying.kill()
        finally:
            os.kill(own_kafka.pid, signal.SIGCONT)
    expected = [expected_id(number) for number in range(10)]
    with reader(settings, url_of(mosquitto), MAPS / "json.yaml", *options) as again:
        wait_until(lambda: set(expected) == set(ids_so_far(settings)), 60, lambda: again.printed)

    assert expected == list(dict.fromkeys(event_ids(settings)))


def test_a_broker_that_goes_away_is_met_again(settings: Settings, mosquitto: Mosquitto) -> None:
    with reader(settings, url_of(mosquitto), MAPS / "json.yaml", "--topic", "plant/#") as role:
        connected(role)
        mosquitto.stop()
        wait_until(lambda: "mqtt_lost" in role.printed, 30, lambda: role.printed)
        mosquitto.start()
        connected(role, times=2)
        machine = Publisher(mosquitto.port)
        try:
            machine.send(COUNTS, count(1))
            machine.send("plant/P1/counts", b"no JSON")
        finally:
            machine.close()
        wait_until(lambda: [expected_id(1)] == event_ids(settings), 30, lambda: role.printed)
        wait_until(lambda: len(messages(settings, DEAD_LETTERS)) == 1, 30)

    letter = json.loads(messages(settings, DEAD_LETTERS)[0].value() or b"")
    assert ("parse", f"mqtt:{COUNTS}") == (letter["code"], letter["source_topic"])


def test_a_broker_that_cannot_prove_who_it_is_is_not_talked_to(settings: Settings, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = authority.issue("mosquitto", address="127.0.0.1")
    lines = [
        "listener {port} 127.0.0.1",
        f"cafile {authority.certificate}",
        f"certfile {server.certificate}",
        f"keyfile {server.key}",
        "allow_anonymous true",
    ]
    (tmp_path / "broker").mkdir()
    broker = Mosquitto(tmp_path / "broker", lines)
    broker.start()
    url = f"mqtts://127.0.0.1:{broker.port}"
    options = ("--topic", "plant/#")
    try:
        with reader(settings, url, MAPS / "json.yaml", *options) as stranger:
            wait_until(lambda: "mqtt_unreachable" in stranger.printed, 60, lambda: stranger.printed)
            assert "CERTIFICATE_VERIFY_FAILED" in stranger.printed
            assert "mqtt_connected" not in stranger.printed
        with reader(
            settings, url, MAPS / "json.yaml", *options, FORESITE_MQTT_CA_FILE=str(authority.certificate)
        ) as known:
            connected(known)
    finally:
        broker.close()


def test_a_broker_that_does_not_let_us_read_is_named_and_ends_the_reader(
    settings: Settings, tmp_path: Path
) -> None:
    """It takes the connection and keeps nothing for us: to wait would be a silent stop."""
    rights = tmp_path / "rights.json"
    rights.write_text(json.dumps({"defaultACLAccess": {"subscribe": False}}))
    lines = [
        "listener {port} 127.0.0.1",
        "allow_anonymous true",
        f"plugin {DYNAMIC_SECURITY}",
        f"plugin_opt_config_file {rights}",
    ]
    broker = Mosquitto(tmp_path, lines)
    broker.start()
    try:
        with reader(settings, url_of(broker), MAPS / "json.yaml", "--topic", "plant/#") as refused:
            assert 2 == refused.process.wait(60), refused.printed
            assert "does not let us read plant/#" in refused.printed
            assert "mqtt_connected" not in refused.printed
    finally:
        broker.close()


def test_sparkplug_from_birth_to_death_raises_a_card(
    settings: Settings, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """The node is asked for its birth, tells how press-1 stands, and dies: the line's data is stale at once."""
    now = datetime.now(UTC)
    plan = tmp_path / "plan.ndjson"
    plan.write_text("".join(json.dumps(body) + "\n" for body in press_plan(now)))
    minutes = (now - datetime(2026, 11, 23, 8, 0, tzinfo=UTC)).total_seconds() / 60
    machine = Publisher(mosquitto.port)
    machine.listen("spBv1.0/#")
    try:
        with (
            roles(settings, "ingest", "twin"),
            reader(settings, url_of(mosquitto), MAPS / "sparkplug.yaml") as role,
        ):
            publish(settings, read_records([plan]))
            connected(role)
            wait_until(lambda: any("STATE/foresite" in name for name, _ in machine.heard), 20)
            machine.send(topic("DDATA", "P1"), payload(minutes, 9, metric("Count/Good", 5)), qos=0)
            wait_until(lambda: any("NCMD/E1" in name for name, _ in machine.heard), 20, lambda: role.printed)
            for name, data in births(minutes, good=5, number=3):
                machine.send(name, data, qos=0)
            wait_until(lambda: len(event_ids(settings)) >= 4, 30, lambda: role.printed)
            time.sleep(1.5)
            machine.send(topic("NDEATH"), payload(None, None, metric("bdSeq", 3)))
            wait_until(lambda: bool(stale_cards(settings)), 60, lambda: role.printed)
    finally:
        machine.close()

    (card,) = stale_cards(settings)
    assert "press-1" == card.cause.entity_id
    assert "edge node Essen/E1 is gone" in card.summary


def stale_cards(settings: Settings) -> list[Card]:
    return [card for card in cards(settings).values() if card.kind == "data_stale"]


def press_plan(now: datetime) -> Iterator[dict[str, object]]:
    """A site, its line around the clock, and one run that is due in a day."""

    def body(kind: str, **fields: object) -> dict[str, object]:
        at = (now - timedelta(hours=1)).isoformat()
        return {"kind": kind, "event_id": f"plan/{kind}", "event_time": at, "site_id": "essen", **fields}

    yield body("site_upserted", name="Essen", zone="Europe/Berlin")
    yield body("line_upserted", line_id="press-1", name="press-1", rate_pcs_per_h=100.0)
    yield body(
        "order_upserted",
        order_id="O-1",
        customer_id="acme",
        item_id="bracket",
        quantity_pcs=1000.0,
        promised_at=(now + timedelta(hours=20)).isoformat(),
        penalty_per_day=500.0,
    )
    yield body(
        "run_planned",
        run_id="R-1",
        line_id="press-1",
        item_id="bracket",
        quantity_pcs=1000.0,
        planned_start_at=(now - timedelta(minutes=10)).isoformat(),
        planned_end_at=(now + timedelta(hours=10)).isoformat(),
        pegs=[{"order_id": "O-1", "quantity_pcs": 1000.0}],
    )
