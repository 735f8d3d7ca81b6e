"""The diff of a dry run, as people read it in a terminal and as machines read it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from streams.dry_run import SHIFT_H, SHIFTS_BEGIN_H, Change, DryRun, Load, Story
from twin.words import time_of

_HEADS = {
    "appears": "would appear",
    "vanishes": "would vanish",
    "changes": "would change",
    "stays": "stay as they are",
}
_MARKS = {"appears": "+", "vanishes": "-", "changes": "~"}


def dry_run_lines(run: DryRun, zone: ZoneInfo) -> Iterator[str]:
    """Lines for people: what was compared, the cards, the counts, the load."""
    before, after = run.before, run.after
    span = f"{_time(before.first_at, zone)} to {_time(before.until, zone)}"
    yield f"{', '.join(after.rules)} against {', '.join(before.rules)} (in force then): {span}, {before.events:,} events"
    yield ""
    for change in run.changes:
        if change.what != "stays":
            yield from _change_lines(change, zone)
            yield ""
    yield f"{'cards':24}" + "".join(f"{head:>18}" for head in _HEADS.values())
    kinds = sorted({str(change.story.last.kind) for change in run.changes})
    for kind in [*kinds, None]:
        counts = run.counts(kind)
        yield f"{kind or 'all':24}" + "".join(f"{counts[what]:>18}" for what in _HEADS)
    yield ""
    yield f"{'new cards':24}{'before':>30}{'after':>30}"
    for name, old, new in _loads(run):
        yield f"{name:24}{_load_words(old):>30}{_load_words(new):>30}"
    yield f"(shifts of {SHIFT_H} h from {SHIFTS_BEGIN_H:02d}:00 in which a line was to work)"


def _change_lines(change: Change, zone: ZoneInfo) -> Iterator[str]:
    story = change.story
    yield f"{_MARKS[change.what]} {_HEADS[change.what]}: {story.last.title}"
    if change.what != "changes":
        facts = story.facts()
        names = ("raised", "cleared", "severity", "owner")
        yield from (f"    {name:12} {_words(facts[name], zone)}" for name in names if facts[name] is not None)
        return
    yield f"    {'card':12} {story.last.card_id}"
    for name, (old, new) in change.differences.items():
        yield f"    {name:12} {_words(old, zone)}  ->  {_words(new, zone)}"


def _loads(run: DryRun) -> Iterator[tuple[str, Load | None, Load | None]]:
    for old, new, what in (
        (run.before.sites, run.after.sites, "site "),
        (run.before.owners, run.after.owners, ""),
    ):
        for name in sorted({*old, *new}):
            yield what + name, old.get(name), new.get(name)


def _load_words(load: Load | None) -> str:
    if load is None or not load.new_cards:
        return "none"
    mean = "" if load.a_shift is None else f"{load.a_shift:g} a shift, "
    return f"{load.new_cards} ({mean}most {load.most})"


def _words(value: Any, zone: ZoneInfo) -> str:
    if value is None:
        return "none"
    if isinstance(value, datetime):
        return _time(value, zone)
    if isinstance(value, list):
        return ", ".join(f"{str(word).upper()} {_time(at, zone)}" for at, word in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _time(moment: datetime | None, zone: ZoneInfo) -> str:
    return "-" if moment is None else time_of(moment.timestamp(), zone)


# For machines


def dry_run_records(run: DryRun) -> Iterator[dict[str, Any]]:
    """One object a card that appears, vanishes or changes, then one with the counts and the load."""
    for change in run.changes:
        if change.what != "stays":
            yield {
                "change": change.what,
                "card_id": change.story.last.card_id,
                "kind": str(change.story.last.kind),
                "title": change.story.last.title,
                "before": _facts(change.before),
                "after": _facts(change.after),
                "differences": sorted(change.differences),
            }
    kinds = sorted({str(change.story.last.kind) for change in run.changes})
    yield {
        "summary": run.counts(),
        "by_kind": {kind: run.counts(kind) for kind in kinds},
        "rules": {"before": run.before.rules, "after": run.after.rules},
        "first_at": _iso(run.before.first_at),
        "until": _iso(run.before.until),
        "events": run.before.events,
        "sites": _load_records(run.before.sites, run.after.sites),
        "owners": _load_records(run.before.owners, run.after.owners),
    }


def _facts(story: Story | None) -> dict[str, Any] | None:
    return None if story is None else {name: _plain(value) for name, value in story.facts().items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return _iso(value)
    if isinstance(value, list):
        return [[_iso(at), word] for at, word in value]
    return value


def _load_records(before: dict[str, Load], after: dict[str, Load]) -> dict[str, Any]:
    return {
        name: {"before": _load_record(before.get(name)), "after": _load_record(after.get(name))}
        for name in sorted({*before, *after})
    }


def _load_record(load: Load | None) -> dict[str, Any] | None:
    if load is None:
        return None
    return {
        "new_cards": load.new_cards,
        "shifts": load.shifts,
        "new_cards_a_shift": load.a_shift,
        "most_in_a_shift": load.most,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
