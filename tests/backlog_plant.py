"""Hours of a plant that somebody was not there for: facts with their ticks, and a desk that is told of them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from schemas import (
    TOPIC_OF_KIND,
    Card,
    CardNotices,
    ClockTicked,
    Event,
    Facts,
    Output,
    SiteStatus,
    Tick,
    topics,
)
from tests.folding import Log, event, run, segment_of
from tests.notify_plant import config_of
from tests.unit.test_notify_desk import DELIVERED, Setting
from twin import Twin

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
TICK = timedelta(seconds=30)


def story(end: datetime, hours: int) -> Iterator[tuple[datetime, list[Event]]]:
    """A plant of four lines around the clock, up to the end; what happens is counted in hours before it.

    M1 stands for good from an hour after the beginning. M2 stands from 5 h to 3 h before the end, and runs again. M3
    stands from 1 h before the end. M4 runs. Every 20 minutes an order comes that is cancelled five minutes later. Each
    line costs 600 an hour while it stands, and a card goes five minutes after its cause.
    """
    begin = end - hours * HOUR
    lines = [f"M{number}" for number in range(1, 5)]
    yield begin, plant(begin, lines, hours)
    down = {
        ("M1", begin + HOUR): event(
            "run_held", begin + HOUR, line_id="M1", run_id="R1", expected_duration_min=3000.0
        ),
        ("M2", end - 5 * HOUR): event(
            "run_held", end - 5 * HOUR, line_id="M2", run_id="R2", expected_duration_min=120.0
        ),
        ("M2", end - 3 * HOUR): event("run_resumed", end - 3 * HOUR, line_id="M2", run_id="R2"),
        ("M3", end - HOUR): event(
            "run_held", end - HOUR, line_id="M3", run_id="R3", expected_duration_min=3000.0
        ),
    }
    standing: dict[str, None] = {}
    minutes = hours * 60
    for minute in range(0, minutes + 1, 5):
        now = begin + minute * MINUTE
        said: list[Event] = []
        for number, line_id in enumerate(lines, start=1):
            change = down.get((line_id, now))
            if change is not None:
                said.append(change)
                standing.pop(line_id, None) if change.kind == "run_resumed" else standing.setdefault(line_id)
            if line_id not in standing:
                said.append(
                    event(
                        "count_reported", now, line_id=line_id, run_id=f"R{number}", good_count=100.0 / 12.0
                    )
                )
        if minute % 20 == 10:
            said.append(rush(now, minute, end))
        if minute % 20 == 15:
            said.append(event("order_cancelled", now, order_id=f"rush{minute - 5}"))
        yield now, said


def rush(now: datetime, minute: int, end: datetime) -> Event:
    """An order that nobody has planned yet, and that could be made in time."""
    return event(
        "order_upserted", now, order_id=f"rush{minute}", customer_id="acme", item_id="red", quantity_pcs=100.0,
        promised_at=end + 24 * HOUR, unit_price=10.0, unit_cost=8.0,
    )  # fmt: skip


def plant(begin: datetime, lines: Sequence[str], hours: int) -> list[Event]:
    """What there is, and the run of each line."""
    long = begin + (hours + 60) * HOUR
    rules = {"rules_id": "backlog", "version": "1", "clear_after_min": 5.0}
    steps = [{"step": 1, "line_id": line_id, "rate_pcs_per_h": 100.0} for line_id in lines]
    said: list[Event] = [
        event("site_upserted", begin, name="Plant", zone="UTC", currency="EUR", owner_id="okafor"),
        event("person_upserted", begin, person_id="okafor", name="R. Okafor"),
        event("item_upserted", begin, item_id="red"),
        event("routing_upserted", begin, item_id="red", steps=steps),
        event("customer_upserted", begin, customer_id="acme", name="Acme", penalty_per_day=1000.0),
        event("rules_updated", begin, rules=rules),
    ]
    for number, line_id in enumerate(lines, start=1):
        said.append(
            event("line_upserted", begin, line_id=line_id, idle_cost_per_h=600.0, supervisor_id="okafor")
        )
        said.append(run(f"R{number}", line_id, begin, long, quantity=100.0 * (hours + 60), when=begin))
        said.append(event("run_started", begin, line_id=line_id, run_id=f"R{number}"))
    return said


def as_facts(told: Iterable[tuple[datetime, list[Event]]]) -> list[Facts]:
    """Events as facts, a tick each half minute between them: what ingest wrote while it was there, without any lag."""
    log, records = Log(), list[Facts]()
    told = list(told)
    clock: datetime | None = None
    for now, events in told:
        while clock is not None and clock < now:
            clock = min(clock + TICK, now)
            records.append(Facts(group_id="*", tick=Tick(now=clock)))
        if clock is None:
            clock = now
            records.append(Facts(group_id="*", tick=Tick(now=clock)))
        if events:
            records.append(log.of(*events))
    records.append(Facts(group_id="*", tick=Tick(now=told[-1][0] + timedelta(seconds=1))))
    return records


def simulated(events: Iterable[Event]) -> Iterator[Facts]:
    """A simulator's events as facts of a plant whose ticks come from ingest."""
    offsets: Counter[str] = Counter()
    for each in events:
        if isinstance(each, ClockTicked):
            yield Facts(group_id="*", tick=Tick(now=each.event_time))
            continue
        topic = TOPIC_OF_KIND[each.kind]
        yield Facts(group_id="*", segments=[segment_of(topic, offsets[topic], each)])
        offsets[topic] += 1


