"""The chain of the audit records: each carries the hash of the one before it, so that tampering shows.

Law: a writer numbers its records from 1 without a gap. The hash of a record covers everything that stands in it, its
number and the hash before it included. Where the chain ends is kept apart from the records: in the twin's state, which
commits with them, and wherever people put `foresite audit heads`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from schemas.outputs import AuditRecord

BEFORE_THE_FIRST = "0" * 64
"""Stands where the first record of a writer names the hash before it."""


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The end of a writer's chain.

    Attributes:
        sequence: of its last record; 0 before the first.
        hash: of its last record.
    """

    sequence: int = 0
    hash: str = BEFORE_THE_FIRST


def site_writer(site_id: str) -> str:
    """The chain that holds what was decided about a site."""
    return f"site/{site_id}"


def operator_writer(partition: int) -> str:
    """The chain that holds what operators did to a partition of the facts."""
    return f"operator/{partition}"


def chained(record: AuditRecord, writer: str, head: AuditHead) -> tuple[AuditRecord, AuditHead]:
    """The record as the next one of a writer's chain, and where the chain ends then.

    Args:
        record: what was done, not chained yet.
        writer: whose chain.
        head: where it ends now.
    """
    linked = record.model_copy(
        update={"writer": writer, "sequence": head.sequence + 1, "previous": head.hash, "hash": None}
    )
    digest = record_hash(orjson.loads(linked.model_dump_json()))
    return linked.model_copy(update={"hash": digest}), AuditHead(head.sequence + 1, digest)


def record_hash(body: Mapping[str, Any]) -> str:
    """SHA-256 in hex over a record's JSON with sorted keys, no spaces, and without its own hash.

    Args:
        body: the record as it was read, whatever fields a later version may have added.
    """
    covered = {name: value for name, value in body.items() if name != "hash"}
    return sha256(orjson.dumps(covered, option=orjson.OPT_SORT_KEYS)).hexdigest()
