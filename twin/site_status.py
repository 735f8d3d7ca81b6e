"""How a site stands as a whole: the clock of its shard, whether ingest is behind, and how many cards there are.

Put out every few seconds of the clock whether it changed or not: who reads it knows how old the picture is.
"""

from collections import Counter
from collections.abc import Iterator

from schemas import CardCount, CardKind, CardState, Output, SiteStatus, topics
from twin.state.model import Model
from twin.words import utc

STATUS_EVERY_S = 10.0
"""Clock seconds between two of them. Too small: records that say nothing new. Too large: who waits for the twin to catch
up, as notify does, waits longer."""


def is_status_due(before: float | None, now: float) -> bool:
    """Whether it is time to say it again."""
    return before is None or now // STATUS_EVERY_S != before // STATUS_EVERY_S


def site_statuses(
    model: Model, now: float, cause: str, behind_since: float | None, lag_s: float
) -> Iterator[Output]:
    """One of each site.

    Args:
        model: the live model, evaluated.
        now: the shard's clock.
        cause: begins the ids of what is put out.
        behind_since: since when ingest is behind; None: it is not.
        lag_s: how far.
    """
    moment, book, entities = utc(now), model.card_book, model.plant.counts()
    held, dirty = Counter(root[2] for root in book.held), Counter[str]()
    for (site_id, _), line in model.lines.items():
        dirty[site_id] += line.state.dirty
    unanswered, sent_at = _unanswered(model)
    for site_id in model.plant.site_ids:
        open_cards = book.live(site_id)
        kinds = Counter((card.kind, card.severity) for card in open_cards)
        unseen = [card.opened_at for card in open_cards if card.state is CardState.OPEN]
        aside = [note for root, note in sorted(book.aside.items()) if root[2] == site_id]
        body = SiteStatus(
            output_id=f"{cause}>{topics.SITES}>{site_id}",
            site_id=site_id,
            as_of=moment,
            zone=model.plant.zone(site_id).key,
            is_catching_up=behind_since is not None,
            behind_s=lag_s,
            currency=model.plant.currency(site_id),
            cards_open=len(open_cards),
            cards_exposure=round(sum(sorted(card.impact.exposure for card in open_cards)), 2),
            cards=[
                CardCount(kind=kind, severity=severity, count=count)
                for (kind, severity), count in sorted(kinds.items())
            ],
            unacknowledged_since=min(unseen, default=None),
            cards_set_aside=len(aside),
            set_aside_exposure=round(sum(note.exposure for note in aside), 2),
            cards_waiting=held[site_id],
            questions_waiting=model.replans.pending_count(site_id),
            changes_pending=unanswered[site_id],
            changes_pending_since=utc(sent_at[site_id]) if site_id in sent_at else None,
            lines=model.line_count(site_id),
            lines_waiting=dirty[site_id],
            lines_stale=sum(card.kind is CardKind.DATA_STALE for card in open_cards),
            data_conflicts=sum(card.kind is CardKind.DATA_CONFLICT for card in open_cards),
            entities=entities.get(site_id, {}),
        )
        yield Output(topics.SITES, site_id, body, body.output_id, moment.isoformat())


def _unanswered(model: Model) -> tuple[Counter[str], dict[str, float]]:
    """Plan changes of commits under way that nobody has answered: how many of each site, and since when."""
    counts, since = Counter[str](), dict[str, float]()
    for life in model.plan_book.open_lives():
        if life.state != "committing" or life.sent_at is None:
            continue
        for change in life.changes:
            if change.outcome == "sent":
                counts[change.site_id] += 1
                since[change.site_id] = min(since.get(change.site_id, life.sent_at), life.sent_at)
    return counts, since
