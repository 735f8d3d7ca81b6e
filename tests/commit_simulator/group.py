"""The consumer group's coordinator: who owns which partition, and since when.

A rebalance first asks all members to give up what they have, and waits for those that answer; who is silent for longer
than a session is thrown out, and believes that it owns its partitions until it hears otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tests.commit_simulator.actors import Scheduler

SESSION_TIMEOUT_S = 20.0
HEARTBEAT_S = 3.0
REBALANCE_TIMEOUT_S = 30.0

News = Literal["revoke", "assigned", "lost"]


@dataclass(eq=False, slots=True)
class Member:
    """A process in the group.

    Attributes:
        name: the same over restarts where it is static.
        tell: hands news to the process; heard when its event loop runs.
        partitions: what it was given in its generation.
    """

    name: str
    tell: Callable[[News], None]
    seen_at: float
    generation: int = 0
    partitions: list[int] = field(default_factory=list)
    is_out: bool = False
    has_given_up: bool = True


class Group:
    """The coordinator."""

    def __init__(self, scheduler: Scheduler, partitions: int, is_static: bool) -> None:
        self.generation = 0
        self.rebalances = 0
        self._scheduler = scheduler
        self._partitions = partitions
        self._is_static = is_static
        self._members: list[Member] = []
        self._is_preparing = False

    def join(self, name: str, tell: Callable[[News], None]) -> Member:
        """A process becomes a member; a static one takes the place of the process that had its name."""
        member = Member(name, tell, self._scheduler.now)
        before = next((each for each in self._members if each.name == name and self._is_static), None)
        self._members.append(member)
        if before is not None:
            before.is_out = True
            self._members.remove(before)
            if not self._is_preparing:
                member.generation, member.partitions = self.generation, before.partitions
                member.has_given_up = False
                member.tell("assigned")
                self._watch(member)
                return member
        self._watch(member)
        self._prepare()
        return member

    def leave(self, member: Member) -> None:
        """An orderly end; a static member keeps its place until its session is over."""
        if not self._is_static:
            self._throw_out(member)

    def heartbeat(self, member: Member) -> None:
        """A sign of life; the answer may be that it is a member no more."""
        if member.is_out:
            member.tell("lost")
        member.seen_at = self._scheduler.now

    def gave_up(self, member: Member) -> None:
        """A member has let its partitions go, and joins again."""
        member.has_given_up = True
        self._complete_if_all_are_there()

    def is_owner(self, member: Member, partition: int) -> bool:
        """What the coordinator answers to a commit of this member's offset."""
        return not member.is_out and member.generation == self.generation and partition in member.partitions

    def _watch(self, member: Member) -> None:
        def look() -> None:
            if member.is_out:
                return
            if self._scheduler.now - member.seen_at >= SESSION_TIMEOUT_S:
                self._throw_out(member)
            else:
                self._scheduler.at(1.0, look)

        self._scheduler.at(1.0, look)

    def _throw_out(self, member: Member) -> None:
        if not member.is_out:
            member.is_out = True
            self._members.remove(member)
            self._prepare()

    def _prepare(self) -> None:
        """Begin a rebalance, or let the one under way know of another change."""
        if not self._is_preparing:
            self._is_preparing = True
            self.rebalances += 1
            number = self.rebalances
            for member in self._members:
                if not member.has_given_up:
                    member.tell("revoke")
            self._scheduler.at(REBALANCE_TIMEOUT_S, lambda: self._give_up_waiting(number))
        self._scheduler.at(0.1, self._complete_if_all_are_there)

    def _give_up_waiting(self, number: int) -> None:
        if self._is_preparing and self.rebalances == number:
            for member in [each for each in self._members if not each.has_given_up]:
                member.is_out = True
                self._members.remove(member)
            self._complete_if_all_are_there()

    def _complete_if_all_are_there(self) -> None:
        if not self._is_preparing or not all(member.has_given_up for member in self._members):
            return
        self._is_preparing = False
        self.generation += 1
        for member in self._members:
            member.generation, member.partitions, member.has_given_up = self.generation, [], False
        for partition in range(self._partitions):
            if self._members:
                owner = self._members[self._scheduler.random.randrange(len(self._members))]
                owner.partitions.append(partition)
        for member in self._members:
            member.tell("assigned")
