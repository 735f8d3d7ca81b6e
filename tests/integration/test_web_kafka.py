"""The web role on Apache Kafka: what changes reaches a stream, what is decided comes back, and killing it loses nothing.

Every part is the real one: ingest, twin and web as processes, decisions over HTTP by people with tokens.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, cast
from zlib import crc32

import httpx
import pytest
from confluent_kafka import Producer

from schemas import ReplanRequested, topics
from schemas.facts import decode_facts
from streams.faults import ARMED
from streams.publish import publish
from streams.settings import Settings
from streams.sources import SourceRecord, read_records
from streams.topic_admin import create_topics
from streams.web.tokens import new_token
from tests.folding import at, event
from tests.proposing import hold, plant, proposal, reroute
from tests.running import ROOT, Role, messages, roles, wait_until
from tests.web_plant import events

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.timeout(900)]

PEOPLE = {"ann": "approver", "bea": "approver", "kim": "planner", "vic": "viewer"}
PATIENCE_S = 180.0
FIRST_CARD = Path(ROOT) / "examples" / "first_card" / "events.ndjson"


@pytest.fixture
def settings(kafka: str, request: pytest.FixtureRequest) -> Settings:
    name = crc32(request.node.name.encode())  # the whole name: two cases of one test share no topics
    made = Settings(kafka=kafka, topic_prefix=f"web-{os.getpid()}-{name}-", clock="events")
    create_topics(made, replication=1)
    return made


class Web:
    """The role and people who talk to it."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._file = folder / "tokens"
        made = {name: new_token(name, role) for name, role in PEOPLE.items()}
        self._file.write_text("".join(f"{line}\n" for _, line in made.values()))
        self.tokens = {name: token for name, (token, _) in made.items()}
        self.role: Role | None = None
        self.url = ""

    def start(self, **environment: str) -> None:
        """Start it, and wait until it serves a whole picture."""
        role = Role(
            "web",
            self._settings,
            FORESITE_WEB_PORT="0",
            FORESITE_WEB_TOKENS_FILE=str(self._file),
            **environment,
        )
        self.role = role
        wait_until(lambda: "web_listening" in role.printed, PATIENCE_S, lambda: role.printed[-3000:])
        [self.url] = re.findall(r'"web_listening".*"url": "([^"]+)"', role.printed)
        with self.client("vic") as client:
            wait_until(
                lambda: client.get("/api/v1/snapshot").status_code == 200,
                PATIENCE_S,
                lambda: role.printed[-3000:],
            )

    def client(self, name: str) -> httpx.Client:
        """A client of somebody."""
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.tokens[name]}"}, timeout=60.0
        )

    def post(self, name: str, command_id: str, **body: Any) -> httpx.Response:
        """A command of somebody."""
        with self.client(name) as client:
            return client.post("/api/v1/commands", json={"command_id": command_id, **body})

    def result(self, command_id: str) -> dict[str, Any]:
        """What became of it, waiting for it."""
        with self.client("vic") as client:
            found: list[dict[str, Any]] = []

            def is_answered() -> bool:
                answer = client.get(f"/api/v1/commands/{command_id}", params={"wait_s": 5})
                found[:] = [answer.json()["result"]] if answer.status_code == 200 else []
                return bool(found) and found[0] is not None

            wait_until(is_answered, PATIENCE_S)
            return found[0]

    def end(self) -> None:
        """Stop it."""
        if self.role is not None:
            self.role.end()


@contextmanager
def web(settings: Settings, folder: Path) -> Iterator[Web]:
    """The role as long as the block lasts."""
    made = Web(settings, folder)
    try:
        made.start()
        yield made
    finally:
        made.end()


