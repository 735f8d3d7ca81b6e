"""What a note asks as things stand now, and whether that is worth asking. Answers from scratch, remembers nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas import SchedulingRun
from twin.replan.candidates import candidate_runs, lines_of, wanted_of
from twin.replan.problem_scope import scope_of
from twin.replan.replan_book import Note
from twin.replan.replan_requests import cost_of_holding, cost_of_orders
from twin.replan.replan_triggers import late_on, lines_waiting_for
from twin.shopfloor.downtime import is_long, present_stop
from twin.state.entities import SiteKey
from twin.state.model import Model

DAY_S = 86_400.0


@dataclass(eq=False)
class Question:
    """Notes that are asked about together.

    Attributes:
        hit: lines that they concern, the first note's first; also: lines that may take what is new.
        added: runs that nobody has planned yet; orders: what they are about.
        scope: lines that it reaches over.
    """

    notes: list[Note]
    hit: list[SiteKey]
    also: list[SiteKey] = field(default_factory=list)
    added: list[SchedulingRun] = field(default_factory=list)
    orders: list[SiteKey] = field(default_factory=list)
    scope: list[SiteKey] = field(default_factory=list)

    def overlaps(self, scope: Sequence[SiteKey]) -> bool:
        """Whether it reaches over one of these lines."""
        return not set(self.scope).isdisjoint(scope)

    def is_about(self, note: Note) -> bool:
        """Whether a note concerns lines that it reaches over."""
        return self.overlaps(note.lines)

    def take_in(self, model: Model, other: "Question") -> None:
        """Ask what another one asks too."""
        self.notes += [note for note in other.notes if note not in self.notes]
        self.hit = list(dict.fromkeys([*self.hit, *other.hit]))
        self.also = list(dict.fromkeys([*self.also, *other.also]))
        self.orders = list(dict.fromkeys([*self.orders, *other.orders]))
        known = {(run.site_id, run.run_id) for run in self.added}
        self.added += [run for run in other.added if (run.site_id, run.run_id) not in known]
        self.scope = scope_of(model, self.hit, self.also)


def question_of(model: Model, note: Note, now: float) -> Question | None:
    """What a note asks; None where it is over, or was asked about already."""
    question = Question([note], [key for key in note.lines if key in model.lines])
    if note.order is not None:
        question.orders.append(note.order)
    match note.trigger:
        case "line_down":
            if not _is_still_down(model, note):
                return None
        case "rush_order":
            if not _wants_run(model, note, question, now):
                return None
        case "order_changed":
            _wants_run(model, note, question, now)  # it may be planned in part
        case "late_receipt":
            assert note.item_id is not None, "a receipt is of an item"
            waiting = lines_waiting_for(model, (note.site_id, note.item_id))
            question.hit = list(dict.fromkeys([*question.hit, *waiting]))
        case "plan_changed":
            if not _has_broken(model, note, question.hit):
                return None
    question.scope = scope_of(model, question.hit, question.also)
    return question if question.scope else None


def is_worth_asking(model: Model, question: Question, now: float) -> bool:
    """Whether doing nothing costs anything: an order without a run, a line that is down, or late orders."""
    if question.added:
        return True
    for key in question.hit:
        line = model.lines[key]
        if is_long(line, model.plant.rules(line.site_id).down_after_min, now):
            return True
    return _is_dear(model, cost_of_holding(model, question.scope), question.notes[0].site_id)


def _is_still_down(model: Model, note: Note) -> bool:
    """Whether the line that was down still is; a card about a stop that was asked about is no second reason."""
    if note.card_id is not None and not note.card_id.startswith("line_down/"):
        return True  # a delivery card: hours were lost, whether the line stands or not
    for key in note.lines:
        line = model.lines.get(key)
        stop = None if line is None else present_stop(line)
        if stop is None:
            continue
        is_told = (
            note.card_id is not None
            and not note.is_worse
            and any(asked.at >= stop.since and key in asked.scope for asked in model.replans.asked())
        )
        if not is_told:
            return True
    return False


def _wants_run(model: Model, note: Note, question: Question, now: float) -> bool:
    """Take in the run that an order lacks; False where it lacks none, is not due soon, or was asked about."""
    assert note.order is not None, "a rush order is an order"
    order = model.orders.get(note.order)
    was_asked = note.card_id is not None and any(
        note.order in asked.orders for asked in model.replans.asked()
    )
    if order is None or was_asked:
        return False
    wanted = wanted_of(model, order)
    needed = order.promised if order.state.on_time_slot is None else order.state.on_time_slot
    if wanted is None or needed > now + model.plant.rules(order.site_id).no_runs_within_days * DAY_S:
        return False
    question.added = candidate_runs(model, now, wanted)
    question.also = lines_of(question.added)
    return bool(question.added)


def _has_broken(model: Model, note: Note, lines: Sequence[SiteKey]) -> bool:
    """Whether a change of the plan made orders late, at a cost that is worth a word."""
    late = [key for key in late_on(model, [model.lines[key] for key in lines]) if key not in note.late_before]
    return bool(late) and _is_dear(model, cost_of_orders(model, late), note.site_id)


def _is_dear(model: Model, cost: float | None, site_id: str) -> bool:
    """Whether it is worth a word; an unknown price always is."""
    return cost is None or (cost > 0.0 and cost >= model.plant.rules(site_id).replan_min_gain)
