"""When a card was right, when an order was foreseen, when a card flapped: the score of a month, by its truth.

A card is one episode of one root, from its first revision to the one that ended it. It was right where what it said
would happen did happen (nobody acts on the cards of a simulated month):

- `delivery_risk`, `plan_infeasible`: an order that it listed left after the promise that the card named.
- `material_shortage`: a run stood still for want of the item while the card was open or within a day of its end or of
  the moment for which it foresaw the want; or an order that it listed was late.
- `quality_risk`: the line made several times its usual scrap while the card was open or in the hour before.
- `line_down`: the line stood, stopped or without material, while the card was open.
- `data_stale`: the line's data really did not come through while the card was open or in the hour before.
- `data_conflict`: the sources really said different things of what the card names.

A card whose every order was cancelled, and nothing else can tell, is counted as undecided and is in no ratio.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from bench.lateness import DAY_S, LateOrder
from bench.month import Month
from schemas import AffectedOrder, Card, CardKind, CardState
from streams.simulator.truth import (
    ConflictTruth,
    OrderTruth,
    OutageTruth,
    ScrapShiftTruth,
    ShortageTruth,
    StopTruth,
)

HOUR_S = 3_600.0
SHIFT_H = 8
FIRST_SHIFT_H = 6
"""Shifts of eight hours, from six o'clock."""

OPEN_STATES = frozenset({CardState.OPEN, CardState.ACKNOWLEDGED, CardState.IN_PROGRESS, CardState.SNOOZED})

Root = tuple[str, str, str, str]
"""(kind, entity type, site, entity id) of a card."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One card from beginning to end.

    Attributes:
        revisions: all of them, in order.
    """

    revisions: tuple[Card, ...]

    @property
    def first(self) -> Card:
        """As it was raised."""
        return self.revisions[0]

    @property
    def root(self) -> Root:
        """What it is about."""
        card = self.first
        return card.kind.value, card.cause.entity_type, card.site_id, card.cause.entity_id

    @property
    def opened_s(self) -> float:
        """When it was raised, POSIX seconds."""
        return self.first.as_of.timestamp()

    @property
    def ended_s(self) -> float | None:
        """When it ended; None where it is open still."""
        last = self.revisions[-1]
        return None if last.state in OPEN_STATES else last.as_of.timestamp()

    def at(self, at_s: float) -> Card | None:
        """The revision that was open at a moment."""
        until = [card for card in self.revisions if card.as_of.timestamp() <= at_s]
        return until[-1] if until and until[-1].state in OPEN_STATES else None

    def lists(self, order_id: str) -> float | None:
        """When it first listed an order, POSIX seconds; None where it never did."""
        return next(
            (
                card.as_of.timestamp()
                for card in self.revisions
                if any(each.order_id == order_id for each in card.affected)
            ),
            None,
        )

    def affected(self) -> dict[tuple[str, datetime], AffectedOrder]:
        """Every order that it ever listed, once for each promise that it named."""
        listed = [each for card in self.revisions if card.state in OPEN_STATES for each in card.affected]
        return {(each.order_id, each.promised_at): each for each in listed}


def episodes(cards: Iterable[Card]) -> list[Episode]:
    """The cards of a month, in the order in which they were raised."""
    by_id: dict[str, list[Card]] = {}
    for card in cards:
        by_id.setdefault(card.card_id, []).append(card)
    return [Episode(tuple(revisions)) for revisions in by_id.values()]


