"""Rules for people and tools: the defaults as commented YAML, and the JSON Schema of a rules file.

Both follow from the models in schemas/rules.py: names, bounds and defaults from the fields, meanings from the docstring.
"""

import json
import textwrap
from typing import Any, Final

from pydantic import BaseModel

from schemas import CustomerRule, OwnerCondition, OwnerRule, Rules
from schemas.field_words import field_words
from streams.rules_file import REQUIRED

SCHEMA_ID: Final = "https://json-schema.org/draft/2020-12/schema"
WIDTH: Final = 100

UNITS: Final = (
    ("_cost_per_h", "money an hour"),
    ("_working_days", "working days"),
    ("_days", "days"),
    ("_min", "minutes"),
    ("_h", "hours"),
    ("_p_late", "probability, 0..1"),
    ("_p_silent_is_down", "probability, 0..1"),
    ("_probability", "probability, 0..1"),
    ("_fraction", "share, 0..1"),
    ("_tolerance", "share, 0..1"),
    ("_delta", "share, 0..1"),
    ("_exposure", "money"),
    ("_margin", "money"),
    ("_factor", "times"),
)
"""End of a field's name -> its unit; the first that fits."""

SECTIONS: Final = {
    "When a delivery risk is raised and cleared": (
        "raise_at_p_late",
        "clear_below_p_late",
        "clear_after_min",
        "min_exposure",
        "late_start_grace_min",
    ),
    "How loudly": ("drift_delta", "drift_working_days"),
    "What a rescue may cost": ("rescue_probability", "min_margin_fraction", "min_margin"),
    "What is news": (
        "material_slip_days",
        "material_exposure",
        "material_exposure_fraction",
        "material_p_late",
        "material_quantity_fraction",
        "material_rescue_h",
    ),
    "Whose it is": ("owners", "quality_lead_id", "default_owner_id", "escalate_at", "escalation_owner_id"),
    "Customers": ("customers",),
}
"""How `show` orders the fields; those that stand nowhere here come last."""

_EXAMPLES: Final = {
    "owners": """\
# owners:
#   - name: night desk              # what the card calls the rule
#     when: {line_id: L3, min_severity: high}
#     owner_id: r.okafor
#     fallback_id: t.brandt         # while r.okafor is absent or not known
""",
    "customers": """\
# customers:
#   - customer_id: northwind
#     cannot_slip: true
#     weight: 2.0
#     account_owner_id: m.lindqvist
#     min_margin_fraction: 0.02
""",
}


def unit_of(name: str) -> str:
    """Unit of a field of the rules, empty where it has none."""
    return next((unit for end, unit in UNITS if f"_{name}".endswith(end)), "")


def in_sections() -> dict[str, tuple[str, ...]]:
    """Every field but name and version, under the heading that it stands in."""
    placed = {name for names in SECTIONS.values() for name in names} | set(REQUIRED)
    others = tuple(name for name in Rules.model_fields if name not in placed)
    return {**SECTIONS, "Everything else": others}


def rules_yaml(rules: Rules) -> str:
    """Rules as a file that says of each field what it means, in which unit, and what it is where nobody says."""
    words, defaults = field_words(Rules), Rules()
    parts = [_field(name, rules, defaults, words) for name in REQUIRED]
    for title, names in in_sections().items():
        parts.append(f"# --- {title} " + "-" * (WIDTH - len(title) - 7) + "\n")
        parts += [_field(name, rules, defaults, words) for name in names]
    return "\n".join(parts)


def _field(name: str, rules: Rules, defaults: Rules, words: dict[str, str]) -> str:
    value, default = (each.model_dump(mode="json")[name] for each in (rules, defaults))
    unit = unit_of(name)
    meaning = words[name].removesuffix(".")
    lines = textwrap.wrap(f"{meaning[0].upper()}{meaning[1:]}.", WIDTH - 2)
    lines.append(f"{f'Unit: {unit}. ' if unit else ''}Default: {plain(default)}.")
    text = "".join(f"# {line}\n" for line in lines)
    if value in (None, []):
        return text + _EXAMPLES.get(name, f"# {name}:\n")
    return f"{text}{name}: {plain(value)}\n"


def plain(value: Any) -> str:
    """A value as the file has it."""
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)


def rules_schema() -> dict[str, Any]:
    """JSON Schema of a rules file, for editors: no unknown fields, name and version asked for, meanings as descriptions."""
    schema = Rules.model_json_schema()
    parts: list[tuple[dict[str, Any], type[BaseModel]]] = [(schema, Rules)]
    parts += [(schema["$defs"][model.__name__], model) for model in (CustomerRule, OwnerCondition, OwnerRule)]
    for part, model in parts:
        part["additionalProperties"] = False
        part["description"] = (model.__doc__ or "").partition("\n")[0]
        words = field_words(model)
        for name, described in part["properties"].items():
            unit = unit_of(name) if model is Rules else ""
            described["description"] = words[name] + (f" In {unit}." if unit else "")
            described.pop("title", None)
    for name in ("CardKind", "Severity"):
        schema["$defs"][name].pop("title", None)
    schema["required"] = list(REQUIRED)
    return {
        "$schema": SCHEMA_ID,
        "title": "Foresite rules",
        **{k: v for k, v in schema.items() if k != "title"},
    }
