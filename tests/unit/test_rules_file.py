"""A rules.yaml of a person: every slip is told with its line, and nothing in it is half used."""

import json
from pathlib import Path

import pytest

from schemas import CardKind, Rules, Severity, UsageError
from schemas.field_words import field_words
from schemas.rules import CustomerRule, OwnerCondition, OwnerRule
from streams.rules_checks import check_rules, load_rules
from streams.rules_file import content_hash
from streams.rules_text import rules_schema, rules_yaml
from streams.simulator.line3_plant import line3_plant_events

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "rules.yaml"
BEGIN = 'rules_id: plant\nversion: "1"\n'


def problems(tmp_path: Path, text: str, *against: Path) -> list[str]:
    file = tmp_path / "rules.yaml"
    file.write_text(text, encoding="utf-8")
    return [
        ("" if each.is_error else "warning: ") + str(each) for each in check_rules(file, against).problems
    ]


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    """What is known on Monday of the Line 3 case."""
    file = tmp_path / "plant.ndjson"
    file.write_text("".join(each.model_dump_json() + "\n" for each in line3_plant_events()), encoding="utf-8")
    return file


SLIPS = [
    ("clear_below_p_lat: 0.2", "line 3: clear_below_p_lat: unknown field; did you mean clear_below_p_late?"),
    ("zzz: 1", "line 3: zzz: unknown field"),
    ("raise_at_p_late: 1.5", "line 3: raise_at_p_late: should be less than or equal to 1, not 1.5"),
    ("drift_working_days: two", "line 3: drift_working_days: should be a valid number, not 'two'"),
    ("min_margin: -1", "line 3: min_margin: should be greater than or equal to 0, not -1"),
    ("default_owner_id: 12", 'line 3: default_owner_id: text is wanted: write it in quotes, "12"'),
    ("min_margin: 1\nmin_margin: 2", "line 4: min_margin: stands twice"),
    ("customers:\n  - weight: 2", "line 4: customers[0].customer_id: is missing"),
    (
        "owners:\n  - owner_id: ada\n    when:\n      line: L3",
        "line 6: owners[0].when.line: unknown field; did you mean line_id?",
    ),
    (
        "owners:\n  - {owner_id: ada, when: {min_severity: hi}}",
        "line 4: owners[0].when.min_severity: 'hi' is none of low, medium, high, critical; did you mean high?",
    ),
    (
        "clear_below_p_late: 0.8",
        "line 3: clear_below_p_late: 0.8 is above raise_at_p_late (0.75): no card would ever clear",
    ),
    (
        "clear_below_p_late: 0.75",
        "warning: line 3: clear_below_p_late: is the same as raise_at_p_late: cards will flap",
    ),
    (
        "raise_at_p_late: 0.9999",
        "warning: line 3: raise_at_p_late: no probability is ever above 0.999: no delivery risk will be raised",
    ),
    (
        "escalate_at: [0.8, 0.5]",
        "line 3: escalate_at: shares must rise: each level comes after the one before",
    ),
    (
        "customers:\n  - customer_id: a\n  - customer_id: a",
        "line 5: customers[1].customer_id: a stands in customers[0] already",
    ),
    (
        "owners:\n  - owner_id: a\n  - {owner_id: b, when: {line_id: L1}}",
        "warning: line 5: owners[1]: never reached: owners[0] holds before it",
    ),
    (
        "owners:\n  - {owner_id: a, fallback_id: a}",
        "warning: line 4: owners[0].fallback_id: is the owner: nobody stands in for them",
    ),
]


@pytest.mark.parametrize(("line", "expected"), SLIPS)
def test_a_slip_is_told_with_its_line(tmp_path: Path, line: str, expected: str) -> None:
    assert [expected] == problems(tmp_path, f"{BEGIN}{line}\n")


def test_name_and_version_must_be_given(tmp_path: Path) -> None:
    why = "is missing: each card names the rules and the version it was judged under"

    assert [f"line 1: rules_id {why}", f"line 1: version {why}"] == problems(tmp_path, "min_margin: 1\n")


