"""The commands about the picture: as-of, measures, why, record. Each reads files, or folds the facts on Kafka again."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from streams.cli_options import MappingFiles
from streams.settings import Settings
from streams.times import moment

if TYPE_CHECKING:
    from streams.picture import Picture

FilesOrKafka = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Files of events or of a recorded day, or folders of them; none: the facts on Kafka."
    ),
]
Kafka = Annotated[
    str | None, typer.Option("--kafka", metavar="HOST:PORT", help="Bootstrap servers. [FORESITE_KAFKA]")
]
Site = Annotated[str | None, typer.Option(help="Only this site.")]
Zone = Annotated[str, typer.Option(help="Zone of the printed times.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print NDJSON for machines.")]
Tick = Annotated[int, typer.Option(min=1, metavar="SECONDS", help="Of files that hold no ticks of a clock.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("as-of")(as_of)
    app.command()(why)
    app.command()(measures)
    app.command()(record)


def as_of(
    time: Annotated[str, typer.Argument(metavar="TIME", help="As 2026-11-19T08:00:00+01:00.")],
    files: FilesOrKafka = None,
    mapping: MappingFiles = None,
    kafka: Kafka = None,
    site: Site = None,
    zone: Zone = "UTC",
    tick: Tick = 60,
    as_json: AsJson = False,
) -> None:
    """Print the picture as of a moment: cards, lines and tight orders, as they were published then.

    The facts are folded again from the nearest checkpoint up to the clock's tick of that moment.
    """
    from streams.picture_text import print_picture

    picture = picture_of(files, mapping, kafka, site, moment(time), tick)
    if as_json:
        for topic, key, body in picture.records():
            name = json.dumps({"topic": topic, "key": key})
            sys.stdout.write(f'{name[:-1]}, "value": {body.model_dump_json()}}}\n')
        return
    print_picture(picture, ZoneInfo(zone), Console())


def why(
    name: Annotated[
        str,
        typer.Argument(metavar="CARD|ORDER|LINE", help="Id of an order or line; of a card, or a part of it."),
    ],
    files: FilesOrKafka = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="TIME", help="As the picture was at this moment.")
    ] = None,
    mapping: MappingFiles = None,
    kafka: Kafka = None,
    site: Site = None,
    tick: Tick = 60,
    as_json: AsJson = False,
) -> None:
    """Print the path and the arithmetic: of an order to its causes, of a card or line to all orders on it.

    Every step shows its numbers and the events that it rests on. Times are in the site's zone.
    """
    from streams import why_text

    at = None if as_of is None else moment(as_of)
    explanation = why_text.explain(picture_of(files, mapping, kafka, site, at, tick), name, site)
    if as_json:
        sys.stdout.write(json.dumps(why_text.as_json(explanation)) + "\n")
        return
    sys.stdout.write("\n".join(why_text.why_lines(explanation)) + "\n")


def measures(
    files: FilesOrKafka = None,
    by: Annotated[
        Literal["line", "run", "area", "site"], typer.Option(help="What is added up; never an average.")
    ] = "line",
    per: Annotated[
        Literal["all", "day", "shift"], typer.Option(help="Over what time. Runs: always their whole life.")
    ] = "all",
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="From the shift on that holds this moment.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="As of this moment.")] = None,
    mapping: MappingFiles = None,
    kafka: Kafka = None,
    site: Site = None,
    zone: Zone = "UTC",
    tick: Tick = 60,
    as_json: AsJson = False,
) -> None:
    """Print ISO 22400 elements and OEE by line, run, area or site: busy time, where it went, pieces, ratios.

    Elements are added up and then divided. What has no denominator is null, and a dash in the table.
    """
    from streams.picture_text import print_measures
    from twin.shopfloor.measures import measure_rows

    picture = picture_of(files, mapping, kafka, site, None if until is None else moment(until), tick)
    from_s = None if since is None else moment(since).timestamp()
    rows = [
        row
        for twin in picture.shards
        for row in measure_rows(twin.model, by, per, from_s)
        if site in (None, row.site_id)
    ]
    if as_json:
        for row in rows:
            names = {
                "site_id": row.site_id,
                "area_id": row.area_id,
                "line_id": row.line_id,
                "run_id": row.run_id,
            }
            said = row.measures.model_dump(mode="json")
            sys.stdout.write(json.dumps({**names, "shift": row.shift, **said}) + "\n")
        return
    print_measures(rows, ZoneInfo(zone), Console())


def record(
    out: Annotated[Path, typer.Option(help="File of the recorded day (.ndjson or .ndjson.gz).")],
    kafka: Kafka = None,
    site: Site = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Leave out what machines said before; a replay then knows less."),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Up to the tick of this moment.")] = None,
) -> None:
    """Write the facts on Kafka to a file that replay, as-of, measures and why fold as they were folded.

    With the whole log up to --until the outputs are the same bytes, ids included.
    """
    from streams.picture import log_from_kafka
    from streams.recording import write_recording

    end = None if until is None else moment(until)
    log = log_from_kafka(_settings(kafka), end, site)
    done = write_recording(out, log, None if since is None else moment(since).timestamp())
    less = f"; {done.left_out:,} events before --since left out" if done.left_out else ""
    sys.stdout.write(
        f"{done.events:,} events and {done.ticks:,} ticks of {done.records:,} facts records to {out}{less}\n"
        f"next: foresite replay {out}\n"
    )


def _settings(kafka: str | None) -> Settings:
    return Settings() if kafka is None else Settings(kafka=kafka)


def picture_of(
    files: list[Path] | None,
    mapping: list[Path] | None,
    kafka: str | None,
    site: str | None,
    at: datetime | None,
    tick_s: int,
) -> "Picture":
    """The picture from files, or from Kafka where none are given."""
    from streams.adapters.mapping_file import mappings_for
    from streams.picture import picture_from_files, picture_from_kafka

    if not files:
        return picture_from_kafka(_settings(kafka), at, site)
    picture = picture_from_files(files, mappings_for(files, mapping), at, tick_s)
    return picture if site is None else picture.only(site)
