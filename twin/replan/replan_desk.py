"""What people ask the solver through the twin: another plan for some lines, or a quote."""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from schemas import QuoteRequested, ReplanAsked, SchedulingRun
from twin.decisions.desk import Done
from twin.refusal import Refused
from twin.replan.candidates import Wanted, candidate_runs, lines_of, quoted_order
from twin.replan.problem_scope import MOST_LINES, scope_of
from twin.replan.replan_book import Note
from twin.replan.replan_questions import Question
from twin.replan.replan_requests import build_request
from twin.replan.replan_triggers import late_on
from twin.replan.replanning import Replanning
from twin.session import Session
from twin.state.entities import SiteKey
from twin.words import time_of


class ReplanDesk:
    """Carries out commands that ask the solver; they wait for nothing and are asked whatever doing nothing costs.

    Args:
        session: shared with the twin's other handlers.
        replanning: asks.
    """

    def __init__(self, session: Session, replanning: Replanning) -> None:
        self._session = session
        self._replanning = replanning

    def commands(self) -> dict[str, Callable[[Any], Done]]:
        """Kind -> what carries it out, and says where the answer will be."""
        return {"replan_request": self._replan, "quote_request": self._quote}

    def _replan(self, command: ReplanAsked) -> Done:
        model, site_id = self._session.model, command.site_id
        assert self._session.now is not None
        hit = [(site_id, line_id) for line_id in command.line_ids]
        unknown = [line_id for site, line_id in hit if (site, line_id) not in model.lines]
        if unknown:
            raise Refused("unknown_line", f"site {site_id} has no line {', '.join(unknown)}")
        hit = hit or self._lines_in_need(site_id)
        if not hit:
            raise Refused("nothing_planned", f"no run waits on any line of site {site_id}")
        why = "" if command.reason is None else f": {command.reason}"
        note = Note(
            trigger="manual",
            site_id=site_id,
            because=f"{command.actor} asked for another plan{why}.",
            at=self._session.now,
            events=[command.event_id],
            lines=hit,
        )
        question = Question([note], hit, scope=scope_of(model, hit))
        request = self._replanning.ask(question)
        return None, f"asked as {request.request_id}; the answer is proposal {request.proposal_id}"

    def _lines_in_need(self, site_id: str) -> list[SiteKey]:
        """Lines of a site whose orders are late; where none is, those on which runs wait."""
        model = self._session.model
        lines = [line for key, line in sorted(model.lines.items()) if key[0] == site_id and line.queued()]
        in_need = [line for line in lines if late_on(model, [line])] or lines
        return [(line.site_id, line.line_id) for line in in_need][:MOST_LINES]

    def _quote(self, command: QuoteRequested) -> Done:
        session = self._session
        model, now, site_id = session.model, session.now, command.site_id
        assert now is not None
        due = command.due_at.timestamp()
        if due <= now:
            moment = time_of(now, model.plant.zone(site_id))
            raise Refused("in_past", f"it is {moment} already; ask for a later moment")
        runs = self._quoted_runs(command, now)
        key = (site_id, runs[-1].pegs[0].order_id)
        wanted = Wanted(site_id, command.item_id, command.quantity_pcs, runs[0].run_id, key)
        scope = scope_of(model, [], lines_of(runs))
        due_text = time_of(due, model.plant.zone(site_id))
        note = Note(
            trigger="quote",
            site_id=site_id,
            because=f"{command.actor} asks when {command.quantity_pcs:g} of {command.item_id} could be ready, by {due_text}.",
            at=now,
            events=[command.event_id],
            lines=list(scope),
        )
        request = build_request(
            model,
            now,
            session.cause,
            scope,
            [],
            [note],
            added=runs,
            added_orders=[quoted_order(wanted, due)],
        )
        self._replanning.put_out(request)
        return None, f"asked as {request.request_id}; the answer is proposal {request.proposal_id}"

    def _quoted_runs(self, command: QuoteRequested, now: float) -> list[SchedulingRun]:
        """Runs that would make what is asked for; refused with what is missing to say so."""
        model, site_id, item_id = self._session.model, command.site_id, command.item_id
        identity = blake2b(f"{site_id}/{command.command_id}".encode(), digest_size=4).hexdigest()
        name = f"quote-{identity}"
        wanted = Wanted(site_id, item_id, command.quantity_pcs, f"F-{name}", (site_id, name))
        runs = candidate_runs(model, now, wanted)
        if runs:
            return runs
        routing = model.plant.routing(site_id, item_id)
        if routing is None and model.plant.item(site_id, item_id) is None:
            raise Refused("unknown_item", f"site {site_id} knows no item {item_id}")
        if routing is None:
            raise Refused("no_routing", f"no routing says on which line item {item_id} is made")
        named = ", ".join(dict.fromkeys(step.line_id for step in routing.steps))
        raise Refused("unknown_line", f"no line that the routing of {item_id} names is known: {named}")
