"""Rows that wait for minutes in earnest (SLOW=1), and for seconds in `make test`."""

import os
from typing import Final

VARIABLE: Final = "FORESITE_TEST_SLOW"

IS_SLOW: Final = os.environ.get(VARIABLE, "") not in ("", "0")


def lasting(quick_s: float, slow_s: float) -> float:
    """How long a row lasts: the seconds of `make test`, or those of `make chaos SLOW=1`."""
    return slow_s if IS_SLOW else quick_s
