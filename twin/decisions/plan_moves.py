"""How often committed proposals moved a run: nobody is to be sent to another line four times in an afternoon."""

from typing import TYPE_CHECKING

import msgspec

from schemas import join_key
from twin.state.entities import Run, SiteKey
from twin.state.store import DocumentStore

if TYPE_CHECKING:
    from twin.state.model import Model

MOVES_KEPT = 20
"""Moves kept a run, the youngest; more than any rule allows in a shift (replan_moves_per_shift is at most 100, but a run
that was moved 20 times in a shift is moved no more whatever they say)."""


class RunMoves(msgspec.Struct):
    """When a run was moved by a committed proposal, POSIX seconds, oldest first."""

    at: list[float] = msgspec.field(default_factory=list)

    def encode(self) -> bytes:
        """JSON of the moves."""
        return msgspec.json.encode(self)


class PlanMoves:
    """The moves of a shard's runs, by site and run."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._moves: dict[SiteKey, RunMoves] = {}

    def note(self, key: SiteKey, at: float) -> None:
        """A committed proposal moved a run, and the system that executes accepted it."""
        moves = self._moves.setdefault(key, RunMoves())
        moves.at.append(at)
        moves.at.sort()
        del moves.at[:-MOVES_KEPT]
        self._store.put(_document(key), moves)

    def since(self, key: SiteKey, moment: float) -> int:
        """How often a run was moved from a moment on."""
        moves = self._moves.get(key)
        return 0 if moves is None else sum(at >= moment for at in moves.at)

    def has(self, key: SiteKey) -> bool:
        """Whether a run was ever moved."""
        return key in self._moves

    def forget(self, key: SiteKey) -> None:
        """The run is gone."""
        if self._moves.pop(key, None) is not None:
            self._store.remove(_document(key))

    def adopt(self, key: SiteKey, moves: RunMoves) -> None:
        """Hold what is already written."""
        self._moves[key] = moves


def note_move(model: "Model", run: Run, at: float) -> None:
    """A committed proposal moved the run to another line or place, acknowledged at a moment."""
    model.moves.note((run.site_id, run.run_id), at)


def moves_in_shift(model: "Model", run: Run, now: float) -> int:
    """How often committed proposals moved the run since the present shift of its line began, or the pause between two."""
    key = (run.site_id, run.run_id)
    if not model.moves.has(key):
        return 0
    shift = model.line_of_run[key].calendar.shift_at(now)
    return model.moves.since(key, shift.start_s)


def _document(key: SiteKey) -> str:
    return join_key(key[0], "run_moves", key[1])
