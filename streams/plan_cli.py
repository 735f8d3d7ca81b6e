"""The questions of the trade as commands: `foresite plan` and `foresite quote`. Both work in process, on a picture."""

import json
import sys
from collections.abc import Callable
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from schemas import UsageError
from streams.nearest import unknown
from streams.picture import Picture
from streams.picture_cli import AsJson, FilesOrKafka, Kafka, MappingFile, Site, Tick, picture_of
from streams.times import moment

Zone = Annotated[str | None, typer.Option(help="Zone of the printed times; default: the site's own.")]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="TIME", help="As the picture was at this moment; default: now."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(plan)


def zones(picture: Picture, given: str | None) -> Callable[[str], ZoneInfo]:
    """In which zone times of a site are printed: its own, unless one was asked for."""

    def zone_of(site_id: str) -> ZoneInfo:
        for twin in picture.shards:
            if given is None and any(key[0] == site_id for key in twin.model.lines):
                return twin.model.plant.zone(site_id)
        return ZoneInfo(given or "UTC")

    return zone_of


def plan(
    files: FilesOrKafka = None,
    line: Annotated[str | None, typer.Option("--line", metavar="LINE", help="Only this line (id).")] = None,
    as_of: AsOf = None,
    mapping: MappingFile = None,
    kafka: Kafka = None,
    site: Site = None,
    zone: Zone = None,
    tick: Tick = 60,
    as_json: AsJson = False,
) -> None:
    """Print which order is next, on which line, in what sequence: each line's queue as it will come if nobody acts.

    Starts and ends are projections, not the plan's dates: they go by the pace of the line, its calendar, the setups
    between families and the material. For each run you see whom it is for, the truck that keeps the promise, and the
    truck that it will make; what is late is marked.
    """
    from streams.plan_text import plan_records, print_plan
    from twin.line_plans import line_plans

    picture = picture_of(files, mapping, kafka, site, None if as_of is None else moment(as_of), tick)
    lines = [each for twin in picture.shards for each in line_plans(twin.model, site, line)]
    if as_json:
        for record in plan_records(lines, picture.now):
            sys.stdout.write(json.dumps(record) + "\n")
        return
    if line is not None and not lines:
        raise UsageError(
            unknown("line", line, (key[1] for twin in picture.shards for key in twin.model.lines))
        )
    print_plan(lines, picture.now, zones(picture, zone), Console())
