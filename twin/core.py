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
    join_key,
    topics,
)
from twin.card_life import HELD_STATES, LIVE_STATES
from twin.committed_plan import CommittedPlan
from twin.desk import Desk
from twin.entities import Order
from twin.evaluation import Evaluation
from twin.floor import Floor
from twin.judging import WATCHES
from twin.learning import learn
from twin.lookahead import depends_on_clock
from twin.model import Model
from twin.office import Office
from twin.plant import EVERYWHERE
from twin.proposal_desk import ProposalDesk
from twin.proposals import Proposals
from twin.quality_documents import drop_series
from twin.repeats import is_news
from twin.replan_desk import ReplanDesk
from twin.replanning import Replanning
from twin.restoring import restore_model
from twin.session import CATCHING_UP_LAG_S, Session
from twin.stockroom import Stockroom
from twin.store import digest_of
from twin.words import utc
from twin.write_back import WriteBack

DAY_S = 86_400.0

COMMANDS_KEPT_S = 7 * DAY_S
"""How long a command sent twice is known. Shorter than a retry takes, and it is carried out twice."""


class _Header(msgspec.Struct):
    """The part of the fold's state that is no entity."""

    now: float | None
    lag_s: float
    watermarks: dict[str, tuple[int, int]]


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
        return msgspec.json.encode(_Header(self._session.now, self._session.lag_s, watermarks))

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
        self._session.was_rejected = False
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
        """What folds an event for the office, and then for the stockroom if the office took it."""

        def fold(event: Any) -> None:
            first(event)
            if not self._session.was_rejected:
                then(event)

        return fold

    # Time

    def _on_wall_tick(self, tick: Tick) -> None:
        self._session.lag_s = tick.lag_s
        self._tick(tick.now.timestamp())

    def _on_clock_event(self, event: ClockTicked) -> None:
        self._tick(event.event_time.timestamp())

    def _tick(self, now: float) -> None:
        """Time passes: evaluate what is dirty, and each minute what waits for something that should have happened."""
        before = self._session.now
        if before is not None and now <= before:
            return  # the clock never runs back
        self._session.now = now
        self._session.at_tick(now)
        new_minute = before is None or now // 60.0 != before // 60.0
        if new_minute and self._session.lag_s <= CATCHING_UP_LAG_S:
            self._floor.at_minute(now)
        items = self._stockroom.settle(
            now, is_new_minute=new_minute and self._session.lag_s <= CATCHING_UP_LAG_S
        )
        lines = [line for _, line in sorted(self._session.model.lines.items()) if line.state.dirty]
        roots = self._stockroom.roots(items)
        if new_minute and self._session.lag_s <= CATCHING_UP_LAG_S:
            lines += [
                line
                for _, line in sorted(self._session.model.lines.items())
                if not line.state.dirty and depends_on_clock(line, now)
            ]
            roots += [
                root
                for root, card in sorted(self._session.model.cards.items())
                if card.state in LIVE_STATES or card.state in HELD_STATES
            ]
            for watch in WATCHES:
                roots += watch(self._session.model, before, now)
        orders: list[Order] = []
        if before is not None and now // DAY_S != before // DAY_S:
            self._forget_the_old(now)
            learn(self._session.model, now // DAY_S - before // DAY_S)
            lines = [line for _, line in sorted(self._session.model.lines.items())]
            orders = self._session.model.open_orders(EVERYWHERE)
        evaluation = Evaluation(self._session.model, now, self._session.cause)
        evaluation.lines(lines)
        evaluation.orders(orders)
        self._stockroom.tell(items, now)
        evaluation.roots(roots)
        self._session.publish(evaluation)
        if new_minute and self._session.lag_s <= CATCHING_UP_LAG_S:
            self._proposals.at_minute(now)
            self._write_back.at_minute(now)
        self._plan.at_tick(now, is_new_minute=new_minute)
        self._replanning.at_tick()
        self._session.publish_graph(now)

    def _forget_the_old(self, now: float) -> None:
        """Retention: completed runs without open orders, and closed orders, go after their days."""
        model = self._session.model
        self._replanning.forget_the_old(now)
        model.card_book.forget_commands(now - COMMANDS_KEPT_S)
        for key in sorted(model.orders):
            order = model.orders[key]
            keep_s = model.plant.rules(key[0]).retention_days * DAY_S
            if order.state.closed_at is not None and order.state.closed_at < now - keep_s:
                model.drop_order(order)
                self._session.outputs.append(
                    Output(
                        topics.ORDER_PROJECTIONS,
                        join_key(*key),
                        None,
                        f"{self._session.cause}>{topics.ORDER_PROJECTIONS}>{join_key(*key)}",
                        utc(now).isoformat(),
                    )
                )
        for (site_id, _), line in sorted(model.lines.items()):
            keep_s = model.plant.rules(site_id).retention_days * 86_400.0
            for _, series in sorted(line.quality.series.items()):
                if series.hot.last_at < now - keep_s:
                    drop_series(model.store, line, series)
        for site_id in model.supply.sites_of(EVERYWHERE):
            model.supply.forget_old(site_id, now - model.plant.rules(site_id).retention_days * 86_400.0)
        for key in sorted(model.runs):
            run = model.runs[key]
            keep_s = model.plant.rules(key[0]).retention_days * DAY_S
            ended = run.progress.ended_at
            if (
                ended is not None
                and ended < now - keep_s
                and not any(o.is_open for o in model.orders_of(run))
            ):
                model.drop_run(run)
