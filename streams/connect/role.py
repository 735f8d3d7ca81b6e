"""A reader of a foreign system as a process: its logs, admin port and watchdog, and how it ends."""

import threading
from collections.abc import Callable
from typing import Protocol

import structlog
from confluent_kafka import KafkaException

from schemas import ForesiteError, UsageError
from streams.admin import AdminServer, Health
from streams.logs import configure_role
from streams.metrics import Metrics
from streams.settings import Settings
from streams.watchdog import Watchdog

log = structlog.get_logger(__name__)


class Reader(Protocol):
    """Reads until it is told to stop."""

    def run(self, stop: threading.Event) -> None:
        """Read."""
        ...


def run_reader(
    settings: Settings, name: str, new_reader: Callable[[Metrics, Health], Reader], stop: threading.Event
) -> int:
    """Run a reader until `stop` is set.

    Returns:
        The process's exit code: 0 after a signal, 1 after a failure: whoever started it starts it again.

    Raises:
        UsageError: it cannot be run as it is set.
    """
    configure_role(f"connect-{name}", settings)
    metrics, health = Metrics(), Health()
    metrics.watch_readiness(f"connect-{name}", lambda: health.is_ready)
    reader = new_reader(metrics, health)
    with (
        AdminServer(health, metrics.registry, host=settings.admin_host, port=settings.admin_port),
        Watchdog(health),
    ):
        try:
            reader.run(stop)
        except UsageError:
            raise
        except (ForesiteError, KafkaException) as error:
            log.critical("connect_failed", error_type=type(error).__name__, error=str(error))
            return 1
    return 0
