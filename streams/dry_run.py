"""A recorded day under new rules: which cards would appear, change or vanish, and what that means for people.

The day is replayed twice by the real twin: under the rules in force (those in the recording, else the defaults), and
under the new ones from the first moment on. Nothing is estimated: a card is compared with itself, episode by episode.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from schemas import Card, CardState, Rescue, Rules, RulesUpdated, Severity, UsageError, split_key
from streams.adapters.mapping_file import Mappings
from streams.replay import Replay
from twin import Twin

STEPS: Final = 100
"""Calls of progress in one replay."""

SHIFT_H: Final = 8
"""Length of the shifts that new cards are counted by."""

SHIFTS_BEGIN_H: Final = 6
"""Hour of the site's day at which one of them begins."""

OVER: Final = frozenset({CardState.CLEARED, CardState.CLOSED})

Progress = Callable[[float, str], object]
"""Share done 0..1, and what is being done."""


@dataclass(frozen=True, slots=True)
class Story:
    """One card from its first to its last revision."""

    cards: Sequence[Card]

    @property
    def last(self) -> Card:
        """The last revision."""
        return self.cards[-1]

    @property
    def root(self) -> tuple[str, ...]:
        """Kind, site, entity type and id: what the card is about, whatever its episode."""
        return tuple(split_key(self.last.card_id)[:-1])

    @property
    def raised_at(self) -> datetime:
        """When it was opened."""
        return self.cards[0].as_of

    @property
    def ended_at(self) -> datetime | None:
        """When it cleared or closed; None while it stands."""
        return self.last.as_of if self.last.state in OVER else None

    @property
    def severities(self) -> list[tuple[datetime, Severity]]:
        """Each severity that it had, and since when."""
        told: list[tuple[datetime, Severity]] = []
        for card in self.cards:
            if not told or told[-1][1] is not card.severity:
                told.append((card.as_of, card.severity))
        return told

    def overlaps(self, other: "Story") -> bool:
        """Whether both stood at one moment."""
        mine, theirs = self.ended_at, other.ended_at
        return (theirs is None or self.raised_at <= theirs) and (mine is None or other.raised_at <= mine)

    def facts(self) -> dict[str, object]:
        """What two tellings of it are compared by."""
        card, rescue = self.last, self.last.impact.rescue
        return {
            "severity": [(at, str(severity)) for at, severity in self.severities],
            "owner": f"{card.owner.name} ({card.owner.rule})",
            "deadline": card.deadline,
            "raised": self.raised_at,
            "cleared": self.ended_at,
            "revisions": len(self.cards),
            "escalations": max(each.escalation for each in self.cards),
            "weight": next(term.value for term in card.rank_terms if term.name == "customer_weight"),
            "orders": card.affected_total,
            "rescue": _rescue_words(rescue),
        }


