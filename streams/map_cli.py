"""`foresite map`: a mapping for a table is proposed, and tried before anything is published."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas import UsageError
from streams.cli_options import AsJson

if TYPE_CHECKING:
    from streams.adapters.mapper import MappedRow
    from streams.adapters.table_check import MapCheck

app = typer.Typer(
    no_args_is_help=True,
    help="""Mapping files: what the columns of a table (CSV, XLSX) mean.

`foresite map init FILE > mapping.yaml` proposes one from headers and samples, `foresite map check mapping.yaml FILE`
shows what becomes of the rows. Every word of a mapping is in docs/mapping.md.""",
)

Table = Annotated[Path, typer.Argument(metavar="FILE", help="A table: CSV (also .gz) or XLSX.")]
Zone = Annotated[str, typer.Option(help="IANA time zone of the table's times, as Europe/Berlin.")]


@app.command()
def init(
    file: Table,
    zone: Zone = "UTC",
    site: Annotated[str, typer.Option(help="Id of the site that it speaks of.")] = "site-1",
    line: Annotated[str, typer.Option(help="Id of the line, where no column names one.")] = "line-1",
    sheet: Annotated[
        str | None, typer.Option(help="Sheet of a workbook; default: the first with anything in it.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--as", help="orders, counts, states, stock, receipts or materials; default: what fits best."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write; default: standard output. Nothing is overwritten.")
    ] = None,
) -> None:
    """Propose a mapping for a table: for each column what it means, how sure that is, and why. It asks nothing.

    A GUESS is one that you should look at. What is not found is said, with what it costs.
    """
    from streams.adapters.proposal_text import mapping_yaml
    from streams.adapters.proposing import known_since, propose

    proposal = propose(file, zone=known_zone(zone), site=site, line=line, sheet=sheet, wanted=kind)
    text = mapping_yaml(proposal, known_since([proposal], datetime.now(UTC)))
    if out is None:
        sys.stdout.write(text)
        return
    write_new(out, text)
    sys.stdout.write(f"{out}: read its comments, then: foresite map check {out} {file}\n")


@app.command()
def check(
    mapping: Annotated[Path, typer.Argument(metavar="MAPPING", help="The mapping file.")],
    file: Table,
    rows: Annotated[int, typer.Option(min=0, help="How many of the first rows are shown.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Show what becomes of the first rows, and what of the whole table is refused: code, column, row. Publishes nothing.

    Exit 1 where a row is refused, 2 where the mapping or the header does not fit.
    """
    from streams.adapters.mapping_file import load_mapping
    from streams.adapters.table_check import check_mapping

    done = check_mapping(file, load_mapping(mapping), rows)
    for line in map(json.dumps, _records(done)) if as_json else _lines(done, file):
        sys.stdout.write(line + "\n")
    raise typer.Exit(1 if done.refused else 0)


def known_zone(zone: str) -> str:
    """The zone as it was given.

    Raises:
        UsageError: there is none of this name.
    """
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise UsageError(f"{zone!r} is no IANA time zone; write it as Europe/Berlin") from None
    return zone


def write_new(path: Path, text: str) -> None:
    """Write a file that was not there.

    Raises:
        UsageError: it is there already, or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path}: is there already, and is not overwritten") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error}") from None


def _lines(check: "MapCheck", file: Path) -> Iterator[str]:
    yield f"{file}: header in row {check.header_row}"
    for row in check.first:
        yield from _row_lines(row)
    yield ""
    made = ", ".join(f"{count:,} {kind}" for kind, count in sorted(check.events.items())) or "none"
    yield f"{check.rows:>7,} rows"
    yield f"{check.events.total():>7,} events: {made}"
    for why, count in sorted(check.ignored.items()):
        yield f"{count:>7,} ignored: {why}"
    for (code, column), (count, number, why) in sorted(check.refused.items()):
        where = f" [{column}]" if column else ""
        yield f"{count:>7,} REFUSED {code}{where}, first in row {number}: {why}"
    if not check.refused:
        yield "      0 refused"
    if check.unread:
        yield f"columns that are not read: {', '.join(check.unread)}"
    if check.could_say:
        yield "fields that it could fill as well (docs/events.md):"
        yield from (f"    {name:40} {words}".rstrip() for name, words in check.could_say.items())


def _row_lines(row: "MappedRow") -> Iterator[str]:
    if row.problem is not None:
        where = f" [{row.problem.field_path}]" if row.problem.field_path else ""
        yield f"row {row.number}: REFUSED {row.problem.code}{where}: {row.problem}"
    elif row.ignored is not None:
        yield f"row {row.number}: ignored: {row.ignored}"
    elif not row.bodies:
        yield f"row {row.number}: part of a {row.parts[0].kind} of {row.parts[0].group}"
    else:
        yield f"row {row.number}:"
    for body in row.bodies:
        said = ", ".join(f"{k}={_short(v)}" for k, v in body.items() if k not in ("kind", "event_id"))
        yield f"    {body['kind']}: {said}"


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)


def _records(check: "MapCheck") -> Iterator[dict[str, Any]]:
    yield from (
        {"row": row.number, "events": row.bodies, "ignored": row.ignored, "refused": _problem(row)}
        for row in check.first
    )
    refused = [
        {"code": code, "column": column, "rows": count, "first_row": number, "message": why}
        for (code, column), (count, number, why) in sorted(check.refused.items())
    ]
    yield {
        "rows": check.rows,
        "events": dict(sorted(check.events.items())),
        "ignored": dict(sorted(check.ignored.items())),
        "refused": refused,
        "header_row": check.header_row,
        "unread_columns": check.unread,
        "fields_not_filled": sorted(check.could_say),
    }


def _problem(row: "MappedRow") -> dict[str, str] | None:
    if row.problem is None:
        return None
    return {"code": row.problem.code, "column": row.problem.field_path, "message": str(row.problem)}
