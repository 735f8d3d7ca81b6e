"""`make simulate SEEDS=10000`: many seeds, with progress and a report; `SEED=4711` replays one with all it did.

python -m tests.commit_simulator --seeds 10000 [--first 1]
python -m tests.commit_simulator --seed 4711
"""

import argparse
import sys
import time
from collections import Counter

from tests.commit_simulator.simulation import Outcome, simulate

PROGRESS_S = 5.0
FAILURES_MAX = 10
"""After so many failing seeds the run ends: more would tell the same."""


def main() -> int:
    """Run seeds; 1 where one of them failed."""
    parser = argparse.ArgumentParser(
        prog="simulate", description="The commit under faults, without a broker."
    )
    parser.add_argument("--seed", type=int, help="replay this one and print what happened in it")
    parser.add_argument("--seeds", type=int, default=1000, help="how many to run (default: 1000)")
    parser.add_argument("--first", type=int, default=1, help="the first of them (default: 1)")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return _replay(arguments.seed)
    return _run(arguments.first, arguments.seeds)


def _replay(seed: int) -> int:
    outcome = simulate(seed)
    print("\n".join(outcome.trace))
    print(outcome)
    return bool(outcome.wrong)


def _run(first: int, count: int) -> int:
    began = said = time.monotonic()
    happened: Counter[str] = Counter()
    failures: list[Outcome] = []
    seeds = turns = 0
    for seed in range(first, first + count):
        outcome = simulate(seed)
        seeds, turns = seeds + 1, turns + outcome.turns
        happened.update(outcome.happened)
        if outcome.wrong:
            failures.append(outcome)
            print(f"FAILED {outcome}\n    replay: make simulate SEED={seed}", flush=True)
        if len(failures) >= FAILURES_MAX:
            break
        if time.monotonic() - said > PROGRESS_S:
            said = time.monotonic()
            print(f"{seeds} of {count} seeds, {len(failures)} failed, {said - began:.0f} s", flush=True)
    print(f"\n{'what happened':<36}{'times':>9}")
    for what, times in sorted(happened.items()):
        print(f"{what:<36}{times:>9}")
    print(
        f"\nseeds {first} to {first + seeds - 1}: {len(failures)} failed, {turns} turns, {time.monotonic() - began:.0f} s"
    )
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
