"""A proposal as the text of a mapping file: each line with how sure it is, and why."""

import json
from datetime import datetime
from itertools import pairwise
from typing import Final

from streams.adapters.header_words import Sureness, plain
from streams.adapters.mapping import FileFormat
from streams.adapters.proposing import END_OF_DAY, Found, Proposal, mapping_name
from streams.adapters.recipes import STATE_WORDS, Made
from streams.adapters.sniffing import Column

SURE_WORDS: Final = {
    Sureness.SURE: "sure",
    Sureness.LIKELY: "likely",
    Sureness.GUESS: "GUESS",
    Sureness.NONE: "unknown",
}

_OPTIONAL: Final = frozenset({"price", "cost", "penalty", "priority", "scrap", "rework", "lot", "reason"})
_CONSTANT: Final = {"customer": "customer", "item": "item"}


def mapping_yaml(proposal: Proposal, since: datetime) -> str:
    """The mapping file.

    Args:
        proposal: what the table seems to be.
        since: event_time of what has no time of its own.
    """
    name = mapping_name(proposal.path)
    suffix = proposal.path.name.removesuffix(".gz").rpartition(".")[2]
    lines = [
        f"# Proposed for {proposal.path.name} by `foresite map init`: {proposal.recipe.says}.",
        "# Each comment says how sure that is (sure, likely, GUESS) and why. Read them, change what is wrong, then:",
        f"#   foresite map check THIS_FILE {proposal.path.name}",
    ]
    if proposal.rivals:
        lines.append(f"# It could also be a table of {', '.join(proposal.rivals)}: --as {proposal.rivals[0]}")
    lines += [f"# {SURE_WORDS[sureness]}: {note}" for sureness, note in proposal.sniffed.notes]
    pattern = f"{name.partition('-')[0]}*.{suffix}"
    lines += ["", f"mapping: {name}", f"files: [{_text(pattern)}] # names of the files that it is for"]
    lines += ["", *_format(proposal), "", *_row_id(proposal), *_maps(proposal), *_values(proposal)]
    lines += _fields(proposal, since) + _ignore(proposal) + ["", "events:"]
    for made in proposal.recipe.made:
        lines += _event(proposal, made)
    lines += _leftovers(proposal)
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _line(text: str, sureness: Sureness | None = None, why: str = "") -> str:
    return text if sureness is None else f"{text} # {SURE_WORDS[sureness]}: {why}"


def _format(proposal: Proposal) -> list[str]:
    layout, plainly = proposal.layout, FileFormat()
    lines = ["format:"]
    lines += [
        f"  {key}: {_text(str(getattr(layout, key)))}"
        for key in ("sheet", "delimiter", "decimal", "thousands", "encoding")
        if getattr(layout, key) != getattr(plainly, key)
    ]
    lines.append(f"  zone: {layout.zone} # of times that say none; --zone names another")
    if layout.time_formats != ["iso"]:
        lines.append(f"  time_formats: {json.dumps(layout.time_formats)}")
    lines += [
        f"  # GUESS: {column.name!r} is taken as {column.time_format}; "
        f"every sample fits {column.time_rival} as well, as {column.samples[0]!r}"
        for column in proposal.sniffed.columns.values()
        if column.time_rival is not None
    ]
    covered = [each.column for each in proposal.found.values() if each.column.is_covered]
    if covered:
        names = ", ".join(_text(column.name) for column in covered)
        lines.append(f"  fill_down: [{names}] # likely: cells are merged; each row below means the same")
    return lines


def _row_id(proposal: Proposal) -> list[str]:
    """What tells a row from others although tomorrow's file holds it in another place, or again."""
    meanings = ("moment",) if "moment" in proposal.found else ("date", "hour")
    found = [proposal.found[name].column for name in (*meanings, "line", "order") if name in proposal.found]
    rows = list(zip(*(column.samples for column in found), strict=False))
    if proposal.recipe.name not in ("counts", "states") or not rows or any(column.empty for column in found):
        return []
    if len(set(rows)) < len(rows):
        names = ", ".join(column.name for column in found)
        return [
            f"# GUESS: no row_id, for {names} stand in several rows alike; keep rows where they are in the file",
            "",
        ]
    template = " ".join("{%s}" % column.name for column in found)  # noqa: UP031  # braces are the template's own
    return [
        f"row_id: {_text(template)} # likely: no two rows have it alike; one that comes again is a repeat",
        "",
    ]


