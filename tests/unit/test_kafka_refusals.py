"""What Kafka says no with, in words that help; and a role that waits until it is let in."""

import threading

import pytest
from confluent_kafka import KafkaError, KafkaException

from schemas import ForesiteError
from streams import kafka_refusals
from streams.admin import Health
from streams.kafka_refusals import TOLD_EVERY_S, LastTrouble, advice, again_when_granted, denial, explained

_TRANSPORT, _SSL = KafkaError._TRANSPORT, KafkaError._SSL


@pytest.mark.parametrize(
    ("code", "text", "helps"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "Broker: Topic authorization failed", "foresite acls diff"),
        (KafkaError._AUTHENTICATION, "SASL authentication error", "FORESITE_SASL_PASSWORD"),
        (_SSL, "SSL handshake failed: certificate verify failed", "subjectAltName"),
        (
            _TRANSPORT,
            "Receive failed: SSL routines::ssl/tls alert certificate unknown",
            "ssl.certificate.location",
        ),
        (_SSL, "SSL handshake failed: wrong version number", "security.protocol"),
    ],
)
def test_a_refusal_is_told_with_what_helps(code: int, text: str, helps: str) -> None:
    assert helps in explained(KafkaError(code, text))


def test_a_broker_that_is_away_is_no_refusal() -> None:
    away = KafkaError(_TRANSPORT, "Connection refused")

    assert (None, "Connection refused") == (advice(away), explained(away))
    assert denial(KafkaException(away)) is None


def test_what_helps_is_kept_over_what_comes_behind_it() -> None:
    trouble = LastTrouble()
    failed = KafkaException(KafkaError(_TRANSPORT, "Failed to get metadata"))
    assert "Failed to get metadata" == trouble.why(failed)

    trouble.note(KafkaError(_TRANSPORT, "Connection refused"))
    assert "Connection refused" == trouble.why(failed)
    trouble.note(KafkaError(_SSL, "certificate verify failed"))
    trouble.note(KafkaError(_TRANSPORT, "Connection refused"))
    trouble.note(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))

    assert "ssl.ca.location" in trouble.why(failed)


class WorkFailed(ForesiteError):
    """As DeliveryFailed, NoteFailed and ProposalNotSent."""


def failed_of(code: int) -> WorkFailed:
    error = WorkFailed("it was not taken")
    error.__cause__ = KafkaException(KafkaError(code))
    return error


def test_work_that_was_refused_begins_again_and_readiness_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_refusals, "GRANT_WAIT_S", (0.01, 0.02))
    health, tries, seen = Health(), [], []

    def work() -> None:
        seen.append(health.reasons.get("authorisation"))
        tries.append(1)
        if len(tries) < 4:
            raise failed_of(KafkaError.TOPIC_AUTHORIZATION_FAILED)

    again_when_granted(work, threading.Event(), health)

    assert 4 == len(tries)
    assert seen[0] is None
    assert all("foresite acls diff" in (each or "") for each in seen[1:])


def test_what_is_no_refusal_ends_the_work_at_once() -> None:
    def work() -> None:
        raise failed_of(KafkaError.MSG_SIZE_TOO_LARGE)

    with pytest.raises(WorkFailed):
        again_when_granted(work, threading.Event(), Health())


def test_a_stop_ends_the_waiting() -> None:
    stop = threading.Event()

    def work() -> None:
        stop.set()
        raise failed_of(KafkaError.GROUP_AUTHORIZATION_FAILED)

    again_when_granted(work, stop, Health())


def test_each_kind_of_complaint_is_told_now_and_then() -> None:
    now = [0.0]
    trouble = LastTrouble(clock=lambda: now[0])
    refused, away = KafkaError(KafkaError._AUTHENTICATION), KafkaError(KafkaError._TRANSPORT)

    assert [True, False, True] == [trouble.is_news(error) for error in (refused, refused, away)]
    now[0] = TOLD_EVERY_S - 0.1
    assert not trouble.is_news(refused)
    now[0] = TOLD_EVERY_S
    assert [True, True] == [trouble.is_news(error) for error in (refused, away)]
