"""What the twin hands to its shell for publishing: topic, key, body, and CloudEvents 1.0 binary-mode headers."""

from dataclasses import dataclass

from schemas.base import OutputModel


@dataclass(frozen=True, slots=True)
class Output:
    """One record to publish.

    Attributes:
        topic: name in schemas/topics.py, without prefix.
        key: record key.
        body: the whole document; None is a tombstone: the thing under the key is gone.
        output_id: derived from the causing fact; the CloudEvents id.
        time: CloudEvents time, RFC 3339, the shard's clock.
    """

    topic: str
    key: str
    body: OutputModel | None
    output_id: str
    time: str

    def value(self) -> bytes | None:
        """Bytes of the body; None for a tombstone."""
        return None if self.body is None else self.body.model_dump_json().encode()

    def headers(self) -> list[tuple[str, bytes]]:
        """CloudEvents binary-mode headers."""
        kind = "removed" if self.body is None else type(self.body).__name__
        return [
            ("ce_specversion", b"1.0"),
            ("ce_id", self.output_id.encode()),
            ("ce_source", b"/foresite/twin"),
            ("ce_type", f"foresite.{kind}.v1".encode()),
            ("ce_time", self.time.encode()),
            ("content-type", b"application/json"),
        ]
