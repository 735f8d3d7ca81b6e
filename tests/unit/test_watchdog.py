"""A role whose loop hangs ends itself; one that turns, however slowly, does not."""

import queue
import threading

from streams.admin import Health
from streams.watchdog import EXIT_CODE, HUNG_TICKS, Watchdog


def test_a_loop_that_never_turns_is_ended_after_forty_looks() -> None:
    ended: queue.Queue[int] = queue.Queue()

    with Watchdog(Health(), end=ended.put, tick_s=0.001):
        assert EXIT_CODE == ended.get(timeout=30)

    assert 40 == HUNG_TICKS


def test_a_loop_that_turns_now_and_then_is_left_alone() -> None:
    health, ended, is_over = Health(), threading.Event(), threading.Event()

    def turn() -> None:
        while not is_over.wait(0.01):
            health.beat()

    turning = threading.Thread(target=turn)
    turning.start()
    with Watchdog(health, end=lambda _: ended.set(), tick_s=0.05):
        was_ended = ended.wait(3.0)
    is_over.set()
    turning.join()

    assert not was_ended
