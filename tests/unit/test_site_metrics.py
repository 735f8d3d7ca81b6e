"""Gauges of sites say what was committed: by hand, on the plant of tests/asking.py."""

from collections import Counter
from datetime import timedelta
from typing import Any

from schemas import Facts, Tick
from streams.batch import Batch
from streams.metrics import Metrics
from streams.shard_metrics import PrometheusShardMetrics
from streams.state_topic import Manifest
from tests.asking import held, running
from tests.folding import Folded, at, event

EIGHT = at(0, "08:00")
MINUTE = timedelta(minutes=1)


class Told:
    """A twin whose outputs are committed when it is asked to."""

    def __init__(self) -> None:
        self.folded: Folded = running(
            rules={"rules_id": "r", "version": "1", "clear_after_min": 1.0, "stale_gap_factor": 0.1}
        )
        self.registry = Metrics()
        self.metrics = PrometheusShardMetrics(self.registry)
        self._committed = 0

    def commit(self, *, arrived_at: list[float] | None = None) -> None:
        outputs: list[Any] = list(self.folded.outputs[self._committed :])
        self._committed = len(self.folded.outputs)
        manifest = Manifest.__new__(Manifest)  # not looked at
        self.metrics.committed(
            0, 0.01, Batch(outputs, [0] * len(outputs), {}, manifest, arrived_at or [], [], Counter())
        )

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.registry.get_sample_value(f"foresite_{name}", labels)


def test_open_cards_and_their_money_are_shown_as_committed_and_go_to_zero() -> None:
    """R2 is late by the stop: 500 a day for one day. Nothing shows before the commit; when it is over, all is 0."""
    told = Told()
    told.folded.tell(held(EIGHT))
    told.folded.tick(EIGHT + timedelta(seconds=10))
    before = told.value("cards_exposure_amount", site="S1")
    told.commit()
    card = next(iter(told.folded.cards.values()))
    labels = {"site": "S1", "kind": card.kind.value, "severity": card.severity.value}
    shown = (told.value("cards_open", **labels), told.value("cards_exposure_amount", site="S1"))
    age_s = told.value("cards_unacknowledged_age_seconds_max", site="S1")
    told.folded.tell(event("run_resumed", EIGHT + MINUTE, line_id="L1", run_id="R1"))
    for minutes in range(1, 6):
        told.folded.tick(EIGHT + minutes * MINUTE)
    told.commit()

    assert (None, (1.0, card.impact.exposure), 10.0) == (before, shown, age_s)
    assert card.impact.exposure > 0
    assert (0.0, 0.0, 0.0) == (
        told.value("cards_open", **labels),
        told.value("cards_exposure_amount", site="S1"),
        told.value("cards_unacknowledged_age_seconds_max", site="S1"),
    )


def test_how_long_before_what_it_warns_of_a_card_opened_is_counted() -> None:
    """Raised at 08:00 on Monday for the truck of Tuesday 12:00: 28 hours, or 100,800 s."""
    told = Told()
    told.folded.tell(held(EIGHT))
    told.commit()
    (need_by,) = {card.need_by for card in told.folded.cards.values()}

    assert at(1, "12:00") == need_by
    assert 100_800.0 == told.value("cards_lead_time_seconds_sum", kind="line_down")


def test_entities_stale_lines_and_what_waits_are_shown() -> None:
    """Nothing was heard of L1 for two hours although it runs; then ingest falls behind and a stop waits to be judged."""
    told = Told()
    for minutes in range(0, 121, 5):
        told.folded.tick(EIGHT + minutes * MINUTE)
    told.commit()
    stale = told.value("lines_stale", site="S1")
    told.folded.fold(Facts(group_id="*", tick=Tick(now=EIGHT + 121 * MINUTE, lag_s=300.0)))
    told.folded.tell(held(EIGHT + 120 * MINUTE))
    told.folded.fold(Facts(group_id="*", tick=Tick(now=EIGHT + 122 * MINUTE, lag_s=300.0)))
    told.commit()

    assert (1.0, 1.0) == (stale, told.value("twin_catching_up", site="S1"))
    assert len(told.folded.twin.model.card_book.held) == told.value("twin_dirty_entities", kind="card")
    assert told.folded.twin.model.card_book.held
    assert 2.0 == told.value("twin_entities", site="S1", kind="line_upserted")
    assert 0.0 == told.value("data_conflicts", site="S1")


def test_the_age_of_the_last_fact_committed_says_how_far_behind_the_twin_is() -> None:
    told = Told()
    told.commit(arrived_at=[1_000.0, 2_000.0])

    assert (told.value("twin_behind_seconds", site="partition-0") or 0.0) > 1e6
