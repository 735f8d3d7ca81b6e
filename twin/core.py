"""The twin: a pure, deterministic fold of facts into a live model, and what follows from it. Start here.

    outputs = twin.apply(facts)        records what happened, returns what follows from it
    documents = twin.take_changes()    entities changed since the last call, for the state topic
    twin = Twin.restore(header, docs)  continues as if never stopped

Law: no clock, no random, no iteration over sets into an output. Time is event_time, or `now`: the largest tick seen.
Evaluations happen at points that follow from the sequence of events alone: right after an urgent event, after a count
when its line was not evaluated for a second of the clock, at a tick for what is still dirty.

What machines say is folded in floor.py, what offices say in office.py, what follows is worked out in evaluation.py.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from schemas import (
    ClockTicked,
    Command,
    Event,
    Facts,
    MachineEvent,
    Output,
    Tick,
)
from twin.cards.card_life import HELD_STATES, LIVE_STATES
from twin.cards.crowd import next_in_line
from twin.decisions.committed_plan import CommittedPlan
from twin.decisions.desk import Desk
from twin.decisions.proposal_desk import ProposalDesk
from twin.decisions.proposals import Proposals
from twin.decisions.write_back import WriteBack
from twin.evaluation import Evaluation
from twin.forecast.learning import learn
from twin.forecast.lookahead import depends_on_clock
from twin.judges.judging import WATCHES
from twin.material.stockroom import Stockroom
from twin.office import Office
from twin.replan.replan_desk import ReplanDesk
from twin.replan.replanning import Replanning
from twin.session import Session
from twin.shopfloor.floor import Floor
from twin.shopfloor.repeats import is_news
from twin.site_status import is_status_due, site_statuses
from twin.state.entities import Order
from twin.state.model import Model
from twin.state.plant import EVERYWHERE
from twin.state.restoring import restore_model
from twin.state.retention import DAY_S, forget_the_old
from twin.state.store import digest_of

MINUTE_S = 60.0


class _Header(msgspec.Struct, omit_defaults=True):
    """The part of the fold's state that is no entity; behind_since as in Session, left out while it is None."""

    now: float | None
    lag_s: float
    watermarks: dict[str, tuple[int, int]]
    behind_since: float | None = None