def foresite(settings: Settings, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "FORESITE_KAFKA": settings.kafka,
            "FORESITE_TOPIC_PREFIX": settings.topic_prefix,
            "FORESITE_CLOCK": "events",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def published(settings: Settings, file: Path) -> None:
    """Where events drive the clock whoever publishes paces it: the plan, and once it is told what machines say of it.

    Ingest must run: topics are read side by side, and what waits in several of them comes in no order.
    """
    told_of = cast("Iterator[SourceRecord]", read_records([file]))
    for _, part in groupby(told_of, key=attrgetter("topic")):
        told = list(part)
        outcome = publish(settings, told)
        assert 0 == outcome.exit_code, outcome.failures
        ids = {json.loads(record.value)["event_id"] for record in told}
        wait_until(partial(are_facts, settings, ids), PATIENCE_S)


def are_facts(settings: Settings, event_ids: set[str]) -> bool:
    """Whether ingest has written all of them to the log."""
    log = [decode_facts(message.value() or b"") for message in messages(settings, topics.FACTS)]
    return event_ids <= {each.event_id for facts in log for part in facts.segments for each in part.events}


def first(changes: Iterator[tuple[str, dict[str, Any]]], wanted: str, server: Web) -> dict[str, Any]:
    """The next event of that name."""
    seen = []
    for name, data in changes:
        if name == wanted:
            return data
        seen.append(name)
    assert server.role is not None
    raise AssertionError(f"the stream ended after {seen}: {server.role.printed[-4000:]}")


def commands(settings: Settings) -> list[str]:
    """Ids of the commands on their topic."""
    return [json.loads(each.value() or b"")["command_id"] for each in messages(settings, topics.COMMANDS)]


def test_a_card_reaches_the_stream_and_a_command_its_next_revision(
    settings: Settings, tmp_path: Path
) -> None:
    """And a restart of the server is no more than a reconnection: the old cursor goes on where it was."""
    with roles(settings, "ingest", "twin") as running, web(settings, tmp_path) as server:
        with server.client("vic") as client:
            place = client.get("/api/v1/snapshot").json()["cursor"]
            with client.stream("GET", "/api/v1/stream", params={"after": place}) as stream:
                assert 200 == stream.status_code, stream.read()
                changes = events(stream.iter_lines())
                assert "heartbeat" == next(changes)[0]
                published(settings, FIRST_CARD)
                card = first(changes, "card", server)
                place = first(changes, "cursor", server)["cursor"]
        acknowledge = {
            "kind": "card_acknowledge",
            "site_id": card["site_id"],
            "card_id": card["id"],
            "expected_revision": card["revision"],
        }
        refused = server.post("vic", "a0", **acknowledge)
        taken = server.post("kim", "a1", **acknowledge, actor="somebody.else")
        answered = server.result("a1")
        assert (403, 202, "accepted", "kim") == (
            refused.status_code,
            taken.status_code,
            answered["outcome"],
            answered["actor"],
        ), running["twin"].printed[-3000:]

        assert server.role is not None
        server.role.process.terminate()
        assert 0 == server.role.process.wait(60), server.role.printed[-3000:]
        server.role.end()
        server.start()
        with (
            server.client("vic") as client,
            client.stream("GET", "/api/v1/stream", params={"after": place}) as stream,
        ):
            missed = next(data for name, data in events(stream.iter_lines()) if name in ("card", "reset"))
        assert (card["id"], card["revision"] + 1, "acknowledged") == (
            missed["id"],
            missed["revision"],
            missed["document"]["state"],
        )
        stale = server.post("kim", "a2", **acknowledge)
        assert (409, card["revision"] + 1) == (stale.status_code, stale.json()["current"]["revision"])
        again = server.post("kim", "a1", **acknowledge)
        assert (202, "answered") == (again.status_code, again.json()["status"]), "a restart forgets nothing"
        with server.client("vic") as client:
            shown = client.get(f"/api/v1/cards/{card['id']}").json()
            why = client.get(shown["why"])
            past = client.get("/api/v1/as-of", params={"time": card["document"]["as_of"]})
        assert ["kim"] == [each["actor"] for each in shown["decisions"]]
        assert (200, card["id"]) == (why.status_code, why.json()["subject"])
        assert [card["id"]] == [each["card_id"] for each in past.json()["cards"]]

    assert ["a1"] == commands(settings)


def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told_why(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "events.ndjson"
    started = event("run_started", at(0, "06:00"), line_id="L1", run_id="R1")
    held = event(
        "run_held", at(0, "08:00"), line_id="L1", run_id="R1", expected_duration_min=1440.0, reason="jam"
    )
    ticks = {clock: event("clock_ticked", at(0, clock), site_id="*") for clock in ("06:00", "08:00", "08:01")}
    told = [*plant(), ticks["06:00"], started, ticks["08:00"], held, ticks["08:01"]]
    file.write_text("".join(each.model_dump_json(exclude_none=True) + "\n" for each in told))
    with roles(settings, "ingest", "twin") as running, web(settings, tmp_path) as server:
        published(settings, file)
        wait_until(
            lambda: bool(messages(settings, topics.REPLAN_REQUESTS)),
            PATIENCE_S,
            lambda: running["twin"].printed[-3000:],
        )
        asked = messages(settings, topics.REPLAN_REQUESTS)[-1].value()
        request = ReplanRequested.model_validate_json(asked or b"")
        answer = proposal(request, 1, hold(), reroute(), is_final=True)
        put(settings, topics.PROPOSALS, request.proposal_id, answer.model_dump_json().encode())
        with server.client("vic") as client:
            shown: dict[str, Any] = {}

            def is_proposed() -> bool:
                found = client.get(f"/api/v1/proposals/{request.proposal_id}")
                shown.update(found.json() if found.status_code == 200 else {})
                return bool(shown) and shown["state"] is not None and shown["state"]["state"] == "proposed"

            wait_until(is_proposed, PATIENCE_S, lambda: running["twin"].printed[-3000:])
        assert ["hold", "A"] == [each["option_id"] for each in shown["proposal"]["options"]]
        body = {
            "kind": "proposal_approve",
            "site_id": "S1",
            "proposal_id": request.proposal_id,
            "expected_revision": shown["state"]["revision"],
        }
        assert 403 == server.post("kim", "p0", **body, option_id="A").status_code
        with ThreadPoolExecutor(2) as both:
            ann = both.submit(server.post, "ann", "p1", **body, option_id="A")
            bea = both.submit(server.post, "bea", "p2", **body, option_id="hold")
            posted = {"ann": ann.result(), "bea": bea.result()}

        outcomes = {
            name: "conflict"
            if each.status_code == 409
            else server.result(each.json()["command_id"])["outcome"]
            for name, each in posted.items()
        }
        assert 1 == list(outcomes.values()).count("accepted"), outcomes
        [loser] = [name for name, outcome in outcomes.items() if outcome != "accepted"]
        if outcomes[loser] == "rejected":
            refused = server.result(posted[loser].json()["command_id"])
            assert "stale_revision" == refused["reason"]
            assert "you looked at revision" in refused["message"]
        with server.client("vic") as client:
            state = client.get(f"/api/v1/proposals/{request.proposal_id}").json()["state"]
        assert ("approved", [name for name in outcomes if name != loser]) == (
            state["state"],
            [state["approved_by"]],
        )


@pytest.mark.parametrize(("point", "arrives"), [("before_command", False), ("after_command", True)])
def test_killed_around_its_delivery_a_command_is_carried_out_once(
    settings: Settings, tmp_path: Path, point: str, arrives: bool
) -> None:
    """Nobody was told 202, so it is posted again under the same id; whether it had arrived does not matter."""
    with roles(settings, "ingest", "twin"), web(settings, tmp_path) as server:
        published(settings, FIRST_CARD)
        with server.client("vic") as client:
            wait_until(lambda: client.get("/api/v1/cards").json()["total"] == 1, PATIENCE_S)
            [card] = client.get("/api/v1/cards").json()["items"]
        server.end()
        server.start(FORESITE_FAULT=f"{point}:1:kill:later")
        body = {
            "kind": "card_acknowledge",
            "site_id": card["site_id"],
            "card_id": card["card_id"],
            "expected_revision": card["revision"],
        }

        # The first delivery connects, which may take long on a busy machine. This one the twin refuses.
        unlikely = {**body, "expected_revision": card["revision"] + 100}
        wait_until(lambda: server.post("kim", "k0", **unlikely).status_code == 202, PATIENCE_S)
        assert server.role is not None
        server.role.process.send_signal(signal.SIGUSR1)
        wait_until(partial(is_armed, server.role), PATIENCE_S)
        with pytest.raises(httpx.TransportError):
            pytest.fail(server.post("kim", "k1", **body).text)
        assert -9 == server.role.process.wait(60)
        assert [arrives] == ["k1" in commands(settings)]
        server.end()
        server.start()
        again = server.post("kim", "k1", **body)
        if (
            again.status_code == 409
        ):  # it had arrived, and the card shows it: the id tells that it was this command
            assert arrives
        else:
            assert 202 == again.status_code
        assert "accepted" == server.result("k1")["outcome"]
        with server.client("vic") as client:
            shown = client.get(f"/api/v1/cards/{card['card_id']}").json()["card"]
    assert (card["revision"] + 1, "acknowledged", "kim") == (
        shown["revision"],
        shown["state"],
        shown["state_by"],
    )


def is_armed(role: Role) -> bool:
    """Whether the signal has reached it."""
    return ARMED.decode() in role.printed


def put(settings: Settings, topic: str, key: str, value: bytes) -> None:
    producer = Producer({**settings.client_config(), "enable.idempotence": True})
    producer.produce(settings.topic_prefix + topic, key=key, value=value)
    assert 0 == producer.flush(20)
