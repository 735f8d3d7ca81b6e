"""Work in a thread of its own: the caller is asked again and again, and gets what came out."""

import time
from collections.abc import Generator
from typing import Any

import pytest

from solvers.aside import aside


def run_to_end(steps: Generator[None, None, Any]) -> tuple[int, Any]:
    """How often the caller was asked, and the answer."""
    asked = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return asked, end.value
        asked += 1


def test_the_caller_is_asked_while_the_work_goes_on() -> None:
    def work() -> str:
        time.sleep(0.2)
        return "done"

    asked, answer = run_to_end(aside(work))

    assert "done" == answer
    assert asked >= 2


def test_what_the_work_raises_is_raised_where_it_is_waited_for() -> None:
    def work() -> None:
        raise ValueError("no plan")

    with pytest.raises(ValueError, match="no plan"):
        run_to_end(aside(work))
