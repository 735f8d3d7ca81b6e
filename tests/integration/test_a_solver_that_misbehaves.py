"""A solver that hangs, dies, answers late, twice, or nonsense, on Apache Kafka: the twin goes on and takes none of it in."""

import os
import signal
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from schemas import PlanState, Proposal, ReplanRequested
from schemas.topics import PLANS, PROPOSALS, REJECTIONS, REPLAN_REQUESTS
from streams.settings import Settings
from tests.chaos.answers import proposals_kept
from tests.chaos.installation import new_settings
from tests.chaos.living import Living
from tests.chaos.load import Load
from tests.running import messages, wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]

LINES = 4
PATIENCE_S = 240.0
"""The solver may have to compile its code first."""


@pytest.fixture
def settings(kafka: str, request: pytest.FixtureRequest) -> Settings:
    return new_settings(kafka, f"solver-{os.getpid()}-{abs(hash(request.node.name)) % 10_000}-", "events")


@pytest.fixture
def living(settings: Settings) -> Iterator[Living]:
    with Living(settings, Load(settings, seed=41, lines=LINES)) as made:
        yield made


def requests(settings: Settings) -> list[ReplanRequested]:
    return [
        ReplanRequested.model_validate_json(m.value() or b"") for m in messages(settings, REPLAN_REQUESTS)
    ]


def test_one_that_hangs_is_replaced_and_what_it_says_when_it_wakes_counts_for_nothing(
    settings: Settings, living: Living
) -> None:
    living.begin("ingest", "twin")
    living.start("solver")
    wait_until(lambda: bool(living.commits.of("solver")), PATIENCE_S, lambda: living.logged("solver"))
    living.crew.signal("solver", signal.SIGSTOP)
    asleep_at, before = len(requests(settings)), living.commits.of("twin")
    wait_until(lambda: len(requests(settings)) > asleep_at, PATIENCE_S)  # the twin goes on, and asks
    assert all(offset > before[place] for place, offset in living.commits.of("twin").items())
    living.start("solver-2")
    done = living.commits.of("solver")
    wait_until(lambda: living.commits.of("solver") != done, PATIENCE_S, lambda: living.logged("solver-2"))
    living.crew.signal("solver", signal.SIGCONT)
    time.sleep(3.0)
    assert [] == living.come_to_rest()

    assert [] == living.account().failures
    assert [] == list(proposals_kept(settings))


def test_nonsense_is_refused_and_its_request_is_made_once_more(settings: Settings, living: Living) -> None:
    """Nobody solves; answers are forged: to the wrong request, with runs of nobody, and with bytes that are no JSON."""
    living.load = load = Load(settings, seed=42, lines=LINES, answer_within_min=60.0)
    living.begin("ingest", "twin")
    wait_until(lambda: bool(requests(settings)), PATIENCE_S, lambda: load.failure)
    asked = requests(settings)[0]
    forged = Proposal(
        event_id=f"{asked.proposal_id}/1",
        event_time=asked.as_of,
        site_id=asked.site_id,
        proposal_id=asked.proposal_id,
        request_id=asked.request_id,
        revision=1,
        stage="hold",
        is_final=True,
        trigger=asked.trigger,
        because=asked.because,
        scope=asked.scope,
        card_ids=asked.card_ids,
        plan_revision=asked.plan_revision,
        goal=asked.problem.goal,
        options=[],
        seed=0,
        moves=0,
        solve_ms=0.0,
    )
    wrong = forged.model_dump(mode="json") | {
        "request_id": "nobody asked",
        "event_id": "forged/2",
        "revision": 2,
    }
    producer = Producer({**settings.client_config(), "log_level": 0})
    topic = settings.topic_prefix + PROPOSALS
    for value in (b"{", Proposal.model_validate(wrong).model_dump_json().encode()):
        producer.produce(topic, value, key=asked.proposal_id)
    assert 0 == producer.flush(30)

    def again() -> list[ReplanRequested]:
        return [each for each in requests(settings) if each.first_revision > 1]

    wait_until(lambda: bool(again()), PATIENCE_S, lambda: load.failure)
    assert [] == living.come_to_rest()

    account = living.account()
    assert [] == account.failures
    assert account.items["rejected as unknown_request"] >= 1
    assert b"unknown_request" in b"".join(m.value() or b"" for m in messages(settings, REJECTIONS))
    by_proposal: dict[str, list[ReplanRequested]] = {}
    for each in requests(settings):
        by_proposal.setdefault(each.proposal_id, []).append(each)
    assert all(len(found) <= 2 for found in by_proposal.values()), "asked more than once again"
    told = [PlanState.model_validate_json(m.value() or b"") for m in messages(settings, PLANS) if m.value()]
    assert any("asked once more" in each.say for each in told)
