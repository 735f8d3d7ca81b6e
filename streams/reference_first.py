"""What the plant is before what it does: machine events wait until the plan that was there before them is read.

Topics are read side by side, so after an outage, or on a first start, a count could pass the run that it counts for,
and the twin would reject it. Where the wall clock drives, the machine events of a new assignment are therefore held
back until every other input partition of this worker has been read to its end once. Where events drive the clock,
whoever publishes them paces it, and nothing is held back.
"""

from collections.abc import Collection, Iterable

from confluent_kafka import Consumer, TopicPartition

from streams.gapless_writer import SourcePartition


class ReferenceFirst:
    """Which partitions of one worker wait, and for which.

    Args:
        held_topics: full names of the topics that wait.
    """

    def __init__(self, held_topics: Collection[str]) -> None:
        self._held_topics = frozenset(held_topics)
        self._held: set[SourcePartition] = set()
        self._awaited: set[SourcePartition] = set()

    def gain(self, consumer: Consumer, partitions: Iterable[SourcePartition]) -> None:
        """Partitions were assigned: hold back those of the held topic while others are still to be read."""
        if not self._held_topics:
            return
        gained = set(partitions)
        self._held |= {where for where in gained if where[0] in self._held_topics}
        self._awaited |= {where for where in gained if where[0] not in self._held_topics}
        if self._awaited and self._held:
            consumer.pause([TopicPartition(*where) for where in sorted(self._held)])
        else:
            self._held.clear()

    def lose(self, consumer: Consumer, partitions: Iterable[SourcePartition]) -> None:
        """Partitions went to another worker, which sees to them itself."""
        lost = set(partitions)
        self._held -= lost
        self._go_on(consumer, lost)

    def reach_end(self, consumer: Consumer, ended: Iterable[SourcePartition]) -> None:
        """Partitions were read to their end: once all were, what was held back goes on."""
        self._go_on(consumer, set(ended))

    def _go_on(self, consumer: Consumer, done: set[SourcePartition]) -> None:
        if not self._awaited:
            return
        self._awaited -= done
        if not self._awaited and self._held:
            consumer.resume([TopicPartition(*where) for where in sorted(self._held)])
            self._held.clear()
