"""The life of proposals: what was asked, what the solver answers, what time and other plans make of it.

Commands on them are in proposal_desk.py, the writing back of an approved option in write_back.py.
"""

from collections.abc import Sequence

from schemas import (
    ChangeStatus,
    Output,
    PlannedRun,
    PlanState,
    Proposal,
    ProposalState,
    ReplanRequested,
    SchedulingRun,
    join_key,
    topics,
)
from twin.cards.card_board import CardBoard
from twin.cards.card_life import LIVE_STATES
from twin.decisions import plan_words
from twin.decisions.plan_book import Basis, BasisRun, ProposalLife
from twin.decisions.planned import PlannedAs
from twin.decisions.proposal_checks import best_other, deadline_of, flaw_of
from twin.decisions.proposal_life import OPEN_STATES, OWN_PROPOSAL_MOVES, RETRIED_STATES, UNDECIDED
from twin.session import Session
from twin.state.entities import SiteKey
from twin.words import time_of, utc

LIFE_KEPT_S = 7 * 86_400.0
"""How long a proposal that has ended is known. Shorter: a command sent late finds nothing; longer: documents pile up."""


class Proposals:
    """Folds proposals and watches over them.

    Args:
        session: shared with the twin's other handlers.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._book = session.model.plan_book

    # What was asked

    def hear(self, outputs: Sequence[Output]) -> None:
        """Note the requests among what came out: answers to anything else are kept out."""
        for output in outputs:
            if isinstance(output.body, ReplanRequested):
                self._note(output.body)

    def _note(self, request: ReplanRequested) -> None:
        key = (request.site_id, request.proposal_id)
        for earlier in request.supersedes:
            other = self._book.by_request.get(earlier)
            if other is not None and other != key and self._book.lives[other].state in UNDECIDED:
                self.end(self._book.lives[other], "supersede", "The same lines were looked at anew since.")
        life = self._book.lives.get(key)
        if life is not None and life.state in ("approved", "committing", *RETRIED_STATES):
            return  # somebody has decided about it: what it rests on stays
        basis = _basis_of(request)
        self._book.save_basis(key, basis)
        now = basis.asked_at if self._session.now is None else self._session.now
        if life is None or life.state not in UNDECIDED:
            revision = 0 if life is None else life.revision
            life = ProposalLife(*key, state="draft", since=now, revision=revision)
            life.say = plan_words.asked(basis)
            self._session.counters["proposal", "draft"] += 1
            self.publish(life)
        else:
            life.proposal_revision, life.offered_at = None, None
            if life.state == "draft":  # nobody answered the request before
                life.say = plan_words.asked_again(basis)
                self.publish(life)
            else:
                self._book.save_life(life)

    # What the solver answers

    def on_proposal(self, event: Proposal) -> None:
        """Take a revision that answers the last request of its proposal; what is older or repeated is skipped."""
        session = self._session
        key = (event.site_id, event.proposal_id)
        life, basis = self._book.lives.get(key), self._book.bases.get(key)
        if basis is not None:
            session.model.replans.heard(event.site_id)
        if life is not None and (
            life.state not in UNDECIDED
            or basis is None
            or event.revision < basis.first_revision
            or (life.proposal_revision is not None and event.revision <= life.proposal_revision)
        ):
            session.counters["duplicate", "proposal"] += 1
            return
        if life is None or basis is None or event.request_id != basis.request_id:
            session.reject(
                event, "unknown_request", f"nobody asked for request {event.request_id} at {event.site_id}"
            )
            return
        flaw = flaw_of(basis, event)
        if flaw is not None:
            session.reject(event, "impossible_proposal", f"proposal {event.proposal_id}: {flaw}")
            return
        self._book.save_options(event)
        life.proposal_revision = event.revision
        self._judge(life, basis, event)

    def _judge(self, life: ProposalLife, basis: Basis, event: Proposal) -> None:
        session = self._session
        best = best_other(event)
        if best is not None:
            is_first = life.offered_at is None
            now = event.event_time.timestamp() if session.now is None else session.now
            say = plan_words.offered(event.options, best, is_final=event.is_final)
            if is_first:
                life.offered_at = now
            self.move(life, OWN_PROPOSAL_MOVES[_state(life)]["offer"], say)
            if is_first:
                self._put_on_cards(life, basis)
        elif event.is_final and life.state == "draft":
            say = plan_words.nothing_better(event.error)
            if event.quote is not None:
                say = f"Quoted {event.quote.quantity_pcs:g} of {event.quote.item_id}: {len(event.quote.positions)} places."
            self.end(life, "expire", say)
        elif event.is_final:
            self.move(life, _state(life), plan_words.nothing_better(event.error))
        else:
            self._book.save_life(life)

    def _put_on_cards(self, life: ProposalLife, basis: Basis) -> None:
        """The cards that the request named say that there are options, once."""
        session, model = self._session, self._session.model
        if session.now is None:
            return
        board = CardBoard(model, session.now, session.cause, lambda _order: None, lambda _order: None)
        for card_id in dict.fromkeys(basis.card_ids):
            root = model.card_book.roots_of_cards.get(card_id)
            card = None if root is None else model.cards[root]
            if root is None or card is None or card.state not in LIVE_STATES:
                continue
            if life.proposal_id in card.proposal_ids:
                continue
            known = [each for each in card.proposal_ids if self._is_of_use(card.site_id, each)]
            update = {
                "output_id": board.output_id(root),
                "revision": card.revision + 1,
                "proposal_ids": [*known, life.proposal_id],
                "as_of": utc(session.now),
                "update_reason": "options proposed",
            }
            board.publish(root, card.model_copy(update=update))
        session.outputs += board.outputs

    def _is_of_use(self, site_id: str, proposal_id: str) -> bool:
        life = self._book.lives.get((site_id, proposal_id))
        return life is not None and life.state not in ("rejected", "expired", "superseded")

    # What time makes of it

    def at_minute(self, now: float) -> None:
        """Expire what nobody decided on or what it is too late for; forget what ended long ago."""
        for key, life in sorted(self._book.lives.items()):
            if life.state in UNDECIDED or life.state == "approved":
                why = self._why_expired(life, now)
                if why is not None:
                    self.end(life, "expire", why)
            elif life.state not in OPEN_STATES and life.since < now - LIFE_KEPT_S:
                self._book.forget_life(key)
                output_id = f"{self._session.cause}>{topics.PLANS}>{life.proposal_id}"
                moment = utc(now).isoformat()
                self._session.outputs.append(Output(topics.PLANS, life.proposal_id, None, output_id, moment))
        self._see_what_came(now)

    def _why_expired(self, life: ProposalLife, now: float) -> str | None:
        model = self._session.model
        key = (life.site_id, life.proposal_id)
        rules, zone = model.plant.rules(life.site_id), model.plant.zone(life.site_id)
        basis, proposal = self._book.bases[key], self._book.proposals.get(key)
        begun = life.since if life.offered_at is None or life.state == "approved" else life.offered_at
        is_old = now >= begun + rules.proposal_valid_h * 3600.0
        if proposal is None or life.proposal_revision is None:
            words = f"No answer of the solver within {rules.proposal_valid_h:g} h. Ask again."
            return words if is_old else None
        chosen = [
            option
            for option in proposal.options
            if option.feasible
            and (option.option_id == life.option_id if life.state == "approved" else option.label != "hold")
        ]
        deadlines = [deadline_of(basis, option, rules) for option in chosen]
        if deadlines and all(each is not None and now > each[0] for each in deadlines):
            last = max(each for each in deadlines if each is not None)
            return f"Too late since {time_of(last[0], zone)}: {last[1]}. Ask again for the plan as it is now."
        if not is_old:
            return None
        if life.state != "approved":
            return f"Nobody decided within {rules.proposal_valid_h:g} h. Ask again for the plan as it is now."
        return None if deadlines != [None] else "It was decided to go on as planned."

    def _see_what_came(self, now: float) -> None:
        """Of what committed options promised: orders that have shipped, or never will."""
        model = self._session.model
        for key, promise in sorted(self._book.commitments.items()):
            keep_s = model.plant.rules(key[0]).retention_days * 86_400.0
            if promise.is_settled:
                if promise.committed_at < now - keep_s and not any(
                    each.came_at is not None and each.came_at >= now - keep_s for each in promise.orders
                ):
                    self._book.forget_commitment(key)
                continue
            is_news = False
            for each in promise.orders:
                order = model.orders.get((each.site_id, each.order_id))
                if each.came_status is not None or (order is not None and order.is_open):
                    continue
                each.came_status = "forgotten" if order is None else order.state.status
                each.came_at = None if order is None else order.state.closed_at
                is_news = True
            if is_news:
                self._book.save_commitment(promise)

    # What other plans make of it

    def plan_changed(
        self, run_key: SiteKey, now_as: PlannedAs | None, what: str, by: SiteKey | None = None
    ) -> None:
        """A run is planned otherwise than before: proposals that rest on the old plan have been overtaken.

        Args:
            run_key: the run.
            now_as: as it is planned now; None: it is not any more.
            what: the same in words.
            by: the proposal whose commit did it; None: the plan was changed outside.
        """
        for life in self._book.open_lives():
            key = (life.site_id, life.proposal_id)
            if key == by:
                continue
            if life.state == "committing":
                if self._contradicts(life, run_key, now_as):
                    self._give_up(life, what)
            elif not self._fits(self._book.bases[key], run_key, now_as):
                self.end(life, "supersede", plan_words.overtaken(what, []))

    def _fits(self, basis: Basis, run_key: SiteKey, now_as: PlannedAs | None) -> bool:
        run = basis.run(*run_key)
        if run is not None:
            return now_as is not None and now_as.is_like(run.line_id, run.start, run.quantity_pcs)
        return now_as is None or join_key(run_key[0], now_as.line_id) not in basis.scope

    def _contradicts(self, life: ProposalLife, run_key: SiteKey, now_as: PlannedAs | None) -> bool:
        for change in life.changes:
            if (change.site_id, change.run_id) != run_key or change.outcome == "rejected":
                continue
            if change.action == "cancel_run":
                return now_as is not None
            return now_as is None or not now_as.is_like(change.line_id, change.start, change.quantity_pcs)
        return False

    def _give_up(self, life: ProposalLife, what: str) -> None:
        """A plan from outside took the place of a commit that was under way: nothing more is sent."""
        self.end(life, "supersede", plan_words.overtaken(what, life.changes))

    # Publishing

    def move(self, life: ProposalLife, state: ProposalState, say: str) -> None:
        """It goes into a state (or stays in it with other options), and says so."""
        if life.state != state:
            self._session.counters["proposal", state] += 1
            life.since = life.since if self._session.now is None else self._session.now
        life.state, life.say = state, say
        self.publish(life)

    def end(self, life: ProposalLife, how: str, say: str) -> None:
        """It ends by itself: expire, supersede, or a commit's finish, part or fail."""
        self.move(life, OWN_PROPOSAL_MOVES[_state(life)][how], say)
        if life.state not in OPEN_STATES and life.state not in RETRIED_STATES:
            self._book.forget_options((life.site_id, life.proposal_id))

    def publish(self, life: ProposalLife) -> None:
        """Put out where it is in its life."""
        life.revision += 1
        self._book.save_life(life)
        session = self._session
        now = life.since if session.now is None else session.now
        output_id = f"{session.cause}>{topics.PLANS}>{life.proposal_id}/{life.revision}"
        body = PlanState(
            output_id=output_id,
            plan_id=life.proposal_id,
            site_id=life.site_id,
            revision=life.revision,
            state=_state(life),
            say=life.say,
            proposal_revision=life.proposal_revision,
            option_id=life.option_id,
            approved_by=life.approved_by,
            committed_by=life.committed_by,
            reason=life.reason,
            changes=[
                ChangeStatus.model_validate(
                    {
                        "change_id": each.change_id,
                        "site_id": each.site_id,
                        "run_id": each.run_id,
                        "outcome": each.outcome,
                        "reason": each.reason,
                    }
                )
                for each in life.changes
            ],
            runs=self._runs_of(life),
            as_of=utc(now),
        )
        session.outputs.append(Output(topics.PLANS, life.proposal_id, body, output_id, utc(now).isoformat()))

    def _runs_of(self, life: ProposalLife) -> list[PlannedRun]:
        proposal = self._book.proposals.get((life.site_id, life.proposal_id))
        if proposal is None or life.option_id is None:
            return []
        return next((each.plan for each in proposal.options if each.option_id == life.option_id), [])


