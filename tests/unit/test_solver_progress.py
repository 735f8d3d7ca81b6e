"""Offsets of requests are committed when everything below them is answered."""

from streams.solver_progress import SolverProgress


def progress(*offsets: int) -> SolverProgress:
    made = SolverProgress()
    made.gain(0)
    for offset in offsets:
        assert made.read(0, offset)
    return made


def test_an_answer_out_of_order_waits_for_those_before_it() -> None:
    made = progress(5, 6, 9)

    made.done(0, 6)
    assert {0: 5} == made.take_committable()
    made.done(0, 5)
    assert {0: 9} == made.take_committable()
    made.done(0, 9)
    assert {0: 10} == made.take_committable()
    assert {} == made.take_committable()


def test_a_partition_that_went_away_is_neither_read_nor_committed() -> None:
    made = progress(5)
    made.lose(0)
    made.done(0, 5)

    assert not made.read(0, 6)
    assert {} == made.take_committable()
    made.gain(0)
    assert {} == made.take_committable()
