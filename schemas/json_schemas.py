"""JSON Schema (2020-12) of everything that crosses a topic, out of the models and their docstrings.

Law: a schema accepts every body that the model accepts. What a schema cannot say (an end after its start, a bad count
above the inspected one) ingest judges all the same, so a body may be good by its schema and still be a dead letter.
"""

import inspect
import re
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from schemas.base import Event
from schemas.field_words import field_words
from schemas.topics import INPUT_TOPICS, TOPICS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_NEXT_FIELDS: Final = re.compile(r"[;.] ([a-z0-9_]+(?:, [a-z0-9_]+)*): ")

MAJOR: Final = 1
"""Major version of all bodies, as in the names of topics."""


def event_schemas() -> dict[str, JsonSchemaValue]:
    """Input kind -> the schema of its body: what whoever writes it must keep."""
    return {
        str(model.model_fields["kind"].default): _schema(
            model, f"event:{model.model_fields['kind'].default}", "validation"
        )
        for name in INPUT_TOPICS
        for model in TOPICS[name].types
    }


def document_schemas() -> dict[str, JsonSchemaValue]:
    """Name of a document on an output topic -> its schema: what whoever reads it may rely on."""
    return {
        model.__name__: _schema(model, f"document:{model.__name__}", "serialization")
        for topic in TOPICS.values()
        if topic.role == "output"
        for model in topic.types
    }


def first_words(model: type[BaseModel]) -> str:
    """What a model's docstring says before its attributes."""
    return " ".join((inspect.getdoc(model) or "").partition("\nAttributes:")[0].split())


def _schema(
    model: type[BaseModel], name: str, mode: Literal["validation", "serialization"]
) -> JsonSchemaValue:
    schema = model.model_json_schema(schema_generator=_WithWords, mode=mode)
    head = {"$schema": DIALECT, "$id": f"urn:foresite:{name}:{MAJOR}", "title": name.partition(":")[2]}
    return head | schema


def _words_of_each(model: type[BaseModel]) -> dict[str, str]:
    """Field -> its words; where a sentence of a docstring goes on to further fields, each gets its part."""
    words: dict[str, str] = {}
    for name, text in field_words(model).items():
        plain = " ".join(text.split())
        names, begin = [name], 0
        for found in _NEXT_FIELDS.finditer(plain):
            others = found[1].split(", ")
            if not set(others) <= model.model_fields.keys():
                continue
            words |= dict.fromkeys(names, plain[begin : found.start()])
            names, begin = others, found.end()
        words |= dict.fromkeys(names, plain[begin:])
    return words


class _WithWords(GenerateJsonSchema):
    """Pydantic's schema with the meanings of fields, and without what a reader must not rely on."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never: a title would only repeat the name."""
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:
        """Outputs are written whole, defaults included."""
        return self.mode == "serialization" or super().field_is_required(field, total)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """A default says what a missing field of an input means; of an output none is missing."""
        made = super().default_schema(schema)
        if self.mode == "serialization":
            made.pop("default", None)
        return made

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """The words of the docstring; and unknown fields are to be ignored, in outputs too: later versions add some."""
        made = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        made.pop("additionalProperties", None)
        made.pop("title", None)
        made["description"] = first_words(model)
        words = _words_of_each(model)
        for name, field in made.get("properties", {}).items():
            if name in words:
                field["description"] = words[name]
        if issubclass(
            model, Event
        ):  # the kind has a default in Python only: without it nobody knows what a body is
            made["required"] = sorted({"kind", *made.get("required", ())}, key=list(made["properties"]).index)
        return made
