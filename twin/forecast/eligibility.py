"""Which lines can make a run, how fast, and what bringing it to its orders takes. Answers from scratch."""

from collections.abc import Iterable, Mapping, Sequence

from schemas import EligibleLine
from twin.forecast.lookahead import yield_ratio
from twin.state.entities import LEAST_RATE_PCS_PER_H, Line, Run, SiteKey
from twin.state.model import Model
from twin.state.transfers import transfer_of

Place = tuple[Line, float]
"""A line, and the planned good pieces an hour on it."""


def places_of(model: Model, run: Run) -> list[Place]:
    """Lines that could make a run: its own first, then those of its plan and of its step, of its site and of others.

    A run that feeds others, or is fed, stays on its site: what comes between two steps is brought nowhere.
    """
    key = (run.site_id, run.run_id)
    own = model.line_of_run[key]
    found: dict[SiteKey, Place] = {(own.site_id, own.line_id): (own, run.rate_pcs_per_h)}
    step = step_of(model, run.site_id, run.plan.item_id, own.line_id)
    named: list[tuple[str, str, float | None]] = [
        (run.site_id, line_id, model.plant.routing_rate(run.site_id, run.plan.item_id, line_id))
        for line_id in run.plan.alternate_line_ids
    ]
    named += _steps(model, run.site_id, run.plan.item_id, step)
    if not run.plan.feeds_run_ids and not model.feeders.get(key):
        for site_id in other_sites(model, run.site_id, destinations_of(run)):
            named += _steps(model, site_id, run.plan.item_id, step)
    for site_id, line_id, rate in named:
        line = model.lines.get((site_id, line_id))
        if line is not None and (site_id, line_id) not in found:
            known_rate = rate or _own_rate(line) or run.rate_pcs_per_h
            found[site_id, line_id] = line, max(known_rate, LEAST_RATE_PCS_PER_H)
    first, *others = found.values()
    return [first, *sorted(others, key=lambda place: (place[0].site_id, place[0].line_id))]


def places_of_item(
    model: Model, site_id: str, item_id: str, destinations: Mapping[str, float]
) -> list[tuple[int, list[Place]]]:
    """Lines that could make an item of which nothing is planned yet, by step of its routing.

    Another site is named where it makes the item in one step: no goods between two steps are brought anywhere.
    """
    steps: dict[int, dict[SiteKey, Place]] = {}
    own = model.plant.routing(site_id, item_id)
    for each in [] if own is None else own.steps:
        line = model.lines.get((site_id, each.line_id))
        if line is not None:
            places = steps.setdefault(each.step, {})
            places.setdefault((site_id, each.line_id), (line, max(each.rate_pcs_per_h, LEAST_RATE_PCS_PER_H)))
    if len(steps) <= 1:
        number = next(iter(steps), 1)
        for other in other_sites(model, site_id, destinations):
            routing = model.plant.routing(other, item_id)
            if routing is None or len({each.step for each in routing.steps}) != 1:
                continue
            for each in routing.steps:
                line = model.lines.get((other, each.line_id))
                if line is not None:
                    places = steps.setdefault(number, {})
                    places.setdefault(
                        (other, each.line_id), (line, max(each.rate_pcs_per_h, LEAST_RATE_PCS_PER_H))
                    )
    return [(step, [place for _, place in sorted(steps[step].items())]) for step in sorted(steps)]


def eligible_lines(model: Model, run: Run, among: Mapping[SiteKey, Line]) -> list[EligibleLine]:
    """The lines of a run that belong to a problem, as the solver reads them; its own first.

    A run that has begun stays where it is.
    """
    destinations = destinations_of(run)
    own = model.line_of_run[run.site_id, run.run_id]
    places = places_of(model, run) if run.progress.state == "planned" else [(own, run.rate_pcs_per_h)]
    found = []
    for line, rate in places:
        if (line.site_id, line.line_id) not in among:
            continue
        brought = transfer_of(model.plant, line.site_id, destinations.items())
        if brought is None and line is not own:
            continue
        seconds, cost = brought or (0.0, 0.0)
        found.append(
            EligibleLine(
                site_id=line.site_id,
                line_id=line.line_id,
                rate_pcs_per_h=rate * yield_ratio(line, run),
                transfer_s=seconds,
                transfer_cost=round(cost, 2),
            )
        )
    return found


def item_yield_ratio(line: Line, item_id: str, expected: float) -> float:
    """The yield of an item on a line over the expected one, of a run that has made nothing yet."""
    raised = line.quality.shifted_yield(item_id)
    return 1.0 if raised is None else max(0.01, raised / expected)


def destinations_of(run: Run) -> dict[str, float]:
    """Sites that the pieces of a run are for, with how many; its own where nobody says."""
    sites: dict[str, float] = {}
    for peg in run.plan.pegs:
        site_id = peg.order_site_id or run.site_id
        sites[site_id] = sites.get(site_id, 0.0) + peg.quantity_pcs
    return dict(sorted(sites.items())) or {run.site_id: run.plan.quantity_pcs}


def other_sites(model: Model, site_id: str, destinations: Iterable[str]) -> Sequence[str]:
    """Sites but this one from which pieces get to all of the destinations."""
    wanted = [(each, 0.0) for each in destinations]
    sites = sorted({*model.plant.lane_origins(), *(each for each, _ in wanted)} - {site_id})
    return [site for site in sites if transfer_of(model.plant, site, wanted) is not None]


def step_of(model: Model, site_id: str, item_id: str, line_id: str) -> int | None:
    """The step of an item's routing that a line does; the first of several, None where the routing does not name it."""
    routing = model.plant.routing(site_id, item_id)
    steps = [] if routing is None else [each.step for each in routing.steps if each.line_id == line_id]
    return min(steps, default=None)


def _steps(model: Model, site_id: str, item_id: str, step: int | None) -> list[tuple[str, str, float | None]]:
    """Lines of a step at a site; without a step, those of a routing that has only one."""
    routing = model.plant.routing(site_id, item_id)
    if routing is None:
        return []
    steps = {each.step for each in routing.steps}
    if step is None and len(steps) != 1:
        return []
    return [
        (site_id, each.line_id, each.rate_pcs_per_h)
        for each in routing.steps
        if step is None or each.step == step
    ]


def _own_rate(line: Line) -> float | None:
    return None if line.event is None else line.event.rate_pcs_per_h
