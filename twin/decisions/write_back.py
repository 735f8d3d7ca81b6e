"""Writing an approved option back to the systems that execute, and folding what they answer.

A change goes out once everything that it waits for is in force. What was answered takes effect here as if the executing
system had said it itself; what it says later stands over it.
"""

from collections.abc import Callable

from schemas import Event, PlanAcknowledged, PlanChange, PlanOption, RunCancelled, topics
from twin.decisions import plan_words
from twin.decisions.commits import ANSWERED, IN_FORCE
from twin.decisions.committed_plan import CommittedPlan
from twin.decisions.effects import in_force, overtime_ordered, run_planned
from twin.decisions.plan_book import ChangeNote, Commitment, PromisedOrder, ProposalLife
from twin.decisions.plan_moves import note_move
from twin.decisions.proposals import Proposals
from twin.session import Session
from twin.state.entities import Run, SiteKey
from twin.state.runs import RunState
from twin.words import utc


class WriteBack:
    """Sends plan changes and folds their acknowledgements.

    Args:
        session: shared with the twin's other handlers.
        proposals: whose lives it moves.
        plan: where commits take effect.
        fold: folds an event as if its source had sent it.
    """

    def __init__(
        self,
        session: Session,
        proposals: Proposals,
        plan: CommittedPlan,
        fold: Callable[[Event], None],
    ) -> None:
        self._session = session
        self._proposals = proposals
        self._plan = plan
        self._fold = fold
        self._book = session.model.plan_book

    # Sending

    def begin(self, life: ProposalLife, changes: list[ChangeNote]) -> None:
        """Send the changes of a commit, as far as they wait for nothing."""
        life.changes = changes
        self._book.adopt_life(life)
        self._release(life)

    def again(self, life: ProposalLife) -> None:
        """Send what nobody answered once more under the same ids; where the commit is over, what was refused."""
        again = "sent" if life.state == "committing" else "rejected"
        for change in life.changes:
            if change.outcome == again:
                change.outcome, change.reason, change.answered_by = "held_back", None, None
        self._release(life)

    def _release(self, life: ProposalLife) -> bool:
        """Send what may be sent by now; says whether anything was."""
        now = self._session.now
        assert now is not None, "commands are refused until the twin has heard the time"
        sent = False
        for change in life.changes:
            if change.outcome != "held_back":
                continue
            before = [life.change(each) for each in change.after]
            if any(each is None or each.outcome == "rejected" for each in before):
                change.outcome = "rejected"
                change.reason = "not sent: what it makes room for was refused"
            elif all(each is not None and each.outcome in IN_FORCE for each in before):
                change.outcome = "sent"
                self._send(life, change)
                sent = True
        if sent:
            life.sent_at, life.is_overdue = now, False
        return sent

    def _send(self, life: ProposalLife, change: ChangeNote) -> None:
        session = self._session
        output_id = f"{session.cause}>{topics.PLAN_CHANGES}>{change.change_id}"
        body = PlanChange.model_validate(
            {
                "output_id": output_id,
                "change_id": change.change_id,
                "proposal_id": life.proposal_id,
                "option_id": life.option_id,
                "site_id": change.site_id,
                "action": change.action,
                "order_id": change.order_id,
                "order_site_id": change.order_site_id,
                "run_id": change.run_id,
                "of_run_id": change.of_run_id,
                "item_id": change.item_id,
                "line_id": change.line_id,
                "start_at": utc(change.start),
                "end_at": utc(change.end),
                "quantity_pcs": change.quantity_pcs,
                "window_id": change.window_id,
                "hours": change.hours,
                "because": change.because,
                "expected_revision": change.expected_revision,
            }
        )
        key = change.order_id or change.window_id or change.run_id
        session.emit_now(topics.PLAN_CHANGES, key, body, output_id)

    # Answers

    def on_answer(self, event: PlanAcknowledged) -> None:
        """ERP or MES answered a change."""
        session = self._session
        key = self._book.by_change.get(event.change_id)
        life = None if key is None else self._book.lives[key]
        change = None if life is None else life.change(event.change_id)
        if key is None or life is None or change is None or change.site_id != event.site_id:
            message = f"no change {event.change_id} of site {event.site_id} is known"
            session.reject(event, "unknown_change", message)
            return
        if change.outcome != "sent":
            if change.outcome == event.outcome:
                session.counters["duplicate", "answer"] += 1
                return
            message = f"change {event.change_id} is {change.outcome}; what is in force now is for run_planned to say"
            session.reject(event, "answered_before", message)
            return
        session.counters["ack", event.outcome] += 1
        change.outcome, change.reason = event.outcome, event.reason
        change.answered_by = event.event_id
        if event.outcome != "rejected":
            in_force(change, event)
            self._take_effect(key, change, event)
        # What took effect may have overtaken other proposals, never this one.
        if life.state != "committing":
            self._proposals.publish(life)  # an answer to a commit that was given up: it is told what stands
            return
        self._release(life)
        self._settle(key, life)

    def _take_effect(self, key: SiteKey, change: ChangeNote, answer: PlanAcknowledged) -> None:
        """The plan is as the answer says, before the executing system says so itself."""
        model = self._session.model
        event: Event | None
        if change.action == "plan_run":
            moved = model.runs.get((change.site_id, change.run_id))
            if moved is not None and self._has_left(moved, change):
                return
            event = run_planned(model, self._book.bases.get(key), change, answer)
            if event is not None and moved is not None and change.is_move:
                note_move(model, moved, answer.event_time.timestamp())
        elif change.action == "cancel_run":
            event = self._cancelled(change, answer)
        else:
            event = overtime_ordered(model, change, answer)
        if event is None:
            return
        self._plan.cause = key
        try:
            self._fold(event)
        finally:
            self._plan.cause = None

    def _has_left(self, run: Run, change: ChangeNote) -> bool:
        """Whether the floor began the run where it was, before the answer that it goes elsewhere."""
        line = self._session.model.line_of_run[run.site_id, run.run_id]
        if run.progress.state is RunState.PLANNED or line.line_id == change.line_id:
            return False
        change.outcome = "rejected"
        change.reason = f"it is {run.progress.state} on {line.line_id}: it stays there"
        return True

    def _cancelled(self, change: ChangeNote, answer: PlanAcknowledged) -> RunCancelled | None:
        """The cancellation; None where ERP has said so itself already, or the floor was faster."""
        run = self._session.model.runs.get((change.site_id, change.run_id))
        if run is None:
            return None
        if run.progress.state is not RunState.PLANNED:
            change.outcome = "rejected"
            change.reason = (
                f"it is {run.progress.state} on {run.plan.line_id}: what took it over is made twice"
            )
            return None
        return RunCancelled(
            event_id=answer.event_id,
            event_time=answer.event_time,
            site_id=change.site_id,
            run_id=change.run_id,
            reason=change.because,
        )

    def _settle(self, key: SiteKey, life: ProposalLife) -> None:
        """Say where the commit stands, or how it ended."""
        if not all(change.outcome in ANSWERED for change in life.changes):
            self._proposals.move(life, "committing", plan_words.sent(life.changes))
            return
        stands = sum(change.outcome in IN_FORCE for change in life.changes)
        say = plan_words.outcome(life.changes, self._session.model.plant.zone(life.site_id))
        if stands:
            self._promise(key, life, is_partial=stands < len(life.changes))
        how = "finish" if stands == len(life.changes) else "part" if stands else "fail"
        self._proposals.end(life, how, say)

    def _promise(self, key: SiteKey, life: ProposalLife, *, is_partial: bool) -> None:
        """Keep what the option promised, for the ledger."""
        option = self._option(key, life)
        now = self._session.now
        assert now is not None
        kpis = option.kpis.model_dump(exclude_none=True)
        self._book.save_commitment(
            Commitment(
                site_id=life.site_id,
                proposal_id=life.proposal_id,
                option_id=option.option_id,
                label=option.label,
                committed_at=now,
                is_partial=is_partial,
                lines=sorted({f"{each.site_id}/{each.line_id}" for each in life.changes}),
                kpis={name: float(value) for name, value in kpis.items()},
                against_hold=dict(option.against_hold),
                orders=[
                    PromisedOrder(
                        site_id=each.site_id,
                        order_id=each.order_id,
                        ships_at=None if each.ships_after is None else each.ships_after.timestamp(),
                        slip_h=each.slip_h_after,
                        penalty=each.penalty_after,
                    )
                    for each in option.per_order
                ],
            )
        )

    def _option(self, key: SiteKey, life: ProposalLife) -> PlanOption:
        options = self._book.proposals[key].options
        return next(option for option in options if option.option_id == life.option_id)

    # Silence

    def at_minute(self, now: float) -> None:
        """Say which commits are not answered in time."""
        for life in self._book.open_lives():
            if life.state != "committing" or life.is_overdue or life.sent_at is None:
                continue
            minutes = self._session.model.plant.rules(life.site_id).plan_ack_within_min
            if now >= life.sent_at + minutes * 60.0:
                life.is_overdue = True
                self._proposals.move(life, "committing", plan_words.overdue(life.changes, minutes))
