"""The documents of a shard: what changed since the last commit, and a digest over all of them.

Only this file knows how entities become bytes. The digest is commutative (a sum of one hash per document), so it
costs what changed, not what exists, and does not depend on the order of changes.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Protocol

_MODULUS = 1 << 128


class Document(Protocol):
    """An entity that can be written down."""

    def encode(self) -> bytes:
        """The document's bytes; equal state gives equal bytes."""
        ...


class DocumentStore:
    """Collects changed entities by key and keeps count and digest of all documents."""

    def __init__(self) -> None:
        self._changed: dict[str, Document | None] = {}
        self._hashes: dict[str, int] = {}
        self._sum = 0

    def __len__(self) -> int:
        """Number of documents, changes not yet taken left out."""
        return len(self._hashes)

    def put(self, key: str, document: Document) -> None:
        """Note that the document under the key changed; it is encoded when the changes are taken."""
        self._changed[key] = document

    def remove(self, key: str) -> None:
        """Note that the document under the key is gone."""
        self._changed[key] = None

    def take(self) -> dict[str, bytes | None]:
        """Bytes of every document changed since the last call; None for a removed one.

        A document whose bytes did not change is left out, and so is one that came and went in between.
        """
        changes: dict[str, bytes | None] = {}
        for key, document in self._changed.items():
            before = self._hashes.get(key)
            if document is None:
                if before is not None:
                    changes[key] = None
                    del self._hashes[key]
                    self._sum -= before
                continue
            value = document.encode()
            after = _hash(key, value)
            if after != before:
                changes[key] = value
                self._hashes[key] = after
                self._sum += after - (before or 0)
        self._changed.clear()
        return changes

    def adopt(self, documents: Mapping[str, bytes]) -> None:
        """Start from documents that are already written; nothing counts as changed."""
        self._changed.clear()
        self._hashes = {key: _hash(key, value) for key, value in documents.items()}
        self._sum = sum(self._hashes.values())

    def digest(self, header: bytes) -> str:
        """128 bits in hex over all documents taken so far and the header."""
        return f"{(self._sum + _hash('', header)) % _MODULUS:032x}"


def digest_of(header: bytes, documents: Mapping[str, bytes]) -> str:
    """The digest of a store that holds these documents."""
    total = sum(_hash(key, value) for key, value in documents.items())
    return f"{(total + _hash('', header)) % _MODULUS:032x}"


def _hash(key: str, value: bytes) -> int:
    # The length keeps key and value apart: "a" + "bc" is not "ab" + "c".
    return int.from_bytes(blake2b(b"%d/%s%s" % (len(key), key.encode(), value), digest_size=16).digest())
