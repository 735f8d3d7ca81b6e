"""The solver's Kafka side: every request is answered, in order, and answered again after a crash with the same revisions."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas import TOPICS, ForesiteError, Proposal, Quote, ReplanRequested, topics
from streams.admin import Health
from streams.embedded_broker import EmbeddedBroker
from streams.metrics import Metrics
from streams.settings import Settings
from streams.solver_answers import refusal
from streams.solver_desk import Engine, EngineFailed
from streams.solver_warm_up import small_request
from streams.solver_worker import SolverWorker
from streams.topic_admin import create_topics
from tests.proposing import hold, option
from tests.running import messages, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(params=["embedded", pytest.param("apache", marks=pytest.mark.kafka)])
def settings(request: pytest.FixtureRequest) -> Iterator[Settings]:
    name = f"solver-{os.getpid()}-{abs(hash(request.node.nodeid)) % 10_000}-"
    if request.param == "apache":
        made = Settings(kafka=request.getfixturevalue("kafka"), topic_prefix=name)
        create_topics(made, replication=1)
        yield made
        return
    with EmbeddedBroker() as broker:
        for topic in TOPICS:
            broker.create_topic(topic)
        yield Settings(kafka=broker.bootstrap_servers)


class CountingEngine:
    """Three revisions, whose moves say what was asked; stops with a bug at the second one of `fails_on`."""

    def __init__(self, fails_on: str | None = None) -> None:
        self.fails_on = fails_on

    def __call__(
        self, request: ReplanRequested, *, clock: Callable[[], float], cancelled: Callable[[], bool]
    ) -> Iterator[Proposal | None]:
        if request.request_id == "impossible":
            raise ForesiteError("run R-1 can be made nowhere")
        for number in range(3):
            yield None
            if number == 1 and request.request_id == self.fails_on:
                raise ZeroDivisionError("a bug")
            made = refusal(request, request.first_revision + number, "")
            yield made.model_copy(
                update={
                    "error": None,
                    "quote": Quote(item_id="i", quantity_pcs=1.0, due_at=request.as_of, positions=[]),
                    "is_final": number == 2,
                    "stage": ("hold", "repair", "polish")[number],
                    "moves": int(request.problem.seed * 100 + number),
                }
            )


def wordy(
    request: ReplanRequested, *, clock: Callable[[], float], cancelled: Callable[[], bool]
) -> Iterator[Proposal | None]:
    """One revision with two options, each with 150,000 characters of words."""
    options = [hold(), option("A", "reroute", [])]
    long = [each.model_copy(update={"sacrifices": ["x" * 150_000]}) for each in options]
    yield refusal(request, request.first_revision, "").model_copy(update={"error": None, "options": long})


@contextmanager
def worker(settings: Settings, engine: Engine, metrics: Metrics | None = None) -> Iterator[list[Exception]]:
    """A solver worker in a thread until the block ends; what it failed with."""
    stop, failures = threading.Event(), list[Exception]()
    made = SolverWorker(settings, engine, stop, metrics or Metrics(), Health())

    def work() -> None:
        try:
            made.run()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield failures
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def asked(name: str, seed: int = 1, **more: object) -> ReplanRequested:
    request = small_request()
    problem = request.problem.model_copy(update={"seed": seed})
    named = {"request_id": name, "proposal_id": f"p-{name}", "problem": problem}
    return request.model_copy(update={**named, **more})


def publish(settings: Settings, *values: ReplanRequested | bytes) -> None:
    producer = Producer({**settings.client_config(), "log_level": 3})
    for value in values:
        body = value if isinstance(value, bytes) else value.model_dump_json().encode()
        producer.produce(settings.topic_prefix + topics.REPLAN_REQUESTS, key=b"scope", value=body)
    assert 0 == producer.flush(30)


def proposals(settings: Settings) -> list[Proposal]:
    return [
        Proposal.model_validate_json(message.value() or b"")
        for message in messages(settings, topics.PROPOSALS)
    ]


def answers(settings: Settings, name: str) -> list[tuple[int, str, int]]:
    return [
        (each.revision, each.stage, each.moves)
        for each in proposals(settings)
        if each.request_id == name and each.error is None
    ]


def committed(settings: Settings) -> int:
    """Requests that the group is done with."""
    consumer = Consumer({**settings.client_config(), "group.id": f"{settings.app_id}-solver"})
    try:
        name = settings.topic_prefix + topics.REPLAN_REQUESTS
        places = [
            TopicPartition(name, number) for number in consumer.list_topics(name).topics[name].partitions
        ]
        return sum(max(0, place.offset) for place in consumer.committed(places, timeout=10))
    finally:
        consumer.close()


def test_each_request_is_answered_in_stages_and_broken_ones_are_told_why(settings: Settings) -> None:
    broken = asked("broken").model_dump_json().replace('"horizon_end"', '"no_end"').encode()
    publish(settings, asked("a", 1), b"no JSON", broken, asked("impossible"), asked("b", 2))
    metrics = Metrics()
    with worker(settings, CountingEngine(), metrics) as failures:
        wait_until(lambda: 8 == len(proposals(settings)), 60.0, lambda: f"{failures} {proposals(settings)}")

    assert [] == failures
    assert [(1, "hold", 100), (2, "repair", 101), (3, "polish", 102)] == answers(settings, "a")
    assert [(1, "hold", 200), (2, "repair", 201), (3, "polish", 202)] == answers(settings, "b")
    assert {
        "broken": "the request cannot be read: problem.horizon_end: Field required",
        "impossible": "run R-1 can be made nowhere",
    } == {each.request_id: each.error for each in proposals(settings) if each.error is not None}
    assert 5 == committed(settings)
    read = metrics.registry.get_sample_value
    assert 3 == read("foresite_solver_requests_total", {"trigger": "line_down"})
    assert 2 == read("foresite_solver_stage_seconds_count", {"stage": "polish"})
    assert (2, 1) == (
        read("foresite_solver_refused_total", {"reason": "unreadable"}),
        read("foresite_solver_refused_total", {"reason": "refused"}),
    )


def test_a_request_too_large_is_told_why_and_the_others_are_answered(settings: Settings) -> None:
    """The small problem's runs two hundred times over, with 100 allowed: an answer without options, and no engine."""
    small = asked("large")
    runs = [
        run.model_copy(update={"run_id": f"{run.run_id}-{number}"})
        for number in range(200)
        for run in small.problem.runs
    ]
    problem = small.problem.model_copy(update={"runs": runs})
    publish(settings, small.model_copy(update={"problem": problem}), asked("a", 1))
    metrics = Metrics()
    tight = settings.model_copy(update={"solver_runs_max": 100})
    with worker(tight, CountingEngine(), metrics) as failures:
        wait_until(lambda: 4 == len(proposals(settings)), 60.0, lambda: str(failures))

    assert [] == failures
    assert [
        f"the request has {len(runs):,} runs, and the solver takes 100 (FORESITE_SOLVER_RUNS_MAX): ask about fewer lines"
    ] == [each.error for each in proposals(settings) if each.request_id == "large"]
    assert [1, 2, 3] == [revision for revision, _, _ in answers(settings, "a")]
    assert 1 == metrics.registry.get_sample_value("foresite_solver_refused_total", {"reason": "too_large"})


