"""Proposes a mapping for a table that nobody has described: which columns mean what, how surely, and why.

It asks nothing and decides nothing: what comes out is a mapping file with comments, to be read, checked and changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from schemas import BadRecord, UsageError
from streams.adapters.cell_values import parse_time
from streams.adapters.header_words import Sureness, likeness, plain
from streams.adapters.mapping import FileFormat
from streams.adapters.recipes import RECIPES, Form, Recipe, Wanted
from streams.adapters.sniffing import Column, Sniffed, sniff

END_OF_DAY: Final = "17:00"
"""When an order is due whose due date has no time of day. Proposed, and said; too early makes orders late that are not."""


@dataclass(frozen=True, slots=True)
class Found:
    """A column that a meaning was found in."""

    column: Column
    sureness: Sureness
    why: str


@dataclass(slots=True)
class Proposal:
    """What a table seems to be.

    Attributes:
        path: of the table.
        recipe: the kind of table.
        sniffed: how it is written.
        found: meaning -> column.
        zone, site, line, owner: as given.
        rivals: recipes that it could be as well.
    """

    path: Path
    recipe: Recipe
    sniffed: Sniffed
    found: dict[str, Found]
    zone: str
    site: str
    line: str
    rivals: list[str] = field(default_factory=list)

    @property
    def layout(self) -> FileFormat:
        """How the file is written, zone included."""
        return self.sniffed.layout.model_copy(update={"zone": self.zone})

    def first_moment(self) -> datetime | None:
        """The earliest time in its samples, in its zone; None: there is none."""
        moments = []
        for each in self.sniffed.columns.values():
            if each.time_format is not None:
                for sample in each.samples:
                    try:
                        moments.append(parse_time(sample, self.layout, each.name))
                    except BadRecord:
                        continue
        return min(moments).astimezone(ZoneInfo(self.zone)) if moments else None


def propose(
    path: Path,
    *,
    zone: str,
    site: str = "site-1",
    line: str = "line-1",
    sheet: str | None = None,
    wanted: str | None = None,
) -> Proposal:
    """Find out what a table is.

    Args:
        path: of the table.
        zone: of its times.
        site: id of the site that it speaks of.
        line: id of the line where no column names one.
        sheet: of a workbook.
        wanted: name of the recipe; None: the one that fits best.

    Raises:
        UsageError: it cannot be read, or is like no kind of table that is known.
    """
    sniffed = sniff(path, sheet)
    recipes = [recipe for recipe in RECIPES if wanted in (None, recipe.name)]
    if not recipes:
        raise UsageError(
            f"no kind of table is called {wanted!r}; there are {', '.join(each.name for each in RECIPES)}"
        )
    fits = [(recipe, _assigned(recipe, sniffed)) for recipe in recipes]
    whole = [(recipe, found) for recipe, found in fits if _has_needed(recipe, found)]
    if not whole:
        raise UsageError(_like_nothing(path, fits, sniffed))
    best = max(whole, key=lambda fit: _score(fit[1]))
    rivals = [
        recipe.name for recipe, found in whole if recipe is not best[0] and _score(found) >= _score(best[1])
    ]
    return Proposal(path, *best[:1], sniffed, best[1], zone, site, line, rivals)


def _assigned(recipe: Recipe, sniffed: Sniffed) -> dict[str, Found]:
    """Meaning -> column, the surest first; no column means two things."""
    candidates = []
    for order, wanted in enumerate(recipe.wanted):
        for place, column in enumerate(sniffed.columns.values()):
            sureness, why = likeness(column.name, wanted.meaning)
            if sureness is not Sureness.NONE and _is_of_form(column, wanted):
                candidates.append((-sureness, order, place, wanted.meaning, Found(column, sureness, why)))
    found: dict[str, Found] = {}
    taken: set[str] = set()
    for _, _, _, meaning, each in sorted(candidates, key=lambda candidate: candidate[:3]):
        if meaning not in found and each.column.name not in taken:
            found[meaning] = each
            taken.add(each.column.name)
    return found


def _is_of_form(column: Column, wanted: Wanted) -> bool:
    if not column.samples:
        return not wanted.needed
    if wanted.meaning == "hour":
        return column.is_clock or bool(column.slots)
    forms: dict[Form, bool] = {
        "number": column.is_number,
        "time": column.time_format is not None,
        "text": column.time_format is None,
    }
    return forms[wanted.form]


def _has_needed(recipe: Recipe, found: dict[str, Found]) -> bool:
    has_time = recipe.name not in ("counts", "states") or "moment" in found or "date" in found
    return has_time and all(wanted.meaning in found for wanted in recipe.wanted if wanted.needed)


def _score(found: dict[str, Found]) -> int:
    return sum(each.sureness for each in found.values())


def _like_nothing(path: Path, fits: Sequence[tuple[Recipe, dict[str, Found]]], sniffed: Sniffed) -> str:
    nearest, found = max(fits, key=lambda fit: _score(fit[1]))
    missing = [each.meaning for each in nearest.wanted if each.needed and each.meaning not in found]
    if nearest.name in ("counts", "states") and not found.keys() & {"moment", "date"}:
        missing.append("moment (or date and hour)")
    columns = ", ".join(name for name in sniffed.columns)
    return (
        f"{path}: like no kind of table that I know. Nearest is `{nearest.name}`, but no column with fitting cells is "
        f"called like {', '.join(missing)}. Its header (row {sniffed.header.number}) has: {columns}. Rename a column, "
        "or write the mapping by hand (docs/mapping.md)"
    )


def known_since(proposals: Sequence[Proposal], now: datetime) -> datetime:
    """From when on what tables without a time of their own say is taken as known: before all that they speak of.

    Args:
        proposals: tables of one site.
        now: no later than this, or what they say would lie in the future.
    """
    moments = [moment for each in proposals if (moment := each.first_moment()) is not None]
    first = min([*moments, now]).astimezone(ZoneInfo(proposals[0].zone))
    return (first - timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def mapping_name(path: Path) -> str:
    """A name for the mapping of a table: of its file, without what changes from export to export."""
    return (
        "-".join(word for word in plain(path.name.partition(".")[0]).split() if not word.isdecimal())
        or "table"
    )