class Twin:
    """One shard's twin: the sites of one facts partition."""

    def __init__(self) -> None:
        self._session = Session()
        self._office = Office(self._session)
        self._stockroom = Stockroom(self._session, self._office.keep)
        self._floor = Floor(self._session, self._stockroom)
        self._proposals = Proposals(self._session)
        self._plan = CommittedPlan(self._session, self._proposals)
        self._write_back = WriteBack(self._session, self._proposals, self._plan, self._as_if_said)
        self._replanning = Replanning(self._session)
        self._desk = Desk(
            self._session,
            {
                **ProposalDesk(self._session, self._proposals, self._write_back, self._replanning).commands(),
                **ReplanDesk(self._session, self._replanning).commands(),
            },
        )
        self._watermarks: dict[str, tuple[int, int]] = {}
        self._handlers: dict[str, Callable[[Any], None]] = {
            **self._floor.handlers(),
            **self._office.handlers(),
            "clock_ticked": self._on_clock_event,
            **self._stockroom.handlers(),
            "proposal_made": self._proposals.on_proposal,
            "plan_acknowledged": self._write_back.on_answer,
        }
        for kind, then in self._stockroom.followers().items():
            self._handlers[kind] = self._followed(self._handlers[kind], then)
        for kind in ("run_planned", "run_cancelled", "overtime_window_upserted"):
            self._handlers[kind] = self._plan.around(self._handlers[kind])

    # The fold

    def apply(self, facts: Facts) -> list[Output]:
        """Fold one record of the log; what was folded before is skipped.

        Returns:
            What follows from it, in order.
        """
        for segment in facts.segments:
            source = f"{segment.topic}/{segment.partition}"
            watermark = self._watermarks.get(source, (-1, -1))
            for position, event in zip(segment.positions, segment.events, strict=True):
                if position <= watermark:
                    self._session.counters["duplicate", "position"] += 1
                    continue
                self._session.at_event(segment.topic, segment.partition, *position)
                watermark = position
                said = len(self._session.outputs)
                self._fold(event)
                self._replanning.at_event()
                self._proposals.hear(self._session.outputs[said:])
            self._watermarks[source] = watermark
        if facts.tick is not None:
            said = len(self._session.outputs)
            self._on_wall_tick(facts.tick)
            self._proposals.hear(self._session.outputs[said:])
        outputs, self._session.outputs = self._session.outputs, []
        return outputs

    def take_changes(self) -> dict[str, bytes | None]:
        """Documents changed since the last call, by key; None for one that is gone."""
        return self._session.model.store.take()

    def header(self) -> bytes:
        """Clock and watermarks, for the manifest."""
        watermarks = dict(sorted(self._watermarks.items()))
        session = self._session
        return msgspec.json.encode(_Header(session.now, session.lag_s, watermarks, session.behind_since))

    @property
    def digest(self) -> str:
        """128 bits in hex over the header and all documents whose changes were taken."""
        return self._session.model.store.digest(self.header())

    @property
    def document_count(self) -> int:
        """Documents whose changes were taken and which still exist."""
        return len(self._session.model.store)

    @property
    def counters(self) -> Counter[tuple[str, str]]:
        """What was applied, rejected and repeated since the shell last emptied it; see Session."""
        return self._session.counters

    @counters.setter
    def counters(self, counters: Counter[tuple[str, str]]) -> None:
        self._session.counters = counters

    @property
    def now(self) -> float | None:
        """The shard's clock, POSIX seconds; None before the first tick."""
        return self._session.now

    @property
    def model(self) -> Model:
        """The live model, to be read."""
        return self._session.model

    @classmethod
    def restore(cls, header: bytes, documents: Mapping[str, bytes]) -> "Twin":
        """A twin that continues where these documents were written."""
        twin = cls()
        parsed = msgspec.json.decode(header, type=_Header)
        session = twin._session
        session.now, session.lag_s, twin._watermarks = parsed.now, parsed.lag_s, parsed.watermarks
        session.behind_since = parsed.behind_since
        session.model.card_book.is_held = session.holds_cards
        restore_model(session.model, documents)
        return twin

    @staticmethod
    def count_and_digest(header: bytes, documents: Mapping[str, bytes]) -> tuple[int, str]:
        """What a twin restored from these would say of itself, for a hash of each document."""
        return len(documents), digest_of(header, documents)

    @staticmethod
    def now_in(header: bytes) -> float | None:
        """The clock in a header."""
        return msgspec.json.decode(header, type=_Header).now

    def _fold(self, event: Event) -> None:
        handler = self._handlers.get(event.kind)
        if isinstance(event, MachineEvent):
            if not is_news(self._session, event):
                return
        elif self._session.is_in_future(event, event.event_time.timestamp()):
            return
        elif isinstance(event, Command):
            self._desk.on_command(event)
            return
        self._session.was_rejected = self._session.was_repeated = False
        if handler is not None:
            handler(event)
        else:
            self._office.keep(event)
        if self._session.model.graph.has_changes:
            self._session.publish_graph(
                self._session.now if self._session.now is not None else event.event_time.timestamp()
            )
        if not self._session.was_rejected:
            self._session.counters["applied", event.kind] += 1

    def _as_if_said(self, event: Event) -> None:
        """Fold what a system has acknowledged as if it had said it itself."""
        self._handlers[event.kind](event)

    def _followed(self, first: Callable[[Any], None], then: Callable[[Any], None]) -> Callable[[Any], None]:
        """What folds an event for the office, and then for the stockroom if it was news to the office."""

        def fold(event: Any) -> None:
            first(event)
            if not (self._session.was_rejected or self._session.was_repeated):
                then(event)

        return fold

    # Time

    def _on_wall_tick(self, tick: Tick) -> None:
        now, before = tick.now.timestamp(), self._session.now
        if before is not None and now <= before:
            return  # of an ingest worker that has lost its place: neither its clock nor its lag is news
        was_behind_since = self._session.hear_lag(tick.lag_s, now)
        self._tick(now, was_behind_since)

    def _on_clock_event(self, event: ClockTicked) -> None:
        self._tick(event.event_time.timestamp())

    def _tick(self, now: float, was_behind_since: float | None = None) -> None:
        """Time passes: evaluate what is dirty, and each minute what waits for something that should have happened.

        Args:
            now: the tick.
            was_behind_since: since when ingest was behind until this tick; None: it is, or was not.
        """
        session, model = self._session, self._session.model
        before = session.now
        if before is not None and now <= before:
            return  # the clock never runs back
        session.now = now
        session.at_tick(now)
        has_caught_up = was_behind_since is not None
        new_minute = before is None or now // 60.0 != before // 60.0
        looks = (new_minute or has_caught_up) and not session.is_behind
        if looks:
            self._floor.at_minute(now)
        items = self._stockroom.settle(now, is_new_minute=looks)
        lines = [line for _, line in sorted(model.lines.items()) if line.state.dirty]
        roots = self._stockroom.roots(items)
        if not model.card_book.is_held:
            roots += model.card_book.take_held()
        if looks:
            lines += [
                line
                for _, line in sorted(model.lines.items())
                if not line.state.dirty and depends_on_clock(line, now)
            ]
            roots += [
                root
                for root, card in sorted(model.cards.items())
                if card.state in LIVE_STATES or card.state in HELD_STATES
            ]
            roots += next_in_line(model)
            looked_at = before if was_behind_since is None else was_behind_since - MINUTE_S
            for watch in WATCHES:
                roots += watch(model, looked_at, now)
        orders: list[Order] = []
        if before is not None and now // DAY_S != before // DAY_S:
            self._replanning.forget_the_old(now)
            forget_the_old(session, now)
            learn(model, now // DAY_S - before // DAY_S)
            lines = [line for _, line in sorted(model.lines.items())]
            orders = model.open_orders(EVERYWHERE)
        evaluation = Evaluation(model, now, session.cause)
        evaluation.lines(lines)
        evaluation.orders(orders)
        self._stockroom.tell(items, now)
        evaluation.roots(roots)
        session.publish(evaluation)
        if looks:
            self._proposals.at_minute(now)
            self._write_back.at_minute(now)
            self._replanning.at_minute(now)
        self._plan.at_tick(now, is_new_minute=new_minute)
        self._replanning.at_tick()
        session.publish_graph(now)
        if is_status_due(before, now) or has_caught_up:
            session.outputs += site_statuses(model, now, session.cause, session.behind_since, session.lag_s)
