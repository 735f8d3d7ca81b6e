"""Writes the references that follow from the code: topics, events, settings, metrics, commands; and the contract.

python -m docs.generate            write them
python -m docs.generate --check    exit 1 where a file is not what the code says
"""

import inspect
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import typer
from prometheus_client.metrics import MetricWrapperBase

from deploy.dashboards import dashboard_files
from deploy.objectives import objective_rules
from docs.event_reference import events
from docs.limit_table import limits
from docs.log_events import log_events
from docs.markdown import anchor, table, wrapped
from schemas import TOPICS, CustomerRule, OwnerCondition, OwnerRule, Rules, Topic
from schemas.field_words import field_words
from streams.acls import wanted_acls
from streams.cli import app
from streams.contract import as_text, contract
from streams.metrics import Metrics
from streams.rules_text import in_sections, plain, rules_schema, unit_of
from streams.settings import Settings
from streams.strimzi import as_yaml, strimzi_resources

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
CONTRACT = DOCS / "schemas"
DEPLOY = ROOT / "deploy"

_NOTE = "<!-- Written by docs/generate.py from the code: change it there, then `python -m docs.generate`. -->"


@cache
def generated() -> dict[Path, str]:
    """Every generated document and what it must hold."""
    documents = {
        "topics.md": _topics(),
        "events.md": events(),
        "settings.md": _settings(),
        "metrics.md": _metrics(),
        "commands.md": _commands(),
        "log-events.md": log_events(),
        "rules-reference.md": _rules(),
        "limits.md": limits(),
    }
    return {
        **{DOCS / name: f"{_NOTE}\n\n{text.strip()}\n" for name, text in documents.items()},
        DOCS / "security.md": _with_rights((DOCS / "security.md").read_text("utf-8")),
        DOCS / "rules.schema.json": json.dumps(rules_schema(), indent=2) + "\n",
        **{CONTRACT / name: as_text(document) for name, document in contract().items()},
        DEPLOY / "prometheus" / "objectives.yaml": objective_rules(),
        DEPLOY / "kubernetes" / "strimzi" / "topics-and-users.yaml": _strimzi(),
        **{DEPLOY / "grafana" / "dashboards" / name: text for name, text in dashboard_files().items()},
    }


def surplus() -> list[Path]:
    """Files among the generated ones that nothing generates any more."""
    return sorted(set(CONTRACT.rglob("*.json")) - generated().keys())


def main() -> int:
    """Write the documents, or with --check only compare; gives the exit code."""
    stale = [
        path for path, text in generated().items() if not path.exists() or path.read_text("utf-8") != text
    ]
    for path in [*stale, *surplus()]:
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    if "--check" in sys.argv[1:]:
        return 1 if stale or surplus() else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(generated()[path], "utf-8")
    for path in surplus():
        path.unlink()
    return 0


# Topics -----------------------------------------------------------------------------------------------------------


def _topics() -> str:
    parts = [
        "# Topics",
        (
            "All names may stand behind a prefix (`FORESITE_TOPIC_PREFIX`). `foresite topics create` makes what is missing. "
            "Bodies are JSON; outputs carry CloudEvents 1.0 headers (binary mode) as well. Ids in keys are scoped by site "
            "(`site/id`); in them `/` and `%` are escaped."
        ),
        (
            "A value on an input topic is the body of one event, a JSON array of bodies, or a structured CloudEvent. "
            "Producers should use Java's partitioner (murmur2), so that a line keeps its partition whoever publishes."
        ),
        (
            "What is asked of the solver, what it answers and what is written back to the systems that execute: "
            "[proposals](proposals.md)."
        ),
        (
            "The same for machines, with the schema of each body, is AsyncAPI in `docs/schemas/asyncapi.json`: "
            "[contracts](contracts.md)."
        ),
    ]
    for role, title in (("input", "Inputs"), ("output", "Outputs"), ("internal", "Internal")):
        rows = [_topic_row(topic) for topic in TOPICS.values() if topic.role == role]
        head = ["topic", "key", "kept", "partitions", "bodies", "writers", "readers", "holds"]
        parts += [f"## {title}", table(head, rows)]
    return wrapped(parts)


def _topic_row(topic: Topic) -> list[str]:
    if topic.cleanup == "compact":
        kept = "newest of each key"
    elif topic.retention_days is None:
        kept = "for ever"
    else:
        kept = f"{topic.retention_days} days"
    if topic.role == "input":
        bodies = f"[{len(topic.types)} kinds](events.md#{anchor(topic.name)})"
        if len(topic.types) == 1:
            bodies = bodies.replace("kinds", "kind")
    else:
        bodies = ", ".join(f"`{model.__name__}`" for model in topic.types) or "documents"
    partitions = "`facts_partitions`" if topic.partitions is None else str(topic.partitions)
    people = [", ".join(topic.writers), ", ".join(topic.readers)]
    return [f"`{topic.name}`", topic.key, kept, partitions, bodies, *people, topic.holds]


# Rights -----------------------------------------------------------------------------------------------------------

_RIGHTS_BEGIN = "<!-- Rights: written by docs/generate.py from streams/acls.py. -->"
_RIGHTS_END = "<!-- End of rights. -->"


def _with_rights(text: str) -> str:
    before, _, rest = text.partition(_RIGHTS_BEGIN)
    _, _, after = rest.partition(_RIGHTS_END)
    return f"{before}{_RIGHTS_BEGIN}\n\n{_rights()}\n\n{_RIGHTS_END}{after}"


