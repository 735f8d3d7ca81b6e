"""Mutated records never get further than they may: tests/fuzzing says how, `make fuzz` runs a million of them."""

import os
from random import Random

import pytest

from schemas import FactsCorrupt, ReasonCode, decode_facts
from schemas.decode import decode_batch
from schemas.errors import StateCorrupt
from schemas.topics import INGESTED_TOPICS
from streams.batcher import BatchRules, IngestBatcher
from streams.routing import Router
from streams.state_topic import Manifest
from tests.fuzzing.corpus import corpus
from tests.fuzzing.fuzz import Fuzzer, RawRecord
from tests.fuzzing.mutations import mutated

RECORDS = int(os.environ.get("FUZZED_RECORDS", "5000"))
"""Of each of the seeds below."""


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_mutated_record_is_accepted_or_a_dead_letter_and_never_more(seed: int) -> None:
    report = Fuzzer(seed).run(RECORDS)

    assert [] == report.failures, f"make fuzz RECORDS={RECORDS} SEED={seed}\n{report}"
    met = set(report.verdicts)
    assert {"accepted", "parse", "schema", "version", "range", "time", "depth"} <= met
    assert met <= {*ReasonCode, "accepted", "tombstone", "empty array"}
    assert report.events_folded > RECORDS / 10
    assert sum(report.rejections.values()) < report.events_folded


def test_the_corpus_has_every_kind_and_all_of_it_is_accepted() -> None:
    for topic in INGESTED_TOPICS:
        verdicts = [
            verdict for decoded in decode_batch(topic, corpus()[topic]) for _, verdict in decoded.items
        ]

        assert [] == [verdict for verdict in verdicts if isinstance(verdict, Exception)]


def test_a_fuzzer_that_meets_an_exception_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that raises, or that loses a body, is found and told with the record that does it."""
    fuzzer = Fuzzer(1)
    convert = fuzzer._batcher.convert

    def losing(records: list[RawRecord]) -> object:
        batch = convert(records)
        del batch.dead_letters[:1]
        return batch

    monkeypatch.setattr(IngestBatcher, "convert", lambda _self, records: losing(records))
    report = fuzzer.run(50)

    assert "neither accepted nor refused" in report.failures[0]


def facts_records(random: Random) -> list[bytes]:
    """What ingest writes for a stretch of the corpus."""
    records = [
        RawRecord(topic, offset, body)
        for topic in INGESTED_TOPICS
        for offset, body in enumerate(random.sample(corpus()[topic], 6))
    ]
    batcher = IngestBatcher(Router({}, 1), BatchRules(batch_events=5, clock="events"))
    return [record.value for record in batcher.convert(records).facts]


def test_facts_that_are_not_ours_stop_loudly_and_in_no_other_way() -> None:
    """The log of facts is our own: there is no dead letter for it, and nothing of it may be guessed."""
    random = Random(7)
    originals = facts_records(random)
    refused: list[str] = []
    for _ in range(4_000):
        _, value = mutated(random.choice(originals), random.choice(originals), random)
        try:
            decode_facts(value)
        except FactsCorrupt as error:
            refused.append(str(error))

    assert len(refused) > 2_000
    assert max(map(len, refused)) < 400, "a message is no place for payloads"


def test_a_manifest_that_is_not_ours_stops_loudly_and_in_no_other_way() -> None:
    random = Random(8)
    original = Manifest(7, "1-0", 4, "{}", 1, "0.1", 3, "00").encode()
    refused = 0
    for _ in range(3_000):
        _, value = mutated(original, original, random)
        try:
            manifest = Manifest.decode(value)
        except StateCorrupt:
            refused += 1
        else:
            types = [type(getattr(manifest, name)) for name in ("facts_offset", "digest", "schema_version")]
            assert [int, str, int] == types
    assert refused > 1_000
