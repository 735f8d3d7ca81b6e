"""The oracle: what the answer must be, worked out from scratch from a twin's documents.

Covers what has no memory: pace from the buckets, projections of every line, which root each order blames, and what each
root with a card is judged as: stops and bad pieces, exposure, deadline, everything that a card says. What has memory
(hysteresis, revisions, what was published) is checked by folding the log again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas import CardKind, split_key
from twin.cards.card_board import CardBoard
from twin.cards.card_life import HELD_STATES, LIVE_STATES
from twin.forecast.lookahead import assess_order, project_line
from twin.forecast.projection import Pace, ProjectedRun
from twin.forecast.settled import settle
from twin.judges.causes import Blame, blame
from twin.judges.judging import JUDGES
from twin.judges.risk import Risk, Words, root_text
from twin.judges.view import View
from twin.material.allocation import allocation_of
from twin.material.materials import Gate
from twin.material.shortfall import NEGLIGIBLE_SHARE, shortfall_of
from twin.shopfloor.drift import estimate, level_from_s
from twin.state.entities import Line, Order, QueueDocument, SiteKey
from twin.state.model import Model
from twin.state.restoring import restore_model


@dataclass(frozen=True, slots=True)
class Picture:
    """What follows from the state without memory.

    Attributes:
        pace: of each line.
        projected: start and finish of each queued run, by line.
        roots: root that each late order blames, as its text; None where it is fine.
        risks: what each root that has a card, or late orders, would be judged as now, by its text: every number of a
            card; None where nothing is left of it.
        gates: of each item that runs take: over-use, and material that runs have to wait for.
        missing: of each such item that runs short: how much, from when on, order by when, how sure.
    """

    pace: dict[SiteKey, Pace]
    projected: dict[SiteKey, dict[str, ProjectedRun]]
    roots: dict[SiteKey, str | None]
    risks: dict[str, tuple[Risk, Words] | None]
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
    _project_all(model, now, _said(documents))
    return Picture(
        pace={key: line.state.pace for key, line in sorted(model.lines.items())},
        projected={key: line.projected for key, line in sorted(model.lines.items())},
        roots=_roots(model),
        risks=_risks(model, now),
        gates=_gates(model),
        missing=_missing(model, now),
    )


def picture_of(model: Model, now: float) -> Picture:
    """The picture that a twin holds after a tick."""
    return Picture(
        pace={key: line.state.pace for key, line in sorted(model.lines.items())},
        projected={key: line.projected for key, line in sorted(model.lines.items())},
        roots={key: order.state.root for key, order in sorted(model.orders.items())},
        risks=_risks(model, now),
        gates=_gates(model),
        missing=_missing(model, now),
    )


def _judge_pace(line: Line) -> None:
    if not line.buckets:
        return
    reading = estimate(line.buckets, level_from_s(line.drift))
    line.state.level, line.state.level_sd = reading.level, reading.level_sd
    line.state.noise_sd_300 = reading.noise_sd_300


MOST_ROUNDS = 100
"""Rounds over all lines; a chain of runs that feed each other settles in as many as it has links."""


class PlanCircular(Exception):
    """By the order of the queues and the feeds between runs some run waits for itself: no projection is the right one."""


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


def _said(documents: Mapping[str, bytes]) -> dict[SiteKey, dict[str, ProjectedRun]]:
    """What was last said of each line's queue."""
    return {
        (parts[0], parts[2]): {run.run_id: run for run in QueueDocument.decode(value).runs}
        for parts, value in ((split_key(key), value) for key, value in sorted(documents.items()))
        if parts[1] == "queue"
    }


def _project_all(model: Model, now: float, said: Mapping[SiteKey, dict[str, ProjectedRun]]) -> None:
    """Project every line until none moves: lines that feed others settle first.

    What was said stands where the answer is not beyond the tolerance of it, and lines that are fed go by what stands: a
    second more may be a night, so that a tolerance upstream cannot be allowed for downstream.
    """
    for _ in range(MOST_ROUNDS):
        moved = False
        for key, line in sorted(model.lines.items()):
            after = settle(said.get(key, {}), project_line(line, model, now))
            if after != line.projected:
                line.projected = after
                moved = True
        if not moved:
            return
    raise PlanCircular("runs wait for each other in a circle: each round puts them later")


def _roots(model: Model) -> dict[SiteKey, str | None]:
    roots: dict[SiteKey, str | None] = {}
    for key, order in sorted(model.orders.items()):
        roots[key] = None
        each = assess_order(order, model) if order.is_open else None
        if each is not None and each.p_late >= model.plant.rules(key[0]).clear_below_p_late:
            blamed = blame(each, model.line_of_run)
            roots[key] = None if blamed is None else root_text(blamed.root())
    return roots


def _risks(model: Model, now: float) -> dict[str, tuple[Risk, Words] | None]:
    """Judge every root that has a card or late orders, from what the model holds."""

    def blamed(order: Order) -> Blame | None:
        each = assess_order(order, model)
        return None if each is None else blame(each, model.line_of_run)

    board = CardBoard(model, now, "", lambda order: assess_order(order, model), blamed)
    risks: dict[str, tuple[Risk, Words] | None] = {}
    for root in sorted({**model.members, **model.cards}):
        card = model.cards.get(root)
        current = card if card is not None and card.state in (*LIVE_STATES, *HELD_STATES) else None
        late = board.late_orders(root, is_open=current is not None)
        risk = JUDGES[CardKind(root[0])](View(model, now, root, current, late))
        risks[root_text(root)] = None if risk is None else (risk, risk.words())
    return risks
