"""The solver role as a process: checks its topics, warms up, joins the group, works until it is told to end."""

import signal
import threading

import structlog
from confluent_kafka import Consumer, KafkaException

from schemas import ForesiteError
from schemas.topics import PROPOSALS, REPLAN_REQUESTS
from streams.admin import AdminServer, Health
from streams.ingest import tune_garbage_collection
from streams.kafka_logger import kafka_logger
from streams.kafka_refusals import LastTrouble, again_when_granted
from streams.metrics import Metrics
from streams.notify.cards_topic import wait_for_topics
from streams.partition_reader import READER_GROUP
from streams.role_metrics import role_metrics
from streams.settings import Settings
from streams.solver_warm_up import warm_up
from streams.solver_worker import SolverWorker
from streams.tracing import OFF, Tracing, open_tracing
from streams.watchdog import Watchdog

log = structlog.get_logger(__name__)


def run(settings: Settings) -> int:
    """Answer requests until SIGTERM or SIGINT.

    Returns:
        The process's exit code: 0 after a signal, 1 after a failure.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    health = Health()
    metrics = role_metrics("solver", health, settings)
    tracing = open_tracing("solver", settings)
    with (
        AdminServer(health, metrics.registry, host=settings.admin_host, port=settings.admin_port),
        Watchdog(health),
    ):
        try:
            again_when_granted(lambda: run_solver(settings, stop, metrics, health, tracing), stop, health)
        except (ForesiteError, KafkaException) as error:
            log.critical("solver_failed", error_type=type(error).__name__, error=str(error), exc_info=True)
            return 1
        finally:
            tracing.close()
    return 0


def run_solver(
    settings: Settings, stop: threading.Event, metrics: Metrics, health: Health, tracing: Tracing = OFF
) -> None:
    """The same within a process that has other things to do too.

    Raises:
        ForesiteError: a topic is missing, or the worker failed.
        KafkaException: the client cannot go on.
    """
    prefix = settings.topic_prefix
    trouble = LastTrouble()
    client = Consumer(
        {**settings.client_config(), "group.id": READER_GROUP, "error_cb": trouble.note},
        logger=kafka_logger(),
    )
    try:
        topics = [prefix + REPLAN_REQUESTS, prefix + PROPOSALS]
        found = wait_for_topics(client, topics, stop, health, trouble, need_equal=False)
    finally:
        client.close()
    if found is None:
        return
    engine = warm_up(settings.solver_cache_dir, stop, metrics, health)
    if engine is None:
        return
    tune_garbage_collection()
    SolverWorker(settings, engine, stop, metrics, health, tracing=tracing).run()
