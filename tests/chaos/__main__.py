"""`python -m tests.chaos`, which is what `make chaos` runs."""

import argparse
import json
import sys
import time

from tests.chaos.kills import kill_rounds
from tests.chaos.report import rows_table
from tests.chaos.rows import RowOutcome, run_rows

EXAMPLES = """examples:
  python -m tests.chaos --rounds 20 --seed 7           every fault point of every role, twenty times
  python -m tests.chaos --rounds 20 --minutes 10       as many of these rounds as ten minutes allow
  python -m tests.chaos --rounds 0 --rows disk solver  only the rows of the table that have one of these words
  python -m tests.chaos --rounds 0 --rows --slow       all rows, each as long as the table says
"""


def main() -> int:
    """Run, print the tables, and say by the exit code whether everything passed."""
    arguments = _parser().parse_args()
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {what}", file=sys.stderr, flush=True)

    rows: list[RowOutcome] = []
    if arguments.rows is not None or arguments.slow:
        rows = run_rows(say, is_slow=arguments.slow, names=arguments.rows or [])
    report = None
    if arguments.rounds:
        report = kill_rounds(
            arguments.seed, arguments.rounds, say, minutes=arguments.minutes, is_cold=arguments.cold
        )
    if arguments.json:
        body = {} if report is None else report.as_dict()
        print(json.dumps(body | {"rows": [each.as_dict() for each in rows]}))
    else:
        tables = [rows_table(rows)] if rows else []
        print("\n\n".join([*tables, *([] if report is None else [str(report)])]))
    is_passed = (report is None or report.is_passed) and all(each.outcome != "failed" for each in rows)
    return 0 if is_passed else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Kill -9 every role at every fault point on Apache Kafka under a seeded plant, then compare "
        "everything that is left; and run the other rows of the table of failure cases.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--rounds", type=int, default=20, help="how often each point is struck; 0: only rows (default: 20)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the plant and of the kills (default: 1)")
    parser.add_argument("--minutes", type=float, help="leave out what is left of the rounds after so long")
    parser.add_argument(
        "--cold",
        action="store_true",
        help="start an interpreter for each role, instead of forking one that has imported everything",
    )
    parser.add_argument(
        "--rows", nargs="*", metavar="WORD", help="run the rows too: all, or those with one of these words"
    )
    parser.add_argument("--slow", action="store_true", help="run the rows, each as long as the table says")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the tables")
    return parser


if __name__ == "__main__":
    sys.exit(main())
