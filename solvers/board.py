"""The options found so far: different from each other, none worse than hold, none beaten in everything by another.

An option is judged by the request's goal, and shown where it is best at something: late money, all money, orders moved,
or overtime.
"""

from collections.abc import Generator
from dataclasses import dataclass
from hashlib import blake2b

from schemas.plans import OptionLabel, PlanOption
from solvers.checker import Checker
from solvers.evaluator import Evaluated
from solvers.goals import Weights, worth
from solvers.options import option_of, unplaced
from solvers.problem import RunKey

MOST_OPTIONS = 6
"""Options beside hold. More than a planner compares in a minute are none."""

LEAST_GAIN_SHARE = 0.001
"""Part of what is at stake that a revision must gain to be told. Smaller: people read the same options again."""

SHIFT_TOLD_S = 60.0
"""Plans whose starts differ by less are the same plan."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A plan under a label, and what it is worth."""

    label: OptionLabel
    found: Evaluated
    worth: float


class Board:
    """Gathers plans of one problem.

    Args:
        hold: the committed plan.
        weights: of the request's goal.

    Attributes:
        moves: of the searches so far; dropped: options that the checker objected to.
        advice: options that need somebody else's word first, told behind all others.
    """

    def __init__(self, hold: Evaluated, weights: Weights) -> None:
        self.hold, self.weights = hold, weights
        self.hold_worth = worth(hold, weights)
        self.moves = 0
        self.dropped = 0
        self.advice: list[PlanOption] = []
        self._offered: list[Offered] = []
        self._built: dict[str, PlanOption | None] = {}
        self._checker = Checker(hold.problem.wire)

    @property
    def best(self) -> Evaluated:
        """The plan that is worth most so far; hold where nothing is better."""
        better = min(self._offered, key=lambda each: each.worth, default=None)
        return self.hold if better is None else better.found

    @property
    def best_worth(self) -> float:
        """What that costs."""
        return min([self.hold_worth, *(each.worth for each in self._offered)])

    def has_improved(self, since: float) -> bool:
        """Whether the best plan has got better than it was by enough to be told."""
        wire = self.hold.problem.wire
        return since - self.best_worth > max(1e-6, wire.min_gain, LEAST_GAIN_SHARE * abs(since))

    def offer(self, label: OptionLabel, found: Evaluated) -> bool:
        """Take a plan where it is worth a word; whether it was taken."""
        cost = worth(found, self.weights)
        gain = self.hold_worth - cost
        if gain < max(1e-6, self.hold.problem.wire.min_gain) or unplaced(found.problem, found):
            return False
        same = next((each for each in self._offered if _is_same(each.found, found)), None)
        if same is not None:
            return False
        if label == "repair":  # a later repair replaces the earlier one
            kept = next((each for each in self._offered if each.label == "repair"), None)
            if kept is not None:
                if cost > kept.worth or (cost == kept.worth and len(found.moved) >= len(kept.found.moved)):
                    return False
                self._offered.remove(kept)
        self._offered.append(Offered(label, found, cost))
        return True

    def written(self) -> Generator[None, None, list[PlanOption]]:
        """Hold, then what is not beaten in everything, best first; each has passed the checker.

        Yields:
            None between options, for writing and checking one takes milliseconds.

        Returns:
            The options, and behind them those that need somebody else's word.
        """
        hold = self._built.get("hold")
        if hold is None:
            hold = self._checked(option_of(self.hold, self.hold, "hold", "hold"))
            self._built["hold"] = hold
        options = [hold]
        for each in sorted(self._front(), key=lambda each: (each.worth, each.label)):
            if len(options) > MOST_OPTIONS:
                break
            option_id = f"{each.label}-{_digest(each.found)}"
            if option_id not in self._built:
                option = self._checked(option_of(self.hold, each.found, each.label, option_id))
                self._built[option_id] = option if option.feasible else None
                self.dropped += 0 if option.feasible else 1
                yield
            built = self._built[option_id]
            if built is not None:
                options.append(built)
        return [*options, *self.advice]

    def _checked(self, option: PlanOption) -> PlanOption:
        violations = self._checker.check(option)
        return option.model_copy(update={"feasible": not violations, "violations": violations})

    def _front(self) -> list[Offered]:
        """Plans that no other plan beats or equals in late money, cost, orders moved and overtime, and in worth."""
        figures = [_figures(each) for each in self._offered]
        kept: list[Offered] = []
        for index, each in enumerate(self._offered):
            beaten = any(
                _beats(other, figures[index]) or (other == figures[index] and place < index)
                for place, other in enumerate(figures)
                if place != index
            )
            if not beaten:
                kept.append(each)
        return kept


def _figures(each: Offered) -> tuple[float, ...]:
    kpis = each.found.kpis
    return kpis.penalty, kpis.cost, kpis.moved_orders, kpis.overtime_h, round(each.worth, 2)


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(mine <= its for mine, its in zip(one, other, strict=True))


def _is_same(one: Evaluated, other: Evaluated) -> bool:
    """Whether two plans have people do the same."""
    if one.plan.sequences != other.plan.sequences or one.plan.splits != other.plan.splits:
        return False
    if one.plan.overtime != other.plan.overtime:
        return False
    return all(abs(start - other.start[key]) < SHIFT_TOLD_S for key, start in one.start.items())


def _digest(found: Evaluated) -> str:
    """Short text that is the same for the same plan."""
    plan = found.plan

    def minute(key: RunKey) -> int:
        return int(found.start[key] // 60)

    words = (
        [[(key, minute(key)) for key in sequence] for sequence in plan.sequences],
        sorted((key, round(hours, 2)) for key, hours in plan.overtime.items()),
        sorted((key, split.of, split.quantity_pcs) for key, split in plan.splits.items()),
    )
    return blake2b(repr(words).encode(), digest_size=4).hexdigest()
