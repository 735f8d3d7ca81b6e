"""The twin role as a process: the Faust worker with the real twin, its metrics, and its health on the admin port."""

from streams.admin import AdminServer, Health
from streams.role_metrics import role_metrics
from streams.settings import Settings
from streams.shard_metrics import PrometheusShardMetrics
from streams.tracing import open_tracing
from streams.twin_fold import TWIN
from streams.twin_worker import run as run_worker


def run(settings: Settings) -> int:
    """Run the twin until SIGTERM or SIGINT.

    Returns:
        The process's exit code: 0 after a signal, 1 after a failure.

    Raises:
        ForesiteError: it could not begin.
    """
    health = Health()
    metrics = role_metrics("twin", health, settings)
    with AdminServer(health, metrics.registry, host=settings.admin_host, port=settings.admin_port):
        tracing = open_tracing("twin", settings)
        try:
            return run_worker(settings, TWIN, PrometheusShardMetrics(metrics), health, tracing)
        finally:
            tracing.close()
