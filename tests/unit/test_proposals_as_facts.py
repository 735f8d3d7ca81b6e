"""The solver's answers on their way in: by topic, through ingest's batcher, as facts, and back out of documents."""

from typing import Any, get_args

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from schemas import Facts, Proposal, Quote, QuotePosition, decode_facts
from schemas.decode import decode_batch
from schemas.topics import COMMANDS, PROPOSALS
from streams.batcher import BatchRules, IngestBatcher
from streams.routing import Router, facts_partition
from tests.folding import at
from tests.proposing import ask, hold, overtime, proposal, reroute, two_lines
from tests.unit.test_batcher import Raw


def full() -> Proposal:
    """A proposal that has everything, unknown money and orders without a date included."""
    place = QuotePosition(rank=1, site_id="S1", line_id="L1", position=0, start_at=at(0, "10:00"), end_at=at(0, "12:00"), slip_h=0.0, added_cost=1.0, added_setup_min=0.0, harmed=[])  # fmt: skip
    quote = Quote(item_id="red", quantity_pcs=200.0, due_at=at(1, "12:00"), positions=[place])
    unknown = reroute("B").model_copy(
        update={"per_order": [reroute().per_order[0].model_copy(update={"ships_before": None})]}
    )
    return proposal(ask(two_lines()), 1, hold(), reroute(), overtime(), unknown, quote=quote)


def test_a_proposal_comes_through_ingest_as_it_was_and_goes_to_its_site_s_partition() -> None:
    made = full()
    batcher = IngestBatcher(Router({"emea": ["S1", "S2"]}, 4), BatchRules())
    body = made.model_dump_json().encode()
    batch = batcher.convert([Raw(PROPOSALS, 0, 7, body), Raw(PROPOSALS, 0, 8, None)])
    [record] = batch.facts
    [segment] = decode_facts(record.value).segments

    assert [] == batch.dead_letters
    assert facts_partition("emea", 4) == record.partition
    assert ([(7, 0)], [made]) == (segment.positions, segment.events)
    assert {(PROPOSALS, 0): 9} == batch.next_offsets
    assert 1 == batch.outcomes[PROPOSALS, "tombstone"]


def test_an_answer_of_megabytes_comes_back_as_a_fact() -> None:
    """Of inputs a megabyte is the limit; an answer is ours, and may be as large as a fact: else the twin never has it."""
    wordy = hold().model_copy(update={"sacrifices": ["x" * 500_000] * 5})
    made = proposal(ask(two_lines()), 1, wordy, is_final=True)
    body = made.model_dump_json().encode()
    batcher = IngestBatcher(Router({}, 4), BatchRules(record_bytes=7_998_000))
    batch = batcher.convert([Raw(PROPOSALS, 0, 7, body), Raw(COMMANDS, 0, 0, body)])

    assert len(body) > 2_500_000
    assert [[made]] == [segment.events for record in batch.facts for segment in record.facts.segments]
    assert [(COMMANDS, "size")] == [(letter.source_topic, letter.code) for letter in batch.dead_letters]


def test_an_answer_that_no_fact_holds_is_a_dead_letter() -> None:
    wordy = hold().model_copy(update={"sacrifices": ["x" * 500_000] * 5})
    body = proposal(ask(two_lines()), 1, wordy).model_dump_json().encode()
    batch = IngestBatcher(Router({}, 4), BatchRules()).convert([Raw(PROPOSALS, 0, 7, body)])

    assert ([], ["size"]) == (batch.facts, [letter.code for letter in batch.dead_letters])


def test_what_a_solver_answers_stands_before_what_people_say_of_it_at_the_same_moment() -> None:
    said = b'{"kind":"proposal_reject","event_id":"e","event_time":"2026-03-02T08:00:00Z","site_id":"S1","command_id":"c","actor":"sue","proposal_id":"P1"}'
    batcher = IngestBatcher(Router({}, 4), BatchRules())
    batch = batcher.convert(
        [Raw(COMMANDS, 0, 0, said), Raw(PROPOSALS, 0, 0, full().model_dump_json().encode())]
    )
    [record] = batch.facts

    assert [PROPOSALS, COMMANDS] == [segment.topic for segment in record.facts.segments]


def test_a_proposal_of_another_shape_is_a_dead_letter_and_its_neighbour_arrives() -> None:
    good = full().model_dump_json().encode()
    broken, fine = decode_batch(PROPOSALS, [b'{"kind":"proposal_made"}', good])

    assert ["schema"] == [verdict.code.value for _, verdict in broken.items]  # type: ignore[union-attr]
    assert [(0, full())] == fine.items
    assert 0 == fine.unknown_fields


def test_facts_are_written_and_read_as_the_same_thing() -> None:
    facts = Facts.model_validate(
        {
            "group_id": "S1",
            "segments": [{"topic": PROPOSALS, "partition": 0, "positions": [(0, 0)], "events": [full()]}],
        }
    )

    assert facts == decode_facts(facts.encode())


def models_in(model: type[BaseModel], found: dict[type[BaseModel], None]) -> dict[type[BaseModel], None]:
    if model not in found:
        found[model] = None
        for info in model.model_fields.values():
            for part in _parts(info.annotation):
                if isinstance(part, type) and issubclass(part, BaseModel):
                    models_in(part, found)
    return found


def _parts(annotation: Any) -> list[Any]:
    return [annotation, *(part for argument in get_args(annotation) for part in _parts(argument))]


@pytest.mark.parametrize("model", models_in(Proposal, {}))
def test_what_may_be_none_need_not_be_said(model: type[BaseModel]) -> None:
    """Facts leave out what is None: a field that is None and required would be written and never be read again."""
    required = [
        name
        for name, info in model.model_fields.items()
        if type(None) in _parts(info.annotation) and info.default is PydanticUndefined
    ]

    assert [] == required
