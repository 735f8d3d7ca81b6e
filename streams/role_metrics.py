"""The metrics of a role with what every role tells of itself: readiness, its memory limit, its certificates."""

import math
from collections.abc import Mapping
from pathlib import Path

import structlog
from cryptography.x509 import load_pem_x509_certificates

from streams.admin import Health
from streams.metrics import Metrics
from streams.settings import Settings

log = structlog.get_logger(__name__)

CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says what a container may take, version 2 and 1."""

NO_LIMIT_BYTES = 2**60
"""Version 1 says a number near 2 ** 63 where there is no limit."""


def role_metrics(role: str, health: Health, settings: Settings) -> Metrics:
    """Metrics of a role that starts.

    Args:
        role: its name, a label.
        health: asked at each scrape whether it is ready.
        settings: name the certificates that it reads at its start, once: a renewed file counts after a restart.
    """
    metrics = Metrics()
    metrics.watch_readiness(role, lambda: health.is_ready)
    limit_bytes = memory_limit_bytes()
    if limit_bytes is not None:
        metrics.memory_limit_bytes.labels(role).set(limit_bytes)
    for kind, path in certificates(role, settings).items():
        expiry = certificate_expiry(path)
        if expiry is not None:
            metrics.certificate_expiry_timestamp_seconds.labels(kind).set(expiry)
    return metrics


def certificates(role: str, settings: Settings) -> Mapping[str, Path]:
    """Certificates of our own that a role shows to others, by what they are for."""
    found = {}
    to_kafka = settings.kafka_config.get("ssl.certificate.location")
    if isinstance(to_kafka, str):
        found["kafka"] = Path(to_kafka)
    if role == "web" and settings.web_tls_cert_file is not None:
        found["web"] = settings.web_tls_cert_file
    return found


def certificate_expiry(path: Path) -> float | None:
    """When the first certificate of a PEM file to end does so, Unix time; None where the file cannot be read."""
    try:
        read = load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:  # whoever needs it will fail and say so
        log.warning("certificate_unreadable", path=str(path), error=str(error))
        return None
    return min((each.not_valid_after_utc.timestamp() for each in read), default=math.inf)


def memory_limit_bytes(files: tuple[Path, ...] = CGROUP_LIMITS) -> int | None:
    """What the container may take; None where nothing limits it."""
    for path in files:
        try:
            text = path.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < NO_LIMIT_BYTES:
            return int(text)
    return None
