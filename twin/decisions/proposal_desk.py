"""What people decide about proposals: adjust, approve, reject, commit.

A command that cannot be carried out is refused with the reason, and nothing has changed then.
"""

from collections.abc import Callable, Mapping
from typing import Any

from schemas import (
    Lock,
    PlanOption,
    ProposalAdjusted,
    ProposalApproved,
    ProposalCommand,
    ProposalCommitted,
    ProposalRejected,
    ProposalState,
    ReplanRequested,
    SchedulingRun,
    Unlocked,
    split_key,
)
from twin.decisions import plan_words
from twin.decisions.commits import changes_of
from twin.decisions.desk import Done
from twin.decisions.plan_book import Basis, ChangeNote, ProposalLife
from twin.decisions.proposal_checks import FIXED, begun_since, deadline_of
from twin.decisions.proposal_life import PROPOSAL_MOVES
from twin.decisions.proposals import Proposals
from twin.decisions.write_back import WriteBack
from twin.refusal import Refused
from twin.replan.problem_runs import pinned_to
from twin.replan.replan_book import Asked, Note
from twin.replan.replan_requests import STAGES_APART, build_request
from twin.replan.replanning import Replanning
from twin.session import Session
from twin.state.entities import SiteKey
from twin.words import time_of


class ProposalDesk:
    """Carries out commands on proposals.

    Args:
        session: shared with the twin's other handlers.
        proposals: whose lives it moves.
        write_back: sends what is committed.
        replanning: asks again what is adjusted.
    """

    def __init__(
        self, session: Session, proposals: Proposals, write_back: WriteBack, replanning: Replanning
    ) -> None:
        self._session = session
        self._replanning = replanning
        self._proposals = proposals
        self._write_back = write_back
        self._book = session.model.plan_book

    def commands(self) -> dict[str, Callable[[Any], Done]]:
        """Kind -> what carries it out, and says the proposal's revision after it and where it stands."""
        return {
            "proposal_adjust": self._adjust,
            "proposal_approve": self._approve,
            "proposal_reject": self._reject,
            "proposal_commit": self._commit,
        }

    # The commands

    def _adjust(self, command: ProposalAdjusted) -> Done:
        life, state = self._moving(command)
        basis = self._book.bases[life.site_id, life.proposal_id]
        locks = self._checked_locks(command, life, basis)
        because = f"{command.actor} set {_locks_in_words(command.locks)}"
        request = self._request(command, life, basis, locks, because)
        life.option_id = life.approved_by = life.offered_at = life.proposal_revision = None
        self._proposals.move(life, state, f"{because}: options under it are being worked out.")
        self._replanning.put_out(request)
        return life.revision, life.say

    def _request(
        self,
        command: ProposalAdjusted,
        life: ProposalLife,
        basis: Basis,
        locks: Mapping[SiteKey, Lock],
        because: str,
    ) -> ReplanRequested:
        """The same question under the locks; it takes the place of the one before it."""
        model, now = self._session.model, self._session.now
        assert now is not None
        scope = [key for key in map(_line_key, basis.scope) if key in model.lines]
        before = [asked for asked in model.replans.asked() if asked.proposal_id == life.proposal_id]
        notes = [note for asked in before for note in asked.notes]
        adjusted = Note("adjusted", life.site_id, because, now, [command.event_id], basis.hit or scope[:1])
        request = build_request(
            model,
            now,
            self._session.cause,
            scope,
            basis.hit,
            [adjusted, *notes],
            added=self._still_added(basis, locks),
            locks=locks,
            supersedes=[basis.request_id],
            proposal_id=life.proposal_id,
            first_revision=max(basis.first_revision, life.proposal_revision or 0) + STAGES_APART,
        )
        model.replans.drop_asked(before)
        orders = [order for asked in before for order in asked.orders]
        asked = Asked(request.request_id, life.proposal_id, now, scope, basis.hit, orders, notes)
        model.replans.add_asked(life.site_id, asked)
        return request.model_copy(update={"card_ids": basis.card_ids})

    def _approve(self, command: ProposalApproved) -> Done:
        life, state = self._moving(command)
        option = self._option(life, command.option_id)
        self._check_standing(life, option)
        life.option_id, life.approved_by = option.option_id, command.actor
        rules = self._session.model.plant.rules(life.site_id)
        say = plan_words.approved(
            option,
            command.actor,
            has_changes=bool(self._changes(life, option)),
            four_eyes=rules.plan_four_eyes,
        )
        self._proposals.move(life, state, say)
        return life.revision, life.say

    def _reject(self, command: ProposalRejected) -> Done:
        life, state = self._moving(command)
        life.reason = command.reason
        why = f": {command.reason}" if command.reason else ""
        self._proposals.move(life, state, f"{command.actor} rejected it{why}. The plan is as it was.")
        self._book.forget_options((life.site_id, life.proposal_id))
        return life.revision, life.say

    def _commit(self, command: ProposalCommitted) -> Done:
        life, state = self._moving(command)
        rules = self._session.model.plant.rules(life.site_id)
        if command.option_id != life.option_id:
            raise Refused(
                "not_approved",
                f"{life.approved_by} approved {life.option_id}, not {command.option_id}; approve that one first",
                life.revision,
            )
        if rules.plan_four_eyes and command.actor == life.approved_by:
            raise Refused(
                "four_eyes",
                "you approved it yourself; the rules (plan_four_eyes) ask for somebody else to commit it",
                life.revision,
            )
        option = self._option(life, command.option_id)
        if life.state == "approved":
            self._check_standing(life, option)
            changes = self._changes(life, option)
            if not changes:
                raise Refused(
                    "nothing_to_commit", f"{option.option_id} leaves the plan as it is", life.revision
                )
            self._check_others(life, changes)
            self._write_back.begin(life, changes)
        else:
            self._write_back.again(life)
        life.committed_by = command.actor
        self._proposals.move(life, state, plan_words.sent(life.changes))
        return life.revision, life.say

    # Checks

    def _moving(self, command: ProposalCommand) -> tuple[ProposalLife, ProposalState]:
        """The proposal and the state that the command brings it into."""
        life = self._book.lives.get((command.site_id, command.proposal_id))
        if life is None:
            raise Refused(
                "unknown_proposal",
                f"site {command.site_id} has no proposal {command.proposal_id}, or it ended long ago",
            )
        if command.expected_revision is None:
            raise Refused(
                "no_revision", "say which revision you looked at (expected_revision)", life.revision
            )
        if command.expected_revision != life.revision:
            raise Refused(
                "stale_revision",
                f"you looked at revision {command.expected_revision}, it is at {life.revision}: {life.say}",
                life.revision,
            )
        moves = PROPOSAL_MOVES[life.state]  # type: ignore[index]  # a document holds what the tables have
        state = moves.get(command.kind)
        if state is None:
            raise Refused("illegal_move", _why_illegal(life, command, sorted(moves)), life.revision)
        return life, state

    def _option(self, life: ProposalLife, option_id: str) -> PlanOption:
        proposal = self._book.proposals.get((life.site_id, life.proposal_id))
        if proposal is None or life.proposal_revision is None:
            raise Refused(
                "being_solved", "its options are being worked out; try again in a moment", life.revision
            )
        option = next((each for each in proposal.options if each.option_id == option_id), None)
        if option is None:
            known = ", ".join(each.option_id for each in proposal.options)
            raise Refused("unknown_option", f"it has no option {option_id}; it has {known}", life.revision)
        if not option.feasible:
            flaws = plan_words.listed(option.violations) or "it breaks a constraint"
            raise Refused("infeasible", f"{option_id} cannot be carried out: {flaws}", life.revision)
        return option

    def _check_standing(self, life: ProposalLife, option: PlanOption) -> None:
        """The plan that the option rests on must still stand, and there must be time for it."""
        model, now = self._session.model, self._session.now
        assert now is not None
        basis = self._book.bases[life.site_id, life.proposal_id]
        begun = list(begun_since(model, basis, option))
        if begun:
            words = f"{plan_words.listed(begun)}: what {option.option_id} moves is not as it was; adjust to solve it again"
            raise Refused("plan_moved", words, life.revision)
        for window in option.overtime:
            line = model.lines.get((window.site_id, window.line_id))
            offers = [] if line is None else line.overtime
            if not any(each.window_id == window.window_id and not each.withdrawn for each in offers):
                words = f"overtime {window.window_id} on {window.line_id} is not on offer any more; adjust to solve again"
                raise Refused("plan_moved", words, life.revision)
        deadline = deadline_of(basis, option, model.plant.rules(life.site_id))
        if deadline is not None and now > deadline[0]:
            at = time_of(deadline[0], model.plant.zone(life.site_id))
            raise Refused(
                "too_late", f"too late since {at}: {deadline[1]}; adjust to solve again", life.revision
            )

    def _check_others(self, life: ProposalLife, changes: list[ChangeNote]) -> None:
        """No other commit that is under way may be about the same runs: its answers decide what there is to move."""
        mine = {(each.site_id, each.run_id or each.window_id) for each in changes}
        for other in self._book.open_lives():
            if other.state != "committing":
                continue
            waiting = [each for each in other.changes if each.outcome in ("sent", "held_back")]
            shared = [each for each in waiting if (each.site_id, each.run_id or each.window_id) in mine]
            if shared:
                names = plan_words.listed([plan_words.name_of(each) for each in shared])
                message = f"{other.proposal_id} is being committed and not answered yet: {names}"
                raise Refused("commit_under_way", message, life.revision)

    def _changes(self, life: ProposalLife, option: PlanOption) -> list[ChangeNote]:
        key = (life.site_id, life.proposal_id)
        if option.label == "hold":
            return []
        return changes_of(self._session.model, self._book.bases[key], self._book.proposals[key], option)

    def _checked_locks(
        self, command: ProposalAdjusted, life: ProposalLife, basis: Basis
    ) -> Mapping[SiteKey, Lock]:
        """The locks by run; each must be of a run of the proposal that can still be moved so."""
        locks: dict[SiteKey, Lock] = {}
        for lock in command.locks:
            runs = [run for run in basis.runs if run.run_id == lock.run_id]
            runs = [run for run in runs if run.site_id == life.site_id] or runs
            if not runs:
                raise Refused("unknown_run", f"run {lock.run_id} is none of this proposal", life.revision)
            run = runs[0]
            key = (run.site_id, run.run_id)
            if key in locks:
                raise Refused("locked_twice", f"run {lock.run_id} has two locks; give it one", life.revision)
            if lock.line_id is None and lock.not_before is None:
                raise Refused(
                    "empty_lock", f"the lock of {lock.run_id} names neither a line nor a time", life.revision
                )
            known = self._session.model.runs.get(key)
            freedom, eligible = run.unlocked or (run.freedom, run.eligible)  # earlier locks hold no more
            if freedom == "started" or (known is not None and known.progress.state.value != "planned"):
                raise Refused(
                    "run_begun", f"run {lock.run_id} has begun: it stays where it is", life.revision
                )
            if lock.line_id is not None and lock.line_id != run.line_id:
                if lock.line_id not in {line_id for _, line_id in eligible}:
                    lines = ", ".join(line_id for _, line_id in eligible)
                    message = f"run {lock.run_id} cannot be made on {lock.line_id}; it can on {lines}"
                    raise Refused("not_eligible", message, life.revision)
                if freedom in FIXED:
                    message = f"run {lock.run_id} is {freedom}: it stays on {run.line_id}"
                    raise Refused("run_frozen", message, life.revision)
            locks[key] = lock
        return locks

    def _still_added(self, basis: Basis, locks: Mapping[SiteKey, Lock]) -> list[SchedulingRun]:
        """Runs that nobody has planned yet, under their locks."""
        runs = []
        for text in basis.added:
            run = _without_lock(SchedulingRun.model_validate_json(text))
            lock = locks.get((run.site_id, run.run_id))
            if (run.site_id, run.run_id) in self._session.model.runs:
                continue
            if lock is not None:
                alone = Unlocked(freedom=run.freedom, because=run.because, eligible=run.eligible)
                locked = {
                    "eligible": pinned_to(lock, run.eligible),
                    "not_before": None if lock.not_before is None else lock.not_before.timestamp(),
                    "locked_line_id": lock.line_id,
                    "unlocked": alone,
                }
                run = run.model_copy(update=locked)
            runs.append(run)
        return runs


def _without_lock(run: SchedulingRun) -> SchedulingRun:
    """A run as it is without the lock of an earlier adjustment."""
    if run.unlocked is None:
        return run
    free = {"not_before": None, "locked_line_id": None, "unlocked": None, "eligible": run.unlocked.eligible}
    return run.model_copy(update=free)


def _line_key(text: str) -> SiteKey:
    site_id, line_id = split_key(text)
    return site_id, line_id


def _locks_in_words(locks: list[Lock]) -> str:
    words = []
    for lock in locks:
        on = "" if lock.line_id is None else f" on {lock.line_id}"
        after = "" if lock.not_before is None else f" not before {lock.not_before:%a %-d %b %H:%M}"
        words.append(f"{lock.run_id}{on}{after}")
    return f"locks ({plan_words.listed(words)})" if words else "no locks"


def _why_illegal(life: ProposalLife, command: ProposalCommand, moves: list[str]) -> str:
    verb = command.kind.removeprefix("proposal_")
    state = life.state.replace("_", " ")
    if not moves:
        return f"it is {state}: {life.say}"
    names = ", ".join(name.removeprefix("proposal_") for name in moves)
    return f"{verb} is no move of a proposal that is {state}; it can be: {names}. {life.say}"
