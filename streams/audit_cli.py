"""`foresite audit`: who decided what, and whether the records are as they were written."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from streams.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="""Who decided what, on what revision, why; and whether the records are as they were written.

Each record carries the hash of the one before it, and the twin's state knows where each chain ends. Put the output of
`foresite audit heads` somewhere that nobody with rights on Kafka can write: with it even a chain that was written anew
from end to end is found out.""",
)

Kafka = Annotated[
    str | None, typer.Option("--kafka", metavar="HOST:PORT", help="Bootstrap servers. [FORESITE_KAFKA]")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print NDJSON for machines.")]


def _settings(kafka: str | None) -> Settings:
    return Settings() if kafka is None else Settings(kafka=kafka)


@app.command()
def verify(
    kafka: Kafka = None,
    heads: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Heads kept elsewhere, from `foresite audit heads`.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for records that were changed, removed, moved, inserted or cut off. Exit 1 where there are any."""
    from streams.audit import heads_file, verify_audit

    report = verify_audit(_settings(kafka), None if heads is None else heads_file(heads))
    if as_json:
        sys.stdout.write(json.dumps({"is_sound": report.is_sound, **asdict(report)}) + "\n")
    else:
        for finding in report.findings:
            sys.stdout.write(f"{finding}\n")
        if report.unchained:
            sys.stdout.write(
                f"{report.unchained} records of versions without chains: nothing vouches for them\n"
            )
        verdict = "as they were written" if report.is_sound else f"{len(report.findings)} findings, see above"
        sys.stdout.write(f"{report.chained} records in {report.writers} chains: {verdict}\n")
    raise typer.Exit(0 if report.is_sound else 1)


@app.command()
def heads(kafka: Kafka = None) -> None:
    """Print where each chain ends now, as NDJSON: keep it where nobody with rights on Kafka can write."""
    from streams.audit import state_heads
    from streams.partition_reader import reader

    settings = _settings(kafka)
    with reader(settings.client_config(), "read_committed") as consumer:
        found = state_heads(consumer, settings)
    for writer, head in sorted(found.items()):
        sys.stdout.write(json.dumps({"writer": writer, **asdict(head)}) + "\n")


@app.command("list")
def list_records(
    kafka: Kafka = None,
    target: Annotated[str | None, typer.Option(help="Only of this card, proposal or line.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only of this person.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the records in the order of their time: who did what, to what, why."""
    from rich.console import Console
    from rich.table import Table

    from streams.audit import read_entries
    from streams.partition_reader import reader

    settings = _settings(kafka)
    with reader(settings.client_config(), "read_committed") as consumer:
        bodies = [entry.body for entry in read_entries(consumer, settings)]
    bodies = [body for body in bodies if target in (None, body.get("target_id"))]
    bodies = [body for body in bodies if actor in (None, body.get("actor"))]
    bodies.sort(key=lambda body: (str(body.get("at")), str(body.get("writer")), body.get("sequence") or 0))
    if as_json:
        sys.stdout.write("".join(json.dumps(body) + "\n" for body in bodies))
        return
    table = Table("at", "who", "did", "to", "outcome", "why", "number", box=None, pad_edge=False)
    for body in bodies:
        details = body.get("details")
        outcome = details.get("outcome") if isinstance(details, dict) else None
        cells = (body.get("at"), body.get("actor"), body.get("action"), body.get("target_id"), outcome)
        table.add_row(*(_cell(cell) for cell in (*cells, body.get("reason"), body.get("sequence"))))
    Console().print(table)


def _cell(value: object) -> str:
    from rich.markup import escape

    return "" if value is None else escape(str(value))