def test_an_answer_too_large_is_cut_and_the_solver_goes_on(settings: Settings) -> None:
    """Two options of 150 kB each where 200 kB are allowed: hold arrives, the other is said to be left out."""
    metrics = Metrics()
    tight = settings.model_copy(update={"solver_answer_bytes_max": 200_000})
    publish(settings, asked("a"), asked("b"))
    with worker(tight, wordy, metrics) as failures:
        wait_until(lambda: 2 == len(proposals(settings)), 60.0, lambda: str(failures))

    assert [] == failures
    assert [["hold"]] * 2 == [[option.option_id for option in each.options] for each in proposals(settings)]
    assert all((each.error or "").startswith("1 of 2 options are left out") for each in proposals(settings))
    assert 2 == metrics.registry.get_sample_value("foresite_solver_options_left_out_total")
    assert not metrics.registry.get_sample_value("foresite_solver_rejected_by_checker_total")


def test_a_crash_answers_again_and_a_skip_lets_the_others_pass(settings: Settings) -> None:
    """The engine's bug in c ends the worker when b has its first answer: nothing behind it counts as answered."""
    publish(settings, asked("b", 2), asked("c", 3))
    with worker(settings, CountingEngine(fails_on="c")) as failures:
        wait_until(lambda: len(failures) == 1, 60.0)
    [failure] = failures
    assert isinstance(failure, EngineFailed)
    place = str(failure).split("partition ")[1].split(",")[0]
    assert f"request c at partition {place}, offset 1, after 1 revisions: ZeroDivisionError: a bug" in str(
        failure
    )
    assert 0 == committed(settings)

    skipping = settings.model_copy(update={"solver_skip": [f"{place}@1"]})
    with worker(skipping, CountingEngine(fails_on="c")) as failures:
        wait_until(lambda: 2 == committed(settings), 60.0, lambda: str(failures))

    assert [] == failures
    first: dict[tuple[str, int], Proposal] = {}
    for each in proposals(settings):
        plain = each.model_copy(update={"solve_ms": 0.0})  # for people; all else is the same
        seen = first.setdefault((each.proposal_id, each.revision), plain)
        assert seen == plain, "the same revision with another answer"
    assert [("p-b", 1), ("p-b", 2), ("p-b", 3), ("p-c", 1)] == sorted(first)


def test_what_a_later_request_supersedes_is_done_with(settings: Settings) -> None:
    publish(settings, asked("a"), asked("d", 4, supersedes=["a"]))
    with worker(settings, CountingEngine()) as failures:
        wait_until(lambda: 2 == committed(settings), 60.0, lambda: str(failures))

    assert [(1, "hold", 400), (2, "repair", 401), (3, "polish", 402)] == answers(settings, "d")
    assert len(answers(settings, "a")) <= 1
