"""Which facts partition an event goes to: computed from the planning group by ourselves, never by a client's default.

Law: the rule is part of the data. Partition = CRC-32 (as zlib and PNG have it) of the group id's UTF-8 bytes, modulo the
number of partitions of the facts topic. Whoever changes it, or that number, splits the history of a group over two
partitions, in no order.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Literal

from schemas import MODEL_OF_KIND, TOPIC_OF_KIND, BadRecord, ClockTicked, Event, ReasonCode, RulesUpdated
from schemas.topics import MASTER_DATA

EVERYWHERE = "*"
"""The site_id of what concerns every site, and the group_id of facts that are not of one group."""

KINDS_FOR_EVERYWHERE = frozenset(
    kind
    for kind, topic in TOPIC_OF_KIND.items()
    if topic == MASTER_DATA or MODEL_OF_KIND[kind] in (RulesUpdated, ClockTicked)
)
"""What may concern every site: it is written to every facts partition. Anything else belongs to one site."""

KNOWN_SITES_MAX = 10_000
"""Sites whose partition is remembered. Too small: a hash for every event. Too large: memory, if ids are made up."""


def misplaced(event: Event, clock: Literal["wall", "events"]) -> BadRecord | None:
    """Why a valid event cannot become a fact; None if it can.

    Args:
        event: as it was decoded.
        clock: what drives the time: with "wall", clock_ticked events are refused.
    """
    if event.site_id == EVERYWHERE and event.kind not in KINDS_FOR_EVERYWHERE:
        return BadRecord(
            ReasonCode.SCHEMA, f"{event.kind} concerns one site, name it instead of '*'", "site_id"
        )
    if clock == "wall" and isinstance(event, ClockTicked):
        message = "the wall clock drives here; set FORESITE_CLOCK=events to drive it with clock_ticked"
        return BadRecord(ReasonCode.SCHEMA, message, "kind")
    return None


def facts_partition(group_id: str, partitions: int) -> int:
    """The facts partition of a planning group."""
    return zlib.crc32(group_id.encode()) % partitions


class Router:
    """Sites to planning groups to facts partitions.

    Args:
        planning_groups: group -> its sites; a site in none is a group by itself.
        partitions: how many the facts topic has.
    """

    def __init__(self, planning_groups: Mapping[str, Sequence[str]], partitions: int) -> None:
        self.partitions = partitions
        self._group_of = {site: group for group, sites in planning_groups.items() for site in sites}
        self._partition_of: dict[str, int] = {}

    def group_of(self, site_id: str) -> str:
        """The planning group of a site."""
        return self._group_of.get(site_id, site_id)

    def partition_of(self, site_id: str) -> int:
        """The facts partition of a site's events."""
        partition = self._partition_of.get(site_id)
        if partition is None:
            if len(self._partition_of) >= KNOWN_SITES_MAX:
                self._partition_of.clear()
            partition = self._partition_of[site_id] = facts_partition(self.group_of(site_id), self.partitions)
        return partition
