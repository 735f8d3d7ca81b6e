"""The chain of audit records: what was written is what is read, and each way of tampering is found and named."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from schemas import AuditRecord, topics
from schemas.audit_chain import AuditHead, chained, record_hash, site_writer
from streams.audit import AuditReport, Entry, check
from tests.folding import at
from tests.unit.test_desk import command, held_line, the_card
from twin import Twin

WRITER = "site/S1"


def record(number: int) -> AuditRecord:
    return AuditRecord(
        output_id=f"o{number}",
        target_id=f"card-{number % 2}",
        action="card_start",
        actor="sue",
        command_id=f"c{number}",
        revision=number,
        at=datetime(2026, 1, 5, 8, number, tzinfo=UTC),
        details={"outcome": "accepted", "said": {"expected_duration_min": 30.0, "note": "später"}},
    )


def entry(offset: int, linked: AuditRecord, partition: int | None = None) -> Entry:
    body = orjson.loads(linked.model_dump_json())
    return Entry(
        int(linked.target_id[-1]) if partition is None else partition, offset, linked.target_id, body
    )


def written(count: int) -> tuple[list[Entry], AuditHead]:
    """Records of one chain over two partitions, as Kafka gives them: partition by partition."""
    head, entries = AuditHead(), []
    for number in range(1, count + 1):
        linked, head = chained(record(number), WRITER, head)
        entries.append(entry(number, linked))
    return sorted(entries, key=lambda each: (each.partition, each.offset)), head


def judged(entries: list[Entry], head: AuditHead, kept: AuditHead | None = None) -> AuditReport:
    heads = {WRITER: head}
    return check(entries, heads, heads, {} if kept is None else {WRITER: kept})


def place_of(entries: list[Entry], number: int) -> int:
    return next(place for place, each in enumerate(entries) if each.body["sequence"] == number)


def changed(old: Entry, **fields: Any) -> Entry:
    return Entry(old.partition, old.offset, old.key, {**old.body, **fields})


def rehashed(old: Entry, **fields: Any) -> Entry:
    body = {**old.body, **fields}
    return Entry(old.partition, old.offset, old.key, {**body, "hash": record_hash(body)})


def test_a_chain_as_it_was_written_is_sound() -> None:
    entries, head = written(6)

    report = judged(entries, head, kept=head)

    assert ([], 6, 6, 0, 1) == (
        report.findings,
        report.records,
        report.chained,
        report.unchained,
        report.writers,
    )


def test_an_edit_is_found() -> None:
    entries, head = written(4)
    place = place_of(entries, 2)
    entries[place] = changed(entries[place], actor="mallory")

    assert [
        "twin.audit.v1/0 offset 2 (site/S1 number 2, card_start by mallory) was changed: its hash does not fit"
    ] == judged(entries, head).findings


def test_an_edit_with_its_own_hash_made_anew_is_found_by_the_next_record() -> None:
    entries, head = written(4)
    place = place_of(entries, 2)
    entries[place] = rehashed(entries[place], actor="mallory")

    assert [
        (
            "twin.audit.v1/1 offset 3 (site/S1 number 3) does not follow number 2 at twin.audit.v1/0 offset 2: "
            "one of the two was replaced"
        )
    ] == judged(entries, head).findings


def test_an_edit_of_the_last_one_is_found_by_the_head() -> None:
    entries, head = written(4)
    place = place_of(entries, 4)
    entries[place] = rehashed(entries[place], actor="mallory")

    assert [
        "twin.audit.v1/0 offset 4 (site/S1 number 4) is not the record that the twin's state knows: replaced"
    ] == judged(entries, head).findings


def test_a_removal_is_found() -> None:
    entries, head = written(6)
    left = [each for each in entries if each.body["sequence"] not in (2, 3)]

    assert ["site/S1: numbers 2 to 3 missing before twin.audit.v1/0 offset 4 (number 4): removed"] == judged(
        left, head
    ).findings


def test_a_cut_tail_is_found() -> None:
    entries, head = written(6)
    left = [each for each in entries if each.body["sequence"] < 5]

    assert ["site/S1: ends at number 4, the twin's state at 6: the last ones were cut off"] == judged(
        left, head
    ).findings


def test_a_chain_that_is_gone_altogether_is_found() -> None:
    _, head = written(3)

    assert ["site/S1: ends at number 0, the twin's state at 3: the last ones were cut off"] == judged(
        [], head
    ).findings


def test_two_that_changed_places_are_found() -> None:
    entries, head = written(4)
    first, second = entries[0], entries[1]  # numbers 2 and 4, both in partition 0
    entries[:2] = [
        Entry(0, first.offset, second.key, second.body),
        Entry(0, second.offset, first.key, first.body),
    ]

    assert [
        (
            "twin.audit.v1/0 offset 4 (site/S1 number 2, card_start by sue) stands behind a later one of its chain: "
            "inserted, or out of order"
        )
    ] == judged(entries, head).findings


def test_one_that_was_inserted_in_the_middle_is_found() -> None:
    entries, head = written(4)
    forged = rehashed(entries[0], actor="mallory")
    entries.insert(1, Entry(0, 99, forged.key, forged.body))

    found = judged(entries, head).findings

    assert any("twin.audit.v1/0 offset 99" in each and "one was inserted" in each for each in found)


def test_one_that_was_put_at_the_end_is_found() -> None:
    entries, head = written(4)
    forged, _ = chained(record(5), WRITER, head)
    entries.append(entry(50, forged))

    assert [
        "twin.audit.v1/1 offset 50 (site/S1 number 5) was inserted: the twin's state ends at number 4"
    ] == judged(entries, head).findings


def test_one_under_another_key_is_found() -> None:
    entries, head = written(2)
    entries[0] = Entry(entries[0].partition, entries[0].offset, "card-9", entries[0].body)

    assert ["twin.audit.v1/0 offset 2 has the key 'card-9', but is about 'card-0'"] == judged(
        entries, head
    ).findings


def test_a_chain_written_anew_with_its_head_is_found_by_heads_kept_elsewhere() -> None:
    _, kept = written(3)
    head, forged = AuditHead(), []
    for number in range(1, 6):
        linked, head = chained(record(number).model_copy(update={"actor": "mallory"}), WRITER, head)
        forged.append(entry(number, linked))
    forged.sort(key=lambda each: (each.partition, each.offset))

    assert [] == judged(forged, head).findings
    assert [
        "twin.audit.v1/1 offset 3 (site/S1 number 3) is not the record that the heads kept elsewhere knows: replaced"
    ] == judged(forged, head, kept=kept).findings


def test_what_is_no_record_is_named() -> None:
    entries, head = written(1)

    found = judged([*entries, Entry(3, 7, "x", {})], head).findings

    assert ["twin.audit.v1/3 offset 7 cannot be read as an audit record"] == found


def test_records_of_versions_without_chains_are_told_as_such() -> None:
    old = orjson.loads(record(1).model_dump_json(exclude={"writer", "sequence", "previous", "hash"}))
    entries, head = written(2)

    report = judged([Entry(1, 0, "card-1", old), *entries], head)

    assert ([], 1, 2) == (report.findings, report.unchained, report.chained)


def test_a_running_twin_may_write_more_while_we_read() -> None:
    entries, after = written(5)
    _, before = written(3)

    assert check(entries, {WRITER: before}, {WRITER: after}, {}).is_sound


def test_the_hash_covers_each_field() -> None:
    linked, _ = chained(record(1), WRITER, AuditHead())
    body = orjson.loads(linked.model_dump_json())

    same = [name for name in body if name != "hash" and record_hash({**body, name: "x"}) == linked.hash]

    assert ([], linked.hash) == (same, record_hash(body))


def test_the_form_that_is_hashed_does_not_change() -> None:
    """These digits are data: with another form every chain that was written before would seem forged."""
    linked, _ = chained(record(1), WRITER, AuditHead())

    assert "d2e418b169e11b306ba302d21596f6f709d972cebecc19ac9fef62610c08f56e" == linked.hash


# The twin ---------------------------------------------------------------------------------------------------------


def test_the_twin_chains_what_is_decided_about_a_site_carried_out_or_not() -> None:
    folded = held_line()
    for number, kind in enumerate(("card_start", "card_start", "card_acknowledge")):
        folded.tell(command(kind, the_card(folded), at(0, f"08:0{number + 2}")))

    audited = folded.on(topics.AUDIT)

    assert [(1, "accepted"), (2, "rejected"), (3, "rejected")] == [
        (each.sequence, each.details["outcome"]) for each in audited
    ]
    assert [audited[0].hash, audited[1].hash] == [each.previous for each in audited[1:]]
    assert {site_writer(audited[0].target_id.split("/")[1])} == {each.writer for each in audited}


@pytest.mark.parametrize("restored_after", [1, 2])
def test_the_chain_goes_on_after_a_restore(restored_after: int) -> None:
    kept, again = held_line(), held_line()
    for number in range(3):
        if number == restored_after:
            again.twin = Twin.restore(again.twin.header(), again.documents)
        said = command("card_start", the_card(kept), at(0, f"08:0{number + 2}"))
        kept.tell(said)
        again.tell(said)

    assert [each.hash for each in kept.on(topics.AUDIT)] == [each.hash for each in again.on(topics.AUDIT)]
