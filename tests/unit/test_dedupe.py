"""Repeats are known by number or by id, within windows that forget the oldest first and say so."""

from hypothesis import given
from hypothesis import strategies as st

from twin.state.dedupe import (
    CHUNKS_PER_LINE,
    IDS_PER_CHUNK,
    RANGES_PER_SOURCE,
    IdWindow,
    SequenceWindow,
    Verdict,
)


def test_an_id_is_new_once() -> None:
    window = IdWindow()
    assert Verdict.NEW is window.judge("a", 10.0)
    window.add("a", 10.0)
    assert Verdict.REPEAT is window.judge("a", 99.0)


def test_what_is_older_than_the_window_is_too_late() -> None:
    """64 chunks of 64 ids are kept. With one more, ids 0..63 of times 0..63 are given up: 63 is too late, 64 is not."""
    window = IdWindow()
    for number in range(IDS_PER_CHUNK * CHUNKS_PER_LINE + 1):
        window.add(f"e{number}", float(number))

    assert Verdict.TOO_LATE is window.judge("unheard of", 63.0)
    assert Verdict.NEW is window.judge("unheard of", 63.5)
    assert Verdict.REPEAT is window.judge("e64", 64.0)


def test_a_restored_window_remembers_the_same() -> None:
    window, restored = IdWindow(), IdWindow()
    chunks = {}
    for number in range(IDS_PER_CHUNK * (CHUNKS_PER_LINE + 3)):
        chunk, given_up = window.add(f"e{number}", float(number))
        chunks[chunk.number] = chunk
        if given_up is not None:
            del chunks[given_up.number]
    restored.restore(list(chunks.values())[::-1])

    for name, moment in (("e0", 0.0), ("e191", 191.0), ("e192", 192.0), ("new", 191.0), ("new", 192.0)):
        assert window.judge(name, moment) is restored.judge(name, moment), (name, moment)


def test_numbers_may_come_out_of_order_once() -> None:
    window = SequenceWindow([])
    for number in (5, 6, 9, 7):
        assert Verdict.NEW is window.judge(number)
        window.add(number, 0.0)

    assert [[5, 7], [9, 9]] == window.ranges
    assert Verdict.NEW is window.judge(8)
    assert [Verdict.REPEAT] * 3 == [window.judge(number) for number in (4, 6, 9)]


def test_the_oldest_gap_is_given_up_first() -> None:
    """Every other number: 65 ranges would be one too many, so 0 and 2 become 0..2 and 1 is taken for a repeat."""
    window = SequenceWindow([])
    for number in range(0, 2 * (RANGES_PER_SOURCE + 1), 2):
        window.add(number, 0.0)

    assert RANGES_PER_SOURCE == len(window.ranges)
    assert (Verdict.REPEAT, Verdict.NEW) == (window.judge(1), window.judge(3))


@given(st.lists(st.integers(0, 60), max_size=80))
def test_no_number_is_taken_twice_and_ranges_stay_apart(numbers: list[int]) -> None:
    window = SequenceWindow([])
    taken: list[int] = []
    for number in numbers:
        if window.judge(number) is Verdict.NEW:
            window.add(number, 0.0)
            taken.append(number)

    assert len(set(taken)) == len(taken)
    for (_, last), (first, _) in zip(window.ranges, window.ranges[1:], strict=False):
        assert last + 1 < first
