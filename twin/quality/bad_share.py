"""Bad pieces above their own base rate: has the share of bad pieces risen, since when, by how much, how sure is it?

A generalised likelihood ratio test for a rise of a binomial rate by an unknown amount at an unknown moment. The rate
before it is not taken as known: it is estimated from the history and a prior, and the test compares two samples.

Law: nothing is remembered but QualityState, and only step makes a new one. The answers follow from the buckets.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final, Literal

import msgspec

PRIOR_PCS: Final = 200.0
"""Pieces that the expected scrap of the item counts for. Smaller: the first bad pieces alarm; larger: a wrong expectation
is believed for long."""

LEAST_PRIOR_BAD: Final = 1.0
"""Bad pieces among them at least: an item for which no scrap is expected is taken for 0.5 % at first."""

DISPERSION_PRIOR_PAIRS: Final = 20.0
"""Pairs of buckets that speak for pure chance before anything was seen of how bad pieces cluster."""


class QualityBucket(msgspec.Struct, frozen=True):
    """What was made of an item in a stretch of time; of inspections: looked at.

    Attributes:
        start_s, end_s: POSIX seconds.
        made, scrap, rework: pieces, made includes the bad ones.
        run_id: the run that they belong to.
        event_id: the newest report in it.
    """

    start_s: float
    end_s: float
    made: float
    scrap: float
    rework: float
    run_id: str
    event_id: str = ""

    @property
    def bad(self) -> float:
        """Not good at the first pass."""
        return self.scrap + self.rework


@dataclass(frozen=True, slots=True)
class QualitySettings:
    """What counts as a shift.

    Attributes:
        threshold: log likelihood ratio that raises. Smaller: more false alarms (bench/quality.py); larger: later.
        least_ratio: rise of the rate worth raising, over the rate before.
        min_buckets: fewest buckets with bad pieces above the base since the change: one burst is no shift.
        min_bad: fewest bad pieces since the change.
        clear_threshold: log likelihood ratio by which the newest buckets must speak for the base rate to clear.
    """

    threshold: float = 11.0
    least_ratio: float = 1.5
    min_buckets: int = 3
    min_bad: float = 5.0
    clear_threshold: float = 6.0


DEFAULT_SETTINGS: Final = QualitySettings()


class QualityPhase(StrEnum):
    """Whether the rate is known to have risen."""

    NONE = "none"
    SHIFTED = "shifted"


# Every change that step may report in a phase, and the phase after it.
QUALITY_TRANSITIONS: dict[QualityPhase, dict[str, QualityPhase]] = {
    QualityPhase.NONE: {"shifted": QualityPhase.SHIFTED},
    QualityPhase.SHIFTED: {"cleared": QualityPhase.NONE},
}


class Pieces(msgspec.Struct, frozen=True):
    """A sum over buckets."""

    made: float = 0.0
    scrap: float = 0.0
    rework: float = 0.0

    @property
    def bad(self) -> float:
        """Not good at the first pass."""
        return self.scrap + self.rework

    def plus(self, bucket: "QualityBucket | Pieces") -> "Pieces":
        """With another bucket."""
        return Pieces(self.made + bucket.made, self.scrap + bucket.scrap, self.rework + bucket.rework)


class QualityState(msgspec.Struct, frozen=True):
    """All that is remembered of a series.

    Attributes:
        phase: none or shifted.
        evidence_from_s: buckets before it were judged, and belong to no shift to come.
        since_s: the change point of the shift; its buckets before have left the window.
        before: pieces that left the window and belong to the base rate; within: those that belong to the shift.
    """

    phase: QualityPhase = QualityPhase.NONE
    evidence_from_s: float = 0.0
    since_s: float | None = None
    before: Pieces = Pieces()
    within: Pieces = Pieces()


@dataclass(frozen=True, slots=True)
class QualityReading:
    """A rise of the share of bad pieces.

    Attributes:
        since_s: change point: the start of its first bucket; last_s: end of the newest bucket.
        base_rate: share of bad pieces before it, prior and history; rate: since.
        pieces: made, scrapped and reworked since; base_pieces: the history that the base rate rests on, without prior.
        statistic: log likelihood ratio, of what chance and clustering explain; threshold: what it was held against.
        confidence: probability that the rate is above least_ratio times the base rate.
        n_buckets: buckets since the change that are still in the window.
    """

    since_s: float
    last_s: float
    base_rate: float
    rate: float
    pieces: Pieces
    base_pieces: float
    statistic: float
    threshold: float
    confidence: float
    n_buckets: int
    method: Literal["binomial_glr"] = "binomial_glr"


@dataclass(frozen=True, slots=True)
class QualityChange:
    """What a step found worth telling."""

    kind: Literal["shifted", "cleared"]
    reading: QualityReading


def prior_of(expected_scrap: float) -> Pieces:
    """What is believed of an item before anything of it was seen: a Beta prior, as pieces."""
    return Pieces(PRIOR_PCS, max(LEAST_PRIOR_BAD, expected_scrap * PRIOR_PCS))


def step(
    state: QualityState,
    buckets: Sequence[QualityBucket],
    prior: Pieces,
    settings: QualitySettings = DEFAULT_SETTINGS,
) -> tuple[QualityState, QualityChange | None]:
    """Judge a series anew after a bucket closed or was corrected.

    none: what detect finds is raised. shifted: cleared where the newest buckets speak for the base rate against the
    raised one (a reversed CUSUM), or where corrections took the evidence away.

    Args:
        state: what is remembered.
        buckets: closed buckets in the window, oldest first.
        prior: see prior_of.
        settings: what counts as a shift.
    """
    if state.phase is QualityPhase.NONE:
        found = detect(state, buckets, prior, settings)
        if found is None:
            return state, None
        shifted = QualityState(
            QualityPhase.SHIFTED, state.evidence_from_s, found.since_s, state.before, Pieces()
        )
        return shifted, QualityChange("shifted", found)
    reading = read(state, buckets, prior, settings)
    if reading is None:
        return state, None
    back_s = _back_since(state, buckets, reading, settings)
    if back_s is None and reading.statistic >= settings.threshold / 2.0:
        return state, None
    # What was judged stays apart: the raised buckets must not become the base rate, nor be raised again.
    good = state.before
    for bucket in buckets:
        if state.since_s is not None and state.evidence_from_s <= bucket.start_s < state.since_s:
            good = good.plus(bucket)
    cleared = QualityState(
        evidence_from_s=reading.last_s if back_s is None else back_s, before=good, within=Pieces()
    )
    return cleared, QualityChange("cleared", reading)


def detect(
    state: QualityState,
    buckets: Sequence[QualityBucket],
    prior: Pieces,
    settings: QualitySettings = DEFAULT_SETTINGS,
) -> QualityReading | None:
    """The most likely rise up to now, if it is beyond chance.

    For each bucket k the pieces before it (with prior and history) and those from it on are held to be of one rate, or
    of two; the log likelihood ratio is divided by how much bad pieces cluster. The k of the largest ratio is the change.
    """
    judged = [bucket for bucket in buckets if bucket.start_s >= state.evidence_from_s]
    if len(judged) < settings.min_buckets:
        return None
    base = prior.plus(state.before)
    total = base
    for bucket in judged:
        total = total.plus(bucket)
    if total.bad - base.bad < settings.min_bad:
        return None
    joint = _log_likelihood(total.made, total.bad)
    spread = _dispersion(judged)
    best, start = 0.0, -1
    made, bad = base.made, base.bad
    for index, bucket in enumerate(judged):
        after_made, after_bad = total.made - made, total.bad - bad
        if after_bad * made > bad * after_made and after_made > 0.0:
            ratio = _log_likelihood(made, bad) + _log_likelihood(after_made, after_bad) - joint
            if ratio > best:
                best, start = ratio, index
        made, bad = made + bucket.made, bad + bucket.bad
    if start < 0 or best / spread <= settings.threshold:
        return None
    for bucket in judged[:start]:
        base = base.plus(bucket)
    found = _reading(base, prior, judged[start:], Pieces(), spread, settings)
    raised = sum(bucket.bad > found.base_rate * bucket.made for bucket in judged[start:])
    is_enough = raised >= settings.min_buckets and found.pieces.bad >= settings.min_bad
    return found if is_enough and found.rate >= settings.least_ratio * found.base_rate else None


def read(
    state: QualityState,
    buckets: Sequence[QualityBucket],
    prior: Pieces,
    settings: QualitySettings = DEFAULT_SETTINGS,
) -> QualityReading | None:
    """How a raised shift stands now; None where there is none, or nothing is left of it."""
    since = state.since_s
    if state.phase is QualityPhase.NONE or since is None:
        return None
    base = prior.plus(state.before)
    for bucket in buckets:
        if state.evidence_from_s <= bucket.start_s < since:
            base = base.plus(bucket)
    part = [bucket for bucket in buckets if bucket.start_s >= since]
    if not part:
        return None
    judged = [bucket for bucket in buckets if bucket.start_s >= state.evidence_from_s]
    return _reading(base, prior, part, state.within, _dispersion(judged), settings)


def drop_oldest(state: QualityState, bucket: QualityBucket) -> QualityState:
    """The state after its oldest bucket left the window: what it held is kept as a sum."""
    if bucket.start_s < state.evidence_from_s:
        return state
    if state.phase is QualityPhase.SHIFTED and state.since_s is not None and bucket.start_s >= state.since_s:
        return msgspec.structs.replace(state, within=state.within.plus(bucket))
    return msgspec.structs.replace(state, before=_faded(state.before.plus(bucket)))


BASE_PCS: Final = 100_000.0
"""History beyond the window weighs at most so many pieces. More: a base rate that changed years ago never dies."""


def _faded(pieces: Pieces) -> Pieces:
    if pieces.made <= BASE_PCS:
        return pieces
    share = BASE_PCS / pieces.made
    return Pieces(BASE_PCS, pieces.scrap * share, pieces.rework * share)


def _reading(
    base: Pieces,
    prior: Pieces,
    part: Sequence[QualityBucket],
    within: Pieces,
    spread: float,
    settings: QualitySettings,
) -> QualityReading:
    since = within
    for bucket in part:
        since = since.plus(bucket)
    base_rate = base.bad / base.made
    rate = since.bad / since.made if since.made > 0.0 else 0.0
    total = base.plus(since)
    ratio = (
        _log_likelihood(base.made, base.bad)
        + _log_likelihood(since.made, since.bad)
        - _log_likelihood(total.made, total.bad)
    )
    variance = base_rate * (1.0 - base_rate) / base.made
    variance += rate * (1.0 - rate) / since.made if since.made > 0.0 else 1.0
    excess = (rate - settings.least_ratio * base_rate) / math.sqrt(max(variance * spread, 1e-12))
    return QualityReading(
        since_s=part[0].start_s,
        last_s=part[-1].end_s,
        base_rate=base_rate,
        rate=rate,
        pieces=since,
        base_pieces=base.made - prior.made,
        statistic=ratio / spread if rate > base_rate else 0.0,
        threshold=settings.threshold,
        confidence=0.5 * math.erfc(-excess / math.sqrt(2.0)),
        n_buckets=len(part),
    )


def _back_since(
    state: QualityState,
    buckets: Sequence[QualityBucket],
    reading: QualityReading,
    settings: QualitySettings,
) -> float | None:
    """Start of the buckets that are of the base rate again; None where they do not say so beyond doubt."""
    low = min(max(reading.base_rate, 1e-6), 0.999)
    part = [bucket for bucket in buckets if state.since_s is not None and bucket.start_s >= state.since_s]
    spread = _dispersion([bucket for bucket in buckets if bucket.start_s >= state.evidence_from_s])
    made, bad = state.within.made, state.within.bad
    best, back_s = settings.clear_threshold * spread, None
    all_made, all_bad = reading.pieces.made, reading.pieces.bad
    # The rate of the shift is that of the buckets before the moment tried, so that its end does not water it down.
    for before, bucket in pairwise(part):
        made, bad = made + before.made, bad + before.bad
        high = bad / made if made > 0.0 else 0.0
        if high <= settings.least_ratio * low:
            continue
        high = min(high, 0.999)
        after_bad = all_bad - bad
        after_good = all_made - made - after_bad
        ratio = after_bad * math.log(low / high) + after_good * math.log((1.0 - low) / (1.0 - high))
        if ratio > best:
            best, back_s = ratio, bucket.start_s
    return back_s


def _log_likelihood(made: float, bad: float) -> float:
    """Of a binomial at its own rate."""
    good = made - bad
    if made <= 0.0 or bad <= 0.0 or good <= 0.0:
        return 0.0
    return bad * math.log(bad / made) + good * math.log(good / made)


def _dispersion(buckets: Sequence[QualityBucket]) -> float:
    """Variance of bad pieces over that of pure chance, at least 1: they come in clusters.

    From differences of neighbours, so that a shift does not count as clustering; the prior speaks for pure chance.
    """
    made, bad = sum(bucket.made for bucket in buckets), sum(bucket.bad for bucket in buckets)
    if bad <= 0.0 or bad >= made:
        return 1.0
    rate = bad / made
    seen, chance, pairs = 0.0, 0.0, 0
    for first, second in pairwise(buckets):
        if first.made > 0.0 and second.made > 0.0:
            seen += (first.bad / first.made - second.bad / second.made) ** 2
            chance += rate * (1.0 - rate) * (1.0 / first.made + 1.0 / second.made)
            pairs += 1
    if not pairs:
        return 1.0
    prior = DISPERSION_PRIOR_PAIRS * chance / pairs
    return max(1.0, (prior + seen) / (prior + chance))
