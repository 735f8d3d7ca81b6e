"""How often somebody may ask: a token bucket for each name or address, in bounded memory."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

KEPT: Final = 10_000
"""Names and addresses that are remembered. Too small: those of a large plant push each other out and are not held back.
Too large: memory, some 100 bytes each."""


class RateLimit:
    """Lets each name ask so often a minute, and in one go as often as in BURST_S.

    Args:
        per_min: requests.
        clock: seconds that only grow.
    """

    BURST_S: Final = 15.0

    def __init__(self, per_min: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_min / 60.0
        self._burst = max(1.0, self._per_s * self.BURST_S)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, name: str, *, counts: bool = True) -> float:
        """0 where it may ask now, which then counts; else seconds until it may."""
        now = self._clock()
        left, at = self._buckets.pop(name, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_s)
        allowed = left >= 1.0
        self._buckets[name] = (left - 1.0 if allowed and counts else left, now)
        if len(self._buckets) > KEPT:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - left) / self._per_s
