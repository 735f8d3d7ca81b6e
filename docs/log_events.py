"""The list of log events: every event that the code logs, found in its source, with level, fields and place."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.markdown import table, wrapped

ROOT = Path(__file__).resolve().parent.parent
LEVELS = ("debug", "info", "warning", "error", "exception", "critical")


@dataclass(frozen=True, slots=True)
class LogCall:
    """One place that logs.

    Attributes:
        event: its name; None where it is no word of the source but made at run time.
        level: exception counts as error, with the traceback's fields.
        fields: names of what goes along; module: where, line: there.
    """

    event: str | None
    level: str
    fields: tuple[str, ...]
    module: str
    line: int


def log_calls() -> Iterator[LogCall]:
    """Every call of a module's own logger in the code that runs in a plant."""
    for package in ("schemas", "twin", "solvers", "streams"):
        for path in sorted((ROOT / package).rglob("*.py")):
            module = str(path.relative_to(ROOT))
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if (call := _log_call(node)) is not None:
                    yield _told(call[0], call[1], module)


def _log_call(node: ast.AST) -> tuple[ast.Call, str] | None:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    on, level = node.func.value, node.func.attr
    is_logger = isinstance(on, ast.Name) and on.id in ("log", "logger", "_log")
    return (node, level) if is_logger and level in LEVELS else None


def _told(call: ast.Call, level: str, module: str) -> LogCall:
    first = call.args[0] if call.args else None
    event = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
    fields = tuple(each.arg for each in call.keywords if each.arg is not None and each.arg != "exc_info")
    return LogCall(event, "error" if level == "exception" else level, fields, module, call.lineno)


def log_events() -> str:
    """docs/log-events.md."""
    found: defaultdict[str, list[LogCall]] = defaultdict(list)
    for call in log_calls():
        if call.event is not None:
            found[call.event].append(call)
    rows = []
    for event, calls in sorted(found.items()):
        fields = dict.fromkeys(name for call in calls for name in call.fields)
        modules = dict.fromkeys(call.module for call in calls)
        levels = dict.fromkeys(call.level for call in calls)
        rows.append(
            [
                f"`{event}`",
                ", ".join(levels),
                ", ".join(f"`{name}`" for name in fields),
                ", ".join(f"`{module}`" for module in modules),
            ]
        )
    return wrapped(
        [
            "# Log events",
            (
                "Every event that Foresite logs. A line is one JSON object with `time`, `level`, `event`, `role`, `version` and "
                "the fields below; with an exception also `error_type`, `error` and `exception`. Names stay as they are: alerts "
                "and searches may rest on them. Lines without `role`'s own events come from libraries and carry `logger`. "
                "Payloads and secrets never stand in one."
            ),
            table(["event", "level", "fields", "logged in"], rows),
        ]
    )
