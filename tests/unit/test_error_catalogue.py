"""The catalogue of errors is whole and true: every code has cause, cure and an example, and the examples give their codes."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docs.generate import DOCS, ROOT
from schemas import BadRecord, ReasonCode
from schemas.decode import decode_batch
from schemas.topics import MACHINE_EVENTS
from tests.unit.broken_records import COUNT

CATALOGUE = (DOCS / "dead-letters.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", CATALOGUE, re.MULTILINE | re.DOTALL))
SHOWN = [ReasonCode.PARSE, ReasonCode.SCHEMA, ReasonCode.VERSION, ReasonCode.RANGE, ReasonCode.TIME]
"""Codes whose example is a whole record, or one whose other fields are `...`."""


@pytest.mark.parametrize("code", ReasonCode)
def test_each_code_has_cause_cure_and_example(code: ReasonCode) -> None:
    said = re.findall(r"^- \*\*(\w+)\*\*: (.+)", SECTIONS[code], re.MULTILINE)

    assert ["Cause", "Cure", "Example"] == [name for name, _ in said]
    assert all(len(words) > 15 for _, words in said)


def example(code: ReasonCode) -> tuple[bytes, str]:
    """The record that the catalogue shows, its `...` filled in, and the path that it is said to have."""
    text = SECTIONS[code].partition("**Example**: ")[2]
    found = re.match(r"`([^`]+)`", text)
    assert found is not None
    path = re.search(r"path\s+`([^`]+)`", text)
    body = found[1]
    if body.endswith(", ...}"):
        shown: dict[str, Any] = json.loads(body.removesuffix(", ...}") + "}")
        body = json.dumps(COUNT | shown)
    return body.encode(), path[1] if path else ""


@pytest.mark.parametrize("code", SHOWN)
def test_each_example_is_refused_as_it_says(code: ReasonCode) -> None:
    body, path = example(code)

    [decoded] = decode_batch(MACHINE_EVENTS, [body])

    [(_, verdict)] = decoded.items
    assert isinstance(verdict, BadRecord)
    assert (code, path) == (verdict.code, verdict.field_path)
    if code is ReasonCode.PARSE:
        assert f"says `{verdict}`" in " ".join(SECTIONS[code].split())


def test_each_code_is_given_by_some_code_of_ours() -> None:
    """A code that nothing gives any more is to be deprecated, not left in the catalogue as if it could come."""
    source = "".join(
        path.read_text("utf-8")
        for package in ("schemas", "streams")
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.name != "errors.py"
    )

    assert [] == [code.name for code in ReasonCode if f"ReasonCode.{code.name}" not in source]


def problem_types() -> Iterator[str]:
    """Words of all HTTP problems: the first text that says one in each call."""
    places = {"Problem": 1, "unavailable": 0}
    for path in sorted((ROOT / "streams" / "web").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in places:
                word = node.args[places[node.func.id]]
                if isinstance(word, ast.Constant):
                    yield str(word.value)


def documented(path: Path) -> set[str]:
    """Words in code in the first column of a document's tables."""
    cells = [line.split("|")[1] for line in path.read_text("utf-8").splitlines() if line.startswith("| ")]
    return {word for cell in cells for word in re.findall(r"`(\w+)`", cell)}


def test_each_problem_of_the_http_api_is_explained() -> None:
    types = set(problem_types())

    assert len(types) > 20
    assert set() == types - documented(DOCS / "web.md") - documented(DOCS / "publish.md")


@pytest.mark.parametrize("code", ["delivery", "event_id_taken"])
def test_codes_that_no_dead_letter_has_are_explained_with_the_others(code: str) -> None:
    sources = [ROOT / "streams" / "publisher.py", ROOT / "streams" / "web" / "event_desk.py"]

    assert any(f'"{code}"' in path.read_text("utf-8") for path in sources)
    assert f"`{code}`" in CATALOGUE.partition("\n## ")[0]
