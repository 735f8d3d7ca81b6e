"""How far behind: known only where something was read, and zero at the end whatever the offsets say."""

import pytest

from streams.input_progress import UNKNOWN_LAG_S, InputProgress

A, B = ("a", 0), ("b", 1)


class Inputs:
    """Two partitions with given ends, at a given time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.ends = {A: 10, B: 20}
        self.progress = InputProgress(lambda: self.now)
        self.progress.gain([A, B])

    def lag_s(self) -> float | None:
        return self.progress.lag_s(self.ends.__getitem__)

    def backlog(self) -> dict[str, int]:
        return self.progress.backlog(self.ends.__getitem__)


@pytest.fixture
def inputs() -> Inputs:
    return Inputs()


def test_nothing_waits_where_all_was_read(inputs: Inputs) -> None:
    inputs.progress.read(A, 10, 900_000)
    inputs.progress.read(B, 20, 900_000)

    assert 0.0 == inputs.lag_s()
    assert {"a": 0, "b": 0} == inputs.backlog()


def test_the_lag_is_the_age_of_what_was_read_last_where_more_waits(inputs: Inputs) -> None:
    inputs.progress.read(A, 4, 940_000)
    inputs.progress.read(B, 20, 900_000)

    assert 60.0 == inputs.lag_s()
    assert {"a": 6, "b": 0} == inputs.backlog()


def test_markers_behind_the_last_record_are_no_backlog(inputs: Inputs) -> None:
    inputs.progress.read(A, 9, 400_000)
    inputs.progress.reach_end(A)
    inputs.progress.reach_end(B)

    assert 0.0 == inputs.lag_s()
    assert {"a": 0, "b": 0} == inputs.backlog()


def test_the_lag_is_unknown_until_something_was_read_and_then_assumed(inputs: Inputs) -> None:
    inputs.progress.read(A, 10, 999_000)

    assert inputs.lag_s() is None
    inputs.now += UNKNOWN_LAG_S
    assert UNKNOWN_LAG_S == inputs.lag_s()


def test_an_end_that_is_not_known_yet_is_no_end(inputs: Inputs) -> None:
    inputs.ends = {A: -1001, B: -1001}

    assert inputs.lag_s() is None
    assert {"a": 0, "b": 0} == inputs.backlog()


def test_empty_partitions_are_read_to_their_end(inputs: Inputs) -> None:
    inputs.ends = {A: 0, B: 0}

    assert 0.0 == inputs.lag_s()


def test_what_is_lost_counts_no_more(inputs: Inputs) -> None:
    inputs.progress.lose([B])
    inputs.progress.reach_end(A)

    assert [A] == inputs.progress.owned
    assert not inputs.progress.owns(*B)
    assert 0.0 == inputs.lag_s()
