"""The notify role as a process, and the test message that goes through the same sinks."""

import signal
import threading
from datetime import UTC, datetime
from pathlib import Path

import structlog
from confluent_kafka import KafkaException

from schemas import ForesiteError, UsageError
from streams.admin import AdminServer, Health
from streams.kafka_refusals import again_when_granted
from streams.notify.config import MAIL, NotifyConfig
from streams.notify.config_file import Secrets, load_config, load_secrets
from streams.notify.letters import trial_letter
from streams.notify.mail import MailTransport
from streams.notify.sinks import SendResult, Transport, start_sinks
from streams.notify.webhook import WebhookTransport
from streams.notify.worker import NotifyWorker
from streams.role_metrics import role_metrics
from streams.settings import Settings
from streams.watchdog import Watchdog

log = structlog.get_logger(__name__)


def run(settings: Settings) -> int:
    """Tell people of cards until SIGTERM or SIGINT.

    Returns:
        The process's exit code: 0 after a signal, 1 after a failure.

    Raises:
        UsageError: the file or a secret is missing or wrong.
    """
    if settings.notify_config is None:
        raise UsageError(
            "nobody to tell: say who with --config FILE or FORESITE_NOTIFY_CONFIG; see docs/notify.md"
        )
    config, transports = open_file(settings.notify_config, settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    health = Health()
    metrics = role_metrics("notify", health, settings)
    with (
        AdminServer(health, metrics.registry, host=settings.admin_host, port=settings.admin_port),
        Watchdog(health),
    ):
        try:
            again_when_granted(
                lambda: NotifyWorker(settings, config, start_sinks(transports), stop, metrics, health).run(),
                stop,
                health,
            )
        except (ForesiteError, KafkaException) as error:
            log.critical("notify_failed", error_type=type(error).__name__, error=str(error))
            return 1
    return 0


def open_file(path: Path, settings: Settings) -> tuple[NotifyConfig, dict[str, Transport]]:
    """Read a file and its secrets, and make what carries; connects to nothing.

    Raises:
        UsageError: something is missing or wrong.
    """
    config = load_config(path, datetime.now(UTC))
    return config, transports_of(config, load_secrets(config, settings))


def transports_of(config: NotifyConfig, secrets: Secrets) -> dict[str, Transport]:
    """What carries letters, by name of the sink.

    Raises:
        UsageError: a file of certificates cannot be read.
    """
    made: dict[str, Transport] = {}
    place = MAIL
    try:
        if config.mail is not None:
            made[MAIL] = MailTransport(config.mail, secrets.smtp_password)
        for name, webhook in config.webhooks.items():
            place = f"webhooks.{name}"
            made[name] = WebhookTransport(webhook, secrets.webhooks[name])
    except OSError as error:  # also what ssl raises for a file without certificates
        raise UsageError(f"{place}.ca_file: cannot be read: {error}") from None
    return made


def send_trial(path: Path, person_id: str, settings: Settings) -> dict[str, SendResult]:
    """Send a test message to one person by each of their sinks, once.

    Returns:
        What came of it, by sink.

    Raises:
        UsageError: the file is wrong, or does not know the person.
    """
    config, transports = open_file(path, settings)
    person = config.people.get(person_id)
    if person is None:
        raise UsageError(
            f"{person_id!r} is not among the people of {path}: {', '.join(sorted(config.people))}"
        )
    made = trial_letter(person_id, person, datetime.now(UTC))
    return {sink: transports[sink].send(made) for sink in person.sinks}
