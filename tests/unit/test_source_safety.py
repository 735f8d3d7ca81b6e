"""What the sources must not do: run text as code, load objects from bytes, or match with expressions that blow up.

ruff's S rules (flake8-bandit) say most of it at each `make check`; this holds them on, and sees what they do not.
"""

import ast
import re
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    path
    for package in ("schemas", "twin", "solvers", "streams", "deploy", "docs")
    for path in sorted((ROOT / package).rglob("*.py"))
]

FORBIDDEN_IMPORTS = {
    "pickle",
    "cPickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "jsonpickle",
    "xml.etree",
    "telnetlib",
}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
UNSAFE_YAML = {"load", "load_all", "full_load", "unsafe_load"}

SECONDS_MAX = 5.0
"""For a hostile text of LENGTH. A pattern that blows up takes ages; this is no measure of speed."""

LENGTH = 3_000


def calls(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each call."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""


def patterns() -> Iterator[tuple[str, str]]:
    """Place and text of each regular expression in the sources that is written out."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re."):
                first = node.args[0] if node.args else None
            elif isinstance(node, ast.keyword) and node.arg == "pattern":
                first = node.value
            else:
                continue
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield f"{path.relative_to(ROOT)}:{first.lineno}", first.value


def test_bandit_s_rules_are_on_for_what_runs_in_a_plant() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]

    assert "S" in lint["select"]
    assert {"S101", "S311", "S603", "S607"} == {
        rule for rule in lint["ignore"] if rule.startswith("S") and rule[1:].isdigit()
    }
    assert {"tests/**", "bench/**"} == {
        path for path, rules in lint["per-file-ignores"].items() if "S" in rules
    }


def test_each_rule_that_is_ignored_in_a_line_has_its_reason_there() -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"# noqa: S\d+\s*$", line)
    ]

    assert [] == bare


def test_no_text_is_run_and_no_object_is_loaded_from_bytes() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in SOURCES
        for line, name in (*calls(path), *imports(path))
        if name in FORBIDDEN_CALLS | FORBIDDEN_IMPORTS
        or (
            name.startswith("yaml.")
            and name.removeprefix("yaml.") in UNSAFE_YAML
            and not is_safe_loader(path, line)
        )
    ]

    assert [] == wrong


def is_safe_loader(path: Path, line: int) -> bool:
    """yaml.load with a loader of ours, which is told to be a safe one."""
    return "SafeLoader" in path.read_text(encoding="utf-8").splitlines()[
        line - 1
    ] or "SafeLoader)" in path.read_text(encoding="utf-8")


def test_no_command_goes_through_a_shell() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and (
            ast.unparse(node.func) in ("os.system", "os.popen")
            or any(each.arg == "shell" for each in node.keywords)
        )
    ]

    assert [] == wrong


HOSTILE = (
    "a" * LENGTH + "!",
    "a." * (LENGTH // 2) + "!",
    " " * LENGTH + "x",
    "1" * LENGTH + "x",
    "(" * LENGTH,
    "-_." * (LENGTH // 3) + "\n",
    "${" * (LENGTH // 2),
)


@pytest.mark.parametrize("where_and_pattern", list(patterns()), ids=lambda each: str(each[0]))
def test_no_expression_blows_up(where_and_pattern: tuple[str, str]) -> None:
    where, text = where_and_pattern
    compiled = re.compile(text)
    began = time.process_time()

    for hostile in HOSTILE:
        compiled.search(hostile)
        compiled.fullmatch(hostile)

    assert time.process_time() - began < SECONDS_MAX, where


def test_an_expression_that_blows_up_would_be_seen() -> None:
    began = time.process_time()

    re.fullmatch(r"(a+)+b", "a" * 24)

    assert time.process_time() - began > 0.1
