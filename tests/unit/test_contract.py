"""The contract in docs/schemas: good by the dialects' own schemas, and true of what is read and written.

That it is what the code says is seen by tests/unit/test_docs.py, file by file.
"""

import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from openapi_spec_validator import validate
from pydantic import BaseModel
from typer.testing import CliRunner, Result

from docs.generate import CONTRACT, surplus
from schemas import INPUT_TOPICS, TOPIC_OF_KIND, TOPICS, ReasonCode, UsageError
from schemas.topics import PRINCIPALS
from streams import schemas_cli
from streams.replay import replay
from streams.simulator import FactorySettings, simulate
from streams.topic_admin import topic_config
from tests.unit.broken_records import BROKEN_RECORDS, GOOD_OF_TOPIC
from twin import Twin

ROOT = CONTRACT.parent.parent
OFFICIAL = ROOT / "tests" / "asyncapi" / "schema-3.0.0.json"
EXAMPLES = sorted((ROOT / "examples").rglob("*.ndjson"))
FILES = sorted(CONTRACT.rglob("*.json"))


@cache
def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def asyncapi() -> Any:
    return read(CONTRACT / "asyncapi.json")


def schema_of(kind: str) -> Draft202012Validator:
    return Draft202012Validator(read(CONTRACT / "events" / f"{kind}.json"))


def document(name: str) -> Draft202012Validator:
    return Draft202012Validator(read(CONTRACT / "documents" / f"{name}.json"))


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def resolved(reference: str, root: Any) -> Any:
    file, _, pointer = reference.partition("#")
    found = read(CONTRACT / file) if file else root
    for part in pointer.split("/")[1:]:
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def test_nothing_is_left_of_what_is_no_longer_generated() -> None:
    assert [] == surplus()


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.parent != CONTRACT], ids=lambda path: path.stem
)
def test_each_schema_is_one_by_its_dialect(path: Path) -> None:
    schema = read(path)

    assert "https://json-schema.org/draft/2020-12/schema" == schema["$schema"]
    Draft202012Validator.check_schema(schema)
    assert [] == [each for each in references(schema) if not resolved(each, schema)]


def test_the_topics_are_a_document_by_asyncapi_s_own_schema() -> None:
    official = Draft7Validator(read(OFFICIAL))

    assert [] == [f"{error.json_path}: {error.message[:200]}" for error in official.iter_errors(asyncapi())]
    broken = json.loads(json.dumps(asyncapi()))
    broken["channels"]["twin.cards.v1"]["adress"] = broken["channels"]["twin.cards.v1"].pop("address")
    assert not official.is_valid(broken), "the schema is looked at"


def test_each_reference_of_the_topics_leads_somewhere() -> None:
    found = list(references(asyncapi()))

    assert len(found) > 200
    assert [] == [each for each in found if not resolved(each, asyncapi())]


def test_the_http_api_is_a_document_by_openapi_s_own_schema() -> None:
    validate(read(CONTRACT / "openapi.json"))


def test_each_topic_is_there_with_what_kafka_is_told_of_it() -> None:
    channels = asyncapi()["channels"]

    assert [*TOPICS] == [*channels]
    for name, topic in TOPICS.items():
        kafka = channels[name]["bindings"]["kafka"]
        said = {
            key: value[0] if isinstance(value, list) else str(value)
            for key, value in kafka["topicConfiguration"].items()
        }
        assert (topic.partitions, topic_config(topic)) == (kafka.get("partitions"), said)
        assert set(topic.writers) == set(channels[name]["x-writers"]) <= set(PRINCIPALS)
        assert {*topic.readers, "deploy"} == set(channels[name]["x-readers"])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_event_of_the_examples_is_good_by_its_schema(path: Path) -> None:
    bodies = [json.loads(line) for line in path.read_bytes().splitlines()]

    assert [] == [
        f"{body['kind']}: {error.json_path} {error.message}"
        for body in bodies
        for error in schema_of(body["kind"]).iter_errors(body)
    ]


