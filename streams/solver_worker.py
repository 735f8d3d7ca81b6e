"""The solver role: reads requests, lets the engine work on them turn by turn, publishes each revision of the answers.

Law: each turn of the loop keeps this order: 1 read requests, 2 let one of them work for a moment, 3 send what came of it,
4 take the broker's answers, 5 commit. A request's offset is committed when the broker has the final revision: a crash
solves it again, and the same request gives the same revisions, of which readers take the first.
"""

import threading
import time
from collections.abc import Callable

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas import Proposal
from schemas.topics import REPLAN_REQUESTS
from streams.admin import Health
from streams.faults import fault_point
from streams.kafka_logger import kafka_logger
from streams.kafka_refusals import DENIED, LastTrouble, explained, is_final, refuse_hidden
from streams.kafka_refusals import REASON as REFUSED
from streams.metrics import Metrics
from streams.settings import Settings
from streams.solver_answers import Unreadable, read_request, refusal
from streams.solver_desk import Engine, GivenUp, Position, SolverDesk, Turn
from streams.solver_outbox import Outbox
from streams.solver_progress import SolverProgress
from streams.tracing import NO_SPAN, OFF, Span, Tracing

log = structlog.get_logger(__name__)

READ_RECORDS = 100
"""Requests read at once, behind the first one."""

IDLE_WAIT_S = 0.1
"""How long a turn with nothing to solve waits for a request; it ends when one comes. Too small: a busy idle loop. Too
large: a stop is noticed late."""

WORK_S = 0.02
"""How long turns go on between two looks at Kafka. Too small: the time goes into looking, for a turn may take less than a
millisecond. Too large: a new request waits so long for its first turn."""

COMMIT_EVERY_S = 0.5
"""Too small: the broker is busy with commits. Too large: so much is solved again after a crash."""

LOOK_EVERY_S = 1.0

DRAIN_TIMEOUT_S = 8.0
"""How long a stop or a rebalance waits for the broker to take what was sent. Must stay below the time that a container
is given."""

STAGES = ("hold", "repair", "polish")
REFUSALS = ("unreadable", "skipped", "too_large", "refused")

SESSION_TIMEOUT_MS = 10_000
"""How long the group waits for a silent worker; a turn takes a fraction of a second. Too small: a busy machine loses its
partitions. Too large: so long nobody solves what a killed worker had."""


