"""Proposals on their way to solver.proposals.v1.

Law: one idempotent producer and one partition a proposal id, so revisions of a proposal stay in order; nothing is given
up, for what is behind it would overtake it.
"""

import time
from collections.abc import Callable
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas import ForesiteError, Proposal
from schemas.topics import LARGE_RECORD_BYTES, PROPOSALS
from streams.kafka_logger import kafka_logger
from streams.settings import Settings
from streams.solver_answers import fitted
from streams.tracing import NO_SPAN, Span, header_of

log = structlog.get_logger(__name__)

SETTLE_POLL_S = 0.05


class ProposalNotSent(ForesiteError):
    """Kafka did not take a proposal; what it answers is solved again at the next start."""


class Outbox:
    """Sends proposals and remembers what to do when they have arrived.

    Args:
        settings: where Kafka is.
        new_producer: makes the client; tests have their own.
    """

    def __init__(self, settings: Settings, new_producer: Callable[[dict[str, Any]], Any] = Producer) -> None:
        self._topic = settings.topic_prefix + PROPOSALS
        self._answer_bytes = settings.solver_answer_bytes_max
        self._failure: KafkaError | None = None
        self._in_flight = 0
        self.delivered = 0
        """Proposals that the broker has taken."""
        self._producer: Any = new_producer(
            {
                **settings.client_config(),
                "enable.idempotence": True,
                "acks": "all",
                "message.timeout.ms": 0,
                "message.max.bytes": LARGE_RECORD_BYTES,
                "compression.type": "lz4",
                "linger.ms": 0,
                "partitioner": "murmur2_random",  # as Java clients: a proposal keeps its partition whoever writes
                "logger": kafka_logger(),
            }
        )

    def send(self, proposal: Proposal, then: Callable[[], object] | None = None, span: Span = NO_SPAN) -> int:
        """Hand a revision over, without the options that a record has no room for.

        Args:
            proposal: the revision.
            then: to be done when the broker has it.
            span: the work that it comes from.

        Returns:
            How many options were left out.

        Raises:
            ProposalNotSent: the broker did not take an earlier one.
        """

        def delivered(error: KafkaError | None, _message: Message) -> None:
            self._in_flight -= 1
            if error is not None:
                self._failure = error
            else:
                self.delivered += 1
                if then is not None:
                    then()

        proposal, value, left_out = fitted(proposal, self._answer_bytes)
        while True:
            self._raise_failure()
            try:
                self._producer.produce(
                    self._topic,
                    key=proposal.proposal_id.encode(),
                    value=value,
                    headers=[*_headers(proposal), *header_of(span)],
                    on_delivery=delivered,
                )
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                raise ProposalNotSent(_told(proposal, len(value), error.args[0])) from error
            else:
                self._in_flight += 1
                self._producer.poll(0)
                return left_out

    def take_reports(self) -> None:
        """Do what is to be done for what has arrived.

        Raises:
            ProposalNotSent: the broker did not take one.
        """
        self._producer.poll(0)
        self._raise_failure()

    def settle(self, timeout_s: float, keep_alive: Callable[[], None]) -> None:
        """Wait until the broker has all, or the time is over."""
        deadline = time.monotonic() + timeout_s
        while self._in_flight and time.monotonic() < deadline:
            keep_alive()
            self._producer.poll(SETTLE_POLL_S)
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise ProposalNotSent(f"{self._topic}: {self._failure.str()}") from KafkaException(self._failure)


def _told(proposal: Proposal, size: int, error: KafkaError) -> str:
    return f"{proposal.event_id} of {size:,} bytes: {error.str()}"


def _headers(proposal: Proposal) -> list[tuple[str, str | bytes | None]]:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", proposal.event_id.encode()),
        ("ce_source", b"/foresite/solver"),
        ("ce_type", b"foresite.Proposal.v1"),
        ("ce_time", proposal.event_time.isoformat().encode()),
        ("content-type", b"application/json"),
    ]