def _state(life: ProposalLife) -> ProposalState:
    return life.state  # type: ignore[return-value]  # a document holds what the tables have


def _unlocked(run: SchedulingRun) -> tuple[str, list[tuple[str, str]]] | None:
    if run.unlocked is None:
        return None
    return run.unlocked.freedom, [(each.site_id, each.line_id) for each in run.unlocked.eligible]


def _basis_of(request: ReplanRequested) -> Basis:
    return Basis(
        request_id=request.request_id,
        trigger=request.trigger,
        because=list(request.because),
        asked_at=request.as_of.timestamp(),
        first_revision=request.first_revision,
        plan_revision=request.plan_revision,
        scope=list(request.scope),
        card_ids=list(request.card_ids),
        runs=[
            BasisRun(
                site_id=run.site_id,
                run_id=run.run_id,
                item_id=run.item_id,
                line_id=run.line_id,
                start=run.planned_start,
                quantity_pcs=run.quantity_pcs,
                freedom=run.freedom,
                eligible=[(each.site_id, each.line_id) for each in run.eligible],
                pegs=[(peg.site_id, peg.order_id, peg.quantity_pcs) for peg in run.pegs],
                unlocked=_unlocked(run),
            )
            for run in request.problem.runs
        ],
        added=[run.model_dump_json() for run in request.problem.runs if run.line_id is None],
        hit=[(line.site_id, line.line_id) for line in request.problem.lines if line.is_hit],
    )
