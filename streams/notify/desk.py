"""The desk: every card's document, what is due to whom, and the sinks it is handed to. Knows no Kafka.

Law: nothing is handed to a sink before the document that says so was taken by `take_changes` and noted; the caller
keeps the order 1 cards, 2 attempts, 3 take_changes and note, 4 dispatch.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

import structlog

from schemas import Card, CardNotices, PendingNotice, Severity
from schemas.notices import Change
from streams.metrics import Metrics
from streams.notify.config import NotifyConfig
from streams.notify.letters import Telling, letter
from streams.notify.old_news import OldNews
from streams.notify.pages import NoticeChange, Pages, Place
from streams.notify.planning import ChannelKey, Circumstances, Sent, hold, plan, settle
from streams.notify.quiet import quiet_until
from streams.notify.recipients import recipients, targets_of
from streams.notify.sinks import Attempt, Carrier, SendResult, backoff_s, some_chance

log = structlog.get_logger(__name__)

DIGEST_CARDS_MAX = 50
"""Cards in one digest; what is beyond goes into a next one. Too large: mails that servers refuse for their size."""


class Desk:
    """All that is told, and to whom.

    Args:
        config: who is told what.
        sinks: by name.
        metrics: counts deliveries.
        clock: wall clock, UTC, for quiet hours and retries.
        plant_now: the time that distances on cards are measured from, given the card.
        max_age: of a card that stood on the topic at the first start.
        chance: 0..1, spreads retries.
        is_wall_clock: the plant's clock is the wall clock, so that a card can be told to be old.
    """

    def __init__(
        self,
        config: NotifyConfig,
        sinks: Mapping[str, Carrier],
        metrics: Metrics,
        *,
        clock: Callable[[], datetime],
        plant_now: Callable[[Card], datetime],
        max_age: timedelta,
        chance: Callable[[], float] = some_chance,
        is_wall_clock: bool = True,
    ) -> None:
        self._config = config
        self._sinks = sinks
        self._metrics = metrics
        self._clock = clock
        self._plant_now = plant_now
        self._max_age = max_age
        self._chance = chance
        self._is_wall_clock = is_wall_clock
        self._pages = Pages()
        self._next_try: dict[Place, datetime] = {}
        self._in_flight: dict[tuple[str, str], dict[Place, str]] = {}
        """(sink, id of the letter) -> noted ids."""
        self._flying: dict[Place, None] = {}
        self._catching_up: dict[int, None] = {}
        self._first_start: dict[int, None] = {}
        self._strangers: dict[str, None] = {}
        self.old_news = OldNews()
        """Sites of which nothing leaves, because what is said of them was long ago."""

    # Partitions -------------------------------------------------------------------------------------------------------

    def adopt(self, partition: int, documents: Iterable[CardNotices], *, is_first_start: bool) -> None:
        """Take over a partition of the cards; nothing of it leaves before `caught_up`."""
        self._catching_up[partition] = None
        if is_first_start:
            self._first_start[partition] = None
        known = list(documents)
        for notices in known:
            for (
                channel
            ) in notices.channels:  # it waits, perhaps since a start that did not see the backlog's end
                if channel.pending is not None and notices.card is not None:
                    self._note_old(notices.card, channel.pending.noted_at)
        self._pages.adopt(partition, known)

    def caught_up(self, partition: int) -> None:
        """Say that the cards of a partition were read to their end once: what is open is known."""
        self._catching_up.pop(partition, None)
        self._first_start.pop(partition, None)

    def release(self, partition: int) -> None:
        """Forget a partition: it is somebody else's from now on."""
        self.old_news.release(partition)
        self.caught_up(partition)
        for place in self._pages.release(partition):
            self._next_try.pop(place, None)
            self._flying.pop(place, None)

    # 1 cards ----------------------------------------------------------------------------------------------------------

    def card_changed(self, partition: int, card: Card, published_at: datetime) -> None:
        """Consider a revision of a card.

        Args:
            partition: of the cards topic.
            card: as published.
            published_at: when it came to the topic.
        """
        self._note_old(card, published_at)
        page = self._pages.get(card.card_id)
        before = None if page is None else page.notices
        age = (self._clock() - published_at) + (card.as_of - card.opened_at)
        is_history = partition in self._first_start and age > self._max_age
        after = plan(before, card, self._about(card, is_history=is_history))
        if after is not None and after is not before:
            self._put(partition, after)

    def _note_old(self, card: Card, came_at: datetime) -> None:
        if self._is_wall_clock:
            self.old_news.note(card, came_at, self._clock())

    # 2 attempts -------------------------------------------------------------------------------------------------------

    def take_attempts(self) -> int:
        """Take from the sinks what was tried, and put it into the documents; gives the number of letters."""
        letters = 0
        for name, sink in self._sinks.items():
            for attempt in sink.take_attempts():
                self._metrics.notify_send_seconds.labels(name).observe(attempt.seconds)
                letters += 1
                handed = self._in_flight.pop((name, attempt.letter.delivery_id))
                for place, noted_id in handed.items():
                    self._flying.pop(place, None)
                    pending = self._pages.pending(place)
                    if (
                        pending is not None and pending.delivery_id == noted_id
                    ):  # else somebody else has it now
                        self._tried(place, pending, attempt, is_digest=len(handed) > 1)
        return letters

    def recall(self) -> None:
        """Take back from the sinks what they have not tried yet; it stays noted, and due."""
        for name, sink in self._sinks.items():
            for unsent in sink.recall():
                for place in self._in_flight.pop((name, unsent.delivery_id)):
                    self._flying.pop(place, None)

    def _tried(self, place: Place, pending: PendingNotice, attempt: Attempt, *, is_digest: bool) -> None:
        result, now, retry = attempt.result, self._clock(), self._config.retry
        if result.outcome == "again" and now - _due_since(pending) >= timedelta(hours=retry.give_up_after_h):
            result = SendResult("failed", f"given up after {retry.give_up_after_h:g} h: {result.reason}")
        self._count(place.key[1], "retried" if result.outcome == "again" else result.outcome)
        if result.outcome == "again":
            wait_s = backoff_s(retry, pending.attempts + 1, result.retry_after_s, self._chance)
            self._next_try[place] = now + timedelta(seconds=wait_s)
        else:
            self._next_try.pop(place, None)
        if result.outcome != "delivered":
            log.warning(
                "not_delivered",
                sink=place.key[1],
                outcome=result.outcome,
                reason=result.reason,
                delivery_id=pending.delivery_id,
                attempts=pending.attempts + 1,
            )
        sent = Sent(result.outcome, result.reason, attempt.letter.delivery_id if is_digest else None)
        self._settle(place, sent)

    def _settle(self, place: Place, sent: Sent) -> None:
        page = self._pages[place.card_id]
        card = page.notices.card
        assert card is not None
        self._put(page.partition, settle(page.notices, place.key, sent, self._about(card)))

    # 3 notes ----------------------------------------------------------------------------------------------------------

    def take_changes(self) -> list[NoticeChange]:
        """What is to be noted since the last call, in one transaction."""
        return self._pages.take_changes(self._clock())

    # 4 dispatch -------------------------------------------------------------------------------------------------------

    def dispatch(self) -> None:
        """Hand over what is due, as far as the sinks have room."""
        assert not self._pages.changed, "what is handed over must be noted first"
        now = self._clock()
        due: dict[ChannelKey, dict[Place, PendingNotice]] = defaultdict(dict)
        for place in list(self._pages.waiting):
            if self._is_due(place, now):
                pending = self._pages.pending(place)
                assert pending is not None
                due[place.key][place] = pending
        for key, notices in due.items():
            self._hand_over(key, notices)

    def _is_due(self, place: Place, now: datetime) -> bool:
        page, pending = self._pages[place.card_id], self._pages.pending(place)
        if (
            pending is None
            or place in self._flying
            or place.card_id in self._pages.changed
            or page.partition in self._catching_up
            or self.old_news.holds(page.notices.site_id)
        ):
            return False
        person_id, sink = place.key
        person = self._config.people.get(person_id)
        if person is None or sink not in self._sinks or sink not in person.sinks:
            self._settle(
                place, Sent("dropped", "the configuration does not name this person and sink any more")
            )
            return False
        if now < max(pending.not_before or now, self._next_try.get(place, now)):
            return False
        assert page.notices.card is not None
        until = self._quiet_until(person_id, pending.change, page.notices.card)
        if until is not None:  # retries went on until quiet hours began
            self._put(page.partition, hold(page.notices, place.key, until))
            return False
        return True

    def _hand_over(self, key: ChannelKey, due: Mapping[Place, PendingNotice]) -> None:
        person_id, sink_name = key
        groups = deque(self._groups(due))
        while groups:
            group = groups.popleft()
            tellings = [self._telling(place, pending) for place, pending in group.items()]
            plant_now = max(self._plant_now(each.card) for each in tellings)
            try:
                made = letter(person_id, tellings, self._config, plant_now)
            except Exception as error:  # our own mistake with one card may not silence all others
                log.exception("letter_not_made", cards=[place.card_id for place in group])
                if len(group) > 1:
                    groups.extend(_parts(group, 1))
                else:
                    self._fail(next(iter(group)), f"our own mistake: {type(error).__name__}: {error}")
                continue
            flight = (sink_name, made.delivery_id)
            if flight in self._in_flight:
                continue  # handed over before its partition was given up and came back
            if not self._sinks[sink_name].offer(made):
                return
            self._in_flight[flight] = {place: pending.delivery_id for place, pending in group.items()}
            self._flying.update(dict.fromkeys(group))

    def _fail(self, place: Place, reason: str) -> None:
        self._count(place.key[1], "failed")
        self._settle(place, Sent("failed", reason))

    def _groups(self, due: Mapping[Place, PendingNotice]) -> Iterator[dict[Place, PendingNotice]]:
        """What goes into one letter: all that was held back, and what would be too many letters at once."""
        held = {place: pending for place, pending in due.items() if pending.not_before is not None}
        others = {place: pending for place, pending in due.items() if pending.not_before is None}
        size = DIGEST_CARDS_MAX if len(others) > self._config.digest_above else 1
        yield from _parts(held, DIGEST_CARDS_MAX)
        yield from _parts(others, size)

    def _telling(self, place: Place, pending: PendingNotice) -> Telling:
        card = self._pages[place.card_id].notices.card
        assert card is not None
        return Telling(pending.delivery_id, pending.change, pending.level, card)

    # What it tells of itself ------------------------------------------------------------------------------------------

    @property
    def waiting_count(self) -> int:
        """Notices that have not left, or whose outcome is not known."""
        return len(self._pages.waiting)

    @property
    def flying_count(self) -> int:
        """Notices that the sinks have."""
        return len(self._flying)

    @property
    def is_catching_up(self) -> bool:
        """Whether the cards of a partition were not read to their end yet."""
        return bool(self._catching_up)

    @property
    def has_changes(self) -> bool:
        """Whether something is to be noted."""
        return bool(self._pages.changed)

    def look(self) -> None:
        """Set the gauges."""
        now = self._clock()
        self._metrics.notify_held_sites.set(len(self.old_news.sites))
        counts = dict.fromkeys(self._sinks, 0)
        ages = dict.fromkeys(self._sinks, 0.0)
        for place in self._pages.waiting:
            sink = place.key[1]
            if sink not in counts:
                continue
            pending = self._pages.pending(place)
            if pending is None:
                continue
            counts[sink] += 1
            ages[sink] = max(ages[sink], (now - _due_since(pending)).total_seconds())
        for sink in self._sinks:
            self._metrics.notify_waiting.labels(sink).set(counts[sink])
            self._metrics.notify_overdue_seconds.labels(sink).set(ages[sink])

    # ------------------------------------------------------------------------------------------------------------------

    def _about(self, card: Card, *, is_history: bool = False) -> Circumstances:
        told = recipients(card, self._config)
        if not told and (card.owner.id or "") not in self._strangers:
            self._strangers[card.owner.id or ""] = None
            log.warning("nobody_to_tell", owner_id=card.owner.id, site_id=card.site_id)
        general = self._config.filter.passes(card)
        return Circumstances(
            targets=targets_of(told, self._config),
            passes=lambda person_id: general and self._config.people[person_id].filter.passes(card),
            now=self._clock(),
            quiet_until=self._quiet_until,
            in_flight={place.key for place in self._flying if place.card_id == card.card_id},
            is_history=is_history,
        )

    def _quiet_until(self, person_id: str, change: Change, card: Card) -> datetime | None:
        person = self._config.people.get(person_id)
        if person is None or not person.quiet:
            return None
        if self._config.critical_breaks_quiet and card.severity is Severity.CRITICAL and change != "cleared":
            return None
        return quiet_until(person.quiet, self._config.zone_of(person, card.site_id), self._clock())

    def _put(self, partition: int, notices: CardNotices) -> None:
        before = self._pages.get(notices.card_id)
        known = [] if before is None else before.notices.outcomes
        for outcome in notices.outcomes:
            if outcome.outcome == "dropped" and outcome not in known:
                self._count(outcome.sink, "dropped")
        self._pages.put(partition, notices)
        for channel in notices.channels:
            if channel.pending is None:
                self._next_try.pop(Place(notices.card_id, (channel.person_id, channel.sink)), None)

    def _count(self, sink: str, outcome: str) -> None:
        # Names of sinks that are gone live on in documents; as labels there would be no end to them.
        self._metrics.notify_deliveries.labels(sink if sink in self._sinks else "unknown", outcome).inc()


def _due_since(pending: PendingNotice) -> datetime:
    """When it could leave for the first time."""
    return max(pending.noted_at, pending.not_before or pending.noted_at)


def _parts(notices: Mapping[Place, PendingNotice], size: int) -> Iterator[dict[Place, PendingNotice]]:
    items = list(notices.items())
    for first in range(0, len(items), size):
        yield dict(items[first : first + size])
