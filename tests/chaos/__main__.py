"""`python -m tests.chaos`, which is what `make chaos` runs."""

import argparse
import sys
import time

from tests.chaos.kills import kill_rounds


def main() -> int:
    """Run, print the table, and say by the exit code whether everything passed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="kill -9 every role at every fault point on Apache Kafka, then compare everything that is left",
    )
    parser.add_argument(
        "--rounds", type=int, default=20, help="how often each point is struck (20: a quarter of an hour)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of the plant and of the kills; another one, other moments"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument(
        "--minutes", type=float, help="leave out what is left of the rounds after so many minutes"
    )
    parser.add_argument(
        "--cold",
        action="store_true",
        help="start an interpreter for each role, instead of forking one that has imported all",
    )
    arguments = parser.parse_args()
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {what}", file=sys.stderr, flush=True)

    report = kill_rounds(
        arguments.seed, arguments.rounds, say, minutes=arguments.minutes, is_cold=arguments.cold
    )
    print(report.as_json() if arguments.json else report)
    return 0 if report.is_passed else 1


if __name__ == "__main__":
    sys.exit(main())
