"""Drift detection: hand-computed statistics, the noise-free Line 3, properties, and the memory of a drift."""

import math
import random
import statistics
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.shopfloor.drift import (
    DRIFT_TRANSITIONS,
    Bucket,
    Detection,
    DriftChange,
    DriftPhase,
    DriftSettings,
    DriftState,
    detect,
    estimate,
    step,
)

TUESDAY_0600_S = 1_795_064_400.0  # Tue 17 Nov 2026 06:00 in Berlin
HOUR = 3600.0
relaxed = settings(deadline=None, max_examples=60)  # a busy machine is no failure


def counted(levels: Iterable[float], expected_pcs: float = 500 / 12, apt_s: float = 300.0) -> list[Bucket]:
    """Buckets of a line whose counter shows the whole pieces of what it has made so far."""
    buckets: list[Bucket] = []
    made, shown = 0.0, 0
    for index, level in enumerate(levels):
        made += expected_pcs * level
        count = math.floor(made + 1e-6)
        start_s = TUESDAY_0600_S + index * apt_s
        buckets.append(Bucket(start_s, start_s + apt_s, apt_s, count - shown, expected_pcs))
        shown = count
    return buckets


def noisy(seed: int, levels: Iterable[float], noise_sd: float = 0.15) -> list[Bucket]:
    rng = random.Random(seed)
    return counted(max(0.0, level + rng.gauss(0.0, noise_sd)) for level in levels)


def run(buckets: list[Bucket], window: int = 400) -> tuple[DriftState, list[DriftChange]]:
    """The state and the changes of a line that is judged after every bucket."""
    state, changes = DriftState(), []
    for count in range(1, len(buckets) + 1):
        state, change = step(state, buckets[max(0, count - window) : count])
        if change is not None:
            changes.append(change)
    return state, changes


# --- the Line 3 case --------------------------------------------------------------------------------------------


def test_line_3_is_found_on_its_first_morning_from_its_first_bucket() -> None:
    day = counted([0.92] * 192)

    first = next(count for count in range(1, 193) if detect(day[:count]) is not None)
    assert first <= 24  # two hours
    for count in range(first, 193):
        found = detect(day[:count])
        assert found is not None
        assert TUESDAY_0600_S == found.since_s
        assert "slow" == found.direction
        assert count == found.n_buckets
        # The counter hides up to one piece of the count * 41.67 expected ones.
        assert -0.080 == pytest.approx(found.delta, abs=1.0 / (count * 500 / 12))
        if count % 3 == 0:
            assert -0.080 == pytest.approx(found.delta, abs=1e-9)


def test_line_3_is_known_almost_without_doubt_after_24_buckets() -> None:
    day = counted([0.92] * 192)

    for count in range(24, 193):
        known = estimate(day[:count], TUESDAY_0600_S)
        assert 0.9200 == pytest.approx(known.level, abs=0.0002 if count % 3 == 0 else 0.001)
        assert known.noise_sd_300 < 0.003
        assert known.level_sd < 0.0005
        assert "ok" == known.status
        assert TUESDAY_0600_S == known.since_s
        assert count == known.n_buckets


def test_line_3_counted_once_an_hour_is_dated_as_exactly() -> None:
    on_plan = [1.0] * 5
    day = counted(on_plan + [0.92] * 11, expected_pcs=500.0, apt_s=HOUR)

    found = detect(day)
    assert found is not None
    assert TUESDAY_0600_S + 5 * HOUR == found.since_s
    assert -0.08 == pytest.approx(found.delta, abs=1e-9)
    assert (11, 11 * HOUR, 5060.0, 5500.0) == (
        found.n_buckets,
        found.apt_s,
        found.made_pcs,
        found.expected_pcs,
    )


@pytest.mark.parametrize("change", [30, 100, 150])
def test_a_change_in_noise_free_counts_is_dated_to_its_bucket_from_the_alarm_on(change: int) -> None:
    """The least evidence of 30 minutes once reached back over the change and dated it 15 minutes too early."""
    day = counted([1.0] * change + [0.92] * (192 - change))
    found = [detect(day[:count]) for count in range(change, 193)]

    assert [None] * 6 == found[:6]
    assert {TUESDAY_0600_S + change * 300.0} == {answer.since_s for answer in found[6:] if answer is not None}
    assert None not in found[6:]


