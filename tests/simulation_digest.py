"""Folds the Line 3 week and prints what came out, to be compared between processes."""

from datetime import UTC, datetime
from hashlib import sha256

from schemas import Facts
from streams.simulator.line3 import line3_events
from tests.folding import Folded, segment_of, wire


def main() -> None:
    """Print digest, documents and outputs of the fold."""
    folded = Folded()
    for number, event in enumerate(line3_events(until=datetime(2026, 11, 20, tzinfo=UTC))):
        folded.fold(Facts(group_id=event.site_id, segments=[segment_of("story", number, event)]))
    print(folded.twin.digest, folded.twin.document_count)
    print(sha256(repr(wire(folded.outputs)).encode()).hexdigest())
    print(sha256(repr(sorted(folded.documents.items())).encode()).hexdigest())
