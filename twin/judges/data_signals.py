"""Doubts about data as signals: what, since when, how sure, by which method, from which events.

Lines, items and bad pieces have detectors that signal by themselves. Whether data can be trusted is found where its card
is judged, so the signal is the beginning and the end of that card.
"""

from schemas import Card, CardKind, CardState, Signal, topics
from twin.judges.risk import Root
from twin.words import utc

SIGNALS: dict[CardKind, tuple[str, str]] = {
    CardKind.DATA_STALE: ("data_stale", "data_fresh"),
    CardKind.DATA_CONFLICT: ("conflict_found", "conflict_settled"),
}
"""Kind of card -> what is signalled when it is raised, and when its cause is gone."""


def signal_of(root: Root, card: Card, now: float) -> Signal | None:
    """The signal that goes with a revision of a card; None where it neither begins nor ends a doubt about data."""
    words = SIGNALS.get(card.kind)
    begins = card.revision == 1
    if words is None or not (begins or card.state in (CardState.CLEARED, CardState.CLOSED)):
        return None
    _, entity_type, site_id, entity_id = root
    return Signal.model_validate(
        {
            "output_id": card.output_id.replace(topics.CARDS, topics.SIGNALS),
            "signal": words[0] if begins else words[1],
            "site_id": site_id,
            f"{entity_type}_id": entity_id,
            "metric": card.cause.signal,
            "since": card.cause.since,
            "detected_at": utc(now),
            "method": card.cause.method,
            "n": card.confidence.n,
            "window_h": card.confidence.window_h,
            "confidence": card.confidence.value,
            "evidence": card.evidence,
        }
    )
