"""A tiny discrete-event kernel: actions at moments, in the order of time, then of their asking."""

import heapq
from collections.abc import Callable, Iterator

from schemas import Event
from streams.simulator.clock import TimedEvent

Action = Callable[[float], None]


class Kernel:
    """Runs actions in time order and hands out what they said.

    Attributes:
        now_s: moment of the action that is running, POSIX seconds.
    """

    def __init__(self, start_s: float) -> None:
        self.now_s = start_s
        self._waiting: list[tuple[float, int, Action]] = []
        self._asked = 0
        self._said: list[Event] = []

    def at(self, at_s: float, action: Action) -> None:
        """Run an action at a moment; one in the past runs next."""
        self._asked += 1
        heapq.heappush(self._waiting, (max(at_s, self.now_s), self._asked, action))

    def say(self, event: Event) -> None:
        """Hand out an event of the running moment."""
        self._said.append(event)

    def run_until(self, until_s: float) -> Iterator[TimedEvent]:
        """Events up to a moment, it included; the clock then stands at it, and more can be asked for."""
        yield from self.run(lambda: not self._waiting or self._waiting[0][0] > until_s)
        self.now_s = max(self.now_s, until_s)

    def run(self, is_over: Callable[[], bool]) -> Iterator[TimedEvent]:
        """Events as they are said, until it is over or nothing waits."""
        while self._waiting and not is_over():
            self.now_s, _, action = heapq.heappop(self._waiting)
            action(self.now_s)
            if self._said:
                said, self._said = self._said, []
                for event in said:
                    yield self.now_s, event
