"""The AsyncAPI 3.0 document: every topic with its keys, headers, bodies, partitions, retention, and who may do what.

It follows from the table of topics and the models; payloads are references to the JSON Schemas beside it.
"""

from importlib.metadata import version
from typing import Any, Final

from pydantic import BaseModel

from schemas import INPUT_TOPICS, TOPICS, Event, Topic
from schemas.json_schemas import first_words
from schemas.topics import DEAD_LETTERS, DEPLOY
from streams.facts_position import HEADER
from streams.site_binding import bound_inputs
from streams.sources import key_fields
from streams.topic_admin import topic_config

ASYNCAPI: Final = "3.0.0"
KAFKA_BINDING: Final = "0.5.0"

EVENT_FILE: Final = "events/{}.json"
DOCUMENT_FILE: Final = "documents/{}.json"

_WORDS: Final = """Foresite folds what MES, ERP and WMS say into cards: what is at risk, whose it is, until when, what it costs.

Inputs are received: a value is the JSON of one event, an array of events, or a structured CloudEvent 1.0. Fields that are
unknown are ignored and counted; what cannot be read is on ingest.dead-letters.v1. Partition by Java's murmur2 of the key.
Outputs are sent: read them with isolation.level=read_committed; a null value means that the thing under the key is gone;
ignore fields that you do not know; ce_id is the same for a document that comes again.

Fields in "x-key-fields" make the key, joined by "/" where they are several; in each, "%" is written %25 and "/" %2F.
An installation may put a prefix before all addresses (FORESITE_TOPIC_PREFIX)."""

_HEADERS: Final = {
    "ce_specversion": "CloudEvents, binary mode",
    "ce_id": "the document's output_id",
    "ce_source": "the role that wrote it",
    "ce_type": "foresite.<document>.v1; foresite.removed.v1 where the value is null",
    "ce_time": "as of when, RFC 3339",
    "content-type": "application/json",
}


def asyncapi_document() -> dict[str, Any]:
    """The document."""
    channels = {name: _channel(topic) for name, topic in TOPICS.items()}
    operations = {_operation_id(topic): _operation(topic) for topic in TOPICS.values() if _messages(topic)}
    messages = {key: _message(topic, model) for topic in TOPICS.values() for key, model in _messages(topic)}
    return {
        "asyncapi": ASYNCAPI,
        "id": "urn:foresite",
        "info": {
            "title": "Foresite",
            "version": version("foresite"),
            "description": _WORDS,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "protocolVersion": "4.1",
                "description": "The installation's Kafka. SASL and TLS are as its operator sets them up.",
                "variables": {"bootstrap": {"default": "localhost:9092", "description": "HOST:PORT"}},
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def _messages(topic: Topic) -> list[tuple[str, type[BaseModel]]]:
    """Name and model of each message of a topic; the internal ones are nobody's contract."""
    if topic.role == "internal":
        return []
    return [
        (str(model.model_fields["kind"].default) if topic.role == "input" else model.__name__, model)
        for model in topic.types
    ]


def _channel(topic: Topic) -> dict[str, Any]:
    is_internal = topic.role == "internal"
    holds = topic.holds if not is_internal else f"{topic.holds}. Internal: its records may change at any time"
    config = topic_config(topic)
    return {
        "address": topic.name,
        "title": topic.name,
        "description": f"{holds}. Keyed by {topic.key}.",
        "messages": {key: {"$ref": f"#/components/messages/{key}"} for key, _ in _messages(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                **({} if topic.partitions is None else {"partitions": topic.partitions}),
                "topicConfiguration": {
                    name: [value] if name == "cleanup.policy" else _number(value)
                    for name, value in config.items()
                },
                "bindingVersion": KAFKA_BINDING,
            }
        },
        "x-role": topic.role,
        "x-key": topic.key,
        "x-partitions": "FORESITE_FACTS_PARTITIONS" if topic.partitions is None else topic.partitions,
        "x-writers": list(topic.writers),
        "x-readers": sorted({*topic.readers, DEPLOY}),
        "x-may-be-bound-to-sites": topic.name in bound_inputs(),
    }


def _operation_id(topic: Topic) -> str:
    return f"{_action(topic)}.{topic.name}"


def _action(topic: Topic) -> str:
    return "receive" if topic.name in INPUT_TOPICS else "send"


def _operation(topic: Topic) -> dict[str, Any]:
    return {
        "action": _action(topic),
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": topic.holds,
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{key}"} for key, _ in _messages(topic)],
    }


def _message(topic: Topic, model: type[BaseModel]) -> dict[str, Any]:
    is_input = topic.role == "input"
    key = str(model.model_fields["kind"].default) if is_input else model.__name__
    file = (EVENT_FILE if is_input else DOCUMENT_FILE).format(key)
    made: dict[str, Any] = {
        "name": key,
        "title": key,
        "summary": first_words(model),
        "contentType": "application/json",
        "payload": {"$ref": f"./{file}"},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": topic.key},
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }
    if is_input:
        assert issubclass(model, Event), f"{key} is an input"
        made["x-key-fields"] = list(key_fields(model))
    elif topic.name != DEAD_LETTERS:
        made["headers"] = _headers(topic)
    return made


def _headers(topic: Topic) -> dict[str, Any]:
    properties = {name: {"type": "string", "description": words} for name, words in _HEADERS.items()}
    if "twin" in topic.writers:
        words = "partition/offset of the record of twin.facts.v1 that it follows from"
        properties[HEADER] = {"type": "string", "pattern": "^[0-9]+/[0-9]+$", "description": words}
    return {"type": "object", "properties": properties, "required": list(_HEADERS)}


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)
