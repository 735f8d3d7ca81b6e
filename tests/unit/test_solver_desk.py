"""Turns between requests: first answers first, nobody waits for ever, what is superseded ends; answers never mix."""

from collections.abc import Callable, Iterator

import pytest

from schemas import ForesiteError, Proposal, Quote, ReplanRequested
from streams.solver_answers import Unreadable, read_request, refusal
from streams.solver_desk import EngineFailed, GivenUp, SolverDesk
from streams.solver_warm_up import small_request


def request(name: str, supersedes: list[str] | None = None, **more: object) -> ReplanRequested:
    named = {"request_id": name, "proposal_id": f"p-{name}", "supersedes": supersedes or []}
    return small_request().model_copy(update={**named, **more})


def revision(asked: ReplanRequested, number: int, *, is_final: bool) -> Proposal:
    made = refusal(asked, asked.first_revision + number, "")
    quote = Quote(item_id="i", quantity_pcs=1.0, due_at=asked.as_of, positions=[])
    return made.model_copy(update={"error": None, "is_final": is_final, "quote": quote})


class SteadyEngine:
    """Three revisions, with `pauses` turns before each; request "bad" cannot be, "bug" fails, "short" just ends."""

    def __init__(self, pauses: int = 1) -> None:
        self.pauses = pauses
        self.cancelled: dict[str, Callable[[], bool]] = {}

    def __call__(
        self, request: ReplanRequested, *, clock: Callable[[], float], cancelled: Callable[[], bool]
    ) -> Iterator[Proposal | None]:
        self.cancelled[request.request_id] = cancelled
        for number in range(3):
            for _ in range(self.pauses):
                yield None
            if number == 1 and request.request_id == "bad":
                raise ForesiteError("run R-1 is on no line")
            if number == 1 and request.request_id == "bug":
                raise IndexError("list index out of range")
            if number == 1 and request.request_id == "short":
                return
            yield revision(request, number, is_final=number == 2)


def desk_with(*names: str, pauses: int = 1) -> tuple[SolverDesk, SteadyEngine]:
    engine = SteadyEngine(pauses)
    desk = SolverDesk(engine, lambda: 0.0)
    for offset, name in enumerate(names):
        assert [] == desk.take((0, offset), request(name))
    return desk, engine


def play(desk: SolverDesk) -> list[str]:
    """Revisions in the order in which they come, as "a1"."""
    told = []
    while (turn := desk.turn()) is not None:
        if turn.proposal is not None:
            told.append(f"{turn.ticket.request.request_id}{turn.proposal.revision}")
    return told


def test_every_first_answer_comes_before_any_second_one() -> None:
    """Turns 1 to 3 and 5, 6: pauses of a, b, c and first answers; every fourth turn goes to who waited longest."""
    desk, _ = desk_with("a", "b", "c")

    assert ["a1", "b1", "c1"] == play(desk)[:3]


def test_a_request_is_polished_though_new_ones_keep_coming() -> None:
    """A newcomer a turn, each with five turns to its first answer, would have every turn but for the fourth ones.

    Five pauses and a revision, three times: 18 turns of `old`. At most one in four is not a newcomer's once it has its
    first revision, and among those it shares with all that wait: it is through all the same.
    """
    desk, _ = desk_with("old", pauses=5)
    finished_at = None
    for number in range(1, 2_000):
        if number % 40 == 1:
            desk.take((1, number), request(f"new{number}"))
        turn = desk.turn()
        if turn is not None and turn.outcome == "answered" and turn.ticket.request.request_id == "old":
            finished_at = number
            break

    assert finished_at is not None


def test_what_is_superseded_ends_and_is_told_to_stop() -> None:
    desk, engine = desk_with("a", "b")
    desk.turn()

    assert [GivenUp((0, 0), "a", "superseded")] == desk.take((0, 2), request("c", ["a"]))
    assert engine.cancelled["a"]()
    assert ["b1", "c1", "b2", "c2", "b3", "c3"] == play(desk)


def test_a_request_that_was_superseded_before_it_was_read_is_not_begun() -> None:
    """The later one stood on another partition and came first."""
    desk, engine = desk_with()
    desk.take((1, 7), request("late", ["early"]))

    assert [GivenUp((0, 3), "early", "superseded")] == desk.take((0, 3), request("early"))
    play(desk)
    assert ["late"] == list(engine.cancelled)