# --- by hand ----------------------------------------------------------------------------------------------------


def test_the_statistic_of_a_noise_free_line_by_hand() -> None:
    found = detect(counted([0.9] * 24, expected_pcs=100.0))

    # 24 buckets 0.1 under plan; noise floor 0.02 a bucket; counting (1/100)^2 / 6 for the whole sum.
    counting = 0.01**2 / 6
    statistic = (24 * 0.1) ** 2 / (2 * (24 * 0.02**2 + counting))
    assert found is not None
    expected = Detection(
        delta=found.delta,
        since_s=TUESDAY_0600_S,
        last_s=TUESDAY_0600_S + 7200,
        n_buckets=24,
        apt_s=7200.0,
        made_pcs=2160,
        expected_pcs=2400.0,
        statistic=found.statistic,
        threshold=9.0,
        confidence=1.0,
        direction="slow",
    )
    assert expected == found
    assert (-0.1, statistic) == pytest.approx((found.delta, found.statistic))
    assert 299.48 == pytest.approx(statistic, abs=0.01)


def test_before_24_buckets_the_prior_noise_counts_for_those_missing() -> None:
    found = detect(counted([1.3] * 12, expected_pcs=100.0))

    # 12 measured buckets without noise and 12 missing ones with 0.15: variance 0.15^2 / 2.
    variance = 12 * 0.15**2 / 2 + 0.01**2 / 6
    assert found is not None
    assert (12 * 0.3) ** 2 / (2 * variance) == pytest.approx(found.statistic)
    assert "fast" == found.direction
    assert 0.5 * math.erfc(-(0.3 - 0.015) / math.sqrt(variance / 144) / math.sqrt(2)) == found.confidence
    assert math.sqrt(0.15**2 / 2) == pytest.approx(estimate(counted([1.3] * 12), 0.0).noise_sd_300)


def test_a_single_bucket_moves_the_level_by_what_it_is_worth() -> None:
    known = estimate(counted([0.8], expected_pcs=100.0), TUESDAY_0600_S)

    # Variance of the bucket 0.15^2 and 1/6 of a piece squared; of the prior 0.10^2.
    variance = 0.15**2 + 0.01**2 / 6
    assert (0.8 * 0.01 + 1.0 * variance) / (0.01 + variance) == pytest.approx(known.level)
    assert math.sqrt(0.01 * variance / (0.01 + variance)) == pytest.approx(known.level_sd)
    assert 0.15 == pytest.approx(known.noise_sd_300)
    assert "insufficient_data" == known.status


def test_the_level_counts_only_from_the_moment_asked_for() -> None:
    day = counted([1.0] * 48 + [0.75] * 48, expected_pcs=100.0)

    known = estimate(day, TUESDAY_0600_S + 48 * 300.0)
    assert 0.75 == pytest.approx(known.level, abs=1e-4)
    assert 48 == known.n_buckets
    assert 0.0 == pytest.approx(known.noise_sd_300, abs=0.001)
    nothing = estimate(day, TUESDAY_0600_S + 1e6)
    assert (1.0, 0.10, 0, "insufficient_data") == (
        nothing.level,
        nothing.level_sd,
        nothing.n_buckets,
        nothing.status,
    )
    assert TUESDAY_0600_S + 1e6 == nothing.since_s


def test_too_little_is_no_evidence() -> None:
    assert detect([]) is None
    assert detect(counted([0.1] * 5)) is None  # 25 minutes
    assert detect(counted([0.0] * 2, expected_pcs=500.0, apt_s=HOUR)) is None  # two buckets
    assert detect(counted([0.0] * 12, expected_pcs=1.5)) is None  # 18 pieces
    assert "insufficient_data" == estimate(counted([1.0] * 5), 0.0).status
    assert "insufficient_data" == estimate(counted([1.0] * 12, expected_pcs=1.5), 0.0).status
    assert "ok" == estimate(counted([1.0] * 6), 0.0).status


