"""`foresite up`: every role on this machine, against Apache Kafka or the embedded broker.

A role that ends by itself is started again: it continues from its last commit. One that keeps ending is given up, with
the end of its log, for then restarting helps nobody.
"""

import os
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from streams.acls import topics_of
from streams.embedded_broker import EmbeddedBroker
from streams.role_processes import RoleProcesses
from streams.settings import Settings

ROLES = ("ingest", "twin", "solver", "web")
"""Always; notify too, where its file is configured."""

RESTARTS_MAX = 5
"""Restarts within RESTARTS_WINDOW_S before a role is given up. Smaller: a broker that restarts ends everything."""

RESTARTS_WINDOW_S = 60.0


def run_up(settings: Settings, *, embedded: bool, stop: threading.Event, console: Console) -> None:
    """Run all roles until `stop` is set; to be called from the main thread.

    Args:
        settings: where Kafka is, unless embedded.
        embedded: start the volatile broker in this process and use it.
        stop: ends everything in order.
        console: where people read what goes on.

    Raises:
        RoleFailed: a role ended again and again.
    """
    roles = ROLES if settings.notify_config is None else (*ROLES, "notify")
    if not embedded:
        _keep_up(settings.kafka, settings, roles, stop, console)
        return
    with EmbeddedBroker() as broker:
        for topic in topics_of(settings):
            broker.create_topic(topic)
        console.print(
            f"Embedded broker on {broker.bootstrap_servers}: volatile, all is gone when it stops. "
            "To keep things: foresite up --kafka HOST:PORT",
            highlight=False,
        )
        _keep_up(broker.bootstrap_servers, settings, roles, stop, console)


def _keep_up(
    servers: str, settings: Settings, names: Sequence[str], stop: threading.Event, console: Console
) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="foresite-up-") as folder,
        RoleProcesses(
            Path(folder), {**os.environ, "FORESITE_KAFKA": servers, "FORESITE_CLOCK": settings.clock}
        ) as roles,
    ):
        for role in names:
            _start(roles, role)
        console.print(
            f"Running {', '.join(names)} on {servers}; logs in {folder}. Ctrl-C ends it.", highlight=False
        )
        if settings.web_port:
            scheme = "http" if settings.web_tls_cert_file is None else "https"
            console.print(
                f"API: {scheme}://{settings.web_host}:{settings.web_port}/api/v1/docs", highlight=False
            )
        ends: deque[float] = deque(maxlen=RESTARTS_MAX)
        while not stop.wait(0.2):
            if not roles.ended.is_set():
                continue
            if len(ends) == RESTARTS_MAX and time.monotonic() - ends[0] < RESTARTS_WINDOW_S:
                roles.check()
            ends.append(time.monotonic())
            for role in roles.take_ended():
                console.print(f"{role} ended; starting it again", highlight=False)
                _start(roles, role)


def _start(roles: RoleProcesses, role: str) -> None:
    # A name of its own lets a restarted role have its partitions back in seconds.
    roles.start(
        role, [sys.executable, "-m", "streams.cli", role], environment={"FORESITE_INSTANCE_ID": f"up-{role}"}
    )
