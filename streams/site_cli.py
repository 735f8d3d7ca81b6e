"""The commands for tables that a plant has already: init, watch, doctor, export."""

import json
import signal
import sys
import threading
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from streams.cli_options import AsJson, Kafka, MappingFiles, Site, Zone, settings_of
from streams.picture_cli import FilesOrKafka, Tick


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(init)
    app.command()(watch)
    app.command()(doctor)
    app.command()(export)


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder to make; its name is the site's id.")
    ],
    orders: Annotated[
        Path, typer.Option(help="Table of orders: order, quantity, due date, line, start, end.")
    ],
    counts: Annotated[Path, typer.Option(help="Table of counts: when, line, order, good pieces.")],
    zone: Annotated[str, typer.Option(help="IANA time zone of the plant, as Europe/Paris.")],
    owner: Annotated[str, typer.Option(help="Name of the person whose the cards are.")],
    line: Annotated[str, typer.Option(help="Id of the line, where no column names one.")] = "line-1",
) -> None:
    """Make a first site from two tables: its lines, its orders, one rule. No broker, nothing asked.

    Begin with one relationship: what one line made against what was promised from it. Everything that was guessed is
    listed; the mappings in DIR/mappings say why, and are yours to change.
    """
    from streams.first_site import make_site
    from streams.map_cli import known_zone

    made = make_site(
        folder, orders, counts, zone=known_zone(zone), owner=owner, now=datetime.now(UTC), line=line
    )
    sys.stdout.write(f"site {made.site}: lines {', '.join(made.lines) or 'none'}\n")
    for path in made.written:
        sys.stdout.write(f"    {path}\n")
    doubts = made.doubts()
    if doubts:
        sys.stdout.write(
            "look at these, they are guesses or are not there:\n"
            + "".join(f"    {doubt}\n" for doubt in doubts)
        )
    mappings = [path for path in made.written if path.suffix == ".yaml"]
    for path, proposal in zip(mappings, made.proposals, strict=True):
        sys.stdout.write(f"check:  foresite map check {path} {folder / proposal.path.name}\n")
    sys.stdout.write(f"cards:  foresite replay {folder} --zone {zone}\nlacks:  foresite doctor {folder}\n")


def watch(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that files are put into.")],
    mapping: MappingFiles = None,
    kafka: Kafka = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when every file that is there is dealt with.")
    ] = False,
    every: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="Between two looks at the folder.")
    ] = 2.0,
    settle: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="A file that has not changed for so long is whole."),
    ] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Publish the files that are put into a folder, each content exactly once, until Ctrl-C.

    What is published goes to DIR/done. What cannot be read goes to DIR/refused with the reason beside it; single rows
    that are refused are listed there as NAME.rows.csv, and all others are published. Half-written files are waited for.
    """
    from streams.publish import RecordPublisher
    from streams.watch import Told, Watcher

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    failed = undelivered = False

    def tell(told: Told) -> None:
        nonlocal failed, undelivered
        undelivered |= told.what == "not delivered"
        failed |= told.what in ("set aside", "not delivered") or told.refused > 0
        if as_json:
            sys.stdout.write(json.dumps(asdict(told)) + "\n")
        else:
            counts = f" {told.delivered:,} records" if told.what == "published" else ""
            counts += f", {told.refused:,} rows refused" if told.refused else ""
            sys.stdout.write(f"{told.name}: {told.what}{counts}{f': {told.why}' if told.why else ''}\n")
        sys.stdout.flush()

    watcher = Watcher(folder, mapping, RecordPublisher(settings_of(kafka)), tell, settle)
    with watcher.opened() as ledger:
        while not stop.is_set():
            waiting = watcher.look(ledger)
            if once and (undelivered or not waiting):
                break
            stop.wait(every)
    raise typer.Exit(1 if once and failed else 0)


def doctor(
    files: FilesOrKafka = None,
    mapping: MappingFiles = None,
    kafka: Kafka = None,
    site: Site = None,
    tick: Tick = 60,
    as_json: AsJson = False,
) -> None:
    """Say which kinds of risk can be seen with what is there, what the others lack, and how good the data is.

    Each finding comes with what to do next. From files, or from the facts on Kafka. Exit 1 where a kind of risk cannot
    be seen at all.
    """
    from streams.doctor import examine_files, examine_kafka
    from streams.doctor_text import doctor_lines, doctor_records

    examined = examine_files(files, mapping, site, tick) if files else examine_kafka(settings_of(kafka), site)
    lines: Any = map(json.dumps, doctor_records(examined)) if as_json else doctor_lines(examined)
    for line in lines:
        sys.stdout.write(line + "\n")
    raise typer.Exit(1 if examined.is_blind else 0)


def export(
    what: Annotated[Literal["cards", "plan-changes", "dead-letters"], typer.Argument(help="What to export.")],
    out: Annotated[Path, typer.Option(help="File to write: .xlsx, or .csv.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="cards: files of events or tables, or folders of them; none: what is on Kafka."),
    ] = None,
    mapping: MappingFiles = None,
    kafka: Kafka = None,
    site: Site = None,
    zone: Zone = "UTC",
    tick: Tick = 60,
    semicolons: Annotated[
        bool, typer.Option("--semicolons", help="CSV as Excel reads it where the decimal sign is a comma.")
    ] = False,
) -> None:
    """Write cards, plan changes or dead letters as a table that opens in a spreadsheet. No cell is ever a formula."""
    from streams.exports import export_table, write_table

    table = export_table(what, files, mapping, settings_of(kafka), site, zone, tick)
    write_table(out, table, semicolons=semicolons)
    sys.stdout.write(f"{len(table.rows):,} {what} to {out}\n")