def test_buckets_without_production_say_nothing() -> None:
    day = counted([0.92] * 48)
    stopped = [Bucket(bucket.end_s, bucket.end_s, 0.0, 0.0, 0.0) for bucket in day]
    mixed = [bucket for pair in zip(day, stopped, strict=True) for bucket in pair]

    assert detect(day) == detect(mixed)
    assert estimate(day, 0.0) == estimate(mixed, 0.0)


def test_a_departure_below_the_least_delta_is_not_raised_however_sure() -> None:
    assert detect(counted([0.98] * 400)) is None
    found = detect(counted([0.98] * 400), DriftSettings(min_delta=0.015))
    assert found is not None
    assert -0.02 == pytest.approx(found.delta, abs=0.001)


def test_one_jam_without_a_log_is_no_drift() -> None:
    steady = [1.0] * 192
    jammed = [0.0 if index in (60, 120, 121) else 1.0 for index in range(192)]

    for count in range(1, 193):
        assert detect(counted(jammed)[:count]) is None
    assert detect(noisy(4, steady)) is None
    assert detect(noisy(4, jammed)[:123]) is None


def test_unequal_buckets_weigh_by_their_production_time() -> None:
    """Three hours of one count an hour speak as loud as three hours of one count in five minutes."""
    fine = counted([1.0] * 36 + [0.8] * 36, expected_pcs=50.0)
    coarse = [
        Bucket(
            fine[i].start_s,
            fine[i + 11].end_s,
            HOUR,
            sum(bucket.made_pcs for bucket in fine[i : i + 12]),
            600.0,
        )
        for i in range(36, 72, 12)
    ]

    found = detect(fine[:36] + coarse)
    assert found is not None
    assert (3, coarse[0].start_s) == (found.n_buckets, found.since_s)
    assert -0.2 == pytest.approx(found.delta)
    whole = detect(fine)
    assert whole is not None
    assert whole.statistic == pytest.approx(found.statistic, rel=0.02)


# --- noise ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise_sd", [0.05, 0.15, 0.30])
def test_noise_is_measured_through_a_step(noise_sd: float) -> None:
    measured = [
        estimate(noisy(seed, [1.2] * 96 + [0.9] * 96, noise_sd), 0.0).noise_sd_300 for seed in range(30)
    ]

    assert noise_sd == pytest.approx(statistics.mean(measured), rel=0.1)
    assert statistics.pstdev(measured) < 0.15 * noise_sd


def test_noise_that_persists_counts_for_more() -> None:
    def measured(seed: int) -> float:
        rng = random.Random(seed)
        error, levels = 0.0, []
        for _ in range(400):
            error = 0.5 * error + rng.gauss(0.0, 0.10)
            levels.append(1.0 + error)
        return estimate(counted(levels), 0.0).noise_sd_300

    # Sums of AR(1) with phi = 0.5 scatter as if each bucket had 0.10 / (1 - 0.5) = 0.20.
    assert 0.20 == pytest.approx(statistics.mean(map(measured, range(40))), rel=0.1)


@relaxed
@given(st.floats(10.0, 300.0), st.floats(0.4, 1.6), st.integers(24, 120))
def test_a_noise_free_line_is_known_to_be_noise_free(expected_pcs: float, level: float, count: int) -> None:
    assert 0.0 == estimate(counted([level] * count, expected_pcs), 0.0).noise_sd_300


@relaxed
@given(st.floats(0.05, 300.0), st.integers(1, 120), st.sampled_from([300.0, 420.0, HOUR]))
def test_counting_whole_pieces_alone_is_never_drift(expected_pcs: float, count: int, apt_s: float) -> None:
    assert detect(counted([1.0] * count, expected_pcs, apt_s)) is None


# --- properties -------------------------------------------------------------------------------------------------

made_counts = st.lists(st.integers(0, 400), min_size=3, max_size=80)


