"""Gauges of sites, from what was committed on twin.sites.v1: how many cards, how much money, how far behind."""

from collections import defaultdict

from schemas import SiteStatus
from streams.metrics import Metrics


class SiteMetrics:
    """The gauges of all sites that this worker folds.

    Args:
        metrics: where they are.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._cards: defaultdict[str, dict[tuple[str, str], None]] = defaultdict(
            dict
        )  # site -> labels that were shown
        self._kinds: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._waiting: dict[str, tuple[int, int]] = {}

    def committed(self, status: SiteStatus) -> None:
        """Show a site as it was committed."""
        metrics, site = self._metrics, status.site_id
        since, as_of = status.unacknowledged_since, status.as_of
        age_s = 0.0 if since is None else (as_of - since).total_seconds()
        metrics.cards_exposure_amount.labels(site).set(status.cards_exposure)
        metrics.cards_set_aside.labels(site).set(status.cards_set_aside)
        metrics.cards_unacknowledged_age_seconds_max.labels(site).set(age_s)
        metrics.lines_stale.labels(site).set(status.lines_stale)
        metrics.data_conflicts.labels(site).set(status.data_conflicts)
        pending_since = status.changes_pending_since
        waited_s = 0.0 if pending_since is None else (as_of - pending_since).total_seconds()
        metrics.plan_acks_pending.labels(site).set(status.changes_pending)
        metrics.plan_acks_age_seconds_max.labels(site).set(waited_s)
        metrics.twin_questions_waiting.labels(site).set(status.questions_waiting)
        metrics.twin_catching_up.labels(site).set(status.is_catching_up)
        self._show_cards(status)
        self._show_entities(status)
        self._waiting[site] = (status.lines_waiting, status.cards_waiting)
        lines, cards = (sum(counts) for counts in zip(*self._waiting.values(), strict=True))
        metrics.twin_dirty_entities.labels("line").set(lines)
        metrics.twin_dirty_entities.labels("card").set(cards)

    def _show_cards(self, status: SiteStatus) -> None:
        """A kind of which there is none any more is 0: it does not stay at what it was."""
        known = self._cards[status.site_id]
        counts = {(each.kind, each.severity): each.count for each in status.cards}
        known.update(dict.fromkeys(counts))
        for kind, severity in known:
            self._metrics.cards_open.labels(status.site_id, kind, severity).set(
                counts.get((kind, severity), 0)
            )

    def _show_entities(self, status: SiteStatus) -> None:
        known = self._kinds[status.site_id]
        known.update(dict.fromkeys(status.entities))
        for kind in known:
            self._metrics.twin_entities.labels(status.site_id, kind).set(status.entities.get(kind, 0))
