"""What keeps a twin worker out of its group, in words.

aiokafka does not know that a broker throws a member out whose name somebody else has taken, and calls it an unknown
error.
"""

from collections import deque

from aiokafka.errors import BrokerResponseError, KafkaError, kafka_errors

from streams.kafka_refusals import NAME_TAKEN


class FencedInstanceId(BrokerResponseError):  # type: ignore[misc]  # aiokafka is not typed
    """Another member joined the group under our static name."""

    errno = 82
    message = "FENCED_INSTANCE_ID"
    description = "Another member of the group has taken this member's group.instance.id"


kafka_errors.setdefault(FencedInstanceId.errno, FencedInstanceId)


def is_name_taken(error: KafkaError) -> bool:
    """Whether the group has given our place to somebody with our name; aiokafka hands the reason on as words."""
    return FencedInstanceId.__name__ in str(error)


def next_step(error: KafkaError, instance_id: str | None) -> str:
    """What helps a worker that its group does not take."""
    if is_name_taken(error):
        return f"{instance_id}: {NAME_TAKEN}"
    return "start this worker again; where it is refused again, look for the group in the broker's log"


LOSSES_MAX = 3
LOSSES_WITHIN_S = 20.0
"""A member that is thrown out so often within a session's length has a living rival under its name: silence would have
thrown it out once. Too few or too long: a broker's hiccup ends a worker. Too many or too short: the two throw each other
out for ever, each time with everything read anew."""


class Places:
    """The places in the group that a worker has lost, and whether a rival under its own name takes them."""

    def __init__(self) -> None:
        self._lost_at: deque[float] = deque(maxlen=LOSSES_MAX)
        self._has_one = False

    def take(self) -> None:
        """The group has given us a place."""
        self._has_one = True

    def lose(self, now: float) -> bool:
        """The group did not know this member any more.

        Args:
            now: seconds of a clock that only rises.

        Returns:
            Whether a rival must be behind it.
        """
        if not self._has_one:  # not given one yet
            return False
        self._has_one = False
        self._lost_at.append(now)
        return len(self._lost_at) == LOSSES_MAX and now - self._lost_at[0] <= LOSSES_WITHIN_S