def _maps(proposal: Proposal) -> list[str]:
    lines = []
    hour = proposal.found.get("hour")
    if hour is not None and hour.column.slots:
        slots = ", ".join(f"{_text(text)}: {_text(begin)}" for text, begin in hour.column.slots.items())
        lines.append(f"  slot: {{ {slots} }} # begin of each span")
    state = proposal.found.get("state")
    if state is not None:
        pairs = []
        for text in sorted(set(state.column.samples)):
            meant = next(
                (name for name, words in STATE_WORDS.items() if plain(text) in words or text == name), None
            )
            pairs.append(f"{_text(text)}: {meant or 'HELD'}")
            if meant is None:
                lines.append(
                    f"  # GUESS: nobody told me what {text!r} means; HELD is a stop with a cause of the line's own"
                )
        lines.append(f"  state: {{ {', '.join(pairs)} }} # PackML: see docs/events.md")
    return ["maps:", *lines, ""] if lines else []


def _values(proposal: Proposal) -> list[str]:
    hour = proposal.found.get("hour")
    if hour is None or not hour.column.slots or "moment" in proposal.found:
        return []
    return ["values:", f"  slot: {{ column: {_text(hour.column.name)}, map: slot }}", ""]


def _fields(proposal: Proposal, since: datetime) -> list[str]:
    lines = ["fields:", f"  site_id: {_text(proposal.site)}"]
    found = proposal.found
    if "moment" in found:
        lines.append(
            _line(
                f"  event_time: {_time(found['moment'].column)}",
                found["moment"].sureness,
                found["moment"].why,
            )
        )
    elif "date" in found and "hour" in found:
        hour = found["hour"].column
        part = "slot" if hour.slots else hour.name
        counts = proposal.recipe.name == "counts"
        length = hour.slot_min if hour.slots else None
        shift = f", plus_minutes: {60 if length is None else length}" if counts else ""
        why = f"{found['date'].why}, {found['hour'].why}" + (
            "; pieces of an hour are there when it ends" if counts else ""
        )
        whole = Sureness.GUESS if counts else min(found["date"].sureness, found["hour"].sureness)
        template = "{%s} {%s}" % (found["date"].column.name, part)  # noqa: UP031  # braces are the template's own
        lines.append(_line(f"  event_time: {{ time: {_text(template)}{shift} }}", whole, why))
    elif "date" in found:
        lines.append(
            _line(
                f"  event_time: {{ time: {_text(found['date'].column.name)}, at: {_text(END_OF_DAY)} }}",
                Sureness.GUESS,
                f"no column says when on the day: taken as {END_OF_DAY}",
            )
        )
    elif "changed" in found:
        lines.append(
            _line(
                f"  event_time: {_time(found['changed'].column)}",
                found["changed"].sureness,
                found["changed"].why,
            )
        )
    else:
        lines.append(
            f"  event_time: {_text(since.isoformat())} # sure enough: no column says since when it is known, so: "
            "before all that the tables speak of"
        )
    return lines


def _ignore(proposal: Proposal) -> list[str]:
    key = next(
        (
            proposal.found[each.meaning]
            for each in proposal.recipe.wanted
            if each.needed and each.form == "text"
        ),
        None,
    )
    if key is None or not key.column.empty or key.column.is_covered:
        return []
    name = key.column.name
    rule = f"{{ when: [{{ column: {_text(name)}, empty: true }}], because: {_text(f'no {name}')} }}"
    return [
        "",
        "ignore:",
        f"  - {rule} # likely: {key.column.empty:.0%} of the rows, as totals and notes are",
    ]


