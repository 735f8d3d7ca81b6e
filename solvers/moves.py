"""Which runs a plan moves: as few as explain the difference between two sequences."""

from bisect import bisect_left
from collections.abc import Sequence

from solvers.problem import Plan, Problem, RunKey

MOST_SEQUENCES = 4096
"""Sequences whose moved runs are kept. Too few: a plan of many lines is compared anew for each change of one; too many:
memory."""


def moved_runs(problem: Problem, plan: Plan) -> list[RunKey]:
    """Committed runs that are on another line, or at another place in the sequence of theirs.

    A run that only goes up because one before it has left has not moved: of the runs that stay on a line, the most that
    keep their order have stayed, and the others were moved. Of equally many, those with the earliest committed places.
    """
    moved: list[RunKey] = []
    for line, sequence in enumerate(plan.sequences):
        if sequence != problem.committed[line]:
            known = problem.moved_in.get((line, sequence))
            if known is None:
                if len(problem.moved_in) > MOST_SEQUENCES:
                    problem.moved_in.clear()
                known = problem.moved_in[line, sequence] = _moved_on(problem, line, sequence)
            moved += known
    return moved


def _moved_on(problem: Problem, line: int, sequence: tuple[RunKey, ...]) -> list[RunKey]:
    place = {key: index for index, key in enumerate(problem.committed[line])}
    stayed = [key for key in sequence if key in place]
    kept = set(keep_most([place[key] for key in stayed]))
    moved = [key for key in stayed if place[key] not in kept]
    moved += [key for key in sequence if key not in place and key in problem.committed_line]
    return moved


def keep_most(places: Sequence[int]) -> list[int]:
    """The longest rising part of a sequence; of equally long ones the smallest, compared place by place."""
    # length[i]: longest rising sequence that begins at i. Walk from the back: a rising one forwards is a falling one back.
    length = [0] * len(places)
    tails: list[int] = []  # negated: smallest -place at which a falling sequence of each length ends
    for index in range(len(places) - 1, -1, -1):
        at = bisect_left(tails, -places[index])
        length[index] = at + 1
        if at == len(tails):
            tails.append(-places[index])
        else:
            tails[at] = -places[index]
    kept: list[int] = []
    for need in range(len(tails), 0, -1):
        last = kept[-1] if kept else -1
        position = _position_of(places, kept)
        candidates = [
            places[index]
            for index in range(position, len(places))
            if length[index] >= need and places[index] > last
        ]
        kept.append(min(candidates))
    return kept


def _position_of(places: Sequence[int], kept: Sequence[int]) -> int:
    """Where to go on looking: behind the last place kept."""
    return places.index(kept[-1]) + 1 if kept else 0
