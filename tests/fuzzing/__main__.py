"""`make fuzz RECORDS=1000000 SEED=1`: mutated records through ingest and fold, with progress and a table of verdicts."""

import argparse
import sys
import time

from tests.fuzzing.fuzz import Fuzzer, Report

PROGRESS_S = 10.0


def main() -> int:
    """Fuzz; 1 where something failed."""
    parser = argparse.ArgumentParser(prog="fuzz", description="Mutated records through ingest and fold.")
    parser.add_argument("--records", type=int, default=100_000, help="how many (default: 100000)")
    parser.add_argument("--seed", type=int, default=1, help="of all of them (default: 1)")
    arguments = parser.parse_args()
    began = said = time.monotonic()
    shown = 0

    def tell(report: Report) -> None:
        nonlocal said, shown
        for failure in report.failures[shown:]:
            shown += 1
            print(failure, flush=True)
        if time.monotonic() - said > PROGRESS_S:
            said = time.monotonic()
            rate = report.records / (said - began)
            print(
                f"{report.records} of {arguments.records}, {rate:.0f}/s, {len(report.failures)} failures",
                flush=True,
            )

    report = Fuzzer(arguments.seed).run(arguments.records, tell)
    print(report)
    print(f"{time.monotonic() - began:.0f} s, {time.process_time():.0f} s of CPU")
    return bool(report.failures)


if __name__ == "__main__":
    sys.exit(main())