def _event(proposal: Proposal, made: Made) -> list[str]:
    missing = [meaning for meaning in made.needs if meaning not in proposal.found]
    if missing:
        then = "; ".join(dict.fromkeys(proposal.recipe.without.get(each, "") for each in missing))
        return [f"  # no {made.kind}: no column means {', '.join(missing)}. {then}".rstrip()]
    lines = [f"  - kind: {made.kind}", "    fields:"]
    for field, meaning in made.fields.items():
        found = proposal.found.get(meaning)
        if found is not None:
            sureness, why = found.sureness, found.why
            if meaning == "due" and not found.column.has_clock:
                sureness, why = Sureness.GUESS, f"{why}; no time of day, so due at {END_OF_DAY}"
            lines.append(_line(f"      {field}: {_source(proposal, meaning, found)}", sureness, why))
        elif meaning in _CONSTANT:
            lines.append(
                f"      {field}: {_CONSTANT[meaning]} # no column: {proposal.recipe.without[meaning]}"
            )
        elif meaning == "line":
            lines.append(
                f"      {field}: {_text(proposal.line)} # no column: {proposal.recipe.without['line']}"
            )
    if made.pegged:
        order, quantity = proposal.found["order"], proposal.found["quantity"]
        lines.append(
            f"      pegs: {{ list: [{{ order_id: {_source(proposal, 'order', order)}, "
            f"quantity_pcs: {_source(proposal, 'quantity', quantity)} }}] }} # the run is for this order"
        )
    if made.kind == "bill_of_material_upserted":
        lines[1:1] = [
            f"    gather: {_text('{' + proposal.found['parent'].column.name + '}')} # rows of one parent are one event"
        ]
        lines.append(
            f"      components: {{ list: [{{ item_id: {_source(proposal, 'component', proposal.found['component'])}, "
            f"quantity_per: {_source(proposal, 'per', proposal.found['per'])} }}] }}"
        )
    if made.kind == "count_reported":
        lines += _counter(proposal)
    return lines


def _counter(proposal: Proposal) -> list[str]:
    """Whether the counts are readings of a counter: they never fall within an order, and mostly rise."""
    good, order = proposal.found["good"].column, proposal.found.get("order")
    values = [
        float(text.replace(",", "."))
        for text in good.samples
        if text.replace(",", ".").replace(".", "", 1).isdecimal()
    ]
    rises = [later >= earlier for earlier, later in pairwise(values)]
    if (
        len(rises) >= 6
        and all(rises)
        and len(set(values)) > len(values) / 2
        and (order is None or order.column.distinct == 1)
    ):
        return ["      counter: total # GUESS: they never fall, as readings of a counter that runs on"]
    return ["      counter: delta # likely: they rise and fall, as pieces since the row before"]


def _source(proposal: Proposal, meaning: str, found: Found) -> str:
    column = found.column
    more = ", optional: true" if meaning in _OPTIONAL and column.empty else ""
    wanted = next(each for each in proposal.recipe.wanted if each.meaning == meaning)
    if wanted.form == "number":
        unit = f", unit: {_text(column.unit)}" if column.unit else ""
        if meaning in ("scrap", "rework"):
            more = ", default: 0" if column.empty else ""
        return f"{{ number: {_text(column.name)}{unit}{more} }}"
    if wanted.form == "time":
        return _time(column, END_OF_DAY if meaning == "due" else None)
    lookup = ", map: state" if meaning == "state" else ""
    return f"{{ column: {_text(column.name)}{lookup}{more} }}"


def _time(column: Column, at: str | None = None) -> str:
    clock = f", at: {_text(at)}" if at is not None and not column.has_clock else ""
    return f"{{ time: {_text(column.name)}{clock} }}"


def _leftovers(proposal: Proposal) -> list[str]:
    used = {each.column.name for each in proposal.found.values()}
    unread = [name for name in proposal.sniffed.columns if name not in used]
    lines = [""] if unread else []
    if unread:
        lines.append(f"# not read: {', '.join(unread)}")
    made = {
        meaning
        for each in proposal.recipe.made
        for meaning in each.needs
        if not set(each.needs) <= proposal.found.keys()
    }
    missing = [
        f"# no column means {meaning}: {then}"
        for meaning, then in proposal.recipe.without.items()
        if meaning not in proposal.found and meaning not in made
    ]
    return lines + missing
