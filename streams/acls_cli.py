"""`foresite acls`: who may do what on Kafka, printed, compared with a cluster, and applied to it."""

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from streams.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="""Who may do what on Kafka: worked out from the table of topics and your settings.

`foresite acls list` prints it, `diff` compares it with a cluster, `apply` adds what is missing. Users are named by
FORESITE_PRINCIPALS; what is not listed must be denied (allow.everyone.if.no.acl.found=false at the brokers).""",
)

Kafka = Annotated[
    str | None, typer.Option("--kafka", metavar="HOST:PORT", help="Bootstrap servers. [FORESITE_KAFKA]")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print NDJSON for machines.")]


def _settings(kafka: str | None) -> Settings:
    return Settings() if kafka is None else Settings(kafka=kafka)


@app.command("list")
def list_acls(kafka: Kafka = None, as_json: AsJson = False) -> None:
    """Print the rights as commands of Kafka's own kafka-acls.sh. Asks no broker."""
    from streams.acls import as_commands, wanted_acls

    settings = _settings(kafka)
    acls = wanted_acls(settings)
    lines = (
        [json.dumps(asdict(acl)) for acl in acls]
        if as_json
        else as_commands(acls, settings.bootstrap_servers)
    )
    sys.stdout.write("".join(f"{line}\n" for line in lines))


@app.command()
def diff(kafka: Kafka = None, as_json: AsJson = False) -> None:
    """Compare with the cluster's ACLs: what is missing, and what is there that no role needs. Exit 1 where they differ."""
    from streams.acl_admin import diff_acls
    from streams.acls import as_commands

    settings = _settings(kafka)
    found = diff_acls(settings)
    if as_json:
        sys.stdout.write(json.dumps({"is_equal": found.is_equal, **asdict(found)}) + "\n")
    else:
        for line in as_commands(found.missing, settings.bootstrap_servers):
            sys.stdout.write(f"missing  {line}\n")
        for line in found.surplus:
            sys.stdout.write(f"surplus  {line}\n")
        if found.open_door is not None:
            sys.stdout.write(f"OPEN     {found.open_door}\n")
        if found.is_equal:
            sys.stdout.write("equal: each role has what it needs, and nobody more\n")
        elif found.missing:
            sys.stdout.write("next: foresite acls apply, as an administrator of the cluster\n")
    raise typer.Exit(0 if found.is_equal else 1)


@app.command()
def apply(kafka: Kafka = None, as_json: AsJson = False) -> None:
    """Add the ACLs that are missing, as an administrator of the cluster. Removes nothing; safe to repeat."""
    from streams.acl_admin import apply_acls

    added = apply_acls(_settings(kafka))
    if as_json:
        sys.stdout.write("".join(json.dumps(asdict(acl)) + "\n" for acl in added))
    else:
        sys.stdout.write(f"{len(added)} added\n")
