"""The commands that check what the topics hold: verify, checkpoints."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from schemas import TOPICS
from streams.settings import Settings

Kafka = Annotated[
    str | None, typer.Option("--kafka", metavar="HOST:PORT", help="Bootstrap servers. [FORESITE_KAFKA]")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print NDJSON for machines.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(verify)
    app.command()(checkpoints)


def verify(
    kafka: Kafka = None,
    from_beginning: Annotated[
        bool,
        typer.Option("--from-beginning", help="From the first facts on, and compare every checkpoint."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fold the facts again and compare with the state and outputs that the topics hold. Exit 1 where they differ.

    Begins from the checkpoint before the newest one, so that the newest is compared on the way; where there is none,
    from the first facts. Reads only, and may run beside a working twin.
    """
    from streams.twin_fold import TWIN
    from streams.twin_worker import shard_topics
    from streams.verify import verify as run_verify

    settings = _settings(kafka)
    compacted = [name for name, topic in TOPICS.items() if topic.cleanup == "compact"]
    report = run_verify(
        settings.client_config(), shard_topics(settings), TWIN, compacted, from_beginning=from_beginning
    )
    if as_json:
        found = {
            "is_equal": report.is_equal,
            "report": str(report).splitlines(),
            "partitions": [asdict(each) for each in report.partitions],
            "topics": [asdict(each) for each in report.topics],
        }
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        sys.stdout.write(f"{report}\n")
    raise typer.Exit(0 if report.is_equal else 1)


def checkpoints(kafka: Kafka = None, as_json: AsJson = False) -> None:
    """List the checkpoints of the state: one a day and one a change of version, from which refolds begin.

    A row that is not complete is being written, or its writer died; it is never used. Exit 1 where a complete one is
    damaged.
    """
    from streams.checkpoint_list import list_checkpoints
    from streams.twin_worker import shard_topics

    settings = _settings(kafka)
    rows = list_checkpoints(settings.client_config(), shard_topics(settings))
    if as_json:
        for row in rows:
            sys.stdout.write(json.dumps(asdict(row)) + "\n")
    elif not rows:
        sys.stdout.write(
            "no checkpoints yet: the twin writes the first one at its first commit with a clock\n"
        )
    else:
        names = (
            "partition",
            "facts offset",
            "day",
            "clock",
            "why",
            "documents",
            "MB",
            "digest",
            "folded by",
            "state",
        )
        table = Table(*names, box=None, pad_edge=False)
        for row in rows:
            clock = "-" if row.now is None else datetime.fromtimestamp(row.now, UTC).strftime("%H:%M:%SZ")
            table.add_row(
                str(row.partition),
                str(row.facts_offset),
                row.day or "-",
                clock,
                row.reason or "-",
                "-" if row.documents is None else f"{row.documents:,}",
                "-" if row.bytes is None else f"{row.bytes / 1e6:.1f}",
                (row.digest or "-")[:16],
                row.code_version or "-",
                "complete" if row.is_complete else row.flaw,
            )
        Console(width=200).print(table)
    raise typer.Exit(1 if any(row.is_damaged for row in rows) else 0)


def _settings(kafka: str | None) -> Settings:
    return Settings() if kafka is None else Settings(kafka=kafka)
