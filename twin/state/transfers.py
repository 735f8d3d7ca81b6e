"""Goods that are made at one site for the orders of another: how long bringing them takes, and what it costs."""

from collections.abc import Iterable

from schemas import TransferLaneUpserted
from twin.state.entities import Order, Run
from twin.state.plant import Plant


def lane_between(plant: Plant, from_site: str, to_site: str) -> TransferLaneUpserted | None:
    """The lane in force from one site to another; None within a site, or where nothing goes that way."""
    if from_site == to_site:
        return None
    lane = plant.lane(from_site, to_site)
    return None if lane is None or lane.withdrawn else lane


def transfer_s(plant: Plant, from_site: str, to_site: str) -> float:
    """Seconds from the last piece to its being at the other site; 0 within a site, and where no lane is known."""
    lane = lane_between(plant, from_site, to_site)
    return 0.0 if lane is None else lane.transfer_min * 60.0


def transfer_to(plant: Plant, run: Run, order: Order) -> float:
    """Seconds from the last piece of a run to its being at the site of an order that it is for."""
    return transfer_s(plant, run.site_id, order.site_id)


def transfer_of(
    plant: Plant, from_site: str, destinations: Iterable[tuple[str, float]]
) -> tuple[float, float] | None:
    """Seconds and money to bring pieces made at a site to where they are for; None where no lane leads there.

    Args:
        plant: knows the lanes.
        from_site: where they are made.
        destinations: sites and pieces for each; those of the site itself cost nothing.
    """
    longest_s, cost = 0.0, 0.0
    for to_site, pieces in destinations:
        if to_site == from_site:
            continue
        lane = lane_between(plant, from_site, to_site)
        if lane is None:
            return None
        longest_s = max(longest_s, lane.transfer_min * 60.0)
        cost += lane.cost + lane.cost_per_pc * pieces
    return longest_s, cost
