"""`foresite ledger`: what a week was, and what it could have been with hindsight."""

import sys
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from schemas import UsageError
from streams.cli_options import MappingFiles
from streams.picture_cli import AsJson, FilesOrKafka, Kafka, Site, Tick, Zone
from streams.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(ledger)


def ledger(
    files: FilesOrKafka = None,
    week: Annotated[str, typer.Option(help="ISO week of the site's zone, as 2026-W47.")] = "",
    plans: Annotated[
        int,
        typer.Option(min=1, help="Plans of a site to try one by one after the search. More: longer, better."),
    ] = 3_000,
    publish: Annotated[
        bool, typer.Option("--publish", help="Write the entries to twin.ledger.v1, too; from Kafka only.")
    ] = False,
    mapping: MappingFiles = None,
    kafka: Kafka = None,
    site: Site = None,
    zone: Zone = "UTC",
    tick: Tick = 60,
    as_json: AsJson = False,
) -> None:
    """Print a week's ledger: changeovers, late hours and money made, against the best plan with hindsight, by line.

    Both are worked out by the same arithmetic from what really happened, and the plan with hindsight passes the checker.
    With it: points of utilization, patterns of lateness that recur, and for committed proposals promised against came.
    """
    from streams.adapters.mapping_file import mappings_for
    from streams.ledger import Week, ledger_of_files, ledger_of_kafka, publish_ledger
    from streams.ledger_text import print_ledger

    if publish and files:
        raise UsageError(
            "--publish writes what the facts on Kafka say, not what files say: leave the files out"
        )
    chosen = Week.of(week)
    settings = Settings() if kafka is None else Settings(kafka=kafka)
    if files:
        columns = mappings_for(files, mapping)
        entries = ledger_of_files(files, columns, chosen, site, plans, tick)
    else:
        entries = ledger_of_kafka(settings, chosen, site, plans)
    if publish:
        publish_ledger(settings, entries)
    if as_json:
        for entry in entries:
            sys.stdout.write(entry.model_dump_json() + "\n")
        return
    if not entries:
        sys.stdout.write(f"nothing was finished in {week}\n")
    print_ledger(entries, ZoneInfo(zone), Console())
