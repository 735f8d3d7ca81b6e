"""Who runs when: processes, their event loops and threads, one at a time, in an order drawn from the seed.

Blocking code runs in real threads that take turns, so the code under test is unchanged; time is a number. Only one
actor ever runs, and it hands over at each call to Kafka (`Scheduler.step`).
"""

import asyncio
import heapq
import threading
from asyncio import events
from collections.abc import Callable
from random import Random
from typing import Any


class Killed(BaseException):
    """Raised in code of a process that is dead, to unwind it: nothing that it still does may have an effect."""


class _Thread:
    """A thread that runs one job after another, each time only while it is let."""

    def __init__(self) -> None:
        self.job: Callable[[], None] | None = None
        self._go, self._back = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._back.acquire()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            self._go.acquire()
            if self.job is None:
                return
            self.job()
            self._back.release()

    def let(self) -> None:
        """Let it run until it hands over or its job is done."""
        self._go.release()
        self._back.acquire()

    def hand_over(self) -> None:
        """Called in the thread: let the others run."""
        self._back.release()
        self._go.acquire()

    def end(self) -> None:
        self.job = None
        self._go.release()


class Process:
    """One operating system process: what it runs stops when it is paused and ends when it is dead.

    Attributes:
        incarnation: tells processes of one name apart.
        died_of: why it is dead; None while it lives.
        paused_until: time at which a stopped process goes on.
    """

    def __init__(self, scheduler: "Scheduler", name: str, incarnation: int) -> None:
        self.scheduler = scheduler
        self.name = name
        self.incarnation = incarnation
        self.died_of: str | None = None
        self.paused_until = 0.0
        self.loop = SimulatedLoop(self)
        self.fibers: list[Fiber] = []

    def __str__(self) -> str:
        return f"{self.name}.{self.incarnation}"

    @property
    def is_dead(self) -> bool:
        return self.died_of is not None

    def bury(self) -> None:
        """Unwind what a dead process has left: its threads and tasks end without an effect."""
        assert self.is_dead
        while self.fibers:
            self.fibers[0].resume()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        while self.loop.ready():
            self.loop.turn()
            while self.fibers:
                self.fibers[0].resume()
        self.loop.close()


class Fiber:
    """A blocking call of a process, in a thread of its own."""

    def __init__(
        self, process: Process, name: str, call: Callable[[], Any], done: Callable[..., None]
    ) -> None:
        self.process = process
        self.name = name
        self.wake_at = 0.0
        self.is_woken: threading.Event | None = None
        self._call = call
        self._done = done
        self._thread = process.scheduler.take_thread(self._run)
        process.fibers.append(self)

    def _run(self) -> None:
        result, error = None, None
        try:
            if self.process.is_dead:
                raise Killed
            result = self._call()
        except BaseException as raised:  # noqa: BLE001 - handed to whoever waits for the call
            error = raised
        self.process.fibers.remove(self)
        self.process.scheduler.idle.append(self._thread)
        self._done(result, error)

    @property
    def is_runnable(self) -> bool:
        now = self.process.scheduler.now
        if self.is_woken is not None and self.is_woken.is_set():
            return self.process.paused_until <= now
        return max(self.wake_at, self.process.paused_until) <= now

    def resume(self) -> None:
        scheduler = self.process.scheduler
        before = scheduler.running, scheduler.fiber
        scheduler.running, scheduler.fiber = self.process, self
        self._thread.let()
        scheduler.running, scheduler.fiber = before

    def hand_over(self) -> None:
        self._thread.hand_over()
        if self.process.is_dead:
            raise Killed


