"""What the handlers of a twin share while one event is folded: the model, the clock, and what comes out."""

from collections import Counter
from collections.abc import Iterable, Sequence

from schemas import (
    Card,
    ClockTicked,
    Event,
    EventRejected,
    GraphEdge,
    GraphNode,
    Output,
    OutputModel,
    topics,
)
from twin.evaluation import Evaluation
from twin.judges.conflicts import review
from twin.judges.risk import Root
from twin.replan.replan_triggers import note_card
from twin.state.entities import Line, Order
from twin.state.graph import Edge, Node
from twin.state.model import Model
from twin.state.plant import EVERYWHERE
from twin.words import utc

CATCHING_UP_LAG_S = 60.0
"""From this lag of ingest on, the passing of time alone says nothing: what seems late may still be on its way. Nor is the
solver asked: the answer would be to a picture that has passed."""


CARDS_HELD_S = 1_800.0
"""While ingest is behind no card is opened, changed or cleared, for so long at most. Shorter: a day's backlog is told as
it is read; longer: one source that stays away keeps cards of all others back."""


class Session:
    """The model of a shard, its clock, and the outputs of the record that is being folded.

    Attributes:
        counters: what was applied, rejected and repeated, by ("applied", kind), ("rejected", reason),
            ("duplicate", how) and ("late", ""); for metrics, not part of the state.
        now: the shard's clock, POSIX seconds; None before the first tick.
        lag_s: how far ingest said that it is behind; behind_since: the tick since which that is too far, None where it is
            not.
        outputs: what follows from the record, in order.
        position: topic, partition, offset and index of the event.
        was_rejected: the event was found to be impossible here; was_repeated: it says what was known already.
        latest: site -> how far ahead of the clock an event may lie, seconds; a cache of the rules.
    """

    def __init__(self) -> None:
        self.counters: Counter[tuple[str, str]] = Counter()
        self.model = Model()
        self.now: float | None = None
        self.lag_s = 0.0
        self.behind_since: float | None = None
        self.outputs: list[Output] = []
        self.position: tuple[str, int, int, int] = ("", 0, 0, 0)
        self._tick = ""
        self.was_rejected = self.was_repeated = False
        self.latest: dict[str, float] = {}

    @property
    def is_behind(self) -> bool:
        """Whether ingest is so far behind that the passing of time says nothing."""
        return self.behind_since is not None

    @property
    def holds_cards(self) -> bool:
        """Whether cards wait until ingest has caught up."""
        behind_since, now = self.behind_since, self.now
        return behind_since is not None and (now is None or now - behind_since < CARDS_HELD_S)

    def hear_lag(self, lag_s: float, now: float) -> float | None:
        """A tick says how far ingest is behind; gives since when it was, where it has just caught up."""
        self.lag_s = lag_s
        was_behind_since = self.behind_since
        if lag_s > CATCHING_UP_LAG_S:
            if was_behind_since is None:
                self.behind_since = now
            self.model.card_book.is_held = now - (was_behind_since or now) < CARDS_HELD_S
            return None
        self.behind_since = None
        self.model.card_book.is_held = False
        return was_behind_since

    def at_event(self, topic: str, partition: int, offset: int, index: int) -> None:
        """What follows is caused by the event at this position."""
        self.position = (topic, partition, offset, index)
        self._tick = ""

    def at_tick(self, now: float) -> None:
        """What follows is caused by the passing of time."""
        self._tick = f"tick/{utc(now).isoformat()}"

    @property
    def cause(self) -> str:
        """Begins the ids of outputs: the tick, or the position of the event. Made when asked: most events say nothing."""
        if self._tick:
            return self._tick
        topic, partition, offset, index = self.position
        return f"{topic}/{partition}/{offset}/{index}"

    def evaluate(
        self, lines: list[Line], orders: list[Order] | None = None, roots: Sequence[Root] = ()
    ) -> None:
        """Evaluate now, and judge these roots too; before the first tick nobody knows what time it is: left to that."""
        if self.now is None:
            for line in lines:
                self.mark_dirty(line)
            return
        evaluation = Evaluation(self.model, self.now, self.cause)
        evaluation.lines(lines)
        evaluation.orders(orders or [], roots)
        self.publish(evaluation)

    def judge(self, roots: Iterable[Root]) -> None:
        """Judge these roots now, nothing else; before the first tick nobody knows what time it is."""
        if self.now is None:
            return
        evaluation = Evaluation(self.model, self.now, self.cause)
        evaluation.roots(roots)
        self.publish(evaluation)

    def review(self, root: Root, moment: float) -> None:
        """Something was said about a root: two systems may contradict each other from the moment on, or agree again."""
        review(self.model, root, moment if self.now is None else max(moment, self.now))

    def publish(self, evaluation: Evaluation) -> None:
        """Take over what an evaluation puts out; a card that was raised may be a reason for another plan."""
        self.outputs += evaluation.outputs
        for output in evaluation.outputs:
            if output.topic == topics.CARDS and isinstance(output.body, Card):
                note_card(self.model, evaluation.now, output.body)

    def publish_graph(self, moment: float) -> None:
        """After each event and tick, so that no change waits in memory for a commit that may not come."""
        for identity, element in self.model.graph.take_changes():
            output_id = f"{self.cause}>{topics.GRAPH}>{identity}"
            body = _graph_body(element, identity, output_id)
            self.outputs.append(Output(topics.GRAPH, identity, body, output_id, utc(moment).isoformat()))

    def mark_dirty(self, line: Line) -> None:
        """The next evaluation is to look at the line."""
        line.state.dirty = True
        self.model.save_line(line)

    def is_in_future(self, event: Event, moment: float) -> bool:
        """Whether the event lies too far ahead of the clock; rejected if so."""
        # The clock itself comes as an event where a simulator drives it: it cannot lie ahead of itself.
        if self.now is None or isinstance(event, ClockTicked):
            return False
        ahead = self.latest.get(event.site_id)
        if ahead is None:
            ahead = self.latest[event.site_id] = self.model.plant.rules(event.site_id).max_future_min * 60.0
        if moment <= self.now + ahead:
            return False
        self.reject(event, "in_future", f"{(moment - self.now) / 60.0:.0f} min ahead of the clock")
        return True

    def reject(self, event: Event, reason: str, message: str) -> None:
        """The event cannot be true here: say so, count it; the state is as it was."""
        self.counters["rejected", reason] += 1
        self.was_rejected = True
        # What concerns every site is folded by every shard: one of them saying so is not to be had, so none does.
        if event.site_id == EVERYWHERE:
            return
        topic, partition, offset, index = self.position
        output_id = f"{self.cause}>{topics.REJECTIONS}"
        body = EventRejected(
            output_id=output_id,
            reason=reason,
            message=message,
            event_kind=event.kind,
            event_id=event.event_id,
            event_time=event.event_time,
            site_id=event.site_id,
            source_topic=topic,
            source_partition=partition,
            source_offset=offset,
            source_index=index,
            as_of=None if self.now is None else utc(self.now),
        )
        self.emit(topics.REJECTIONS, f"{topic}/{partition}/{offset}/{index}", body, output_id, event)

    def emit(self, topic: str, key: str, body: OutputModel, output_id: str, event: Event) -> None:
        """Put a document out because of an event."""
        moment = event.event_time.timestamp() if self.now is None else self.now
        self.outputs.append(Output(topic, key, body, output_id, utc(moment).isoformat()))

    def emit_now(self, topic: str, key: str, body: OutputModel, output_id: str) -> None:
        """Put a document out because of the event or tick at hand; there must have been a tick."""
        assert self.now is not None
        self.outputs.append(Output(topic, key, body, output_id, utc(self.now).isoformat()))


def _graph_body(element: object, identity: str, output_id: str) -> OutputModel | None:
    if element is None:
        return None
    if isinstance(element, Node):
        return GraphNode(
            output_id=output_id,
            node_id=identity,
            node_type=element.node_type,
            entity_id=element.entity_id,
            site_id=element.site_id,
            label=element.label,
        )
    assert isinstance(element, Edge)
    return GraphEdge(
        output_id=output_id,
        edge_id=identity,
        from_id=element.from_id,
        relation=element.relation,
        to_id=element.to_id,
        since=utc(element.since),
        event_id=element.event_id,
        quantity_pcs=element.quantity_pcs,
    )
