"""The oracle: what the answer must be, worked out from scratch from a twin's documents.

Covers what has no memory: pace from the buckets, projections of every line, and which root each order blames. What has
memory (hysteresis, revisions, what was published) is checked by folding the log again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas import split_key
from twin.allocation import allocation_of
from twin.causes import blame
from twin.drift import DriftPhase, estimate
from twin.entities import Line, SiteKey
from twin.lookahead import assess_order, project_line
from twin.materials import Gate
from twin.model import Model
from twin.projection import Pace, ProjectedRun
from twin.restoring import restore_model
from twin.risk import root_text
from twin.shortfall import NEGLIGIBLE_SHARE, shortfall_of


@dataclass(frozen=True, slots=True)
class Picture:
    """What follows from the state without memory.

    Attributes:
        pace: of each line.
        projected: start and finish of each queued run, by line.
        roots: root that each late order blames, as its text; None where it is fine.
        gates: of each item that runs take: over-use, and material that runs have to wait for.
        missing: of each such item that runs short: how much, from when on, order by when, how sure.
    """

    pace: dict[SiteKey, Pace]
    projected: dict[SiteKey, dict[str, ProjectedRun]]
    roots: dict[SiteKey, str | None]
    gates: dict[SiteKey, tuple[float, dict[str, list[Gate]]]]
    missing: dict[SiteKey, tuple[float, float, float | None, float]]


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
    _allocate_all(model, now)
    _project_all(model, now)
    return Picture(
        pace={key: line.state.pace for key, line in sorted(model.lines.items())},
        projected={key: line.projected for key, line in sorted(model.lines.items())},
        roots=_roots(model),
        gates=_gates(model),
        missing=_missing(model, now),
    )


def picture_of(model: Model, now: float) -> Picture:
    """The picture that a twin holds after a tick."""
    return Picture(
        pace={key: line.state.pace for key, line in sorted(model.lines.items())},
        projected={key: line.projected for key, line in sorted(model.lines.items())},
        roots={key: order.state.root for key, order in sorted(model.orders.items())},
        gates=_gates(model),
        missing=_missing(model, now),
    )


def _judge_pace(line: Line) -> None:
    if not line.buckets:
        return
    drift = line.drift
    since = drift.level_since_s if drift.phase is DriftPhase.DRIFTING else drift.evidence_from_s
    reading = estimate(line.buckets, since or 0.0)
    line.state.level, line.state.level_sd = reading.level, reading.level_sd
    line.state.noise_sd_300 = reading.noise_sd_300


def _allocate_all(model: Model, now: float) -> None:
    """Give supply to runs from stock, receipts and use alone, whatever the documents say that followed from them."""
    for key in sorted(model.supply.items):
        found = allocation_of(model, key, now)
        model.supply.items[key].over_use = found.over_use.share
        model.supply.put_gates(key, found.gates, found.hour)


def _gates(model: Model) -> dict[SiteKey, tuple[float, dict[str, list[Gate]]]]:
    items = sorted(model.supply.items.items())
    return {key: (each.over_use, each.gates) for key, each in items if key in model.supply.users}


def _missing(model: Model, now: float) -> dict[SiteKey, tuple[float, float, float | None, float]]:
    missing = {}
    for key in sorted(model.supply.items):
        found = shortfall_of(model, key, now, NEGLIGIBLE_SHARE)
        if found is not None:
            missing[key] = (found.short_quantity, found.need_by, found.order_by, found.probability)
    return missing


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