def _rights() -> str:
    """What each principal may do with what, by default names."""
    rights: dict[tuple[str, str, str], dict[str, list[str]]] = {}
    for acl in wanted_acls(Settings.model_construct()):
        name = f"`{acl.name}…`" if acl.is_prefix else f"`{acl.name}`"
        principals = rights.setdefault((acl.resource, acl.name, name), {})
        principals.setdefault(acl.operation, []).append(acl.principal.removeprefix("User:"))
    operations = ("Write", "Read", "Create", "Describe", "DescribeConfigs")
    rows = [
        [resource, name, *(", ".join(principals.get(operation, ())) for operation in operations)]
        for (resource, _, name), principals in sorted(rights.items())
    ]
    return table(["of kind", "name", *operations], rows)


# Settings ---------------------------------------------------------------------------------------------------------


def _settings() -> str:
    schema = Settings.model_json_schema()["properties"]
    parts = [
        "# Settings",
        (
            "Each is an environment variable. They are read once, at start; one that is not allowed ends the command with "
            "a message. Options such as `--kafka` go before variables. Lists and maps are JSON."
        ),
    ]
    for name, info in Settings.model_fields.items():
        allowed = _allowed(schema[name])
        default = json.dumps(info.default, default=str)
        parts.append(f"## FORESITE_{name.upper()}")
        parts.append(f"Default `{default}`." + (f" Allowed: {allowed}." if allowed else ""))
        parts.append(" ".join((info.description or "").split()))
    return wrapped(parts)


def _allowed(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "minimum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}"
    return ""


# Strimzi ----------------------------------------------------------------------------------------------------------


def _strimzi() -> str:
    note = "# Written by `foresite topics export` (streams/strimzi.py): change the code, then `python -m docs.generate`.\n"
    return note + as_yaml(strimzi_resources(Settings.model_construct(), "foresite-kafka", 3))


# Metrics ----------------------------------------------------------------------------------------------------------


def _metrics() -> str:
    parts = [
        "# Metrics",
        (
            "Every role serves them at `/metrics` of its admin port, with Python's and the process's own (`python_gc_*`, "
            "`process_*`). Labels are bounded and never ids; beyond 200 sites, ingest calls a site `other`. A metric that "
            "no code sets yet is marked: its name is kept for what is to come."
        ),
    ]
    rows = []
    source = {path: path.read_text("utf-8") for path in sorted((ROOT / "streams").rglob("*.py"))}
    for attribute, metric in vars(Metrics()).items():
        if not isinstance(metric, MetricWrapperBase):
            continue
        described = next(iter(metric.describe()))
        name = described.name + ("_total" if described.type == "counter" else "")
        is_set = any(re.search(rf"\.{attribute}\b(?! =)", text) for path, text in source.items())
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)
        words = described.documentation + ("" if is_set else " **Not set yet.**")
        rows.append([f"`{name}`", described.type, labels, words])
    parts.append(table(["metric", "type", "labels", "what"], rows))
    return wrapped(parts)


# Rules ------------------------------------------------------------------------------------------------------------


def _rules() -> str:
    words, defaults = field_words(Rules), Rules().model_dump(mode="json")
    parts = [
        "# Rules: every field",
        (
            "How to write, try and push them: [rules](rules.md). `foresite rules show` prints this as a file to begin with; "
            "[rules.schema.json](rules.schema.json) is for editors. `rules_id` and `version` must be given, what else is "
            "left out has its default."
        ),
    ]
    for title, names in in_sections().items():
        rows = [[f"`{name}`", unit_of(name), f"`{plain(defaults[name])}`", words[name]] for name in names]
        parts += [f"## {title}", table(["field", "unit", "default", "meaning"], rows)]
    for model in (CustomerRule, OwnerRule, OwnerCondition):
        meanings = field_words(model)
        rows = [
            [f"`{name}`", "yes" if info.is_required() else "", meanings[name]]
            for name, info in model.model_fields.items()
        ]
        parts += [f"## {model.__name__}", (model.__doc__ or "").partition("\n")[0]]
        parts.append(table(["field", "must be given", "meaning"], rows))
    return wrapped(parts)


# Commands ---------------------------------------------------------------------------------------------------------


def _commands() -> str:
    root = typer.main.get_command(app)
    parts = [
        "# Commands",
        "Exit codes: 0 done, 1 failed or different, 2 asked for something that cannot be done.",
    ]
    for words, command in commands(root):
        parts += [f"## {words}", inspect.cleandoc(command.help or "")]
        rows = []
        for parameter in command.params:
            if parameter.param_type_name == "option":
                names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
                default = "" if parameter.default in (None, False) else f"`{parameter.default}`"
            else:
                names, default = f"`{parameter.name.upper()}`", ""
            rows.append([names, default, parameter.help or ""])
        if rows:
            parts.append(table(["argument", "default", ""], rows))
    return wrapped(parts)


def commands(root: Any, words: str = "foresite") -> Iterator[tuple[str, Any]]:
    """Each command that does something, with the words that call it."""
    for name, command in root.commands.items():
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield f"{words} {name}", command
            yield from commands(command, f"{words} {name}")
        else:
            yield f"{words} {name}", command


if __name__ == "__main__":
    sys.exit(main())
