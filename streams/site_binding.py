"""Which sites a publisher may speak for. Consumers do not see who wrote a record, so the topic says it.

A publisher that is bound to some sites writes to topics of its own (`lyon.mes.machine-events.v1`), which the broker's
ACLs let nobody else write. Whatever names another site there is refused.
"""

from collections.abc import Collection, Iterator, Mapping

from schemas import BadRecord, Event, ReasonCode
from schemas.json_text import clip
from schemas.topics import INGESTED_TOPICS, INPUT_TOPICS, TOPICS

SITE_FIELDS = ("site_id", "to_site_id", "site_ids", "pegs.order_site_id")
"""Fields of input events that name sites. A test holds this to the models: one that is missing is a way round."""


def bound_inputs() -> tuple[str, ...]:
    """Inputs that publishers write: each may have a second topic for some sites. Commands are the web's alone."""
    return tuple(
        name
        for name in INPUT_TOPICS
        if any(writer.startswith("publisher-") for writer in TOPICS[name].writers)
    )


def ingested_topics(site_topics: Collection[str]) -> tuple[str, ...]:
    """Everything that ingest reads, without the installation's prefix.

    Args:
        site_topics: prefixes of bound topics.
    """
    return (*INGESTED_TOPICS, *(prefix + name for prefix in site_topics for name in bound_inputs()))


class SiteBinding:
    """The sites of each topic.

    Args:
        site_topics: prefix -> sites that may be spoken for there; "*" is what concerns all sites.
    """

    def __init__(self, site_topics: Mapping[str, Collection[str]]) -> None:
        self._sites = {prefix: frozenset(sites) for prefix, sites in site_topics.items()}

    def row_of(self, topic: str) -> tuple[str, frozenset[str] | None]:
        """A topic's name in the table, and the sites that it is bound to; None: to none."""
        if topic not in TOPICS:
            for prefix, sites in self._sites.items():
                if topic.startswith(prefix):
                    return topic.removeprefix(prefix), sites
        return topic, None


def not_authorised(event: Event, sites: frozenset[str]) -> BadRecord | None:
    """Why an event may not be said on a topic that is bound to these sites; None if it may."""
    for path, site_id in _named_sites(event):
        if site_id not in sites:
            allowed = ", ".join(sorted(sites))
            message = f"this topic's publisher may speak for {allowed}, not for {clip(site_id)!r}"
            return BadRecord(ReasonCode.AUTHORISATION, message, path)
    return None


def _named_sites(event: Event) -> Iterator[tuple[str, str]]:
    """Field path and site of every site that an event names."""
    yield "site_id", event.site_id
    if (to_site_id := getattr(event, "to_site_id", None)) is not None:
        yield "to_site_id", to_site_id
    for place, site_id in enumerate(getattr(event, "site_ids", ())):
        yield f"site_ids.{place}", site_id
    for place, peg in enumerate(getattr(event, "pegs", ())):
        if peg.order_site_id is not None:
            yield f"pegs.{place}.order_site_id", peg.order_site_id
