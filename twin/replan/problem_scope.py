"""What a scheduling problem reaches over: the lines that are hit, where their runs could go, and what hangs on them."""

from collections.abc import Iterable, Sequence

from twin.forecast.eligibility import places_of
from twin.state.entities import Line, Run, SiteKey
from twin.state.model import Model

MOST_LINES = 40
"""Lines of one problem, the hit ones first. Fewer: a way out may lie outside; more: the first answer comes later."""


def scope_of(model: Model, hit: Iterable[SiteKey], also: Iterable[SiteKey] = ()) -> list[SiteKey]:
    """Lines of a problem: those hit, those that could take their runs, then those of runs that share orders or feeds.

    What the runs of these lines feed belongs to it all the way down, for it moves with them.

    Args:
        model: the live model.
        hit: lines that what happened concerns, the worst first; unknown ones are left out.
        also: lines that may take what is new, as those of a rush order.

    Returns:
        At most MOST_LINES of them, those hit first, in an order that follows from the model.
    """
    first = [key for key in dict.fromkeys(hit) if key in model.lines]
    found: dict[SiteKey, None] = dict.fromkeys([*first, *(key for key in also if key in model.lines)])
    for key in first:
        for run in model.lines[key].queued():
            found.update(dict.fromkeys(_keys(line for line, _ in places_of(model, run))))
    for key in first:
        for run in model.lines[key].queued():
            found.update(dict.fromkeys(_sharing(model, run)))
    waiting = list(found)
    while waiting and len(found) < MOST_LINES:
        for run in model.lines[waiting.pop(0)].queued():
            for key in _keys(model.lines_fed_by(run)):
                if key not in found:
                    found[key] = None
                    waiting.append(key)
    return list(found)[:MOST_LINES]


def _sharing(model: Model, run: Run) -> Sequence[SiteKey]:
    """Lines of unfinished runs that feed a run, or are for the same orders."""
    others = [model.line_of_run[key] for key in sorted(model.feeders.get((run.site_id, run.run_id), ())) if key in model.runs and not model.runs[key].is_finished]  # fmt: skip
    for order in model.orders_of(run):
        if order.is_open:
            others += [line for line, other in model.runs_of(order) if not other.is_finished]
    return _keys(others)


def _keys(lines: Iterable[Line]) -> list[SiteKey]:
    return [(line.site_id, line.line_id) for line in lines]
