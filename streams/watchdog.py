"""Ends a role whose loop hangs, so that whatever keeps it up starts it again; nothing stops silently.

A call into a client library that never returns (seen once: a transaction whose broker was killed in its middle) leaves
a process that looks well from outside. /livez tells those who ask; this is for everybody else.
"""

import faulthandler
import os
import sys
import threading
from collections.abc import Callable

import structlog

from streams.admin import Health

log = structlog.get_logger(__name__)

TICK_S = 1.0

HUNG_TICKS = 40
"""Looks in a row that find no turn of the loop since the first of them. They are counted, not timed, so that a process
that was suspended is not ended as soon as it wakes up. Too small: a broker that is slow to answer ends roles (the
longest single wait is 20 s); too large: so long a hung role is left alone."""

EXIT_CODE = 70
"""EX_SOFTWARE of sysexits.h."""


class Watchdog:
    """Looks at a role's heartbeat, from `start` to `stop`.

    Args:
        health: whose beats are watched.
        end: ends the process; never returns in earnest.
        tick_s: pause between looks.
    """

    def __init__(
        self, health: Health, end: Callable[[int], object] = os._exit, tick_s: float = TICK_S
    ) -> None:
        self._health, self._end, self._tick_s = health, end, tick_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End looking."""
        self._is_over.set()

    def __enter__(self) -> "Watchdog":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _watch(self) -> None:
        seen, ticks = self._health.beats, 0
        while not self._is_over.wait(self._tick_s):
            beats = self._health.beats
            seen, ticks = beats, 0 if beats != seen else ticks + 1
            if ticks >= HUNG_TICKS:
                log.critical("role_hung", since_s=round(self._health.beat_age_s, 1), exit_code=EXIT_CODE)
                faulthandler.dump_traceback(sys.__stderr__ or sys.stderr, all_threads=True)
                self._end(EXIT_CODE)
                return
