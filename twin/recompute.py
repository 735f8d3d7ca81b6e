"""The oracle: what the answer must be, worked out from scratch from a twin's documents.

Covers what has no memory: pace from the buckets, projections of every line, and which root each order blames. What has
memory (hysteresis, revisions, what was published) is checked by folding the log again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from schemas import split_key
from twin.causes import blame
from twin.drift import estimate, level_from_s
from twin.entities import Line, QueueDocument, SiteKey
from twin.lookahead import assess_order, project_line
from twin.model import Model
from twin.projection import Pace, ProjectedRun, settle
from twin.restoring import restore_model
from twin.risk import root_text

MOST_TOLERANCES = 3.0
"""A finish may be off by the tolerance of its own line and those of lines that feed it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What follows from the state without memory.

    Attributes:
        pace: of each line.
        projected: start and finish of each queued run, by line.
        roots: root that each late order blames, as its text; None where it is fine.
    """

    pace: dict[SiteKey, Pace]
    projected: dict[SiteKey, dict[str, ProjectedRun]]
    roots: dict[SiteKey, str | None]


def recompute(documents: Mapping[str, bytes], now: float) -> Picture:
    """Work the picture out from scratch.

    Args:
        documents: of a twin in which nothing is dirty, as after a tick on a new minute.
        now: that tick.
    """
    model = Model()
    # Without the stored projections: the answer must not come from what is to be checked.
    restore_model(model, {key: value for key, value in documents.items() if split_key(key)[1] != "queue"})
    for line in model.lines.values():
        _judge_pace(line)
    _project_all(model, now)
    _settle(model, documents)
    return Picture(
        pace={key: line.state.pace for key, line in sorted(model.lines.items())},
        projected={key: line.projected for key, line in sorted(model.lines.items())},
        roots=_roots(model),
    )


def picture_of(model: Model) -> Picture:
    """The picture that a twin holds."""
    return Picture(
        pace={key: line.state.pace for key, line in sorted(model.lines.items())},
        projected={key: line.projected for key, line in sorted(model.lines.items())},
        roots={key: order.state.root for key, order in sorted(model.orders.items())},
    )


def _judge_pace(line: Line) -> None:
    if not line.buckets:
        return
    reading = estimate(line.buckets, level_from_s(line.drift))
    line.state.level, line.state.level_sd = reading.level, reading.level_sd
    line.state.noise_sd_300 = reading.noise_sd_300


def _settle(model: Model, documents: Mapping[str, bytes]) -> None:
    """What was said stands where the answer is not beyond the tolerance of it; feeding lines may add theirs."""
    for parts, value in ((split_key(key), value) for key, value in sorted(documents.items())):
        if parts[1] == "queue":
            line = model.line(parts[0], parts[2])
            said = {run.run_id: run for run in msgspec.json.decode(value, type=QueueDocument).runs}
            line.projected = settle(said, line.projected, MOST_TOLERANCES)


def _project_all(model: Model, now: float) -> None:
    """Project every line until none moves: lines that feed others settle first."""
    moved = True
    while moved:
        moved = False
        for _, line in sorted(model.lines.items()):
            after = project_line(line, model, now)
            if after != line.projected:
                line.projected = after
                moved = True


def _roots(model: Model) -> dict[SiteKey, str | None]:
    roots: dict[SiteKey, str | None] = {}
    for key, order in sorted(model.orders.items()):
        roots[key] = None
        each = assess_order(order, model) if order.is_open else None
        if each is not None and each.p_late >= model.plant.rules(key[0]).clear_below_p_late:
            blamed = blame(each, model.line_of_run)
            roots[key] = None if blamed is None else root_text(blamed.root(each))
    return roots