def of_counts(counts: list[int], expected_pcs: float = 200.0, scale: float = 1.0) -> list[Bucket]:
    return [
        Bucket(300.0 * i, 300.0 * i + 300.0, 300.0, made * scale, expected_pcs * scale)
        for i, made in enumerate(counts)
    ]


def figures(found: Detection | None) -> tuple[float, ...] | None:
    return None if found is None else (found.delta, found.since_s, found.statistic, found.confidence)


@relaxed
@given(made_counts)
def test_fast_and_slow_are_judged_alike(counts: list[int]) -> None:
    found, mirrored = detect(of_counts(counts)), detect(of_counts([400 - made for made in counts]))

    assert (found is None) == (mirrored is None)
    if found is not None and mirrored is not None:
        assert (-found.delta, found.statistic) == pytest.approx(
            (mirrored.delta, mirrored.statistic), rel=1e-6
        )
        assert found.since_s == mirrored.since_s
        assert found.direction != mirrored.direction


@relaxed
@given(made_counts)
def test_only_ratios_matter_where_pieces_are_many(counts: list[int]) -> None:
    found = figures(detect(of_counts(counts, scale=1e6)))
    larger = figures(detect(of_counts(counts, scale=4e6)))

    assert found == larger or found == pytest.approx(larger, rel=1e-6)


@relaxed
@given(made_counts, st.integers(-10_000, 10_000))
def test_only_differences_of_time_matter(counts: list[int], weeks: int) -> None:
    shift = weeks * 604_800.0
    day = of_counts(counts)
    moved = [Bucket(b.start_s + shift, b.end_s + shift, b.apt_s, b.made_pcs, b.expected_pcs) for b in day]

    found, later = detect(day), detect(moved)
    assert (found and (found.since_s + shift, found.delta)) == (later and (later.since_s, later.delta))


@relaxed
@given(made_counts)
def test_the_answer_follows_from_the_buckets_of_the_window_alone(counts: list[int]) -> None:
    day = of_counts(counts)
    narrow = DriftSettings(max_buckets=20)

    assert detect(day) == detect(list(day))
    assert detect(day[-20:], narrow) == detect(day, narrow)
    assert estimate(day[-20:], 0.0, narrow) == estimate(day, 0.0, narrow)


@relaxed
@given(made_counts)
def test_a_detection_is_consistent_with_itself(counts: list[int]) -> None:
    day = of_counts(counts)
    found = detect(day)
    if found is None:
        return
    since = [bucket for bucket in day if bucket.start_s >= found.since_s]
    assert (len(since), sum(b.made_pcs for b in since)) == (found.n_buckets, found.made_pcs)
    assert found.statistic > found.threshold
    assert 0.0 <= found.confidence <= 1.0
    assert abs(found.delta) >= 0.025
    assert (found.delta < 0.0) == (found.direction == "slow")
    assert day[-1].end_s == found.last_s


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.sampled_from([0.5, 0.9, 1.0, 1.1])), max_size=5),
    st.integers(0, 99),
)
def test_every_step_is_a_row_of_the_table(parts: list[tuple[int, float]], seed: int) -> None:
    buckets = noisy(seed, [level for count, level in parts for _ in range(count)], noise_sd=0.05)
    state = DriftState()
    for count in range(len(buckets)):
        before = state
        state, change = step(before, buckets[: count + 1])
        if change is None:
            assert before.phase == state.phase
        else:
            assert DRIFT_TRANSITIONS[before.phase][change.kind] == state.phase
        known = (state.since_s, state.level_since_s, state.delta, state.raised_at_s)
        assert (state.phase is DriftPhase.DRIFTING) == all(value is not None for value in known)
        assert (state.phase is DriftPhase.NONE) == all(value is None for value in known)


# --- memory -----------------------------------------------------------------------------------------------------


def test_the_table_reaches_every_phase_and_knows_every_kind() -> None:
    reached = {after for moves in DRIFT_TRANSITIONS.values() for after in moves.values()}

    assert set(DriftPhase) == set(DRIFT_TRANSITIONS) == reached
    assert {"raised", "updated", "cleared"} == {
        kind for moves in DRIFT_TRANSITIONS.values() for kind in moves
    }


