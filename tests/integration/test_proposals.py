"""A decision end to end on Apache Kafka: asked, answered, approved, committed, acknowledged, and the projections move.

Line 1 stands from Mon 08:00 for a day. R2 waits behind it; on Line 2 it could begin at 10:00 and be ready at 18:00. The
twin is killed between the commit and the answers of ERP.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from schemas import Event, OrderProjection, PlanState, ReplanRequested, topics
from streams.settings import Settings
from streams.topic_admin import create_topics
from tests.folding import at, event
from tests.proposing import hold, plant, proposal, reroute
from tests.running import ROOT, Role, messages, roles, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.timeout(240)]


@pytest.fixture
def settings(kafka: str) -> Settings:
    made = Settings(kafka=kafka, topic_prefix=f"decide-{os.getpid()}-", clock="events")
    create_topics(made, replication=1)
    return made


def foresite(settings: Settings, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "FORESITE_KAFKA": settings.kafka,
            "FORESITE_TOPIC_PREFIX": settings.topic_prefix,
            "FORESITE_CLOCK": "events",
        },
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


def publish(settings: Settings, folder: Path, events: Sequence[Event]) -> None:
    file = folder / "events.ndjson"
    file.write_text("".join(each.model_dump_json(exclude_none=True) + "\n" for each in events))
    foresite(settings, "publish", str(file))


def ticked(clock: str) -> Event:
    return event("clock_ticked", at(0, clock), site_id="*")


def put(settings: Settings, topic: str, key: str, body: Event) -> None:
    producer = Producer({**settings.client_config(), "enable.idempotence": True})
    producer.produce(settings.topic_prefix + topic, key=key, value=body.model_dump_json().encode())
    assert 0 == producer.flush(20)


def bodies(settings: Settings, topic: str) -> list[Any]:
    return [json.loads(value) for value in (each.value() for each in messages(settings, topic)) if value]


def plans(settings: Settings) -> dict[str, PlanState]:
    found = [PlanState.model_validate(body) for body in bodies(settings, topics.PLANS)]
    return {plan.plan_id: plan for plan in sorted(found, key=lambda plan: plan.revision)}


def ready_of(settings: Settings, order_id: str) -> Any:
    found = [OrderProjection.model_validate(body) for body in bodies(settings, topics.ORDER_PROJECTIONS)]
    return [
        each.ready_at for each in sorted(found, key=lambda each: each.as_of) if each.order_id == order_id
    ][-1]


def test_an_option_is_committed_and_acknowledged_and_the_projections_move(
    settings: Settings, tmp_path: Path
) -> None:
    started = event("run_started", at(0, "06:00"), line_id="L1", run_id="R1")
    publish(settings, tmp_path, [*plant(), ticked("06:00"), started, ticked("08:00")])
    with roles(settings, "ingest", "twin") as running:

        def said() -> str:
            return running["ingest"].printed[-3000:] + running["twin"].printed[-3000:]

        wait_until(lambda: "committed/S1" in plans(settings), 60.0, said)
        held = event(
            "run_held", at(0, "08:00"), line_id="L1", run_id="R1", expected_duration_min=1440.0, reason="jam"
        )
        publish(settings, tmp_path, [held, ticked("08:01")])
        wait_until(lambda: bool(bodies(settings, topics.REPLAN_REQUESTS)), 30.0, said)
        request = ReplanRequested.model_validate(bodies(settings, topics.REPLAN_REQUESTS)[-1])
        name = request.proposal_id
        put(settings, topics.PROPOSALS, name, proposal(request, 1, hold(), reroute(), is_final=True))
        wait_until(lambda: "proposed" == plans(settings)[name].state, 30.0, said)
        before = ready_of(settings, "2")

        assert "R2: line L1 -> L2 (L2 is free at 10:00)" in foresite(settings, "proposal", "show", name)
        foresite(settings, "proposal", "approve", name, "A", "--actor", "sue")
        assert "done  waiting for the answer to R2 to L2, R3 to L1." in foresite(
            settings, "proposal", "commit", name, "--actor", "bob"
        )
        changes = bodies(settings, topics.PLAN_CHANGES)
        assert ["R2", "R3"] == sorted(each["run_id"] for each in changes)
        running["twin"].kill()
        running["twin"].end()
        running["twin"] = Role("twin", settings)
        for number, change in enumerate(changes):
            answer = {"change_id": change["change_id"], "outcome": "accepted"}
            body = event("plan_acknowledged", at(0, "08:01"), f"ack{number}", **answer)
            put(settings, topics.PLAN_ACKS, change["change_id"], body)
        wait_until(lambda: "committed" == plans(settings)[name].state, 60.0, said)
        publish(settings, tmp_path, [ticked("08:02")])
        wait_until(lambda: ready_of(settings, "2") != before, 30.0, said)

    done = plans(settings)
    assert ("All 2 changes are in force.", "sue", "bob") == (
        done[name].say,
        done[name].approved_by,
        done[name].committed_by,
    )
    assert (at(1, "12:00") < before, at(0, "18:00")) == (True, ready_of(settings, "2"))
    assert {"R1": "L1", "R2": "L2", "R3": "L1"} == {
        each.run_id: each.line_id for each in done["committed/S1"].runs
    }
    assert 2 == len(bodies(settings, topics.PLAN_CHANGES)), "nothing was sent twice"
    audited = [(each["action"], each["actor"]) for each in bodies(settings, topics.AUDIT)]
    assert [("proposal_approve", "sue"), ("proposal_commit", "bob")] == audited
