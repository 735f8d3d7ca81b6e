"""The arrows `streams -> {twin, solvers} -> schemas`, and what each package may know, held by reading the imports."""

import ast
import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("schemas", "twin", "solvers", "streams")

# What each package may import besides the standard library and itself. An absent package may import anything.
ALLOWED = {
    # yaml reads rules and plant models; orjson and msgspec decode bodies by the hundred thousand.
    "schemas": {"pydantic", "pydantic_core", "typing_extensions", "orjson", "msgspec", "yaml"},
    "twin": {"schemas", "pydantic", "orjson", "msgspec", "networkx"},
    "solvers": {"schemas", "pydantic", "orjson", "msgspec", "ortools", "numpy", "numba"},
}

# What a fold must not see: same events, same order, same bytes out.
IMPURE = {
    "asyncio",
    "logging",
    "multiprocessing",
    "os",
    "random",
    "secrets",
    "socket",
    "threading",
    "time",
    "uuid",
}


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of each module that a file imports, wherever in the file the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            yield node.lineno, node.module or ""


def modules_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def top_level(module: str) -> str:
    return module.partition(".")[0]


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    allowed = ALLOWED[package] | {package} | sys.stdlib_module_names

    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in modules_of(package)
        for line, module in imports_of(path)
        if top_level(module) not in allowed
    ]

    assert [] == wrong


def test_the_twin_knows_no_clock_no_chance_and_no_world() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in modules_of("twin")
        for line, module in imports_of(path)
        if top_level(module) in IMPURE
    ]

    assert [] == wrong


def test_absolute_and_nested_imports_are_all_seen(tmp_path: Path) -> None:
    """The tests above are worth what `imports_of` sees."""
    module = tmp_path / "module.py"
    module.write_text(
        "import os.path as p, time\ndef f():\n    from random import choice\n", encoding="utf-8"
    )

    assert [(1, "os.path"), (1, "time"), (3, "random")] == list(imports_of(module))


def test_no_other_distribution_owns_our_package_names() -> None:
    """PyPI has a `schemas` of its own, which would silently overwrite ours when installed beside it."""
    owners = importlib.metadata.packages_distributions()

    assert {package: {"foresite"} for package in PACKAGES} == {
        package: set(owners.get(package, ())) for package in PACKAGES
    }


def test_no_folder_of_tests_shadows_a_package() -> None:
    folders = {path.name for path in (ROOT / "tests").rglob("*") if path.is_dir()}

    assert set() == folders & set(PACKAGES)
