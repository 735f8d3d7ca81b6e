"""Runs that wait for each other in the plan that was given: by the queues of lines and by what feeds what.

A run waits for the one before it in its line's queue, and for those that feed it. Where that goes round in a circle no
projection is right: each time it is worked out the runs end later. Nothing here says what to change, only who waits for
whom. Finished runs hold nobody up, and what has begun waits for no feeder any more.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from twin.state.entities import Run, SiteKey
from twin.state.model import Model
from twin.state.runs import RunState


@dataclass(frozen=True, slots=True)
class Wait:
    """One step of a circle: a run, the one that it waits for, and the line in whose queue; None where that feeds it."""

    run: Run
    waits_for: Run
    line_id: str | None


def new_circles(model: Model) -> list[list[Wait]]:
    """Circles that there may be since the last call; costs what the runs planned anew since then wait for.

    A plan comes to go round in a circle only through a run that is planned anew: what a run begins or ends with takes
    waits away, and one that has begun waits for nothing that is only planned. Where there was a circle already, a run that
    leaves it may leave a smaller one behind.
    """
    placed, model.placed = model.placed, {}
    if not model.is_circular and not _leads_into_a_circle(model, placed):
        return []
    found = circles(model)
    model.is_circular = bool(found)
    return found


def circles(model: Model) -> list[list[Wait]]:
    """Circles, each begun at its first run by id, as circle_of has them: one at least where there is any."""
    found: dict[SiteKey, list[Wait]] = {}
    told: set[SiteKey] = set()
    for key, feeders in sorted(model.feeders.items()):
        if not feeders or key in told or key not in model.runs:
            continue
        circle = _shortest(model, model.runs[key])
        while circle:
            first = _begun_at_first(circle)[0].run
            circle = _shortest(model, first)
            if (
                _begun_at_first(circle)[0].run is first
            ):  # of circles that share runs the one with the first id of all
                found[first.site_id, first.run_id] = circle
                told.update((wait.run.site_id, wait.run.run_id) for wait in circle)
                break
        told.add(key)
    return list(found.values())


def circle_of(model: Model, run: Run) -> list[Wait]:
    """The shortest circle through a run, from the run on; empty where it is in none, or is not the first by id of it."""
    if not any(model.feeders.values()):
        return []
    circle = _shortest(model, run)
    return circle if circle and _begun_at_first(circle)[0].run is run else []


def _begun_at_first(circle: list[Wait]) -> list[Wait]:
    first = min(range(len(circle)), key=lambda index: (circle[index].run.site_id, circle[index].run.run_id))
    return [*circle[first:], *circle[:first]]


def _leads_into_a_circle(model: Model, keys: dict[SiteKey, None]) -> bool:
    """Whether one comes to a circle from these runs: depth first, each run once."""
    if not any(model.feeders.values()):
        return False
    places: dict[SiteKey, dict[str, int]] = {}
    left: set[SiteKey] = set()
    for start in keys:
        if start in left or start not in model.runs:
            continue
        path: dict[SiteKey, Iterator[Wait]] = {start: iter(_waits(model, model.runs[start], places))}
        while path:
            here = next(reversed(path))
            wait = next(path[here], None)
            if wait is None:
                del path[here]
                left.add(here)
                continue
            ahead = (wait.waits_for.site_id, wait.waits_for.run_id)
            if ahead in path:
                return True
            if ahead not in left:
                path[ahead] = iter(_waits(model, wait.waits_for, places))
    return False


def _shortest(model: Model, run: Run) -> list[Wait]:
    """Breadth first from the run over what it waits for, until it is met again; ties by queue first, then by id."""
    places: dict[SiteKey, dict[str, int]] = {}
    came: dict[SiteKey, Wait] = {}
    goal = (run.site_id, run.run_id)
    ahead = deque([run])
    while ahead:
        for wait in _waits(model, ahead.popleft(), places):
            key = (wait.waits_for.site_id, wait.waits_for.run_id)
            if key in came:
                continue
            came[key] = wait
            if key != goal:
                ahead.append(wait.waits_for)
                continue
            circle = [wait]
            while circle[-1].run is not run:
                circle.append(came[circle[-1].run.site_id, circle[-1].run.run_id])
            return circle[::-1]
    return []


def _waits(model: Model, run: Run, places: dict[SiteKey, dict[str, int]]) -> list[Wait]:
    """What a run waits for: the one before it on its line, and those that feed it."""
    if run.is_finished:
        return []
    waits: list[Wait] = []
    key = (run.site_id, run.run_id)
    line = model.line_of_run[key]
    queue = line.queued()
    line_key = (line.site_id, line.line_id)
    if line_key not in places:
        places[line_key] = {each.run_id: place for place, each in enumerate(queue)}
    place = places[line_key][run.run_id]
    if place > 0:
        waits.append(Wait(run, queue[place - 1], line.line_id))
    if run.progress.state is RunState.PLANNED:
        for feeder_key in sorted(model.feeders.get(key, ())):
            feeder = model.runs.get(feeder_key)
            if feeder is not None and not feeder.is_finished:
                waits.append(Wait(run, feeder, None))
    return waits
