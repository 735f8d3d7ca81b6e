"""One seed: a world with faults, run until it is drained, then compared with a straight fold.

`simulate(seed)` is deterministic: the same seed and the same code give the same steps, and the same verdict.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import NoReturn

import structlog

from streams.batch import ShardTopics
from streams.faults import planned_faults
from streams.shard import Shard, ShardFenced
from streams.shard_keeper import ShardKeeper
from tests.commit_simulator.actors import Killed, Process, Scheduler
from tests.commit_simulator.broker import Broker, Transaction
from tests.commit_simulator.chances import Chances
from tests.commit_simulator.group import Group
from tests.commit_simulator.reference import Reference, decided_position, shard_of
from tests.commit_simulator.worker import Worker
from tests.toy_fold import OUTPUT_TOPIC, TOY, facts

TROUBLED_S = 5.0
"""Virtual time with faults after the last facts; then it is calm."""

DRAIN_S = 300.0
"""Virtual time within which a calm world must have folded everything. Above all timeouts together."""

TURNS_MAX = 400_000
"""More than this is a busy loop."""

TRACE_LINES = 400
"""How much of what happened a failure shows at most."""


@dataclass(slots=True)
class Outcome:
    """What became of a seed.

    Attributes:
        wrong: what must not be, in words; empty where all is well.
        happened: kills, pauses, rebalances and commits, counted.
        trace: what happened, last things last.
        turns: of the scheduler.
        seconds: of virtual time.
    """

    seed: int
    wrong: list[str] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)
    turns: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        verdict = "all is well" if not self.wrong else "; ".join(self.wrong)
        what = ", ".join(f"{count} {name}" for name, count in sorted(self.happened.items()))
        return f"seed {self.seed}: {verdict} ({self.turns} turns, {self.seconds:.0f} s; {what})"


class Simulation:
    """The world of one seed.

    Args:
        seed: of everything.
        new_shard, new_keeper: the code under test; mutants give their own.
    """

    def __init__(
        self,
        seed: int,
        new_shard: Callable[..., Shard] = Shard,
        new_keeper: Callable[..., ShardKeeper] = ShardKeeper,
    ) -> None:
        random = Random(seed)
        self.new_shard, self.new_keeper = new_shard, new_keeper
        self.outcome = Outcome(seed)
        self.scheduler = Scheduler(random)
        self.chances = Chances.drawn(random)
        self.topics = ShardTopics(facts="facts", state="state")
        self.kind = TOY
        self.partitions = random.randint(1, 3)
        self.broker = Broker(
            {"facts": self.partitions, "state": self.partitions, OUTPUT_TOPIC: 2},
            self.scheduler,
            self._became_visible,
        )
        self.group = Group(self.scheduler, self.partitions, is_static=random.random() < 0.5)
        self._names = [f"w{number}" for number in range(random.randint(1, 3))]
        self._workers: dict[str, Worker] = {}
        self._dying: list[Process] = []
        self._incarnations: Counter[str] = Counter()
        self.reference = Reference(self.partitions)
        self._confirmed: set[tuple[str, int]] = set()

    # The world --------------------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Run until drained or plainly wrong."""
        with _silent_logs(self._logged), planned_faults(self._passed):
            self._plan_facts()
            for name in self._names:
                self.scheduler.at(self.chances.random.random(), partial(self._start, name))
            self.scheduler.at(1.0, self._each_second)
            self.scheduler.at(self._facts_until + TROUBLED_S, self._calm_down)
            while not self.outcome.wrong and not self._is_drained():
                self.scheduler.turn()
                self._bury()
                self._limit()
            self._finish()
        return self.outcome

    def _plan_facts(self) -> None:
        random, number, when = self.chances.random, 0, 0.5
        for _ in range(random.randint(10, 60)):
            when += random.choice((0.0, 0.01, 0.05, 0.2, 1.0))
            count = random.randint(1, 4)
            value = facts(number, count, keys=7)
            where = random.randrange(self.partitions)
            self.scheduler.at(when, partial(self._append, where, value))
            number += count
        self._facts_until = when

    def _append(self, where: int, value: bytes) -> None:
        self.broker.append("facts", where, b"S1", value)
        self.reference.fold(where, value)

    def _start(self, name: str) -> None:
        self._incarnations[name] += 1
        process = Process(self.scheduler, name, self._incarnations[name])
        self.scheduler.processes.append(process)
        self._workers[name] = Worker(self, process)
        self._note(f"{process} starts")

    def _each_second(self) -> None:
        for worker in self._workers.values():
            if self.chances(self.chances.stop) and not worker.process.is_dead:
                self._note(f"{worker.process} is asked to stop")
                worker.stop()
        self.scheduler.at(1.0, self._each_second)

    def _calm_down(self) -> None:
        self.chances.is_calm = True
        self._note("calm from here on")

    def _bury(self) -> None:
        """After each turn: unwind processes that died in it, and start them again some time later."""
        for process in self._dying:
            process.bury()
            self.scheduler.processes.remove(process)
            delay_s = self.chances.random.choice((0.1, 1.0, 5.0))
            self.scheduler.at(delay_s, partial(self._start, process.name))
        self._dying.clear()

    def _limit(self) -> None:
        if self.scheduler.now > self._facts_until + TROUBLED_S + DRAIN_S:
            self._wrong(f"not drained after {DRAIN_S:.0f} s of calm: committed {self.reference.committed}")
        if self.scheduler.turns > TURNS_MAX:
            self._wrong(f"a busy loop: committed {self.reference.committed}")

    def _finish(self) -> None:
        self.broker.mark_all()
        if not self.outcome.wrong:
            for what in self.reference.judge_end(self.broker):
                self._wrong(what)
        for process in self.scheduler.processes:
            process.died_of = process.died_of or "the end"
            process.bury()
        self.scheduler.close()
        self.outcome.turns, self.outcome.seconds = self.scheduler.turns, self.scheduler.now
        self.outcome.happened["rebalance"] += self.group.rebalances

    # What the parts of the world tell ---------------------------------------------------------------------------------

    def interrupt(self, process: Process, where: str) -> None:
        if process.is_dead:
            raise Killed
        if self.chances(self.chances.kill):
            self._kill(process, where)
        if self.chances(self.chances.pause):
            self._pause(process, where)
        self.scheduler.step()

    def _passed(self, point: str) -> None:
        """A fault point of the code under test."""
        process = self.scheduler.running
        if process is None:
            return
        if process.is_dead:
            raise Killed
        if self.chances(self.chances.kill_at_point):
            if self.chances.random.random() < 0.5:
                self._kill(process, point)
            self._pause(process, point)
            self.scheduler.step()

    def _kill(self, process: Process, where: str) -> NoReturn:
        self.outcome.happened[f"killed {where}"] += 1
        self._die(process, f"killed {where}")
        raise Killed

    def _pause(self, process: Process, where: str) -> None:
        pause_s = self.chances.pause_s()
        process.paused_until = self.scheduler.now + pause_s
        self.outcome.happened[f"stopped {where}"] += 1
        self._note(f"{process} sleeps {pause_s} s {where}")

    def _die(self, process: Process, reason: str) -> None:
        process.died_of = reason
        self._dying.append(process)
        self._note(f"{process} ends: {reason}")

    def end(self, process: Process, reason: str) -> None:
        if process.is_dead:
            return
        if reason != "stopped" and not reason.startswith(ShardFenced.__name__):
            self._wrong(f"{process} failed: {reason}")
        self.outcome.happened["orderly stop" if reason == "stopped" else "stale owner found out"] += 1
        self._die(process, reason)

    def confirmed(self, process: Process, partition: int) -> None:
        self._confirmed.add((str(process), partition))

    def failed(self, what: str) -> None:
        self.outcome.happened[what] += 1
        self._note(f"{self.scheduler.running}: {what}")

    def opened(self, process: Process, producer_id: str) -> None:
        """After its take-over a shard may fence others only if the group has confirmed that it is the owner."""
        fiber = self.scheduler.fiber
        if fiber is not None and fiber.name == "write":
            key = (str(process), shard_of(producer_id))
            if key not in self._confirmed:
                self._wrong(f"{process} fenced others of {producer_id} without asking the group")
            self._confirmed.discard(key)

    def acknowledged(self, process: Process, partition: int, offset: int) -> None:
        if process.is_dead:
            return
        decided = decided_position(self.broker, partition)
        if offset >= decided:
            self._wrong(f"{process} acknowledged {partition}/{offset}, the last commit ends at {decided}")

    # The verdict ------------------------------------------------------------------------------------------------------

    def _became_visible(self, transaction: Transaction) -> None:
        self.outcome.happened["commit"] += 1
        self._note(f"a transaction of {transaction.producer} became visible")
        for what in self.reference.judge_commit(self.broker, transaction):
            self._wrong(what)

    def _is_drained(self) -> bool:
        """Everything is folded, and whoever slept has had a second to do harm."""
        ends = [len(log.entries) for log in self.broker.logs["facts"]]
        awake_at = max((process.paused_until for process in self.scheduler.processes), default=0.0)
        return (
            self.scheduler.now > max(self._facts_until, awake_at) + 1.0 and self.reference.committed == ends
        )

    def _wrong(self, what: str) -> None:
        self.outcome.wrong.append(what)
        self._note(f"WRONG: {what}")

    def _note(self, what: str) -> None:
        self.outcome.trace.append(f"{self.scheduler.now:9.3f}  {what}")
        del self.outcome.trace[:-TRACE_LINES]

    def _logged(self, line: str) -> None:
        self._note(f"{self.scheduler.running or 'world'} logs {line}")


def simulate(seed: int, **code: Callable[..., object]) -> Outcome:
    """Run one seed on the code, or on mutants of it (`new_shard`, `new_keeper`)."""
    return Simulation(seed, **code).run()  # type: ignore[arg-type]


@contextmanager
def _silent_logs(tell: Callable[[str], None]) -> Iterator[None]:
    """The logs of the code under test go into the trace."""

    def into_trace(
        _logger: object, _name: str, event: structlog.types.EventDict
    ) -> structlog.types.EventDict:
        measured = "_s"  # the computer's own seconds, which are others each time
        tell(" ".join(f"{name}={value}" for name, value in event.items() if not name.endswith(measured)))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[into_trace], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)
