"""Looks at each audit record as it is read: whether it is as it was written, and fits its neighbours in the chain."""

from collections import OrderedDict

import orjson

from schemas.audit_chain import record_hash

RECORDS_KEPT = 20_000
"""Records that later ones are held against. A chain lies over all partitions of the topic, which are read side by side.
Too small: a neighbour that is read late is not compared. Too large: memory, some 300 bytes each."""


class AuditWatch:
    """Counts records that break their chain. What is missing only `foresite audit verify` can tell, which reads all.

    Attributes:
        breaks: counted since somebody last set it to 0.
    """

    def __init__(self) -> None:
        self.breaks = 0
        self._links: OrderedDict[tuple[str, int], tuple[str, str]] = OrderedDict()

    def take(self, value: bytes) -> str | None:
        """Look at a record; says what is wrong with it, None where nothing is."""
        body = orjson.loads(value)
        writer, sequence = body.get("writer"), body.get("sequence")
        if writer is None:  # of a version without chains
            return None
        link = str(body.get("previous")), str(body.get("hash"))
        wrong = self._wrong(writer, sequence, link, record_hash(body))
        self._links.setdefault((writer, sequence), link)
        if len(self._links) > RECORDS_KEPT:
            self._links.popitem(last=False)
        self.breaks += wrong is not None
        return wrong

    def _wrong(self, writer: str, sequence: int, link: tuple[str, str], digest: str) -> str | None:
        if link[1] != digest:
            return f"record {sequence} of {writer} is not as it was written"
        if self._links.get((writer, sequence), link) != link:
            return f"record {sequence} of {writer} is there twice, and differs"
        before, after = self._links.get((writer, sequence - 1)), self._links.get((writer, sequence + 1))
        if (before is not None and before[1] != link[0]) or (after is not None and after[0] != link[1]):
            return f"record {sequence} of {writer} does not fit its neighbours in the chain"
        return None
