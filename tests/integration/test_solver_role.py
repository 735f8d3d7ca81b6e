"""The solver role as an operator runs it, with the real engine: killed in the middle it answers the same, and what it
answers does not depend on what else it has to do.
"""

import json
import os
import time
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer

from bench.loop_plant import LoopPlant
from bench.plant import SITE
from schemas import Proposal, ReplanRequested, topics
from streams.asking import request_for
from streams.picture import PictureTwin
from streams.replay import Replay
from streams.settings import Settings
from streams.solver_warm_up import load_engine, usable_folder
from streams.topic_admin import create_topics
from tests.running import Role, messages, wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(420)]

BEGIN = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
PATIENCE_S = 240.0
"""The role may have to compile its code first."""


@pytest.fixture
def settings(kafka: str) -> Settings:
    made = Settings(kafka=kafka, topic_prefix=f"solver-role-{os.getpid()}-")
    create_topics(made, replication=1)
    return made


@pytest.fixture(scope="module")
def request_at_200_by_20(tmp_path_factory: pytest.TempPathFactory) -> ReplanRequested:
    """What the twin asks when line 3 of 20 stands for four hours, 200 orders planned."""
    plant, at = LoopPlant(BEGIN), BEGIN + timedelta(minutes=20)
    bodies = [*plant.model(), *plant.begun(), *plant.made(at), plant.held(3, at)]
    file = tmp_path_factory.mktemp("plant") / "events.ndjson"
    file.write_text("".join(json.dumps(body) + "\n" for body in bodies), encoding="utf-8")
    shard = PictureTwin()
    Replay([file], None, shard, 60).advance(at + timedelta(minutes=1))
    return request_for(shard.twin, "replan_request", SITE, line_ids=[plant.line_id(3)])


def variant(request: ReplanRequested, seed: int) -> ReplanRequested:
    problem = request.problem.model_copy(update={"seed": seed})
    named = {"request_id": f"r-{seed}", "proposal_id": f"p-{seed}", "output_id": f"o-{seed}"}
    return request.model_copy(update={**named, "problem": problem})


def publish(settings: Settings, *requests: ReplanRequested) -> None:
    producer = Producer({**settings.client_config(), "message.max.bytes": 8_000_000, "log_level": 3})
    for request in requests:
        producer.produce(
            settings.topic_prefix + topics.REPLAN_REQUESTS,
            key=request.request_id.encode(),
            value=request.model_dump_json().encode(),
        )
    assert 0 == producer.flush(30)


def answers(settings: Settings) -> list[Proposal]:
    """All records on the topic, without what people alone go by."""
    found = [
        Proposal.model_validate_json(message.value() or b"")
        for message in messages(settings, topics.PROPOSALS)
    ]
    return [each.model_copy(update={"solve_ms": 0.0}) for each in found]


def solved_alone(request: ReplanRequested) -> list[Proposal]:
    """The revisions that the engine makes when it has nothing else to do."""
    engine = load_engine(usable_folder(Settings().solver_cache_dir))
    found = [
        each for each in engine(request, clock=time.thread_time, cancelled=lambda: False) if each is not None
    ]
    return [each.model_copy(update={"solve_ms": 0.0}) for each in found]


def test_killed_in_the_middle_it_answers_the_same(
    settings: Settings, request_at_200_by_20: ReplanRequested
) -> None:
    """Three requests at once; the first revision of any is the sign for kill -9, then another solver goes on."""
    asked = [variant(request_at_200_by_20, seed) for seed in (1, 2, 3)]
    publish(settings, *asked)
    first = Role("solver", settings)
    try:
        wait_until(lambda: len(answers(settings)) > 0, PATIENCE_S, lambda: first.printed)
        first.kill()
        left_behind = len(answers(settings))
        again = Role("solver", settings)
        try:
            wait_until(
                lambda: (
                    {each.proposal_id for each in answers(settings) if each.is_final}
                    == {request.proposal_id for request in asked}
                ),
                PATIENCE_S,
                lambda: again.printed,
            )
        finally:
            again.end()
    finally:
        first.end()

    told = answers(settings)
    assert left_behind < len(told)
    by_id: dict[str, list[Proposal]] = {}
    for each in told:
        seen = by_id.setdefault(each.proposal_id, [])
        same = [other for other in seen if other.revision == each.revision]
        assert all(other == each for other in same), f"{each.event_id} came with two contents"
        if not same:
            seen.append(each)
    assert {request.proposal_id: solved_alone(request) for request in asked} == by_id