class _NothingToSelect:
    def select(self, _timeout: float | None) -> list[Any]:
        return []

    def close(self) -> None:
        """Nothing is open."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """asyncio's own loop on the scheduler's time, turned by it; blocking calls become fibers."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self._process = process
        self._selector = _NothingToSelect()
        self.set_exception_handler(lambda *_: None)

    def time(self) -> float:
        return self._process.scheduler.now

    def _process_events(self, _events: list[Any]) -> None:
        """There are no files."""

    def _write_to_self(self) -> None:
        """There is no other thread to wake it from."""

    def run_in_executor(self, _executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        future = self.create_future()

        def done(result: Any, error: BaseException | None) -> None:
            if future.done() or self.is_closed():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        Fiber(self._process, func.__name__, lambda: func(*args), done)
        return future

    def ready(self) -> bool:
        """Whether a callback could run now."""
        return bool(self._ready) or self.next_timer() <= self.time()  # type: ignore[attr-defined]

    def next_timer(self) -> float:
        """When the next timer strikes."""
        scheduled = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
            self._timer_cancelled_count: int = self._timer_cancelled_count - 1
        return scheduled[0]._when if scheduled else float("inf")

    @property
    def is_runnable(self) -> bool:
        process = self._process
        return not process.is_dead and process.paused_until <= process.scheduler.now and self.ready()

    def resume(self) -> None:
        self._process.scheduler.running = self._process
        self.turn()
        self._process.scheduler.running = None

    def turn(self) -> None:
        """Run what is ready once."""
        events._set_running_loop(self)
        try:
            self._run_once()  # type: ignore[attr-defined]
        finally:
            events._set_running_loop(None)


class Scheduler:
    """Time, and whose turn it is.

    Attributes:
        now: seconds.
        running, fiber: the process whose code runs at the moment, and its thread where it is not the event loop.
        turns: how many there were.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.now = 0.0
        self.turns = 0
        self.processes: list[Process] = []
        self.running: Process | None = None
        self.fiber: Fiber | None = None
        self.idle: list[_Thread] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timers_set = 0

    def take_thread(self, job: Callable[[], None]) -> _Thread:
        """A thread for a fiber."""
        thread = self.idle.pop() if self.idle else _Thread()
        thread.job = job
        return thread

    def at(self, delay_s: float, call: Callable[[], None]) -> None:
        """Something that the world does by itself, later."""
        self._timers_set += 1
        heapq.heappush(self._timers, (self.now + delay_s, self._timers_set, call))

    def step(self) -> None:
        """Called wherever a thread may be interrupted: lets the others run."""
        if self.fiber is not None:
            self.fiber.hand_over()

    def sleep(self, seconds: float, is_woken: threading.Event) -> None:
        """Let a fiber sleep."""
        fiber = self.fiber
        assert fiber is not None, "only a blocking call sleeps"
        fiber.wake_at, fiber.is_woken = self.now + seconds, is_woken
        fiber.hand_over()
        fiber.wake_at, fiber.is_woken = 0.0, None

    def turn(self) -> None:
        """One turn: what is due in the world, then one actor; time passes a little, or to where something is."""
        self.turns += 1
        self.now += self.random.random() * 0.001
        while self._timers and self._timers[0][0] <= self.now:
            heapq.heappop(self._timers)[2]()
        actors = self._runnable()
        if not actors:
            self.now = max(self.now, self._next_time())
            return
        actors[int(self.random.random() * len(actors))].resume()

    def _runnable(self) -> list[Fiber | SimulatedLoop]:
        actors: list[Fiber | SimulatedLoop] = []
        for process in self.processes:
            if process.loop.is_runnable:
                actors.append(process.loop)
            actors.extend(fiber for fiber in process.fibers if fiber.is_runnable)
        return actors

    def _next_time(self) -> float:
        times = [self._timers[0][0]] if self._timers else []
        for process in self.processes:
            times.append(max(process.loop.next_timer(), process.paused_until))
            times.extend(max(fiber.wake_at, process.paused_until) for fiber in process.fibers)
        return min((time for time in times if time > self.now), default=self.now + 1.0)

    def close(self) -> None:
        """End all threads."""
        for thread in self.idle:
            thread.end()