def _rescue_words(rescue: Rescue | None) -> str | None:
    """What the rules have to say of it; None: nothing."""
    if rescue is None:
        return None
    words = []
    if rescue.breaks_margin_rule:
        words.append("leaves less margin than the rules keep")
    if rescue.cheaper_than_late is False:
        words.append("dearer than being late")
    return "; ".join(words) or "keeps the rules"


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one card.

    Attributes:
        before, after: under the rules in force and under the new ones; None: it is not there.
        differences: fact -> before and after, where both are there and differ.
    """

    before: Story | None
    after: Story | None
    differences: dict[str, tuple[object, object]] = field(default_factory=dict)

    @property
    def what(self) -> str:
        """appears, vanishes, changes or stays."""
        if self.before is None:
            return "appears"
        if self.after is None:
            return "vanishes"
        return "changes" if self.differences else "stays"

    @property
    def story(self) -> Story:
        """Under the new rules where it is there."""
        found = self.before if self.after is None else self.after
        assert found is not None, "a change is of something"
        return found


@dataclass(frozen=True, slots=True)
class Load:
    """New cards by shift.

    Attributes:
        new_cards: raised in the whole recording.
        shifts: shifts in which a line was to work.
        most: raised in the worst shift.
    """

    new_cards: int
    shifts: int
    most: int

    @property
    def a_shift(self) -> float | None:
        """New cards a shift; None where no line was to work."""
        return round(self.new_cards / self.shifts, 2) if self.shifts else None


@dataclass(slots=True)
class Told:
    """One replay.

    Attributes:
        rules: names and versions that were in force, in order; "default 1" where none was told.
        stories: every card, in the order in which they were raised.
        sites: site -> new cards by shift; owners: who was given a new card -> the same.
    """

    rules: list[str] = field(default_factory=list)
    stories: list[Story] = field(default_factory=list)
    sites: dict[str, Load] = field(default_factory=dict)
    owners: dict[str, Load] = field(default_factory=dict)
    events: int = 0
    first_at: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class DryRun:
    """The day under both rules."""

    before: Told
    after: Told
    changes: list[Change]

    def counts(self, kind: str | None = None) -> dict[str, int]:
        """How many cards appear, vanish, change and stay, of a kind or of all."""
        found = Counter(each.what for each in self.changes if kind in (None, str(each.story.last.kind)))
        return {what: found[what] for what in ("appears", "vanishes", "changes", "stays")}


def dry_run(
    rules: Rules,
    paths: Sequence[Path],
    mapping: Mappings | None = None,
    until: datetime | None = None,
    tick_s: int = 60,
    progress: Progress = lambda _share, _words: None,
) -> DryRun:
    """Replay files under the rules in force and under new ones.

    Args:
        rules: the new ones, for every site.
        paths: files or folders of recorded events.
        mapping: what the columns of tables among them mean.
        until: the end; None: the last event.
        tick_s: event time between two ticks.
        progress: is told now and then how far it has come.

    Raises:
        UsageError: a file cannot be read, or there is no event in them.
    """
    before = _tell(paths, mapping, until, tick_s, None, lambda share, words: progress(share / 2, words))
    after = _tell(paths, mapping, until, tick_s, rules, lambda share, words: progress(0.5 + share / 2, words))
    return DryRun(before, after, compare(before.stories, after.stories))


def _tell(
    paths: Sequence[Path],
    mapping: Mappings | None,
    until: datetime | None,
    tick_s: int,
    rules: Rules | None,
    progress: Progress,
) -> Told:
    words = "under the rules in force" if rules is None else f"under {rules.rules_id} {rules.version}"
    progress(0.0, f"reading, {words}")
    revisions: dict[str, list[Card]] = {}
    twin = Twin()
    replay = Replay(
        paths,
        mapping,
        twin,
        tick_s,
        rules=rules,
        on_card=lambda card: revisions.setdefault(card.card_id, []).append(card),
    )
    first, last = replay.first_at, until or replay.last_at
    if first is None or last is None or last < first:
        raise UsageError("there is no event in these files up to that moment")
    told = Told(first_at=first, until=last)
    # Steps end on full ticks, so that time passes exactly as it would without them.
    step_s = max(tick_s, int((last - first).total_seconds() / STEPS) // tick_s * tick_s)
    moment = datetime.fromtimestamp(int(first.timestamp()) // step_s * step_s + step_s, UTC)
    while moment < last:
        replay.advance(moment)
        progress((moment - first) / (last - first), f"replaying, {words}")
        moment += timedelta(seconds=step_s)
    told.events = replay.advance(last).events
    told.rules = _rules_told(twin)
    told.stories = sorted(
        (Story(cards) for cards in revisions.values()), key=lambda each: (each.raised_at, each.root)
    )
    _count_load(told, twin)
    progress(1.0, words)
    return told


def _rules_told(twin: Twin) -> list[str]:
    told = [each.rules for each in twin.model.plant.of_type(RulesUpdated)] or [Rules()]
    return sorted({f"{rules.rules_id} {rules.version}" for rules in told})


def compare(before: Sequence[Story], after: Sequence[Story]) -> list[Change]:
    """Each card under both rules: by root, and of the episodes of one root those that stood at one time."""
    changes: list[Change] = []
    mine, theirs = _by_root(before), _by_root(after)
    for root in dict.fromkeys([*mine, *theirs]):
        old, new = list(mine.get(root, [])), list(theirs.get(root, []))
        while old or new:
            if old and new and old[0].overlaps(new[0]):
                changes.append(_changed(old.pop(0), new.pop(0)))
            elif old and (not new or old[0].raised_at <= new[0].raised_at):
                changes.append(Change(old.pop(0), None))
            else:
                changes.append(Change(None, new.pop(0)))
    order = ("appears", "vanishes", "changes", "stays")
    return sorted(
        changes, key=lambda each: (order.index(each.what), each.story.raised_at, each.story.last.card_id)
    )


def _by_root(stories: Sequence[Story]) -> dict[tuple[str, ...], list[Story]]:
    found: dict[tuple[str, ...], list[Story]] = defaultdict(list)
    for story in stories:
        found[story.root].append(story)
    return found


def _changed(before: Story, after: Story) -> Change:
    old, new = before.facts(), after.facts()
    return Change(before, after, {name: (old[name], new[name]) for name in old if old[name] != new[name]})


# Load on people


def _count_load(told: Told, twin: Twin) -> None:
    """New cards by shift, of each site and of each person who was given them."""
    first_at, until = told.first_at, told.until
    assert first_at is not None, "set where it is told"
    assert until is not None, "set where it is told"
    zones = {site: twin.model.plant.zone(site) for site, _ in twin.model.lines}
    shifts: dict[str, int] = {}
    for site, zone in zones.items():
        lines = [line for (other, _), line in sorted(twin.model.lines.items()) if other == site]
        shifts[site] = sum(
            any(line.calendar.work_between(begin, end) > 0.0 for line in lines)
            for begin, end in _shifts(first_at.astimezone(zone), until.astimezone(zone))
        )
    by_site: dict[str, Counter[datetime]] = defaultdict(Counter)
    by_owner: dict[str, Counter[datetime]] = defaultdict(Counter)
    sites_of: dict[str, dict[str, None]] = defaultdict(dict)
    for story in told.stories:
        card = story.cards[0]
        shift = _shift_of(story.raised_at.astimezone(twin.model.plant.zone(card.site_id)))
        by_site[card.site_id][shift] += 1
        by_owner[card.owner.name][shift] += 1
        sites_of[card.owner.name][card.site_id] = None
    for site in sorted({*shifts, *by_site}):
        told.sites[site] = _load(by_site[site], shifts.get(site, 0))
    for owner in sorted(by_owner):
        told.owners[owner] = _load(by_owner[owner], max(shifts.get(site, 0) for site in sites_of[owner]))


def _load(raised: Counter[datetime], shifts: int) -> Load:
    return Load(new_cards=raised.total(), shifts=shifts, most=max(raised.values(), default=0))


def _shift_of(moment: datetime) -> datetime:
    """Begin of the shift that a moment of the site lies in, by the site's clock."""
    hours = (moment.hour - SHIFTS_BEGIN_H) % SHIFT_H
    return (moment - timedelta(hours=hours)).replace(minute=0, second=0, microsecond=0)


def _shifts(first: datetime, until: datetime) -> Iterator[tuple[float, float]]:
    """Begin and end of the shifts from one moment to another, POSIX seconds; the first and last may be cut."""
    begin = _shift_of(first)
    while begin < until:
        end = begin + timedelta(hours=SHIFT_H)
        yield max(begin, first).timestamp(), min(end, until).timestamp()
        begin = end
