"""`foresite rules`: show, check, dry-run and push the rules of a plant."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import Progress

from streams.cli_options import MappingFiles

app = typer.Typer(
    no_args_is_help=True,
    help="The rules of a plant: show the defaults, check, dry-run and push a rules.yaml.",
)

RulesPath = Annotated[Path, typer.Argument(metavar="RULES", help="A rules.yaml.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print NDJSON for machines.")]


@app.command()
def show() -> None:
    """Print the defaults as a rules.yaml: each field with its meaning, unit and default. Begin with this."""
    from schemas import Rules
    from streams.rules_text import rules_yaml

    sys.stdout.write(rules_yaml(Rules()))


@app.command()
def schema() -> None:
    """Print the JSON Schema of a rules.yaml, for editors."""
    from streams.rules_text import rules_schema

    sys.stdout.write(json.dumps(rules_schema(), indent=2) + "\n")


@app.command()
def check(
    file: RulesPath,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Events of the plant: every id in the rules must be in them. Repeat it."
        ),
    ] = None,
    mapping: MappingFiles = None,
    as_json: AsJson = False,
) -> None:
    """Check a rules.yaml whole, each problem with its line. Exit 2 where it cannot be used."""
    from streams.adapters.mapping_file import mappings_for
    from streams.rules_checks import check_rules
    from streams.rules_file import content_hash, place_text

    read = check_rules(file, against or (), mappings_for(against or (), mapping))
    for each in read.problems:
        told = {"line": each.line, "field": place_text(each.place), "message": each.message}
        kind = "error" if each.is_error else "warning"
        sys.stdout.write((json.dumps({kind: told}) if as_json else f"{file}: {kind}: {each}") + "\n")
    is_usable = read.rules is not None and not read.errors
    if is_usable and read.rules is not None:
        named = {
            "rules_id": read.rules.rules_id,
            "version": read.rules.version,
            "hash": content_hash(read.rules),
        }
        words = f"{file}: {named['rules_id']} {named['version']} can be used (content {named['hash']})"
        sys.stdout.write((json.dumps({"usable": named}) if as_json else words) + "\n")
    raise typer.Exit(0 if is_usable else 2)


@app.command()
def push(
    file: RulesPath,
    kafka: Annotated[
        str | None, typer.Option("--kafka", metavar="HOST:PORT", help="Bootstrap servers. [FORESITE_KAFKA]")
    ] = None,
    site: Annotated[str, typer.Option(help="The site that they are for; * for every site.")] = "*",
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When they begin to hold; now, unless events drive the clock."),
    ] = None,
) -> None:
    """Put rules in force without a restart. The same version with other content is refused."""
    from streams.rules_checks import load_rules
    from streams.rules_push import push_rules
    from streams.settings import Settings
    from streams.times import moment

    rules = load_rules(file)
    settings = Settings() if kafka is None else Settings(kafka=kafka)
    pushed = push_rules(settings, rules, datetime.now(UTC) if at is None else moment(at), site)
    named = f"{rules.rules_id} {rules.version}"
    whose = "every site" if site == "*" else f"site {site}"
    if not pushed.was_sent:
        sys.stdout.write(f"{named} is in force for {whose} already: nothing sent\n")
    else:
        before = pushed.replaced
        instead = "" if before is None else f", instead of {before.rules_id} {before.version}"
        sys.stdout.write(f"{named} pushed for {whose}{instead}\n")
    for each in pushed.keep_their_own:
        sys.stdout.write(f"site {each} has rules of its own and keeps them\n")


@app.command("test")
def dry_run(
    file: RulesPath,
    day: Annotated[
        list[Path],
        typer.Argument(help="Recorded events: NDJSON, CSV or XLSX, text also as .gz; or folders of them."),
    ],
    mapping: MappingFiles = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Where the day ends.")] = None,
    tick: Annotated[
        int, typer.Option(min=1, metavar="SECONDS", help="Plant time between two looks at the clock.")
    ] = 60,
    zone: Annotated[str, typer.Option(help="Zone of the printed times.")] = "UTC",
    as_json: AsJson = False,
) -> None:
    """Replay recorded days under new rules: which cards would appear, vanish or change, and what that is for people.

    The real twin runs twice: under the rules in force (those in the recording, else the defaults), and under the new.
    """
    from streams.adapters.mapping_file import mappings_for
    from streams.dry_run import dry_run as run_dry
    from streams.dry_run_text import dry_run_lines, dry_run_records
    from streams.rules_checks import load_rules
    from streams.times import moment

    rules = load_rules(file)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=1.0)
        run = run_dry(
            rules,
            day,
            mappings_for(day, mapping),
            None if until is None else moment(until),
            tick,
            lambda share, words: bar.update(task, completed=share, description=words),
        )
    if as_json:
        for record in dry_run_records(run):
            sys.stdout.write(json.dumps(record) + "\n")
        return
    for line in dry_run_lines(run, ZoneInfo(zone)):
        sys.stdout.write(line + "\n")
