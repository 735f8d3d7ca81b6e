"""What goes wrong, how often: drawn from the seed, and nothing any more once it is calm."""

from dataclasses import dataclass
from random import Random
from typing import Literal

from confluent_kafka import KafkaError, KafkaException

RATES = (0.0, 0.0, 0.01, 0.03, 0.1)
"""Of a fault at one step. Most seeds have some faults often and some never: so each meets the others' absence."""


@dataclass(slots=True)
class Chances:
    """The dice of one seed.

    Attributes:
        is_calm: nothing goes wrong any more, so that what is left must drain.
        kill, pause: of a process, at a step.
        kill_at_point: of a process, at a fault point of the code under test.
        fail: of a call to Kafka that does not arrive.
        unheard: of a call that arrives and whose answer is lost.
        late: of a commit that arrives after its sender gave up on it.
        refuse: of one record.
        full: of a local queue.
        stop: of a process, orderly, in a second.
    """

    random: Random
    is_calm: bool = False
    kill: float = 0.0
    pause: float = 0.0
    kill_at_point: float = 0.0
    fail: float = 0.0
    unheard: float = 0.0
    late: float = 0.0
    refuse: float = 0.0
    full: float = 0.0
    stop: float = 0.0

    @classmethod
    def drawn(cls, random: Random) -> "Chances":
        """The dice of a seed."""
        rates = [random.choice(RATES) for _ in range(8)]
        kill, pause, at_point, fail, unheard, late, refuse, full = rates
        return cls(
            random,
            kill=kill / 4,
            pause=pause / 4,
            kill_at_point=at_point * 2,
            fail=fail,
            unheard=unheard,
            late=late * 4,
            refuse=refuse / 2,
            full=full * 2,
            stop=random.choice((0.0, 0.0, 0.2)),
        )

    def __call__(self, rate: float) -> bool:
        """Whether it happens."""
        return not self.is_calm and rate > 0.0 and self.random.random() < rate

    def pause_s(self) -> float:
        """How long a process is stopped: often a moment, sometimes longer than every timeout."""
        return self.random.choice((0.01, 0.2, 1.0, 5.0, 12.0, 25.0, 60.0))


def transport_error(call: str, outcome: Literal["lost", "unheard"]) -> KafkaException:
    """What a client raises for a call without an answer."""
    return KafkaException(KafkaError(KafkaError._TIMED_OUT, f"{call}: {outcome}", retriable=True))
