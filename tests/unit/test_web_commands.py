"""Commands over HTTP: taken when Kafka has them, once, in the name of who signed in, on the revision they looked at."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from schemas import TOPICS, Command, CommandResult, topics
from schemas.topics import list_validator
from streams.embedded_broker import EmbeddedBroker
from tests.notify_plant import NOON
from tests.running import messages, wait_until
from tests.web_plant import HOSTILE, WebPlant, plan_state, web_plant


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        for topic in TOPICS:
            running.create_topic(topic)
        yield running


@pytest.fixture
def plant(broker: EmbeddedBroker) -> Iterator[WebPlant]:
    with web_plant(broker.bootstrap_servers, clock="events") as made:
        yield made


def sent(plant: WebPlant, command_id: str) -> list[Command]:
    """Commands of that id on their topic."""
    found = [json.loads(message.value() or b"") for message in messages(plant.settings, topics.COMMANDS)]
    mine = [each for each in found if each["command_id"] == command_id]
    made: list[Command] = list_validator(topics.COMMANDS).validate_python(mine)
    return made


def acknowledge(card_id: str, command_id: str, revision: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "kind": "card_acknowledge",
        "site_id": "S1",
        "card_id": card_id,
        "expected_revision": revision,
        "command_id": command_id,
        **more,
    }


def result(command_id: str, **changes: Any) -> CommandResult:
    body = {
        "output_id": command_id,
        "command_id": command_id,
        "command_kind": "card_acknowledge",
        "actor": "somebody",
        "site_id": "S1",
        "outcome": "accepted",
        "current_revision": 2,
        "as_of": NOON,
    }
    return CommandResult.model_validate(body | changes)


def test_a_command_is_taken_once_kafka_has_it_and_its_result_comes_back(plant: WebPlant) -> None:
    card = plant.card("A")
    with plant.client() as client:
        taken = client.post("/api/v1/commands", json=acknowledge(card.card_id, "a/1"))
        waiting = client.get(taken.json()["result_at"])
        actor = taken.json()["actor"]
        plant.tell(topics.COMMAND_RESULTS, "a/1", result("a/1", actor=actor))
        answered = client.get(taken.json()["result_at"], params={"wait_s": 5})

    assert (202, "sent", "/api/v1/commands/a%2F1") == (
        taken.status_code,
        taken.json()["status"],
        taken.headers["location"],
    )
    assert {"command_id": "a/1", "status": "sent", "result": None} == waiting.json()
    assert ("answered", "accepted") == (answered.json()["status"], answered.json()["result"]["outcome"])
    [command] = sent(plant, "a/1")
    assert (card.card_id, 1, actor) == (command.card_id, command.expected_revision, command.actor)  # type: ignore[attr-defined]
    assert NOON == command.event_time, "events drive the clock: the card's own moment"


def test_who_asks_is_who_signed_in_whatever_the_body_says(plant: WebPlant) -> None:
    card = plant.card("B")
    forged: dict[str, Any] = {
        "actor": "the.boss",
        "event_time": "2000-01-01T00:00:00Z",
        "event_id": "x",
        "source_id": "g",
        "source_sequence": 1,
    }
    with plant.client() as client:
        taken = client.post("/api/v1/commands", json=acknowledge(card.card_id, "b1", **forged))
        me = client.get("/api/v1/me").json()["name"]

    [command] = sent(plant, "b1")
    assert (202, me, me) == (taken.status_code, taken.json()["actor"], command.actor)
    assert ("b1", None, None, NOON) == (
        command.event_id,
        command.source_id,
        command.source_sequence,
        command.event_time,
    )


def test_a_command_posted_again_is_sent_once(plant: WebPlant) -> None:
    card = plant.card("C")
    body = acknowledge(card.card_id, "c1")
    with plant.client() as client, ThreadPoolExecutor(4) as many:
        found = list(many.map(lambda _: client.post("/api/v1/commands", json=body).status_code, range(4)))
        other = client.post("/api/v1/commands", json={**body, "kind": "card_start"})

    assert [202] * 4 == found
    assert 1 == len(sent(plant, "c1"))
    assert (409, "command_id_taken") == (other.status_code, other.json()["type"])


def test_a_command_that_was_answered_before_a_restart_is_not_sent_again(plant: WebPlant) -> None:
    card = plant.card("D")
    with plant.client() as client:
        actor = client.get("/api/v1/me").json()["name"]
        plant.tell(topics.COMMAND_RESULTS, "d1", result("d1", actor=actor))
        plant.tell(topics.COMMAND_RESULTS, "d2", result("d2", actor="somebody.else"))
        again = client.post("/api/v1/commands", json=acknowledge(card.card_id, "d1"))
        stolen = client.post("/api/v1/commands", json=acknowledge(card.card_id, "d2"))

    assert (202, "answered") == (again.status_code, again.json()["status"])
    assert (409, "command_id_taken") == (stolen.status_code, stolen.json()["type"])
    assert [] == sent(plant, "d1") + sent(plant, "d2")


def test_what_has_changed_since_is_a_conflict_with_what_it_is_now(plant: WebPlant) -> None:
    plant.card("E")
    newest = plant.card("E", 3, state="acknowledged")
    plant.tell(topics.PLANS, "P1", plan_state("P1", 4))
    approve = {
        "kind": "proposal_approve",
        "site_id": "S1",
        "proposal_id": "P1",
        "option_id": "A",
        "expected_revision": 3,
        "command_id": "e2",
    }
    with plant.client() as client:
        stale = client.post("/api/v1/commands", json=acknowledge(newest.card_id, "e1", 2))
        late = client.post("/api/v1/commands", json=approve)
        ahead = client.post("/api/v1/commands", json=acknowledge(newest.card_id, "e3", 4))

    assert (409, "stale_revision", newest.model_dump(mode="json")) == (
        stale.status_code,
        stale.json()["type"],
        stale.json()["current"],
    )
    assert (409, 4) == (late.status_code, late.json()["current"]["revision"])
    assert 202 == ahead.status_code, "the view may be behind: the twin judges"
    assert [] == sent(plant, "e1") + sent(plant, "e2")
    assert 1.0 == plant.sample("commands_total", kind="card_acknowledge", outcome="stale_revision")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"kind": "card_explode"}, "kind"),
        ({"kind": None}, "kind"),
        ({"kind": ["card_start"]}, "kind"),
        ({"command_id": None}, "command_id"),
        ({"command_id": "a\x00b"}, "command_id"),
        ({"command_id": 7}, "command_id"),
        ({"expected_revision": None}, "expected_revision"),
        ({"expected_revision": "1"}, "expected_revision"),
        ({"expected_revision": -1}, "expected_revision"),
        ({"site_id": "*"}, "site_id"),
        ({"card_id": ""}, "card_id"),
        ({"kind": "card_snooze", "until": "tomorrow"}, "until"),
        ({"kind": "card_dismiss"}, "reason"),
        ({"kind": "proposal_adjust", "proposal_id": "P", "locks": [{"line_id": "L"}]}, "locks.0.run_id"),
    ],
)
def test_a_bad_field_is_named(plant: WebPlant, changes: dict[str, Any], path: str) -> None:
    with plant.client() as client:
        answer = client.post("/api/v1/commands", json=acknowledge("C", "f") | changes)

    assert (422, "invalid") == (answer.status_code, answer.json()["type"])
    assert path in [each["path"] for each in answer.json()["fields"]]


def test_hostile_words_arrive_as_they_are_and_nothing_else(plant: WebPlant) -> None:
    card = plant.card("G")
    with plant.client() as client:
        taken = client.post(
            "/api/v1/commands",
            json=acknowledge(card.card_id, HOSTILE, kind="card_dismiss", reason=HOSTILE),
        )
        found = client.get(taken.headers["location"])

    [command] = sent(plant, HOSTILE)
    assert (HOSTILE, HOSTILE) == (command.command_id, command.reason)  # type: ignore[attr-defined]
    assert HOSTILE == found.json()["command_id"]
    assert taken.headers["location"].isascii()
    assert "x" not in taken.headers


def test_a_quote_is_a_command_too(plant: WebPlant) -> None:
    body = {
        "command_id": "q1",
        "site_id": "S1",
        "item_id": "red",
        "quantity_pcs": 100.0,
        "due_at": "2026-12-01T00:00:00Z",
    }
    with plant.client() as client:
        taken = client.post("/api/v1/quote", json=body)
        wrong = client.post("/api/v1/quote", json={**body, "quantity_pcs": 0, "command_id": "q2"})

    assert (202, "quote_request") == (taken.status_code, taken.json()["kind"])
    assert ["quote_request"] == [each.kind for each in sent(plant, "q1")]
    assert (422, "quantity_pcs") == (wrong.status_code, wrong.json()["fields"][0]["path"])


def test_without_a_broker_nothing_is_said_to_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """No 202; what was not confirmed may be posted again under the same id."""
    monkeypatch.setattr("streams.record_sender.DELIVERY_TIMEOUT_MS", 3_000)
    with web_plant("127.0.0.1:9", web_commands_in_flight_max=1) as plant, plant.client() as client:
        card = plant.card("H")
        with ThreadPoolExecutor(1) as other:
            first = other.submit(client.post, "/api/v1/commands", json=acknowledge(card.card_id, "h1"))
            wait_until(lambda: plant.sample("http_requests_in_progress") > 0.0, 20.0)
            busy = client.post("/api/v1/commands", json=acknowledge(card.card_id, "h2"))
            found = [first.result(), busy]
        again = client.post("/api/v1/commands", json=acknowledge(card.card_id, "h1"))
        unknown = client.get("/api/v1/commands/h1")

    assert [503, 503, 503] == [each.status_code for each in (*found, again)]
    assert ["not_delivered", "busy"] == [each.json()["type"] for each in found]
    assert "not_delivered" == again.json()["type"]
    assert 404 == unknown.status_code


def test_nobody_knows_a_command_that_was_never_sent(plant: WebPlant) -> None:
    with plant.client() as client:
        assert 404 == client.get("/api/v1/commands/never").status_code
