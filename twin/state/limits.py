"""What a shard holds at most of what others may invent: sites, lines, entities, runs of a line, sources of a line.

Law: what is asked here follows from the model and the rules alone, so a refold refuses the same events. What a site may
choose is a rule (docs/rules-reference.md); what is the same everywhere is named here. docs/limits.md lists them all.
"""

from schemas import Event, LineUpserted, OvertimeWindowUpserted, RunPlanned
from twin.session import Session
from twin.state.plant import EVERYWHERE, upsert_key

SITES_MAX = 500
"""Sites of a shard. Too small: an enterprise does not fit on one partition. Too large: a publisher that makes sites up
fills the memory before anybody sees it."""

RUNS_PER_LINE_MAX = 5_000
"""Runs that a line holds, those kept for retention too. Too small: an ERP that plans months ahead is refused. Too large:
the projection of a line is one document, and each evaluation goes over all of it."""

SOURCES_PER_LINE_MAX = 64
"""Sources of a line whose numbers are remembered. Repeats of a further one are told by event id, as if it did not
number. Too small: lines with many gateways lose their gaps. Too large: names made up pile up."""

SERIES_PER_LINE_MAX = 2_000
"""Series of bad pieces of a line, one a station and item. Pieces of a further one count for the run, and nobody watches
their share. Too small: a line of many items is not watched. Too large: stations made up pile up."""

FOLLOWING_KINDS = frozenset(
    {
        *("order_cancelled", "order_shipped", "run_cancelled", "receipt_received", "work_order_closed"),
        *("shipment_departed", "rules_updated", "site_upserted", "clock_ticked"),
    }
)
"""What ends or rules something that is there: taken even where nothing new is, or a full site could never empty."""

FOLLOWING_ROOM = 2
"""Times entities_max up to which those are taken."""


def has_room(session: Session, event: Event) -> bool:
    """Whether there is room for what an upsert would add, or it adds nothing; rejected where there is none."""
    model, site_id = session.model, event.site_id
    plant = model.plant
    if isinstance(event, LineUpserted | RunPlanned | OvertimeWindowUpserted) and not _has_room_on_line(
        session, event
    ):
        return False
    if plant.knows(upsert_key(event)):
        return True
    held = plant.count(site_id)
    if not held and site_id != EVERYWHERE and plant.site_count >= SITES_MAX:
        session.reject(event, "too_many_sites", f"{SITES_MAX} sites are known, and {site_id} is none of them")
        return False
    most = plant.rules(site_id).entities_max * (FOLLOWING_ROOM if event.kind in FOLLOWING_KINDS else 1)
    if held >= most:
        session.reject(
            event,
            "too_many_entities",
            f"site {site_id} has {held} entities; its rules allow {most} for this kind",
        )
        return False
    return True


def _has_room_on_line(session: Session, event: LineUpserted | RunPlanned | OvertimeWindowUpserted) -> bool:
    model = session.model
    line = model.lines.get((event.site_id, event.line_id))
    if line is None:
        most = model.plant.rules(event.site_id).lines_max
        if model.line_count(event.site_id) < most:
            return True
        message = f"site {event.site_id} has {most} lines, as many as its rules allow (lines_max)"
        session.reject(event, "too_many_lines", message)
        return False
    if (
        isinstance(event, RunPlanned)
        and len(line.runs) >= RUNS_PER_LINE_MAX
        and event.run_id not in line.runs
    ):
        session.reject(event, "too_many_runs", f"line {event.line_id} holds {RUNS_PER_LINE_MAX} runs")
        return False
    return True