def test_what_is_no_yaml_or_no_rules_is_said(tmp_path: Path) -> None:
    assert ["the file is empty"] == problems(tmp_path, "# nothing\n")
    assert ['line 1: rules are fields and values, as `version: "2"`'] == problems(tmp_path, "- a\n")
    assert ["line 2: no YAML: mapping values are not allowed here"] == problems(tmp_path, "a: 1\nb: c: d\n")


def test_ids_must_be_known_where_events_are_given(tmp_path: Path, plant: Path) -> None:
    text = BEGIN + (
        "escalation_owner_id: t.brand\n"
        "customers:\n"
        "  - {customer_id: nortwind, account_owner_id: nobody}\n"
        "owners:\n"
        "  - when: {line_id: L3, area_id: form, item_id: HX-31, family: steal, customer_id: contoso}\n"
        "    owner_id: r.okafor\n"
    )

    assert [] == problems(tmp_path, text)
    assert [
        "line 3: escalation_owner_id: no person 't.brand' in the events; did you mean t.brandt?",
        "line 5: customers[0].customer_id: no customer 'nortwind' in the events; did you mean northwind?",
        "line 5: customers[0].account_owner_id: no person 'nobody' in the events",
        "line 7: owners[0].when.area_id: no area 'form' in the events; did you mean forming?",
        "line 7: owners[0].when.family: no setup family 'steal' in the events; did you mean steel?",
    ] == problems(tmp_path, text, plant)


def test_a_file_with_an_error_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(BEGIN + "drift: 1\n", encoding="utf-8")

    with pytest.raises(UsageError, match=r"cannot be used:\n  line 3: drift: unknown field; did you mean"):
        load_rules(file)


def test_the_example_is_for_the_line_3_plant(plant: Path) -> None:
    read = check_rules(EXAMPLE, [plant])

    assert [] == read.problems
    assert read.rules is not None
    northwind = read.rules.customer("northwind")
    assert northwind is not None
    assert ("plant-1", "2026-11-16", 0.02, 2.0, True) == (
        read.rules.rules_id,
        read.rules.version,
        read.rules.min_margin_fraction,
        northwind.weight,
        northwind.cannot_slip,
    )


def test_what_show_prints_are_the_defaults(tmp_path: Path) -> None:
    text = rules_yaml(Rules())
    file = tmp_path / "rules.yaml"
    file.write_text(text, encoding="utf-8")

    assert Rules() == load_rules(file)
    assert [] == [
        name for name in Rules.model_fields if f"\n{name}:" not in text and f"\n# {name}:" not in text
    ]


def test_every_field_of_a_rules_file_is_explained() -> None:
    for model in (Rules, CustomerRule, OwnerCondition, OwnerRule):
        assert [] == [name for name in model.model_fields if name not in field_words(model)]


def test_the_published_schema_is_that_of_the_model() -> None:
    published = (ROOT / "docs" / "rules.schema.json").read_text(encoding="utf-8")

    assert rules_schema() == json.loads(published), "run `.venv/bin/python -m docs.generate`"


def test_the_schema_knows_no_other_fields_than_the_model() -> None:
    schema = rules_schema()

    assert [*Rules.model_fields] == [*schema["properties"]]
    assert schema["additionalProperties"] is False
    assert {False} == {
        schema["$defs"][name]["additionalProperties"]
        for name in ("CustomerRule", "OwnerCondition", "OwnerRule")
    }
    assert [each.value for each in CardKind] == schema["$defs"]["CardKind"]["enum"]
    assert [each.value for each in Severity] == schema["$defs"]["Severity"]["enum"]


def test_the_hash_is_of_the_content_not_of_the_version() -> None:
    one, two = Rules(version="1"), Rules(version="2")

    assert content_hash(one) == content_hash(two)
    assert content_hash(one) != content_hash(Rules(version="1", min_margin=1.0))
