"""The rows of the table of failure cases on Apache Kafka, and the tests that show each of them.

`make chaos ROWS=1` runs them as they run in `make test`; with SLOW=1 those that last, last as long as the table says.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.chaos.slow import VARIABLE

_BROKERS: Final = "tests/integration/test_brokers_that_fail.py"
_WORKERS: Final = "tests/integration/test_workers_under_load.py"
_AGAIN: Final = "tests/integration/test_records_that_come_again.py"
_SOLVER: Final = "tests/integration/test_a_solver_that_misbehaves.py"
_TWIN: Final = "tests/integration/test_twin_worker.py"
_INGEST: Final = "tests/integration/test_ingest.py"
_RECOVERY: Final = "tests/integration/test_recovery.py"
_NOTIFY: Final = "tests/integration/test_notify_kafka.py"

KILL_ROUNDS: Final = "make chaos"
"""The row that is no test: the rounds of kills themselves."""

ROWS: Final[dict[str, tuple[str, ...]]] = {
    "kill -9 at each fault point": (
        KILL_ROUNDS,
        "tests/integration/test_twin_kills.py",
        f"{_TWIN}::test_a_kill_at_any_step_of_the_commit_loses_and_doubles_nothing",
        f"{_INGEST}::test_kill_9_in_the_middle_of_a_stream_leaves_every_event_exactly_once",
        "tests/integration/test_solver_role.py::test_killed_in_the_middle_it_answers_the_same",
        "tests/integration/test_web_kafka.py::test_killed_around_its_delivery_a_command_is_carried_out_once",
        f"{_NOTIFY}::test_a_kill_between_sending_and_noting_repeats_that_one_under_its_id",
    ),
    "SIGTERM under load": (
        f"{_WORKERS}::test_every_role_drains_under_load_and_exits_with_0_within_30_s",
        f"{_TWIN}::test_sigterm_under_load_drains_and_exits_with_0",
        f"{_INGEST}::test_sigterm_under_load_drains_commits_and_exits_with_0",
    ),
    "asleep and awake again; two twins for one partition": (
        f"{_WORKERS}::test_a_sleeping_twin_is_replaced_and_fenced_when_it_wakes",
        f"{_TWIN}::test_a_zombie_is_fenced_and_nothing_of_it_becomes_visible",
        f"{_NOTIFY}::test_a_worker_that_slept_through_its_session_repeats_what_it_held_and_notes_nothing",
    ),
    "broker restarts; is away for long": (
        f"{_BROKERS}::test_a_broker_that_is_away_for_long_costs_neither_records_nor_memory",
        f"{_TWIN}::test_a_broker_that_goes_away_is_waited_for",
        f"{_INGEST}::test_a_broker_that_dies_and_comes_back_costs_nothing",
        f"{_NOTIFY}::test_a_broker_that_dies_and_comes_back_costs_no_notice",
    ),
    "leaders move, three brokers": (
        f"{_BROKERS}::test_a_leader_that_dies_is_followed_by_another_and_comes_back",
    ),
    "workers join and leave": (
        f"{_WORKERS}::test_workers_that_join_and_leave_all_the_time_change_nothing",
        f"{_TWIN}::test_workers_that_join_and_leave_share_the_partitions",
        f"{_INGEST}::test_workers_that_come_and_go_leave_every_event_exactly_once",
        f"{_NOTIFY}::test_two_workers_share_the_cards_and_tell_each_once",
    ),
    "every record twice; a whole range replayed": (
        f"{_AGAIN}::test_a_whole_range_that_is_replayed_changes_nothing_and_is_counted",
    ),
    "late by an hour, by a month": (
        f"{_AGAIN}::test_what_comes_an_hour_or_a_month_late_is_in_its_place_or_rejected_by_name",
    ),
    "two workers under one name": (
        f"{_WORKERS}::test_of_two_workers_that_begin_under_one_name_one_ends_and_says_so",
    ),
    "a batch of facts refused; a zombie ingest; two that tick": (
        f"{_INGEST}::test_a_refused_batch_stops_ingest_and_leaves_no_hole",
        f"{_INGEST}::test_a_zombie_that_wakes_up_loses_and_doubles_nothing",
        f"{_WORKERS}::test_two_ingest_workers_tick_one_clock_that_never_runs_back",
    ),
    "broken records: JSON, ranges, times, Unicode": (
        f"{_INGEST}::test_the_whole_corpus_is_refused_and_its_good_neighbours_arrive",
        "tests/unit/test_decode.py",
    ),
    "10 MB, 100,000 deep, keys by the hundred thousand": (
        f"{_AGAIN}::test_huge_and_deep_records_are_refused_before_they_are_parsed",
    ),
    "lz4, zstd, snappy, gzip": (f"{_INGEST}::test_records_come_in_whatever_a_source_compresses_with",),
    "topics get more partitions": (
        f"{_INGEST}::test_partitions_that_an_input_topic_gets_are_read_from_their_beginning",
        f"{_WORKERS}::test_a_facts_topic_that_got_more_partitions_is_refused_with_the_way_to_migrate",
    ),
    "beyond retention; a topic made anew": (
        f"{_INGEST}::test_input_that_retention_took_before_it_was_read_stops_ingest",
        f"{_INGEST}::test_an_input_topic_created_anew_stops_ingest",
        f"{_TWIN}::test_facts_that_retention_took_stop_the_worker",
        f"{_TWIN}::test_a_facts_topic_created_anew_stops_the_worker",
    ),
    "state topic: damaged, half a commit, another version": (
        f"{_RECOVERY}::test_damaged_state_is_found_and_mended",
        f"{_RECOVERY}::test_a_worker_on_damaged_state_stops_and_names_the_command",
        f"{_RECOVERY}::test_half_a_checkpoint_is_not_seen_before_its_commit",
        f"{_RECOVERY}::test_another_version_leaves_a_checkpoint_before_it_folds_and_an_older_one_is_refused",
    ),
    "a record that crashes our own code": (
        f"{_TWIN}::test_a_record_that_our_own_code_cannot_fold_stops_the_worker",
        f"{_RECOVERY}::test_a_record_that_crashes_our_code_is_quarantined",
        f"{_RECOVERY}::test_a_twin_at_work_is_fenced_by_a_quarantine",
    ),
    "disk full at the broker": (
        f"{_BROKERS}::test_a_full_disk_holds_everything_up_says_so_and_is_over_when_there_is_room",
    ),
    "an ACL denied; a password or certificate that does not hold": (
        "tests/integration/test_acl_matrix.py",
        "tests/integration/test_refused_roles.py",
    ),
    "the solver hangs, dies, is late or talks nonsense": (
        f"{_SOLVER}::test_one_that_hangs_is_replaced_and_what_it_says_when_it_wakes_counts_for_nothing",
        f"{_SOLVER}::test_nonsense_is_refused_and_its_request_is_made_once_more",
        "tests/integration/test_solver_worker.py::test_a_crash_answers_again_and_a_skip_lets_the_others_pass",
        "tests/unit/test_unanswered_requests.py",
        "tests/unit/test_watchdog.py",
    ),
    "a backlog of a day": ("tests/integration/test_backlog.py",),
    "slow consumers": ("tests/integration/test_notify_sinks.py",),
}
"""Row -> node ids of pytest, and KILL_ROUNDS for what is not among them."""


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What came of a row.

    Attributes:
        outcome: passed, failed, or what pytest said otherwise, as that all were skipped; detail: its last line.
    """

    row: str
    outcome: str
    seconds: float
    detail: str

    def as_dict(self) -> dict[str, object]:
        """All of it, for JSON."""
        return {
            "row": self.row,
            "outcome": self.outcome,
            "seconds": round(self.seconds, 1),
            "tests": self.detail,
        }


def run_rows(say: Callable[[str], None], *, is_slow: bool, names: Sequence[str] = ()) -> list[RowOutcome]:
    """Run the tests of each row, one row after the other.

    Args:
        say: is told of each row.
        is_slow: rows that last, last as long as the table of failure cases says.
        names: only rows whose name has one of these in it; none: all.
    """
    outcomes = []
    for row, tests in ROWS.items():
        if names and not any(name in row for name in names):
            continue
        began = time.monotonic()
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "--no-header", "-rs", *_nodes(tests)],
            env={**os.environ, VARIABLE: "1" if is_slow else "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = ran.stdout.strip().splitlines() or [ran.stderr.strip()]
        is_skipped = ran.returncode == 0 and " passed" not in lines[-1]
        outcome = "failed" if ran.returncode else "skipped" if is_skipped else "passed"
        outcomes.append(RowOutcome(row, outcome, time.monotonic() - began, lines[-1].strip("= ")))
        say(f"{row}: {outcome} ({lines[-1].strip('= ')})")
        if ran.returncode:
            say("\n".join(lines[-60:]))
    return outcomes


def _nodes(tests: Sequence[str]) -> list[str]:
    return [test for test in tests if test != KILL_ROUNDS]
