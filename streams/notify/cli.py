"""`foresite notify`: the role, and what helps to write its file."""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from streams.settings import Settings

app = typer.Typer(
    invoke_without_command=True,
    help="""Run the notify role: tell people of cards raised, escalated and over, by mail and webhook.

Who is told is in a file; see docs/notify.md. Each notice leaves once; after a crash it may come again, under the
same id.""",
)

File = Annotated[Path, typer.Argument(help="Who is told, and how (YAML).")]


@app.callback()
def notify(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Who is told. [FORESITE_NOTIFY_CONFIG]")
    ] = None,
    kafka: Annotated[
        str | None, typer.Option("--kafka", metavar="HOST:PORT", help="Bootstrap servers. [FORESITE_KAFKA]")
    ] = None,
) -> None:
    """Run the role, unless one of its commands is asked for."""
    if context.invoked_subcommand is not None:
        return
    from streams import logs
    from streams.notify.role import run

    given: dict[str, Any] = {"notify_config": config, "kafka": kafka}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    logs.configure(
        role="notify", version=version("foresite"), level=settings.log_level, log_format=settings.log_format
    )
    raise typer.Exit(run(settings))


@app.command()
def check(file: File) -> None:
    """Read a file and the secrets it needs, and say what is wrong. Connects to nothing."""
    from streams.notify.role import open_file

    config, transports = open_file(file, Settings())
    sys.stdout.write(f"{file}: {len(config.people)} people by {', '.join(transports)}\n")


@app.command("test")
def send_test(
    file: File,
    to: Annotated[str, typer.Option(metavar="PERSON", help="Id of one of the people in the file.")],
) -> None:
    """Send a test message to one person by each of their sinks. Exit 1 where one did not take it."""
    from streams.notify.role import send_trial

    results = send_trial(file, to, Settings())
    for sink, result in results.items():
        sys.stdout.write(f"{sink:>10}  {result.outcome}  {result.reason}\n")
    raise typer.Exit(0 if all(result.outcome == "delivered" for result in results.values()) else 1)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the file, for editors that check as one types."""
    from streams.notify.config import NotifyConfig

    sys.stdout.write(json.dumps(NotifyConfig.model_json_schema(), indent=2) + "\n")
