"""`foresite schemas`: the contract as files, and what another version of it would break."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from streams.cli_options import AsJson

app = typer.Typer(
    no_args_is_help=True,
    help="JSON Schemas of all events and documents, AsyncAPI of all topics, OpenAPI of the web role.",
)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the files.", file_okay=False)]


@app.command()
def export(folder: Folder, as_json: AsJson = False) -> None:
    """Write the contract of this version: events/*.json, documents/*.json, asyncapi.json, openapi.json.

    JSON Schema 2020-12, AsyncAPI 3.0 and OpenAPI 3.1, all from the models that this version reads and writes. A client of
    any language can be made or checked from them alone; docs/contracts.md says what will not change.
    """
    from streams.contract import export as write

    written = write(folder)
    if as_json:
        for path in written:
            sys.stdout.write(json.dumps({"file": str(path)}) + "\n")
        return
    sys.stdout.write(
        f"{len(written)} files in {folder}\nnext: foresite schemas diff {folder}, with a later version\n"
    )


@app.command()
def diff(folder: Folder, as_json: AsJson = False) -> None:
    """Say what a contract that was exported before loses with this version: one line each, exit code 1 where anything.

    Fields, kinds and topics that are new are no loss. Run it with the new version before an upgrade.
    """
    from streams.contract import contract, contract_breaks, read_contract

    breaks = contract_breaks(read_contract(folder), contract())
    for words in breaks:
        sys.stdout.write((json.dumps({"break": words}) if as_json else words) + "\n")
    if not breaks and not as_json:
        sys.stdout.write(f"nothing that {folder} promises is lost\n")
    raise typer.Exit(1 if breaks else 0)
