"""What Kafka's refusals mean and what to do, and how a role waits until it is let in again.

A role that may not do what it must is not broken: a right was taken, a password changed, a certificate ended. It holds
back what it has, says so in its readiness and once in the log, tries again ever more seldom, and goes on from its last
commit.
"""

import math
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import structlog
from confluent_kafka import KafkaError, KafkaException

from schemas import ForesiteError
from streams.admin import Health

log = structlog.get_logger(__name__)

REASON = "authorisation"
"""The readiness reason of a role that Kafka refuses something."""

GRANT_WAIT_S = (1.0, 30.0)
"""First and longest pause between tries. Too small: a busy loop; too large: late recovery."""

LOOK_WAIT_S = 5.0

TOLD_EVERY_S = 10.0
"""Between two lines of a log about one kind of complaint. Too small: a client that asks a hundred times a second fills the
log. Too large: whoever looks sees nothing."""

RIGHTS = "run `foresite acls diff` as `deploy`, and `foresite acls apply` as an administrator of the cluster"
"""What helps where Kafka says that a right is missing."""
_SIGN_IN = (
    "see that sasl.mechanism and sasl.username in FORESITE_KAFKA_CONFIG and FORESITE_SASL_PASSWORD (or its _FILE) are "
    "those that the brokers know"
)

NAME_TAKEN = "another worker runs under this name: give each worker a FORESITE_INSTANCE_ID of its own, or end the other one"
"""What helps a static member of a group that was thrown out by somebody with its name."""

_ADVICE: dict[int, str] = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: RIGHTS,
    KafkaError.GROUP_AUTHORIZATION_FAILED: RIGHTS,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: RIGHTS,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: RIGHTS,
    KafkaError.SASL_AUTHENTICATION_FAILED: _SIGN_IN,
    KafkaError._AUTHENTICATION: _SIGN_IN,
    KafkaError.UNSUPPORTED_SASL_MECHANISM: _SIGN_IN,
}

DENIED = frozenset(_ADVICE)
"""Codes with which Kafka says no; trying the same again helps only when somebody has changed that."""

# What librdkafka says of a handshake that failed -> what helps. It has one text for an unknown authority, another host
# and a certificate that has ended.
_TLS_ADVICE: tuple[tuple[str, str], ...] = (
    (
        "alert",
        (
            "the broker does not take our certificate: see that ssl.certificate.location has not ended and is signed by an "
            "authority that the broker trusts"
        ),
    ),
    (
        "verify",
        (
            "the broker's certificate is of an authority that ssl.ca.location does not name, or for another host than "
            "FORESITE_KAFKA and advertised.listeners say (its subjectAltName), or has ended; `openssl s_client -connect "
            "HOST:PORT -CAfile FILE -verify_hostname HOST` tells which"
        ),
    ),
)
_TLS_ANY = "see that FORESITE_KAFKA names a TLS listener and security.protocol in FORESITE_KAFKA_CONFIG is its protocol"


def is_final(error: KafkaError) -> bool:
    """Whether a client can never go on after this, however long it is asked to."""
    return bool(error.fatal()) or error.code() == KafkaError._FATAL


def advice(error: KafkaError) -> str | None:
    """What to do about an error; None where it is none of rights, signing in, TLS or a name."""
    text = error.str()
    if (
        error.code() == KafkaError._SSL or "SSL routines" in text
    ):  # a certificate of ours is refused behind the handshake
        return next((helps for part, helps in _TLS_ADVICE if part in text), _TLS_ANY)
    if error.code() == KafkaError.FENCED_INSTANCE_ID or "group.instance.id" in text:
        return NAME_TAKEN
    return _ADVICE.get(error.code())


def explained(error: KafkaError) -> str:
    """An error with what to do about it."""
    helps = advice(error)
    return error.str() if helps is None else f"{error.str().rstrip('. ')}: {helps}"


def denial(error: BaseException) -> KafkaError | None:
    """The refusal that an exception goes back to; None where Kafka refused nothing."""
    cause: BaseException | None = error
    while cause is not None:
        reason = cause.args[0] if isinstance(cause, KafkaException) and cause.args else None
        if isinstance(reason, KafkaError) and reason.code() in DENIED:
            return reason
        cause = cause.__cause__
    return None


class Looks(Protocol):
    """A client that looks topics up: a consumer. A broker may make the topics that other clients ask for by name."""

    def list_topics(self, topic: str, timeout: float) -> Any:
        """Metadata of a topic."""
        ...


def refuse_hidden(client: Looks, names: Iterable[str]) -> None:
    """Tell topics that we may not see from those that are not there.

    Raises:
        KafkaException: one of them is hidden, or no broker answers.
    """
    for name in names:
        error = client.list_topics(name, timeout=LOOK_WAIT_S).topics[name].error
        if error is not None and error.code() in DENIED:
            raise KafkaException(error)


class ClientEnded(ForesiteError):
    """A Kafka client that can never go on; the message says why and what helps."""


class LastTrouble:
    """What a client that cannot connect last complained of; its `note` is an error_cb."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.error: KafkaError | None = None
        """The last complaint that tells what to do, or the last one at all."""
        self._final: KafkaError | None = None
        self._clock = clock
        self._told_at: dict[str, float] = {}

    def note(self, error: KafkaError) -> None:
        """Remember what tells more than that no broker can be reached, best of all what helps."""
        if is_final(error):
            self._final = error
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            return
        if advice(error) is not None or self.error is None or advice(self.error) is None:
            self.error = error

    def raise_final(self) -> None:
        """Raise what has ended the client; not in its own callback, where an exception loses its words.

        Raises:
            ClientEnded: it can never go on.
        """
        if self._final is not None:
            raise ClientEnded(explained(self._final))

    def is_news(self, error: KafkaError) -> bool:
        """Whether to log it: each kind of complaint now and then, however often the client repeats it."""
        now = self._clock()
        if now - self._told_at.get(error.name(), -math.inf) < TOLD_EVERY_S:
            return False
        self._told_at[error.name()] = now
        return True

    def why(self, failed: KafkaException) -> str:
        """Why a call failed, as well as is known, and what helps."""
        error = failed.args[0]
        if self.error is not None:
            return explained(self.error)
        return explained(error) if isinstance(error, KafkaError) else str(failed)


def again_when_granted(work: Callable[[], object], stop: threading.Event, health: Health) -> None:
    """Do a role's work; where Kafka refuses it something, wait and begin again from what is committed.

    Args:
        work: returns when it was asked to stop. What it had not committed is lost with it, and done again.
        stop: ends the waiting.
        health: told while it waits; `work` takes the reason back when the broker has taken something.

    Raises:
        ForesiteError, KafkaException: whatever else ended the work.
    """
    wait_s, longest_s = GRANT_WAIT_S
    while not stop.is_set():
        began = time.monotonic()
        try:
            work()
        except (ForesiteError, KafkaException) as error:
            refused = denial(error)
            if refused is None:
                raise
        else:
            return
        if time.monotonic() - began > longest_s:
            wait_s = GRANT_WAIT_S[0]
        log.error("kafka_refuses", error=explained(refused), next_try_s=wait_s)
        health.not_ready(REASON, explained(refused))
        until = time.monotonic() + wait_s
        while (left_s := until - time.monotonic()) > 0 and not stop.wait(min(1.0, left_s)):
            health.beat()
        wait_s = min(2 * wait_s, longest_s)
