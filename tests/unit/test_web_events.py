"""Events over HTTP: judged one by one, delivered when Kafka has them, sent once, and every one that is not is named."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from schemas import TOPICS, topics
from streams.acls import Acl, wanted_acls
from streams.embedded_broker import EmbeddedBroker
from streams.settings import Settings
from streams.site_binding import bound_inputs
from streams.web.tokens import new_token
from tests.running import messages
from tests.web_plant import NOTHING, WebPlant, web_plant

ROLES = {
    "press": "publisher-mes",
    "erp": "publisher-erp",
    "lyon-press": "lyon.publisher-mes",
    "turin-press": "turin.publisher-mes",
    "vic": "viewer",
    "ada": "admin",
}


def count(event_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "count_reported",
        "event_id": event_id,
        "event_time": "2026-11-17T06:00:00+01:00",
        "site_id": "lyon",
        "line_id": "L1",
        "good_count": 12,
        **changes,
    }


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    path = tmp_path_factory.mktemp("gateway") / "tokens"
    made = {name: new_token(name, role) for name, role in ROLES.items()}
    path.write_text("".join(f"{line}\n" for _, line in made.values()))
    return path, {name: token for name, (token, _) in made.items()}


@pytest.fixture(scope="module")
def plant(tokens: tuple[Path, dict[str, str]]) -> Iterator[WebPlant]:
    with EmbeddedBroker() as broker:
        for topic in (*TOPICS, *(f"lyon.{name}" for name in bound_inputs())):
            broker.create_topic(topic)
        with web_plant(
            broker.bootstrap_servers,
            web_gateway=True,
            web_tokens_file=tokens[0],
            web_gateway_events_max=50,
            web_gateway_body_bytes_max=50_000,
            site_topics={"lyon.": ["lyon"]},
        ) as made:
            yield made


@pytest.fixture
def press(plant: WebPlant, tokens: tuple[Path, dict[str, str]]) -> Iterator[httpx.Client]:
    with plant.client(tokens[1]["press"]) as client:
        yield client


def post(client: httpx.Client, body: Any, kind: str = "application/json") -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post("/api/v1/events", content=content, headers={"Content-Type": kind})


def sent(plant: WebPlant, topic: str = topics.MACHINE_EVENTS, begin: str = "") -> list[str]:
    ids = [json.loads(each.value() or b"")["event_id"] for each in messages(plant.settings, topic)]
    return [each for each in ids if each.startswith(begin)]


def test_an_event_is_delivered_when_kafka_has_it(plant: WebPlant, press: httpx.Client) -> None:
    answer = post(press, count("one", shift="early"))

    assert 200 == answer.status_code, answer.text
    record = {
        "index": 0,
        "event_id": "one",
        "status": "delivered",
        "topic": topics.MACHINE_EVENTS,
        "unknown_fields": 1,
    }
    assert {
        "received": 1, "delivered": 1, "repeated": 0, "unknown_fields": 1, "records": [record]
    } == answer.json()  # fmt: skip
    [message] = [
        each for each in messages(plant.settings, topics.MACHINE_EVENTS) if b'"one"' in (each.value() or b"")
    ]
    assert b"L1" == message.key()
    assert count("one") | {"good_count": 12.0} == json.loads(message.value() or b"")


@pytest.mark.parametrize(
    "kind", ["application/x-ndjson", "application/json", "application/cloudevents-batch+json"]
)
def test_many_events_go_at_once(plant: WebPlant, press: httpx.Client, kind: str) -> None:
    name = kind.rpartition("/")[2]
    bodies: list[dict[str, Any]] = [count(f"{name}-{number}") for number in range(20)]
    if "cloudevents" in kind:
        bodies = [
            {"specversion": "1.0", "id": body.pop("event_id"), "source": "press", "type": "x", "data": body}
            for body in bodies
        ]
    lines = b"\r\n".join(json.dumps(body).encode() for body in bodies) + b"\n\n"
    answer = post(press, lines if "ndjson" in kind else bodies, kind)

    assert (200, 20) == (answer.status_code, answer.json().get("delivered")), answer.text
    assert [f"{name}-{number}" for number in range(20)] == sent(plant, begin=f"{name}-")


def test_what_cannot_be_is_named_and_what_stands_around_it_is_delivered(
    plant: WebPlant, press: httpx.Client
) -> None:
    lines = [
        json.dumps(count("part-0")),
        json.dumps(count("part-1", good_count="12")),
        "{not json",
        json.dumps(count("part-3", event_time="2026-11-17T06:00:00")),
        json.dumps([count("part-4")]),
        json.dumps(count("part-5")),
        json.dumps(count("part-6", source_id="saw")),
        json.dumps(count("part-7", site_id="*")),
        json.dumps(count("part-8") | {"kind": "order_shipped", "order_id": "7", "shipped_pcs": 5}),
        json.dumps(
            count("part-9") | {"kind": "card_start", "card_id": "7", "command_id": "x", "actor": "boss"}
        ),
    ]
    answer = post(press, "\n".join(lines).encode(), "application/x-ndjson")

    said = answer.json()
    assert (422, "some_refused") == (answer.status_code, said["type"])
    assert {"received": 10, "delivered": 2, "refused": 8} == said["counts"]
    assert said["detail"].startswith("Of 10: 2 delivered, 8 refused. The first one refused is number 1: ")
    assert [
        (0, "delivered", None, None),
        (1, "refused", "schema", "good_count"),
        (2, "refused", "parse", ""),
        (3, "refused", "time", "event_time"),
        (4, "refused", "schema", ""),
        (5, "delivered", None, None),
        (6, "refused", "authorisation", "source_id"),
        (7, "refused", "schema", "site_id"),
        (8, "refused", "authorisation", "kind"),
        (9, "refused", "authorisation", "kind"),
    ] == [
        (each["index"], each["status"], each.get("code"), each.get("field_path")) for each in said["records"]
    ]
    assert ["part-0", "part-5"] == sent(plant, begin="part-")
    assert [] == sent(plant, topics.ORDERS, "part-") + sent(plant, topics.COMMANDS)


def test_an_event_posted_again_is_sent_once_and_another_under_its_id_is_refused(
    plant: WebPlant, press: httpx.Client
) -> None:
    with ThreadPoolExecutor(4) as many:
        answers = list(many.map(lambda _: post(press, [count("again-1"), count("again-1")]), range(4)))
    other = post(press, count("again-1", good_count=13))

    assert [200] * 4 == [answer.status_code for answer in answers]
    assert (1, 7) == tuple(
        sum(answer.json()[name] for answer in answers) for name in ("delivered", "repeated")
    )
    assert ["again-1"] == sent(plant, begin="again-")
    assert (422, "event_id_taken") == (other.status_code, other.json()["records"][0]["code"])


def test_a_publisher_of_a_site_speaks_for_that_site_on_its_own_topics(
    plant: WebPlant, tokens: tuple[Path, dict[str, str]]
) -> None:
    with plant.client(tokens[1]["lyon-press"]) as client:
        answer = post(client, [count("bound-1"), count("bound-2", site_id="turin")])
    with plant.client(tokens[1]["turin-press"]) as client:
        unknown = post(client, count("bound-3", site_id="turin"))

    refused = answer.json()["records"][1]
    assert ("refused", "authorisation", "site_id") == (
        refused["status"],
        refused["code"],
        refused["field_path"],
    )
    assert ["bound-1"] == sent(plant, f"lyon.{topics.MACHINE_EVENTS}", "bound-")
    assert [] == sent(plant, begin="bound-")
    assert 403 == unknown.status_code
    assert "FORESITE_SITE_TOPICS knows no 'turin.'" in unknown.json()["detail"]


def test_topics_follow_from_the_role(plant: WebPlant, tokens: tuple[Path, dict[str, str]]) -> None:
    shipped = {
        "kind": "order_shipped",
        "event_id": "s1",
        "event_time": "2026-11-17T06:00:00Z",
        "site_id": "lyon",
        "order_id": "7",
        "shipped_pcs": 5,
    }
    with plant.client(tokens[1]["erp"]) as client:
        good, bad = post(client, shipped), post(client, count("of-erp"))

    assert (200, ["s1"]) == (good.status_code, sent(plant, topics.ORDERS, "s1"))
    assert (
        "erp is publisher-erp; count_reported belongs on mes.machine-events.v1, which publisher-mes writes"
        == (bad.json()["records"][0]["message"])
    )


@pytest.mark.parametrize("name", [None, "vic", "ada"])
def test_nobody_but_a_publisher_posts_events(
    plant: WebPlant, tokens: tuple[Path, dict[str, str]], name: str | None
) -> None:
    with plant.client(None if name is None else tokens[1][name]) as client:
        answer = post(client, count("nobody"))

    assert (401 if name is None else 403) == answer.status_code
    assert [] == sent(plant, begin="nobody")


def test_a_publisher_reads_and_commands_nothing(press: httpx.Client) -> None:
    assert [403] * 3 == [
        press.get("/api/v1/cards").status_code,
        press.get("/api/v1/snapshot").status_code,
        press.post("/api/v1/commands", json={}).status_code,
    ]


@pytest.mark.parametrize(
    ("body", "kind", "status", "word"),
    [
        (b"{", "application/json", 422, "invalid"),
        (b"[]", "application/json", 422, "invalid"),
        (b"\n \n", "application/x-ndjson", 422, "invalid"),
        (b"[" * 200, "application/json", 422, "invalid"),
        (b"kind=x", "application/x-www-form-urlencoded", 415, "not_json"),
        (b'{"kind": "x"}\n' * 51, "application/x-ndjson", 413, "too_many_events"),
        (b" " * 50_001, "application/json", 413, "too_large"),
    ],
)
def test_a_post_is_bounded(press: httpx.Client, body: bytes, kind: str, status: int, word: str) -> None:
    answer = post(press, body, kind)

    assert (status, word) == (answer.status_code, answer.json()["type"])


def test_a_compressed_post_is_refused(press: httpx.Client) -> None:
    answer = press.post(
        "/api/v1/events",
        content=b"x",
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
    )

    assert (415, "encoded") == (answer.status_code, answer.json()["type"])


def test_what_became_of_events_is_counted(plant: WebPlant, press: httpx.Client) -> None:
    def counted(outcome: str) -> float:
        return plant.sample("gateway_events_total", source_topic=topics.MACHINE_EVENTS, outcome=outcome)

    before = {outcome: counted(outcome) for outcome in ("delivered", "repeated")}
    post(press, [count("metric-1"), count("metric-2"), count("metric-1")])

    assert {"delivered": before["delivered"] + 2, "repeated": before["repeated"] + 1} == {
        outcome: counted(outcome) for outcome in before
    }
    assert 0.0 == plant.sample("gateway_events_in_flight")


def test_without_kafka_nothing_is_called_delivered_and_the_same_post_goes_through_later(
    tokens: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.record_sender.DELIVERY_TIMEOUT_MS", 1_500)
    site = {
        "kind": "site_upserted",
        "event_id": "away-0",
        "event_time": "2026-11-17T06:00:00Z",
        "site_id": "lyon",
    }
    with (
        web_plant(NOTHING, web_gateway=True, web_tokens_file=tokens[0], web_gateway_in_flight_max=5) as plant,
        plant.client(tokens[1]["press"]) as client,
    ):
        busy = post(client, [count(f"busy-{number}") for number in range(6)])
        answer = post(client, [site, count("away-1"), count("away-2", good_count=-1)])
        again = post(client, [site])

    assert (503, "busy", "2") == (busy.status_code, busy.json()["type"], busy.headers["retry-after"])
    said = answer.json()
    assert (503, "not_delivered", "2") == (answer.status_code, said["type"], answer.headers["retry-after"])
    assert ["not_delivered", "not_sent", "refused"] == [each["status"] for each in said["records"]]
    assert {"received": 3, "not_delivered": 1, "not_sent": 1, "refused": 1} == said["counts"]
    assert ["not_delivered"] == [each["status"] for each in again.json()["records"]], "it is tried again"


def test_the_gateway_is_closed_unless_it_is_opened(tokens: tuple[Path, dict[str, str]]) -> None:
    with web_plant(web_tokens_file=tokens[0]) as plant, plant.client(tokens[1]["press"]) as client:
        answer = post(client, count("closed"))

    assert (404, "gateway_off") == (answer.status_code, answer.json()["type"])
    with pytest.raises(ValidationError, match="web_gateway needs web_tokens_file"):
        Settings(web_gateway=True)


def test_web_may_write_inputs_only_where_the_gateway_is_open(tokens: tuple[Path, dict[str, str]]) -> None:
    closed = Settings(site_topics={"lyon.": ["lyon"]})
    opened = Settings(site_topics={"lyon.": ["lyon"]}, web_gateway=True, web_tokens_file=tokens[0])

    assert {
        Acl("User:web", "topic", prefix + name, False, "Write")
        for prefix in ("", "lyon.")
        for name in bound_inputs()
    } == {*wanted_acls(opened)} - {*wanted_acls(closed)}
    assert topics.COMMANDS not in bound_inputs()
