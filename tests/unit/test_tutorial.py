"""The tutorial, word by word: each command of it is run, and prints what the page shows.

`FORESITE_UPDATE_GOLDEN=1` writes the outputs anew: read the difference before you commit it.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial" / "first-card.md"
EXITS = {"doctor": 1}
UPDATE = "FORESITE_UPDATE_GOLDEN"

_STEP = re.compile(
    r"^```sh\n(?P<command>.*?)^```\n(?:\n```text\n(?P<shown>.*?)^```\n)?", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Step:
    command: str
    shown: str
    end: int


def steps(page: str) -> Iterator[Step]:
    for found in _STEP.finditer(page):
        yield Step(found["command"].replace("\\\n", " ").strip(), found["shown"] or "", found.end())


def run(command: str) -> str:
    words = shlex.split(command)
    if words[0] != "foresite":
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout
    result = CliRunner().invoke(app, words[1:])
    assert EXITS.get(words[1], 0) == result.exit_code, (command, result.output, result.exception)
    return result.stdout.rstrip("\n") + "\n"


@pytest.mark.timeout(400)
def test_every_command_of_the_tutorial_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("FORESITE_") and name != UPDATE]:
        monkeypatch.delenv(name)
    shutil.copytree(ROOT / "examples" / "first_sheet", tmp_path / "examples" / "first_sheet")
    page = PAGE.read_text(encoding="utf-8")
    found = list(steps(page))
    assert len(found) >= 7
    printed = [run(step.command) for step in found]
    if os.environ.get(UPDATE):
        outputs = iter(printed)
        page = _STEP.sub(lambda each: f"```sh\n{each['command']}```\n\n```text\n{next(outputs)}```\n", page)
        PAGE.write_text(page, encoding="utf-8")
        return

    for step, output in zip(found, printed, strict=True):
        assert step.shown == output, step.command
    assert (tmp_path / "cards.xlsx").stat().st_size > 0
