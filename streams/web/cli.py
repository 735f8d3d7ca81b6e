"""`foresite web`: the role, and the tokens with which people and programs sign in to it."""

import sys
from typing import Annotated

import typer

from streams.cli_options import AsJson, Kafka, settings_of

app = typer.Typer(
    invoke_without_command=True,
    help="""Run the web role: the JSON API and stream over what the twin has put out, and commands to it.

It listens on loopback without sign-in until FORESITE_WEB_TOKENS_FILE or FORESITE_WEB_OIDC_ISSUER says who may come in. See
docs/web.md.""",
)


@app.callback()
def web(context: typer.Context, kafka: Kafka = None) -> None:
    """Run the web role: the JSON API and stream over what the twin has put out, and commands to it."""
    if context.invoked_subcommand is not None:
        return
    from streams.logs import configure_role
    from streams.web.role import run

    settings = settings_of(kafka)
    configure_role("web", settings)
    raise typer.Exit(run(settings))


@app.command()
def token(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Who it is for, one word: the actor of their commands.")
    ],
    role: Annotated[
        str,
        typer.Argument(
            metavar="ROLE",
            help="viewer, planner, approver or admin. Of a program that posts events: publisher-mes, publisher-erp or "
            "publisher-wms; of one that is bound to sites, as lyon.publisher-mes.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Make a token: it is shown this once. The second line goes into the file of FORESITE_WEB_TOKENS_FILE."""
    import json

    from streams.web.tokens import new_token

    made, line = new_token(name, role)
    if as_json:
        sys.stdout.write(json.dumps({"token": made, "line": line}) + "\n")
        return
    sys.stdout.write(f"{line}\n")
    sys.stderr.write(
        f"token for {name}, shown only now: {made}\n"
        "The line on standard output goes into the file that FORESITE_WEB_TOKENS_FILE names.\n"
    )