def test_a_drift_is_raised_once_and_keeps_its_beginning_after_its_buckets_have_gone() -> None:
    state, changes = run(counted([0.92] * 600), window=200)

    assert ["raised"] == [change.kind for change in changes]
    assert TUESDAY_0600_S == state.since_s
    assert changes[0].at_s == state.raised_at_s


def test_the_same_buckets_once_more_change_nothing() -> None:
    day = counted([1.0] * 40 + [0.92] * 60)
    state, change = step(DriftState(), day)

    assert change is not None
    assert (state, None) == step(state, day)


def test_a_drift_that_ends_is_cleared_and_its_old_buckets_raise_no_other() -> None:
    day = counted([1.0] * 40 + [0.92] * 60 + [1.0] * 200)
    state, changes = run(day)

    assert ["raised", "cleared"] == [change.kind for change in changes]
    raised, cleared = changes
    assert TUESDAY_0600_S + 40 * 300.0 == raised.detection.since_s
    assert TUESDAY_0600_S + 100 * 300.0 == cleared.detection.since_s == state.evidence_from_s
    assert cleared.at_s <= TUESDAY_0600_S + 112 * 300.0
    assert 0.0 == pytest.approx(cleared.detection.delta, abs=0.005)


def test_a_drift_that_deepens_is_updated_and_keeps_its_beginning() -> None:
    state, changes = run(counted([0.92] * 60 + [0.80] * 60))

    assert ["raised", "updated"] == [change.kind for change in changes]
    assert -0.20 == pytest.approx(changes[1].detection.delta, abs=0.005)
    assert TUESDAY_0600_S == state.since_s
    assert TUESDAY_0600_S + 60 * 300.0 == state.level_since_s


def test_a_drift_that_turns_is_a_new_one() -> None:
    state, changes = run(counted([0.92] * 60 + [1.10] * 60))

    assert ["raised", "updated"] == [change.kind for change in changes]
    assert ["slow", "fast"] == [change.detection.direction for change in changes]
    assert TUESDAY_0600_S + 60 * 300.0 == state.since_s == state.level_since_s


def test_a_second_drift_after_a_cleared_one_is_raised_with_its_own_beginning() -> None:
    _, changes = run(counted([0.92] * 60 + [1.0] * 60 + [0.90] * 60))

    assert ["raised", "cleared", "raised"] == [change.kind for change in changes]
    assert TUESDAY_0600_S + 120 * 300.0 == changes[2].detection.since_s


def test_a_false_alarm_goes_away_by_itself() -> None:
    """A run of bad luck is diluted by what follows, though no second change is ever found."""
    unlucky = noisy(18, [0.93] * 70 + [1.0] * 330)
    state, changes = run(unlucky)

    assert "raised" in [change.kind for change in changes]
    assert "cleared" == changes[-1].kind
    assert DriftPhase.NONE is state.phase


def median_of(measure: Callable[[int], float], seeds: int) -> float:
    return statistics.median(measure(seed) for seed in range(seeds))


@pytest.mark.parametrize(("level", "hours_max"), [(0.92, 4.5), (1.08, 4.5), (0.80, 1.25)])
def test_a_noisy_drift_is_found_in_time_and_dated_well(level: float, hours_max: float) -> None:
    """The full measurement is bench/detection.py; this holds its order of magnitude."""

    def found(seed: int) -> tuple[float, float]:
        day = noisy(seed, [1.0] * 150 + [level] * 300)
        for count in range(151, 451):
            answer = detect(day[:count])
            if answer is not None:
                off_s = abs(answer.since_s - TUESDAY_0600_S - 150 * 300.0)
                return (count - 150) / 12, off_s / HOUR
        return math.inf, math.inf

    assert median_of(lambda seed: found(seed)[0], 31) <= hours_max
    assert median_of(lambda seed: found(seed)[1], 31) <= 1.0