def test_each_event_of_a_simulated_factory_is_good_by_its_schema(tmp_path: Path) -> None:
    simulate(FactorySettings(seed=3, days=1, lines=2, sites=1), tmp_path / "events.ndjson", None)
    bodies = [json.loads(line) for line in (tmp_path / "events.ndjson").read_bytes().splitlines()]

    assert len({body["kind"] for body in bodies}) > 15
    assert [] == [body for body in bodies if not schema_of(body["kind"]).is_valid(body)]


UNSAID = {
    "bad above inspected",
    "command to every site",
    "id with a line feed",  # the $ of Python's expressions, by which this test reads patterns, is before it too
    "no such time zone",
}
"""Broken bodies that no schema can tell from good ones; ingest does."""


def whole(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)


def test_what_ingest_refuses_for_its_form_or_range_its_schema_refuses_too() -> None:
    refused, passed = set[str](), set[str]()
    for record in BROKEN_RECORDS:
        if record.code not in (ReasonCode.SCHEMA, ReasonCode.RANGE, ReasonCode.VERSION):
            continue
        body = json.loads(record.value or b"", parse_constant=float, parse_int=whole)
        if isinstance(body, dict) and TOPIC_OF_KIND.get(str(body.get("kind"))) == record.topic:
            numbers = [value for value in body.values() if isinstance(value, float)]
            if all(map(math.isfinite, numbers)):  # NaN is no JSON, and no schema knows it
                (passed if schema_of(body["kind"]).is_valid(body) else refused).add(record.name)

    assert UNSAID == passed
    assert len(refused) > 40


def test_the_cards_of_the_examples_are_good_by_their_schema() -> None:
    cards = [
        json.loads(card.model_dump_json())
        for path in sorted((ROOT / "examples" / "cases").glob("*.ndjson"))
        for card in replay([path], None, Twin).ranked()
    ]

    assert len(cards) > 2
    assert [] == [error.message for card in cards for error in document("Card").iter_errors(card)]
    later = cards[0] | {"a_field_of_a_later_version": 1}
    assert document("Card").is_valid(later), "readers must take what later versions add"
    assert not document("Card").is_valid({name: value for name, value in cards[0].items() if name != "title"})


def test_each_body_that_some_topic_holds_has_its_file() -> None:
    def name(topic: str, model: type[BaseModel]) -> str:
        is_input = topic in INPUT_TOPICS
        return (
            f"events/{model.model_fields['kind'].default}.json"
            if is_input
            else f"documents/{model.__name__}.json"
        )

    wanted = {
        name(topic.name, model)
        for topic in TOPICS.values()
        if topic.role != "internal"
        for model in topic.types
    }

    assert wanted == {path.relative_to(CONTRACT).as_posix() for path in FILES if path.parent != CONTRACT}


def test_the_command_writes_them_and_compares_them(tmp_path: Path) -> None:
    def foresite(*words: str) -> Result:
        return CliRunner().invoke(schemas_cli.app, words)

    folder = tmp_path / "contract"
    made = foresite("export", str(folder))
    same = foresite("diff", str(folder))
    path = folder / "documents" / "Card.json"
    card = json.loads(path.read_text("utf-8"))
    card["properties"]["colour"] = {"type": "string"}
    path.write_text(json.dumps(card), "utf-8")
    (folder / "events" / "line_painted.json").write_text("{}", "utf-8")
    other = foresite("diff", str(folder))
    nothing = foresite("diff", str(tmp_path / "elsewhere"))

    assert 0 == made.exit_code, made.output
    assert {path.relative_to(CONTRACT) for path in FILES} == {
        path.relative_to(folder) for path in folder.rglob("*.json") if path.stem != "line_painted"
    }
    assert (0, f"nothing that {folder} promises is lost\n") == (same.exit_code, same.stdout)
    assert (1, ["Card: colour: the field is gone", "line_painted: it is gone"]) == (
        other.exit_code,
        other.stdout.splitlines(),
    )
    assert isinstance(nothing.exception, UsageError)
    assert "foresite schemas export" in str(nothing.exception)


def test_one_good_body_of_each_topic_is_good_by_its_schema() -> None:
    bodies = [body for body in GOOD_OF_TOPIC.values() if "specversion" not in body]

    assert [] == [body for body in bodies if not schema_of(body["kind"]).is_valid(body)]
