"""The documents say what is: references are current, names exist, links lead somewhere, examples work."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from docs.generate import commands, generated
from docs.markdown import anchor
from schemas import TOPIC_OF_KIND, TOPICS, ReasonCode
from schemas.json_text import parse
from streams.adapters.mapping import Mapping
from streams.cli import app
from streams.replay import replay
from streams.settings import Settings
from twin import Twin

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
README = ROOT / "README.md"
FIRST_CARD = ROOT / "examples" / "first_card" / "events.ndjson"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
_PRINTED = re.compile(r"^```text\n.*?^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(r"^(?:schemas|twin|streams|tests|docs|deploy|examples|bench|\.ci)/[\w./-]*$")


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def headings(text: str) -> list[str]:
    return re.findall(r"^#+ (.*)$", _FENCE.sub("", text), re.MULTILINE)


def command_lines(text: str) -> Iterator[str]:
    """Lines of code blocks and inline code; a line that ends in a backslash goes on."""
    blocks = [block for _, block in _FENCE.findall(text)] + _INDENTED.findall(text)
    for block in blocks:
        yield from block.replace("\\\n", " ").splitlines()
    yield from _CODE.findall(_FENCE.sub("", text))


def foresite_calls(text: str) -> Iterator[list[str]]:
    for line in command_lines(text):
        plain = line.strip().partition("#")[0].partition(" > ")[0]
        found = re.match(r"(?:FORESITE_\w+=\S+ )*(?:\.venv/bin/)?foresite (.*)", plain)
        if found:
            yield shlex.split(found[1])


def known_commands() -> dict[str, set[str]]:
    """Command words -> its options."""
    root: Any = typer.main.get_command(app)
    return {
        words.removeprefix("foresite "): {name for each in command.params for name in each.opts} | {"--help"}
        for words, command in commands(root)
    }


def rejection_reasons() -> set[str]:
    """Second argument of every call of reject in the twin."""
    trees = [ast.parse(text_of(path)) for path in sorted((ROOT / "twin").rglob("*.py"))]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        ast.literal_eval(call.args[1])
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "reject"
    }


def refusal_reasons() -> set[str]:
    """First argument of every Refused in the twin."""
    trees = [ast.parse(text_of(path)) for path in sorted((ROOT / "twin").rglob("*.py"))]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        ast.literal_eval(call.args[0])
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "Refused"
    }


def test_each_reason_of_a_refused_command_is_explained() -> None:
    """In the first column of a table of some document."""
    rows = [
        line.split("|")[1]
        for path in sorted((ROOT / "docs").glob("*.md"))
        for line in text_of(path).splitlines()
        if line.startswith("| `")
    ]
    explained = {word for row in rows for word in re.findall(r"`(\w+)`", row)}

    assert set() == refusal_reasons() - explained


@pytest.mark.parametrize("path", generated(), ids=name_of)
def test_a_generated_document_is_what_the_code_says(path: Path) -> None:
    assert generated()[path] == text_of(path), "run `.venv/bin/python -m docs.generate`"


def test_each_reason_of_a_dead_letter_has_its_section() -> None:
    assert [code.value for code in ReasonCode] == headings(text_of(ROOT / "docs" / "dead-letters.md"))[1:]


def test_each_reason_of_a_rejection_has_its_section() -> None:
    assert rejection_reasons() == set(headings(text_of(ROOT / "docs" / "rejections.md"))[1:])


def test_each_topic_setting_and_command_is_documented() -> None:
    topics, settings = text_of(ROOT / "docs" / "topics.md"), text_of(ROOT / "docs" / "settings.md")
    listed = headings(text_of(ROOT / "docs" / "commands.md"))

    assert [] == [name for name in TOPICS if f"`{name}`" not in topics]
    assert [] == [name for name in Settings.model_fields if f"FORESITE_{name.upper()}" not in settings]
    assert [] == [words for words in known_commands() if f"foresite {words}" not in listed]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_commands_in_documents_exist(path: Path) -> None:
    known = known_commands()
    wrong = []
    for words in foresite_calls(text_of(path)):
        if words[0].startswith("-"):
            continue
        name = next((name for name in (" ".join(words[:2]), words[0]) if name in known), None)
        if name is None:
            wrong.append(f"foresite {' '.join(words)}")
            continue
        options = [word.partition("=")[0] for word in words if word.startswith("-")]
        wrong += [f"foresite {name} {option}" for option in options if option not in known[name]]

    assert [] == wrong


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_make_targets_in_documents_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    named = [
        found[1]
        for line in command_lines(text_of(path))
        if (found := re.match(r"\s*make ([a-z-]+)", line)) is not None
    ]

    assert set() == set(named) - targets


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    wrong = []
    for link in _LINK.findall(_FENCE.sub("", text_of(path))):
        if re.match(r"https?://", link):
            continue
        file, _, fragment = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (fragment and fragment not in map(anchor, headings(text_of(target)))):
            wrong.append(link)

    assert [] == wrong


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_paths_in_documents_exist(path: Path) -> None:
    named = [code for code in _CODE.findall(_FENCE.sub("", text_of(path))) if _PATH.match(code)]

    assert [] == [code for code in named if not (ROOT / code).exists()]


def test_lines_are_short_where_they_can_be() -> None:
    """Tables and what a program printed cannot be wrapped; the changelog has one line a change."""
    long = [
        f"{name_of(path)}: {line}"
        for path in (README, *sorted((ROOT / "docs").rglob("*.md")))
        for line in _PRINTED.sub("", text_of(path)).splitlines()
        if len(line) > 120 and not line.startswith("|")
    ]

    assert [] == long


def test_the_readme_lists_the_events_of_its_example() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([\w.-]+)` \|", text_of(README), re.MULTILINE)
    kinds = [parse(line)["kind"] for line in FIRST_CARD.read_bytes().splitlines()]

    assert [(kind, TOPIC_OF_KIND[kind]) for kind in kinds] == rows


def test_the_readme_s_example_gives_its_card() -> None:
    """300 of 1,000 boxes by 10:00, four hours of stop, 700 more at 100 an hour: 21:00, three hours late."""
    result = replay([FIRST_CARD], None, Twin)

    assert [
        "Line 1 is down: #7001 for Acme will miss its date of Mon 5 Jan 18:00: it is ready Mon 5 Jan 21:00, 1 day late"
    ] == [card.title for card in result.ranked()]
    assert (10, {}, {}) == (result.applied, result.rejected, dict(result.dead_letters))


def test_the_mapping_reference_s_example_is_a_mapping() -> None:
    examples = [
        block
        for language, block in _FENCE.findall(text_of(ROOT / "docs" / "mapping.md"))
        if language == "yaml"
    ]

    whole, part = (yaml.safe_load(example) for example in examples)
    fields = {"site_id": "s", "event_time": "2026-01-01T00:00:00Z"}

    assert "press-shop" == Mapping.model_validate(whole).mapping
    assert "part" == Mapping.model_validate({"mapping": "part", "fields": fields} | part).mapping


def test_the_readme_s_card_is_the_one_that_the_simulator_s_case_gives() -> None:
    """tests/unit/test_line3_card.py holds the card to paper; the README shows its title."""
    title = "#4471 for Northwind will miss its truck of Tue 24 Nov: it ships Thu 26 Nov 12:00, 2 days late"

    assert f"CRITICAL  {title}\n" in text_of(README)
    assert title in text_of(ROOT / "tests" / "unit" / "test_line3_card.py")
