"""When the twin asks the solver: what happened is gathered, weighed, and asked about once.

The first thing that happens is asked about at once; what follows within replan_pause_s of a request that reaches over the
same lines waits for the end of the pause, and is asked about together. Where requests stay without an answer, because the
solver is away or because the facts are of hours ago, the next ones wait too, each twice as long. All of it is decided at points that follow from the
sequence of facts: right after an event, and at ticks. All memory is in replan_book.py.
"""

from schemas import ReplanRequested, join_key, topics
from twin.decisions.proposal_life import UNDECIDED
from twin.refusal import Refused
from twin.replan.replan_book import ASKED_KEPT_S, MOST_PENDING, Asked, Note
from twin.replan.replan_questions import Question, is_worth_asking, question_of
from twin.replan.replan_requests import STAGES_APART, build_request
from twin.session import Session
from twin.state.model import Model

RUSH_GRACE_S = 3.0
"""Clock seconds after which an order without runs is in a hurry. Shorter: orders that are loaded just before their runs
are asked about; longer: who took the order waits for the answer."""

NOTES_KEPT = 20
"""Of what a request was made for, so much is asked again by one that supersedes it."""


class Replanning:
    """Asks the solver.

    Args:
        session: shared with the twin's other handlers.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._book = session.model.replans

    def at_event(self) -> None:
        """An event was folded: what cannot wait is asked about now."""
        if self._book.is_urgent:
            self._book.is_urgent = False
            self._settle(only_urgent=True)

    def at_tick(self) -> None:
        """Time passed: everything that was noted and is not held up is asked about."""
        self._book.is_urgent = False
        self._settle(only_urgent=False)

    def at_minute(self, now: float) -> None:
        """What nobody has answered in time is asked once more: the solver may have hung, died, or talked nonsense."""
        for asked in self._book.asked():
            within_s = self._session.model.plant.rules(asked.site_id).replan_answer_within_min * 60.0
            if within_s and not asked.is_repeat and now >= asked.at + within_s and self._is_unanswered(asked):
                try:
                    self._ask_again(asked)
                except Refused as refused:  # it has grown beyond what a request holds
                    self._session.counters["replan_refused", refused.reason] += 1

    def _is_unanswered(self, asked: Asked) -> bool:
        """Whether its proposal waits for a first answer. Under a planner's locks it is theirs to ask again."""
        book, key = self._session.model.plan_book, (asked.site_id, asked.proposal_id)
        life, basis = book.lives.get(key), book.bases.get(key)
        return (
            life is not None
            and basis is not None
            and life.state == "draft"
            and life.proposal_revision is None
            and basis.request_id == asked.request_id
        )

    def _ask_again(self, asked: Asked) -> None:
        """The same proposal, asked of the plan as it stands; what was asked before needs no answer any more."""
        session = self._session
        assert session.now is not None
        found = [question_of(session.model, note, session.now) for note in asked.notes]
        questions = [each for each in found if each is not None]
        if not questions:
            return  # all of it is over; the proposal expires
        first = questions[0]
        for each in questions[1:]:
            first.take_in(session.model, each)
        if not is_worth_asking(session.model, first, session.now):
            return
        basis = session.model.plan_book.bases[asked.site_id, asked.proposal_id]
        request = build_request(
            session.model,
            session.now,
            f"{session.cause}/again",  # something else may be asked about the first of these lines at this tick
            first.scope,
            first.hit,
            asked.notes,
            added=first.added,
            supersedes=[asked.request_id],
            proposal_id=asked.proposal_id,
            first_revision=basis.first_revision + STAGES_APART,
        )
        self._book.drop_asked([asked])
        repeated = Asked(
            request.request_id,
            asked.proposal_id,
            session.now,
            list(first.scope),
            list(first.hit),
            list(first.orders),
            asked.notes,
            is_repeat=True,
        )
        self._book.add_asked(asked.site_id, repeated)
        self.put_out(request)

    def forget_the_old(self, now: float) -> None:
        """Requests of days ago are superseded by nothing any more."""
        self._book.forget_before(now - ASKED_KEPT_S)

    def ask(self, question: Question) -> ReplanRequested:
        """Ask now; what waits and concerns the same lines is asked with it, what was asked before is superseded."""
        session = self._session
        assert session.now is not None
        superseded = self._take_over(question)
        request = build_request(
            session.model,
            session.now,
            session.cause,
            question.scope,
            question.hit,
            question.notes,
            added=question.added,
            supersedes=superseded,
        )
        asked = Asked(
            request.request_id,
            request.proposal_id,
            session.now,
            list(question.scope),
            list(question.hit),
            list(question.orders),
            question.notes[:NOTES_KEPT],
        )
        self._book.add_asked(request.site_id, asked)
        self.put_out(request)
        return request

    def put_out(self, request: ReplanRequested) -> None:
        """Publish and count a request."""
        first = request.problem.lines[0]
        key = join_key(first.site_id, first.line_id)
        self._session.counters["replan", request.trigger] += 1
        self._session.emit_now(topics.REPLAN_REQUESTS, key, request, request.output_id)

    # What was noted

    def _settle(self, *, only_urgent: bool) -> None:
        session = self._session
        pending = self._book.pending()
        if session.now is None or session.is_behind or not pending:
            return
        questions: list[Question] = []
        waits: list[Note] = []
        for note in pending:
            if only_urgent and not note.is_urgent:
                waits.append(note)
                continue
            if session.now < self._book.waits_until(note.site_id):
                if (
                    not self._is_full(note.site_id)
                    or question_of(session.model, note, session.now) is not None
                ):
                    waits.append(note)
                continue
            if note.trigger == "rush_order" and session.now < note.at + RUSH_GRACE_S:
                waits.append(note)
                continue
            question = question_of(session.model, note, session.now)
            if question is None:
                continue  # it is over, or was asked about
            if self._is_held_up(question):
                waits.append(note)
            else:
                _join(session.model, questions, question)
        self._book.keep_pending(waits)
        for question in questions:
            if is_worth_asking(session.model, question, session.now):
                try:
                    self.ask(question)
                except Refused as refused:  # nobody asked who could be told: it is counted
                    session.counters["replan_refused", refused.reason] += 1

    def _is_full(self, site_id: str) -> bool:
        """Whether so much waits for a solver that is silent that what is over must make room."""
        return self._book.pending_count(site_id) >= MOST_PENDING // 2

    def _is_held_up(self, question: Question) -> bool:
        """Whether it reaches over lines that were asked about a moment ago."""
        now = self._session.now
        assert now is not None
        pause_s = self._session.model.plant.rules(question.notes[0].site_id).replan_pause_s
        return any(
            now < asked.at + pause_s and question.overlaps(asked.scope) for asked in self._book.asked()
        )

    def _take_over(self, question: Question) -> list[str]:
        """Take in what waits, and what was asked before about these lines and is not over; says what that supersedes.

        A newer answer takes the place of an older one, so it must answer what the older one was asked.
        """
        model, now = self._session.model, self._session.now
        assert now is not None
        over: list[Asked] = []
        seen: list[Note] = []
        while True:
            waits = [note for note in self._book.pending() if note not in seen and question.is_about(note)]
            older = [each for each in self._book.asked() if question.overlaps(each.scope)]
            if not waits and not older:
                return [each.request_id for each in over]
            undecided = [each for each in older if self._is_undecided(each)]
            over += undecided
            self._book.drop_asked(older)
            for note in [*waits, *(note for each in undecided for note in each.notes)]:
                seen.append(note)
                found = question_of(model, note, now)
                if found is not None and is_worth_asking(model, found, now):
                    question.take_in(model, found)
            self._book.keep_pending([note for note in self._book.pending() if note not in question.notes])

    def _is_undecided(self, asked: Asked) -> bool:
        """Whether nobody has decided about its answer: what was decided is not asked again with something else."""
        life = self._session.model.plan_book.lives.get((asked.site_id, asked.proposal_id))
        return life is not None and life.state in UNDECIDED


def _join(model: Model, questions: list[Question], question: Question) -> None:
    """Put a question to those that reach over the same lines, so that these lines are asked about once."""
    same = [each for each in questions if each.overlaps(question.scope)]
    for each in same[1:]:
        questions.remove(each)
        same[0].take_in(model, each)
    if same:
        same[0].take_in(model, question)
    else:
        questions.append(question)
