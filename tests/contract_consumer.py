"""A reader of cards that knows docs/schemas and Kafka, and nothing else of Foresite: no module of it is imported.

python contract_consumer.py FOLDER BOOTSTRAP [PREFIX]    prints one line of JSON for each card, as it last stood
"""

import json
import sys
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from jsonschema import Draft202012Validator

WAIT_S = 30.0


def read(path: Path) -> Any:
    """A document of the contract."""
    return json.loads(path.read_text("utf-8"))


def followed(folder: Path, root: Any, reference: str) -> Any:
    """What a reference leads to: within the document, or a file beside it."""
    file, _, pointer = reference.partition("#")
    found = read(folder / file) if file else root
    for part in pointer.split("/")[1:]:
        found = found[part]
    return found


class Topic:
    """What the contract says of the topic on which a document is sent."""

    def __init__(self, folder: Path, document: str) -> None:
        contract = read(folder / "asyncapi.json")
        [operation] = [
            each
            for each in contract["operations"].values()
            if each["action"] == "send"
            and any(ref["$ref"].endswith(f"/{document}") for ref in each["messages"])
        ]
        channel = followed(folder, contract, operation["channel"]["$ref"])
        message = followed(folder, contract, channel["messages"][document]["$ref"])
        self.address: str = channel["address"]
        self.key: str = channel["x-key"]
        self.is_compacted = channel["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"] == [
            "compact"
        ]
        self.body = Draft202012Validator(followed(folder, contract, message["payload"]["$ref"]))
        self.headers = Draft202012Validator(message["headers"])


def last_words(topic: Topic, bootstrap: str, prefix: str) -> dict[str, Any]:
    """Key -> the newest document under it, each held to its schema."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "foresite-reader-contract",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    name = prefix + topic.address
    found: dict[str, Any] = {}
    try:
        partitions = set(consumer.list_topics(name, timeout=WAIT_S).topics[name].partitions)
        consumer.assign([TopicPartition(name, partition, OFFSET_BEGINNING) for partition in partitions])
        while partitions:
            record = consumer.poll(WAIT_S)
            assert record is not None, "no answer from Kafka"
            error = record.error()
            if error is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                partitions.discard(record.partition())
                continue
            pairs: Any = record.headers() or []
            topic.headers.validate({header: value.decode() for header, value in pairs})
            key = (record.key() or b"").decode()
            value = record.value()
            if value is None:
                found.pop(key, None)
                continue
            body = json.loads(value)
            topic.body.validate(body)
            assert body[topic.key] == key
            found[key] = body
    finally:
        consumer.close()
    return found


def main() -> None:
    """Print the cards."""
    folder, bootstrap, prefix = Path(sys.argv[1]), sys.argv[2], (sys.argv[3:] or [""])[0]
    topic = Topic(folder, "Card")
    assert topic.is_compacted
    for card in last_words(topic, bootstrap, prefix).values():
        line = {name: card[name] for name in ("card_id", "title", "severity", "deadline")}
        sys.stdout.write(json.dumps({**line, "owner": card["owner"]["name"]}) + "\n")
    ours = {"schemas", "twin", "streams", "solvers"} & set(sys.modules)
    assert not ours, f"it knows {ours}"


if __name__ == "__main__":
    main()