def test_a_proposal_that_is_asked_again_is_answered_once_under_its_later_revisions() -> None:
    desk, _ = desk_with("a")
    again = request("a2", proposal_id="p-a", first_revision=4)

    assert [GivenUp((0, 0), "a", "asked_again")] == desk.take((0, 5), again)
    older = request("a1", proposal_id="p-a", first_revision=2)
    assert [GivenUp((1, 0), "a1", "asked_again")] == desk.take((1, 0), older)
    assert ["a24", "a25", "a26"] == play(desk)


def test_an_impossible_request_is_answered_with_why_and_others_go_on() -> None:
    desk, _ = desk_with("bad", "good")
    turns = []
    while (turn := desk.turn()) is not None:
        turns.append(turn)
    [refused] = [turn for turn in turns if turn.outcome == "refused"]

    assert refused.proposal is not None
    assert (2, True, "run R-1 is on no line") == (
        refused.proposal.revision,
        refused.proposal.is_final,
        refused.proposal.error,
    )
    assert ["revision", "revision", "answered"] == [
        turn.outcome for turn in turns if turn.proposal and turn.ticket.request.request_id == "good"
    ]


@pytest.mark.parametrize(
    ("name", "why"), [("bug", "IndexError: list index out of range"), ("short", "without a final revision")]
)
def test_a_bug_stops_with_the_place_of_the_request(name: str, why: str) -> None:
    desk, _ = desk_with(name)

    with pytest.raises(
        EngineFailed, match=rf"request {name} at partition 0, offset 0, after 1 revisions.*{why}"
    ):
        play(desk)


def test_the_requests_of_a_partition_that_went_elsewhere_are_forgotten() -> None:
    desk, engine = desk_with("a")
    desk.take((1, 0), request("b"))
    desk.turn()

    assert 1 == desk.drop(0)
    assert engine.cancelled["a"]()
    assert ["b1", "b2", "b3"] == play(desk)


def test_a_broken_request_is_answered_where_it_says_whose_it_is() -> None:
    whole = small_request().model_dump_json()
    broken = whole.replace('"horizon_end":', '"horizon_begin":')

    with pytest.raises(Unreadable, match=r"problem\.horizon_end: Field required") as found:
        read_request(broken.encode())
    answer = found.value.answer
    assert answer is not None
    assert ("warm-up/1", "warm", True, []) == (
        answer.event_id,
        answer.site_id,
        answer.is_final,
        answer.options,
    )
    assert "the request cannot be read: problem.horizon_end: Field required" == answer.error


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b"\xff", b'{"proposal_id": "p"}'])
def test_what_is_no_request_at_all_has_no_answer(value: bytes) -> None:
    with pytest.raises(Unreadable) as found:
        read_request(value)

    assert found.value.answer is None


def test_a_request_survives_its_way_over_the_wire() -> None:
    assert small_request() == read_request(small_request().model_dump_json().encode())


def test_a_request_s_guard_counts_its_own_turns_only() -> None:
    """The machine works 1 s before each look at it: a turn of one look is 1 s of a's, whatever b does meanwhile."""
    worked = iter(range(1_000))
    ages: dict[str, list[float]] = {"a": [], "b": []}

    def engine(
        request: ReplanRequested, *, clock: Callable[[], float], cancelled: Callable[[], bool]
    ) -> Iterator[Proposal | None]:
        for number in range(3):
            ages[request.request_id].append(clock())
            yield revision(request, number, is_final=number == 2)

    alone = SolverDesk(engine, lambda: 0.0, lambda: float(next(worked)))
    alone.take((0, 0), request("a"))
    play(alone)
    assert [1.0, 3.0, 5.0] == ages["a"]
    ages["a"].clear()
    beside = SolverDesk(engine, lambda: 0.0, lambda: float(next(worked)))
    beside.take((0, 0), request("a"))
    beside.take((0, 1), request("b"))
    play(beside)
    assert [1.0, 3.0, 5.0] == ages["a"] == ages["b"]
