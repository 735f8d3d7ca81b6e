"""The demo's broker as a process of its own: says where it listens, and ends when its standard input does."""

import json
import sys

from schemas import TOPICS
from streams.embedded_broker import EmbeddedBroker


def main() -> None:
    """Serve until the parent closes our standard input, or is gone."""
    with EmbeddedBroker() as broker:
        for topic in TOPICS:
            broker.create_topic(topic)
        sys.stdout.write(json.dumps({"bootstrap_servers": broker.bootstrap_servers}) + "\n")
        sys.stdout.flush()
        sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