class Town(Setting):
    """A twin and a desk that everybody is told by, with a wall clock that is moved by hand; no broker."""

    def __init__(self) -> None:
        people = {"okafor": {"name": "R. Okafor", "webhook": "hook"}}
        super().__init__(config_of(people=people, default="okafor", digest_above=1_000), room=10_000)
        self.twin = Twin()
        self.cards: dict[str, Card] = {}
        self.revisions: Counter[str] = Counter()
        self.requests = 0
        self.by_card: dict[str, CardNotices] = {}
        self.letters: list[tuple[str, str]] = []
        self._read = 0
        self.desk.adopt(0, [], is_first_start=False)
        self.desk.caught_up(0)

    def fold(self, records: Iterable[Facts]) -> None:
        """The twin folds records, and commits what follows together; the desk hears of it now."""
        outputs = [output for facts in records for output in self.twin.apply(facts)]
        self.twin.take_changes()
        statuses = []
        for output in outputs:
            if output.topic == topics.CARDS:
                self._card(output)
            elif isinstance(output.body, SiteStatus):
                statuses.append(output.body)
            self.requests += output.topic == topics.REPLAN_REQUESTS
        for status in statuses:
            if self.desk.old_news.status(status, self.clock()):
                self.desk.old_news.read_up_to(status.site_id, {0: self._read})
        self.desk.old_news.settle(self.clock())
        self.tell()

    def live(self, records: Iterable[Facts]) -> None:
        """The same as it comes: the wall clock goes with the ticks."""
        for facts in records:
            if facts.tick is not None:
                self.clock.set(facts.tick.now)
            self.fold([facts])

    def tell(self) -> list[tuple[str, str]]:
        """The desk works, and all that it sends arrives; gives card and change of each letter."""
        self.desk.take_attempts()
        self._note()
        self.desk.dispatch()
        sent = [(letter.card_id or "digest", letter.change) for letter in self.drawer.letters]
        self.drawer.answer(DELIVERED)
        self.desk.take_attempts()
        self._note()
        self.letters += sent
        return sent

    def _note(self) -> None:
        for _, card_id, notices in self.desk.take_changes():
            if notices is not None:
                self.by_card[card_id] = notices

    def _card(self, output: Output) -> None:
        self._read += 1
        card = output.body
        if isinstance(card, Card):
            self.cards[card.card_id] = card
            self.revisions[card.card_id] += 1
            self.desk.card_changed(0, card, self.clock())
        self.desk.old_news.read(0, self._read)