class SolverWorker:
    """One member of the solver group.

    Args:
        settings: of the installation.
        engine: solvers.engine.solve, warmed up.
        stop: set by whoever wants it to end.
        metrics, health: where it tells how it is.
        clock: seconds that only grow.
        tracing: that carries traces from requests to answers.
    """

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        stop: threading.Event,
        metrics: Metrics,
        health: Health,
        *,
        clock: Callable[[], float] = time.monotonic,
        tracing: Tracing = OFF,
    ) -> None:
        self._tracing = tracing
        self._spans: dict[Position, Span] = {}
        self._topic = settings.topic_prefix + REPLAN_REQUESTS
        self._requests_max = settings.solver_requests_max
        self._runs_max = settings.solver_runs_max
        self._skipped = frozenset(settings.solver_skip)
        self._stop = stop
        self._metrics = metrics
        self._health = health
        self._desk = SolverDesk(engine, clock)
        self._progress = SolverProgress()
        self._outbox = Outbox(settings)
        self._is_paused = False
        self._trouble = LastTrouble()
        self._next_commit = self._next_look = 0.0
        for stage in STAGES:  # from 0 on, or the first one would be the series' first sample, and no increase
            metrics.solver_rejected_by_checker.labels(stage=stage)
        for reason in REFUSALS:
            metrics.solver_refused.labels(reason=reason)
        self._consumer = Consumer(
            {
                **settings.client_config(),
                "group.id": f"{settings.app_id}-solver",
                **({"group.instance.id": settings.instance_id} if settings.instance_id else {}),
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "session.timeout.ms": SESSION_TIMEOUT_MS,
                "fetch.wait.max.ms": 50,  # the embedded broker answers only when it is over
                "fetch.queue.backoff.ms": 10,
                "error_cb": self._on_error,
            },
            logger=kafka_logger(),
        )

    def run(self) -> None:
        """Work until stopped or failed.

        Raises:
            EngineFailed: a bug of ours; the message has the position of the request.
            ProposalNotSent: Kafka did not take a proposal. Start again: its request is solved again.
            ClientEnded, KafkaException: the client cannot go on.
        """
        self._health.not_ready("assignment", "no partitions of the requests yet")
        self._health.started()
        try:
            self._consumer.subscribe(
                [self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
            )
            while not self._stop.is_set():
                self._health.beat()
                self._read()
                self._trouble.raise_final()
                self._work()
                self._outbox.take_reports()
                self._commit()
                self._look()
            self._settle()
        finally:
            self._consumer.close()

    # 1 read -----------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        first = self._consumer.poll(0.0 if len(self._desk) else IDLE_WAIT_S)
        if first is None:
            return
        for message in [first, *self._consumer.consume(READ_RECORDS, 0.0)]:
            error = message.error()
            if error is None:
                self._take(message)
            else:
                self._broken(error)

    def _take(self, message: Message) -> None:
        partition, offset, value = message.partition(), message.offset(), message.value()
        assert partition is not None
        assert offset is not None
        position = partition, offset
        if not self._progress.read(*position):
            return  # fetched before a rebalance took the partition
        if value is None:
            self._progress.done(*position)
            return
        try:
            request = read_request(value)
        except Unreadable as unreadable:
            self._refuse(position, "unreadable", str(unreadable), unreadable.answer)
            return
        self._metrics.solver_requests.labels(trigger=request.trigger).inc()
        self._metrics.solver_queue_seconds.observe(max(0.0, time.time() - message.timestamp()[1] / 1000.0))
        if f"{partition}@{offset}" in self._skipped:
            self._refuse(position, "skipped", "skipped by an operator (FORESITE_SOLVER_SKIP)", None)
            return
        runs = len(request.problem.runs)
        if runs > self._runs_max:
            why = (
                f"the request has {runs:,} runs, and the solver takes {self._runs_max:,} (FORESITE_SOLVER_RUNS_MAX): "
                "ask about fewer lines"
            )
            self._refuse(position, "too_large", why, refusal(request, request.first_revision, why))
            return
        if self._tracing.is_on and (traces := self._tracing.carried(message.headers())):
            self._spans[position] = self._tracing.span(
                "solver", traces, {"foresite.trigger": request.trigger}
            )
        for ended in self._desk.take(position, request):
            self._give_up(ended)
        fault_point("after_request")

    def _give_up(self, ended: GivenUp) -> None:
        self._progress.done(*ended.position)
        self._spans.pop(ended.position, NO_SPAN).end()
        self._metrics.solver_cancelled.labels(reason=ended.reason).inc()
        log.debug("request_given_up", request_id=ended.request_id, reason=ended.reason)

    def _refuse(self, position: Position, reason: str, why: str, answer: Proposal | None) -> None:
        """A request without options: its sender is told where it can be, and people by the log in any case."""
        partition, offset = position
        self._metrics.solver_refused.labels(reason=reason).inc()
        log.error(
            "request_refused",
            reason=reason,
            error=why,
            topic=self._topic,
            partition=partition,
            offset=offset,
            proposal_id=None if answer is None else answer.proposal_id,
        )
        if answer is None:
            self._progress.done(partition, offset)
        else:
            span = self._spans.pop(position, NO_SPAN)
            self._outbox.send(answer, lambda: self._progress.done(partition, offset), span)
            span.end(reason)

    def _on_error(self, error: KafkaError) -> None:
        """What the client itself met, as while connecting."""
        self._trouble.note(error)
        self._broken(error)

    def _broken(self, error: KafkaError) -> None:
        self._metrics.kafka_errors.labels(reason=error.name()).inc()
        if is_final(error):
            self._trouble.note(error)
            return
        if self._trouble.is_news(error):
            log.warning("kafka_error", error=explained(error))
        if error.code() in DENIED:
            self._health.not_ready("input", explained(error))
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # the client reconnects by itself
            why = self._trouble.why(KafkaException(error))
            self._health.not_ready("kafka", f"no broker answers; the last try ended with: {why}")

    # 2 work, 3 send ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Turns until one has something to say, or it is time to look at Kafka again."""
        until = time.monotonic() + WORK_S
        turn = self._desk.turn()
        while turn is not None and turn.proposal is None and time.monotonic() < until:
            turn = self._desk.turn()
        if turn is not None and turn.proposal is not None:
            self._publish(turn, turn.proposal)

    def _publish(self, turn: Turn, proposal: Proposal) -> None:
        position = turn.ticket.position
        if turn.outcome == "refused":
            self._refuse(position, "refused", proposal.error or "", proposal)
            return
        self._count(turn, proposal)
        fault_point("before_answer")
        left_out = self._outbox.send(
            proposal,
            None if turn.outcome == "revision" else lambda: self._answered(position),
            self._spans.get(position, NO_SPAN),
        )
        fault_point("after_answer")
        if left_out:
            self._metrics.solver_options_left_out.inc(left_out)
            log.warning("options_left_out", proposal_id=proposal.proposal_id, options=left_out)

    def _answered(self, position: Position) -> None:
        """The broker has the last revision."""
        self._spans.pop(position, NO_SPAN).end()
        self._progress.done(*position)
        fault_point("after_answered")

    def _count(self, turn: Turn, proposal: Proposal) -> None:
        self._metrics.solver_stage_seconds.labels(stage=proposal.stage).observe(turn.seconds)
        self._count_best(proposal)
        for option in proposal.options:
            if proposal.is_final and option.feasible:
                self._metrics.solver_options.labels(kind=option.label).inc()
        if proposal.error is not None:  # beside options it is what the checker had to say of others
            self._metrics.solver_rejected_by_checker.labels(stage=proposal.stage).inc()
            log.error("options_rejected_by_checker", proposal_id=proposal.proposal_id, error=proposal.error)
        if proposal.is_final:
            log.info(
                "request_answered",
                proposal_id=proposal.proposal_id,
                trigger=proposal.trigger,
                revision=proposal.revision,
                options=len(proposal.options),
                moves=proposal.moves,
                seconds=round(turn.seconds, 3),
            )

    def _count_best(self, proposal: Proposal) -> None:
        """What the best option saves of what doing nothing costs, and how much it moves."""
        hold = next((each.kpis.cost for each in proposal.options if each.label == "hold"), None)
        others = [each for each in proposal.options if each.feasible and each.label != "hold"]
        if hold is None or not others:
            return
        best = min(others, key=lambda each: each.kpis.cost).kpis
        if hold > 0:
            saved = max(0.0, hold - best.cost) / hold
            self._metrics.solver_improvement_ratio.labels(stage=proposal.stage).observe(saved)
        if proposal.is_final:
            self._metrics.solver_moved_orders.observe(best.moved_orders)

    # 5 commit ---------------------------------------------------------------------------------------------------------

    def _commit(self, *, must_wait: bool = False) -> None:
        if not must_wait and time.monotonic() < self._next_commit:
            return
        self._next_commit = time.monotonic() + COMMIT_EVERY_S
        offsets = [
            TopicPartition(self._topic, partition, offset)
            for partition, offset in self._progress.take_committable().items()
        ]
        if not offsets:
            return
        fault_point("before_requests_commit")
        try:
            if must_wait:
                self._consumer.commit(offsets=offsets, asynchronous=False)
            else:
                self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:  # what is not committed is solved again, with the same answer
            log.warning("offsets_not_committed", error=str(error))
        fault_point("after_requests_commit")

    def _settle(self) -> None:
        """What was sent arrives and is committed, before partitions are given up."""
        self._outbox.settle(DRAIN_TIMEOUT_S, self._health.beat)
        self._commit(must_wait=True)

    # Partitions -------------------------------------------------------------------------------------------------------

    def _assigned(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._metrics.rebalances.inc()
        for here in partitions:
            self._progress.gain(here.partition)
        self._metrics.assigned_partitions.set(len(self._progress.partitions))
        self._is_paused = False
        if partitions:
            self._health.ready("assignment")

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._settle()
        self._lost(consumer, partitions)

    def _lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        lost = {here.partition for here in partitions}
        for position in [each for each in self._spans if each[0] in lost]:
            self._spans.pop(position).end("rebalanced")
        for here in partitions:
            self._progress.lose(here.partition)
            dropped = self._desk.drop(here.partition)
            self._metrics.solver_cancelled.labels(reason="rebalanced").inc(dropped)
        self._metrics.assigned_partitions.set(len(self._progress.partitions))
        if not self._progress.partitions:
            self._health.not_ready("assignment", "no partitions of the requests yet")

    def _pause_or_resume(self) -> None:
        is_full = len(self._desk) >= self._requests_max
        if is_full == self._is_paused:
            return
        assigned = self._consumer.assignment()
        if is_full:
            log.warning("reading_paused", requests=len(self._desk))
            self._consumer.pause(assigned)
        else:
            self._consumer.resume(assigned)
        self._is_paused = is_full

    def _look(self) -> None:
        self._pause_or_resume()
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_EVERY_S
        self._metrics.solver_in_progress.set(len(self._desk))
        behind = 0
        for partition in self._progress.partitions:
            _, end = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), cached=True)
            behind += max(0, end - (self._progress.position(partition) or end))
        self._metrics.consumer_lag_records.labels(topic=REPLAN_REQUESTS).set(behind)
        if self._outbox.delivered:
            self._health.ready(REFUSED)  # what Kafka refused before, it takes now
        if {"kafka", "input"} & self._health.reasons.keys():
            self._ask_again()

    def _ask_again(self) -> None:
        """Whether a broker answers, and lets us read."""
        try:
            refuse_hidden(self._consumer, [self._topic])
            self._health.ready("kafka")
            self._consumer.committed([TopicPartition(self._topic, 0)], timeout=0.5)
        except KafkaException:
            return
        self._health.ready("input")
