"""Work that cannot be cut into steps, done in a thread of its own while the caller goes on asking.

For CP-SAT, which gives the interpreter back while it solves, and for the search for splits. What comes out follows from
the arguments alone: the thread shares nothing that anybody changes, and its limits are deterministic.
"""

from collections.abc import Callable, Generator
from threading import Thread
from typing import TypeVar

T = TypeVar("T")

WAIT_S = 0.02
"""Seconds to wait before the caller may turn to others. Shorter: it asks for nothing; longer: others wait."""


def aside(work: Callable[[], T]) -> Generator[None, None, T]:
    """Do the work; yields while it goes on, and returns what it returned.

    A caller that stops asking leaves the thread behind, which ends by its own limits.

    Raises:
        Exception: whatever the work raised.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again where the caller can see it
            errors.append(error)

    thread = Thread(target=run, name="solver-aside", daemon=True)
    thread.start()
    thread.join(WAIT_S)
    while thread.is_alive():
        yield
        thread.join(WAIT_S)
    if errors:
        raise errors[0]
    return results[0]
