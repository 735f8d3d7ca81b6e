"""The commands that check and mend what the topics hold: verify, checkpoints, quarantine, rebuild."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from schemas import TOPICS, UsageError
from streams.settings import Settings

Kafka = Annotated[
    str | None, typer.Option("--kafka", metavar="HOST:PORT", help="Bootstrap servers. [FORESITE_KAFKA]")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print NDJSON for machines.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(verify)
    app.command()(checkpoints)
    app.command()(quarantine)
    app.command()(rebuild)


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
    from streams.shard_names import shard_topics
    from streams.twin_fold import TWIN
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
    from streams.shard_names import shard_topics

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


def quarantine(
    partition: Annotated[int, typer.Argument(min=0, help="Of the facts, as the twin's log names it.")],
    offset: Annotated[int, typer.Argument(min=0, help="Of the record, as the twin's log names it.")],
    reason: Annotated[str, typer.Option(help="Why, in words; it is kept.")],
    actor: Annotated[str, typer.Option(metavar="NAME", help="Who says so; it is kept.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be left out.")] = False,
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """Leave out a facts record that our own code cannot fold, so that the twin can go on without it.

    For a record that the twin's log names with facts_not_folded, and after reporting it: it is a bug of ours. Its bytes
    go to ingest.dead-letters.v1, who did it and why to twin.audit.v1. Needs the settings and the rights of the twin. A
    twin that runs is fenced, and has to be started again to go on.
    """
    from streams.quarantine import quarantine as run_quarantine
    from streams.shard_names import shard_topics, transactional_id

    if not reason.strip() or not actor.strip():
        raise UsageError("--reason and --actor are kept for ever: say why, and who you are")
    settings = _settings(kafka)
    found = run_quarantine(
        settings.client_config(),
        shard_topics(settings),
        transactional_id(settings, partition),
        partition,
        offset,
        reason=reason.strip(),
        actor=actor.strip(),
        at=datetime.now(UTC),
        is_dry_run=dry_run,
    )
    if as_json:
        sys.stdout.write(json.dumps({**asdict(found), "is_dry_run": dry_run}) + "\n")
        return
    if not found.is_news:
        sys.stdout.write(
            f"{partition}/{offset} is quarantined already, by {found.known_actor}: {found.known_reason}\n"
        )
        return
    what = "cannot be decoded" if found.events is None else f"holds {found.events} events"
    kinds = "".join(f"\n    {count:>5} {kind}" for kind, count in found.kinds.items())
    origins = "".join(f"\n    from {source}" for source in found.sources)
    sys.stdout.write(
        f"facts record {partition}/{offset}, {found.byte_count:,} bytes, {what}{kinds}{origins}\n"
    )
    if dry_run:
        sys.stdout.write("dry run: nothing was written\n")
        return
    sys.stdout.write(
        "quarantined; its bytes are on ingest.dead-letters.v1, the act on twin.audit.v1\n"
        "next: start the twin; it passes over this record. If its log names another one, look at that one too.\n"
        "then: when the bug is mended, send what is missing anew with other event ids, or correct it at its source\n"
    )


def rebuild(
    partition: Annotated[int | None, typer.Option(min=0, help="Only this one; default: all.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Fold it again though state and manifest agree.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Fold and compare, but write nothing.")] = False,
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """Fold the state of the twin again, from a checkpoint or the first facts, and write it in place.

    For a twin that stops because documents and manifest differ. Stop all twins first. Only state is written; what was
    published stays. What is sound is left alone. Needs the settings and the rights of the twin.
    """
    from streams.rebuild import rebuild as run_rebuild
    from streams.rebuild_checks import Shown, output_topics, partitions, require_stopped
    from streams.shard_names import shard_topics, transactional_id
    from streams.twin_fold import TWIN

    settings = _settings(kafka)
    if not dry_run:
        require_stopped(settings, lambda text: sys.stderr.write(f"{text}\n"))
    for number in partitions(settings) if partition is None else [partition]:
        console = Console(stderr=True)
        with console.status(f"partition {number}: reading") as status:
            done = run_rebuild(
                settings.client_config(),
                shard_topics(settings),
                TWIN,
                transactional_id(settings, number),
                lambda: output_topics(settings),
                number,
                is_forced=force,
                is_dry_run=dry_run,
                progress=Shown(number, status.update, _told_to(console)),
            )
        sys.stdout.write(f"{json.dumps(asdict(done)) if as_json else done}\n")


def _told_to(console: Console) -> Callable[[str], object]:
    """Lines for a log; a terminal has its status."""
    return (lambda _: None) if console.is_terminal else (lambda text: sys.stderr.write(f"{text}\n"))


def _settings(kafka: str | None) -> Settings:
    return Settings() if kafka is None else Settings(kafka=kafka)
