"""The commit under faults, by seeds: tests/commit_simulator says how. A failing seed is replayed by its number:

    make simulate SEED=4711

SIMULATED_SEEDS=2000 runs more of them here.
"""

import os
from collections import Counter

import pytest

from streams.faults import TWIN_POINTS
from tests.commit_simulator.mutants import MUTANTS, Mutant
from tests.commit_simulator.simulation import simulate

SEEDS = int(os.environ.get("SIMULATED_SEEDS", "400"))
CHUNKS = 8
MUTANT_SEEDS = 400


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_whatever_fails_the_topics_hold_what_a_straight_fold_says(chunk: int) -> None:
    for seed in range(1 + chunk, SEEDS + 1, CHUNKS):
        outcome = simulate(seed)

        assert [] == outcome.wrong, f"{outcome}\nreplay: make simulate SEED={seed}"


def test_the_same_seed_does_the_same() -> None:
    for seed in (3, 4, 11):
        first, second = simulate(seed), simulate(seed)

        assert first.trace == second.trace
        assert (first.turns, first.happened) == (second.turns, second.happened)


def test_the_seeds_meet_every_fault_there_is() -> None:
    happened: Counter[str] = Counter()
    for seed in range(1000, 1300):
        happened.update(simulate(seed).happened)

    wanted = [f"{done} {point}" for done in ("killed", "stopped") for point in TWIN_POINTS]
    wanted += [
        f"{call} {how}" for call in ("init", "commit", "fetch", "watermarks") for how in ("lost", "unheard")
    ]
    wanted += ["commit late", "record refused", "begin refused", "orderly stop", "ownership denied"]
    assert [] == [what for what in wanted if not happened[what]]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mistake_is_found(mutant: Mutant) -> None:
    """Code with one mistake fails within a few seeds: were it not so, the seeds above would prove nothing."""
    seeds = range(1, MUTANT_SEEDS + 1)

    assert any(simulate(seed, **mutant.code).wrong for seed in seeds), f"not found in {MUTANT_SEEDS} seeds"
