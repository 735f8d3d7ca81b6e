"""Who is told of a card: its owner, whom it was passed on to, and who is told of everything."""

from collections.abc import Iterable

from schemas import Card
from streams.notify.config import NotifyConfig, Site
from streams.notify.planning import ChannelKey


def recipients(card: Card, config: NotifyConfig) -> list[str]:
    """People of the file, each once: the owner, or else the site's default, or else that of all sites.

    Whom the card was passed on to (escalation) and `always` come in addition.
    """
    site = config.sites.get(card.site_id, Site())
    owner = next(
        (each for each in (card.owner.id, site.default, config.default) if each in config.people), None
    )
    passed_on_to = None if card.escalated_to is None else card.escalated_to.id
    wanted = [owner, passed_on_to, *config.always]
    return list(dict.fromkeys(each for each in wanted if each is not None and each in config.people))


def targets_of(people: Iterable[str], config: NotifyConfig) -> list[ChannelKey]:
    """Each person by each of their sinks."""
    return [(person_id, sink) for person_id in people for sink in config.people[person_id].sinks]
