"""The questions of the trade as commands: `foresite plan` and `foresite quote`. Both work in process, on a picture."""

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from schemas import UsageError
from streams.cli_options import MappingFiles
from streams.nearest import unknown
from streams.picture import Picture
from streams.picture_cli import AsJson, FilesOrKafka, Kafka, Site, Tick, picture_of
from streams.times import moment

if TYPE_CHECKING:
    from streams.solver_desk import Engine
    from twin import Twin

Zone = Annotated[str | None, typer.Option(help="Zone of the printed times; default: the site's own.")]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="TIME", help="As the picture was at this moment; default: now."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(plan)
    app.command()(quote)


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
    mapping: MappingFiles = None,
    kafka: Kafka = None,
    site: Site = None,
    zone: Zone = None,
    tick: Tick = 60,
    options: Annotated[
        bool, typer.Option("--options", help="Solve here and now, and print what could be done instead.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print which order is next, on which line, in what sequence: each line's queue as it will come if nobody acts.

    Starts and ends are projections, not the plan's dates: they go by the pace of the line, its calendar, the setups
    between families and the material. For each run you see whom it is for, the truck that keeps the promise, and the
    truck that it will make; what is late is marked.

    With --options the solver works on it in this process: what could be done instead, each option with what it gains
    against doing nothing, what it changes and why, and which orders get worse by it. Nothing is decided by asking.
    """
    from streams.plan_text import plan_records, print_plan
    from twin.forecast.line_plans import line_plans

    picture = picture_of(files, mapping, kafka, site, None if as_of is None else moment(as_of), tick)
    lines = [each for twin in picture.shards for each in line_plans(twin.model, site, line)]
    if line is not None and not lines:
        raise UsageError(
            unknown("line", line, (key[1] for twin in picture.shards for key in twin.model.lines))
        )
    if options:
        _print_options(picture, site, line, zone, as_json=as_json)
        return
    if as_json:
        for record in plan_records(lines, picture.now):
            sys.stdout.write(json.dumps(record) + "\n")
        return
    print_plan(lines, picture.now, zones(picture, zone), Console())


def quote(
    item: Annotated[str, typer.Argument(metavar="ITEM", help="Id of what is wanted.")],
    quantity: Annotated[float, typer.Argument(metavar="QTY", min=0, help="Good pieces.")],
    due: Annotated[
        str,
        typer.Argument(metavar="DUE", help="When it is wanted, as 2026-12-01T12:00; in the site's own time."),
    ],
    files: FilesOrKafka = None,
    as_of: AsOf = None,
    mapping: MappingFiles = None,
    kafka: Kafka = None,
    site: Site = None,
    zone: Zone = None,
    tick: Tick = 60,
    show_all: Annotated[bool, typer.Option("--all", help="Every place, not the ten best.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print when a quantity could be ready, for every place on every line that can make it, the cheapest first.

    Each place says what it costs whom: changeovers that it adds, money that all lose by it, orders that get later and
    by how much. Lines of other sites of the planning group are among them, with the time and cost of the transfer.
    Nothing is promised and nothing is planned by asking.
    """
    from streams.asking import answer_to, request_for, shard_of, site_of
    from streams.quote_text import print_quote
    from streams.times import moment_in

    picture = picture_of(files, mapping, kafka, None, None if as_of is None else moment(as_of), tick)
    site_id = site_of(
        picture, site, lambda twin, at: twin.model.plant.routing(at, item) is not None, f"{item} is made"
    )
    twin = shard_of(picture, site_id)
    _require_item(twin, site_id, item)
    due_at = moment_in(due, twin.model.plant.zone(site_id))
    request = request_for(
        twin, "quote_request", site_id, item_id=item, quantity_pcs=quantity, due_at=due_at.isoformat()
    )
    answer = answer_to(request, _engine())
    if answer.quote is None:
        raise UsageError(answer.error or f"nothing can make {item} before the end of what is planned")
    if as_json:
        sys.stdout.write(answer.quote.model_dump_json() + "\n")
        return
    print_quote(
        answer.quote, request.problem.currency, zones(picture, zone)(site_id), Console(), show_all=show_all
    )


def _print_options(
    picture: Picture, site: str | None, line: str | None, zone: str | None, *, as_json: bool
) -> None:
    from streams.asking import answer_to, request_for, shard_of, site_of
    from streams.proposal_text import options_text

    site_id = site_of(
        picture, site, lambda twin, at: line is None or (at, line) in twin.model.lines, "there are lines"
    )
    request = request_for(
        shard_of(picture, site_id), "replan_request", site_id, line_ids=[] if line is None else [line]
    )
    answer = answer_to(request, _engine())
    if as_json:
        sys.stdout.write(answer.model_dump_json() + "\n")
        return
    sys.stdout.write(options_text(answer, zones(picture, zone)(site_id)) + "\n")


def _engine() -> "Engine":
    from streams.settings import Settings
    from streams.solver_warm_up import load_engine, usable_folder

    with Console(stderr=True).status("making the solver ready (the first time it compiles its code)"):
        return load_engine(usable_folder(Settings().solver_cache_dir))


def _require_item(twin: "Twin", site_id: str, item: str) -> None:
    """Say what is missing before the twin refuses: a name that is a slip, or data that nobody has published.

    Raises:
        UsageError: nothing says how it is made.
    """
    plant = twin.model.plant
    if plant.routing(site_id, item) is not None:
        return
    if plant.item(site_id, item) is None:
        raise UsageError(unknown("item", item, plant.item_ids(site_id)))
    raise UsageError(
        f"nothing says on which line {item} is made: publish a routing_upserted of it (erp.master-data.v1), with a step "
        "for each line and the pieces an hour there; see docs/events.md#routing_upserted"
    )