class Referee:
    """Judges the cards of a month by its truth."""

    def __init__(self, month: Month) -> None:
        self._month = month
        self._shipped = {each.order_id: each for each in month.truth if isinstance(each, OrderTruth)}

    def is_right(self, episode: Episode) -> bool | None:
        """Whether the card was right; None where nothing can tell."""
        kind = episode.first.kind
        if kind is CardKind.QUALITY_RISK:
            return self._scrap_shifted(episode)
        if kind is CardKind.LINE_DOWN:
            return self._line_stood(episode)
        if kind is CardKind.DATA_STALE:
            return self._data_failed(episode)
        if kind is CardKind.DATA_CONFLICT:
            return self._sources_differed(episode)
        if kind is CardKind.MATERIAL_SHORTAGE and self._ran_out(episode):
            return True
        return self._an_order_was_late(episode)

    def _an_order_was_late(self, episode: Episode) -> bool | None:
        known = False
        for order_id, promised_at in episode.affected():
            shipped = self._shipped.get(order_id)
            if shipped is not None:
                known = True
                if shipped.shipped_s > promised_at.timestamp():
                    return True
        return False if known or episode.first.kind is CardKind.MATERIAL_SHORTAGE else None

    def _ran_out(self, episode: Episode) -> bool:
        until = [episode.ended_s if episode.ended_s is not None else self._month.settings.end_s]
        until += [card.need_by.timestamp() for card in episode.revisions if card.need_by is not None]
        return any(
            isinstance(each, ShortageTruth)
            and each.item_id == episode.first.cause.entity_id
            and each.start_s <= max(until) + DAY_S
            and each.end_s >= episode.opened_s
            for each in self._month.truth
        )

    def _scrap_shifted(self, episode: Episode) -> bool:
        return any(
            isinstance(each, ScrapShiftTruth)
            and each.line_id == self._line_of(episode)
            and self._overlaps(episode, each.start_s, each.end_s, before_s=HOUR_S)
            for each in self._month.truth
        )

    def _line_stood(self, episode: Episode) -> bool:
        return any(
            isinstance(each, StopTruth | ShortageTruth)
            and each.line_id == self._line_of(episode)
            and self._overlaps(episode, each.start_s, each.end_s)
            for each in self._month.truth
        )

    def _data_failed(self, episode: Episode) -> bool:
        return any(
            isinstance(each, OutageTruth)
            and each.line_id == self._line_of(episode)
            and self._overlaps(episode, each.start_s, each.end_s, before_s=HOUR_S)
            for each in self._month.truth
        )

    def _sources_differed(self, episode: Episode) -> bool:
        named = {episode.first.cause.entity_id, *(each.order_id for each in episode.first.affected)}
        return any(
            isinstance(each, ConflictTruth)
            and not named.isdisjoint((each.run_id, each.work_order_id, *each.order_ids))
            and self._overlaps(episode, each.start_s, each.end_s, before_s=HOUR_S)
            for each in self._month.truth
        )

    def _line_of(self, episode: Episode) -> str:
        """A station's line is told by its name: L3-main is on L3."""
        cause = episode.first.cause
        return cause.entity_id.partition("-")[0] if cause.entity_type == "station" else cause.entity_id

    @staticmethod
    def _overlaps(episode: Episode, start_s: float, end_s: float, before_s: float = 0.0) -> bool:
        ended_s = episode.ended_s
        return (ended_s is None or start_s <= ended_s) and end_s >= episode.opened_s - before_s


@dataclass(frozen=True, slots=True)
class Foresight:
    """A late order, and whether a card spoke of it a day before its truck.

    Attributes:
        order: the order.
        had_card: whether it was listed on a card that was open then.
        warned_h: hours before its truck at which a card first listed it; None: none ever did.
    """

    order: LateOrder
    had_card: bool
    warned_h: float | None


def foresight(orders: Iterable[LateOrder], cards: Sequence[Episode], month: Month) -> list[Foresight]:
    """The orders that were late from a cause older than a day, and which of them a card foretold.

    Counted are those whose truck's day before lies within the month, and that were told of by then.
    """
    told = []
    for order in orders:
        at_s = order.truck_s - DAY_S
        said = month.orders[order.order_id]
        is_in_month = month.settings.start_s <= at_s <= month.settings.end_s and said[0].at_s <= at_s
        if not is_in_month or order.old_overhang_s <= 0.0:
            continue
        listed = [card for card in (each.at(at_s) for each in cards) if card is not None]
        had_card = any(order.order_id == each.order_id for card in listed for each in card.affected)
        listings = [at_s for at_s in (each.lists(order.order_id) for each in cards) if at_s is not None]
        warned_h = (order.truck_s - min(listings)) / HOUR_S if listings else None
        told.append(Foresight(order, had_card, warned_h))
    return told


def new_cards_by_shift(cards: Iterable[Episode], month: Month) -> dict[datetime, int]:
    """New cards of each eight-hour shift of the month, by its start; shifts without any are in it."""
    first = month.settings.start.replace(hour=FIRST_SHIFT_H, minute=0, second=0, microsecond=0).timestamp()
    length_s = SHIFT_H * HOUR_S
    number = dict.fromkeys(range(int((month.settings.end_s - first) // length_s) + 1), 0)
    for each in cards:
        index = int((each.opened_s - first) // length_s)
        number[index] = number.get(index, 0) + 1
    zone = month.settings.zone
    return {
        datetime.fromtimestamp(first + index * length_s, zone): count
        for index, count in sorted(number.items())
    }


def flaps(cards: Iterable[Episode]) -> list[tuple[Episode, Episode]]:
    """Cards that were raised, ended and raised anew for the same root, all within an hour."""
    return [pair for pair in returns(cards) if pair[1].opened_s - pair[0].opened_s <= HOUR_S]


def returns(cards: Iterable[Episode]) -> list[tuple[Episode, Episode]]:
    """Cards that ended, however long they had stood, and were raised anew for the same root within an hour."""
    by_root: dict[Root, list[Episode]] = {}
    for each in cards:
        by_root.setdefault(each.root, []).append(each)
    return [
        (before, after)
        for same in by_root.values()
        for before, after in pairwise(sorted(same, key=lambda each: each.opened_s))
        if before.ended_s is not None and after.opened_s - before.ended_s <= HOUR_S
    ]
