"""Options that several commands have, each in one place, and the settings that follow from them."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from streams.settings import Settings

Kafka = Annotated[
    str | None, typer.Option("--kafka", metavar="HOST:PORT", help="Bootstrap servers. [FORESITE_KAFKA]")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print NDJSON for machines.")]
MappingFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--mapping",
        "-m",
        help="What the columns of tables mean (YAML): a file, several, or a folder; default: mappings/ in a folder of files.",
    ),
]
Actor = Annotated[
    str | None,
    typer.Option("--actor", help="Who you are; default: your login name. Through web: whose token it is."),
]
Revision = Annotated[
    int | None, typer.Option("--revision", min=1, help="The revision you looked at; default: the newest.")
]
Site = Annotated[str | None, typer.Option(help="Only this site.")]
Zone = Annotated[str, typer.Option(help="Zone of the printed times.")]


def settings_of(kafka: str | None) -> Settings:
    """Settings of a command."""
    return Settings() if kafka is None else Settings(kafka=kafka)


def actor_of(given: str | None) -> str:
    """Who asks: as given, or the login name."""
    return getpass.getuser() if given is None else given
