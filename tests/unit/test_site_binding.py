"""A publisher that is bound to some sites cannot speak for others: neither in site_id nor in any other field."""

import base64
import json
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from schemas import TOPICS, BadRecord
from schemas.decode import decode_batch
from schemas.topics import COMMANDS, MACHINE_EVENTS, MASTER_DATA, ORDERS, PLANT_MODEL
from streams.batcher import Batch, BatchRules, IngestBatcher
from streams.routing import Router
from streams.settings import Settings
from streams.site_binding import (
    SITE_FIELDS,
    SiteBinding,
    bound_inputs,
    ingested_topics,
    not_authorised,
)
from tests.unit.broken_records import CUSTOMER, RUN, encoded
from tests.unit.test_batcher import Raw, count, written

LYON = "lyon." + MACHINE_EVENTS


def converted(*records: Raw, site_topics: dict[str, list[str]] | None = None, **rules: Any) -> Batch:
    bound = {"lyon.": ["lyon"]} if site_topics is None else site_topics
    return IngestBatcher(Router({}, 4), BatchRules(site_topics=bound, **rules)).convert(records)


def refusals(batch: Batch) -> list[tuple[str, str, str]]:
    return [(letter.code, letter.field_path, letter.source_topic) for letter in batch.dead_letters]


def accepted(batch: Batch) -> list[tuple[str, int]]:
    return sorted((topic, offset) for events in written(batch).values() for topic, _, offset, _, _ in events)


def test_an_event_for_another_site_is_refused_and_its_neighbours_pass() -> None:
    foreign = count("e1", "turin")
    batch = converted(
        Raw(LYON, 0, 5, count("e0", "lyon")), Raw(LYON, 0, 6, foreign), Raw(LYON, 0, 7, count("e2", "lyon"))
    )

    assert [(LYON, 5), (LYON, 7)] == accepted(batch)
    assert [("authorisation", "site_id", LYON)] == refusals(batch)
    (letter,) = batch.dead_letters
    assert foreign == base64.b64decode(letter.payload_base64)
    assert "this topic's publisher may speak for lyon, not for 'turin'" == letter.message
    assert {(LYON, 0): 8} == batch.next_offsets


def test_the_shared_topic_stays_open_to_all_sites() -> None:
    batch = converted(Raw(MACHINE_EVENTS, 0, 1, count("e", "turin")), Raw(LYON, 0, 1, count("e", "lyon")))

    assert [(LYON, 1), (MACHINE_EVENTS, 1)] == accepted(batch)  # two sources: each keeps its own positions


def test_in_an_array_each_event_is_judged_by_itself() -> None:
    array = b"[" + b",".join([count("e0", "lyon"), count("e1", "turin"), count("e2", "lyon")]) + b"]"

    batch = converted(Raw(LYON, 0, 3, array))

    assert [(0, "lyon"), (2, "lyon")] == [
        (index, event.site_id)
        for record in batch.facts
        for segment in record.facts.segments
        for (_, index), event in zip(segment.positions, segment.events, strict=True)
    ]
    assert [1] == [letter.index for letter in batch.dead_letters]


def test_what_concerns_every_site_needs_a_right_of_its_own() -> None:
    everywhere = encoded(CUSTOMER | {"site_id": "*"})
    topic = "lyon." + MASTER_DATA

    refused = converted(Raw(topic, 0, 0, everywhere))
    allowed = converted(Raw(topic, 0, 0, everywhere), site_topics={"lyon.": ["lyon", "*"]})

    assert [("authorisation", "site_id", topic)] == refusals(refused)
    assert [] == refusals(allowed)
    assert 4 == len(written(allowed))


def test_the_clock_is_not_a_site_s_to_drive() -> None:
    tick = encoded(
        {"kind": "clock_ticked", "event_id": "t", "event_time": "2026-01-05T06:00:00Z", "site_id": "*"}
    )
    topic = "lyon." + PLANT_MODEL

    assert [("authorisation", "site_id", topic)] == refusals(
        converted(Raw(topic, 0, 0, tick), clock="events")
    )


def test_an_order_of_another_site_is_named_by_its_field() -> None:
    pegs = [
        {"order_id": "O1", "quantity_pcs": 5},
        {"order_id": "O2", "quantity_pcs": 5, "order_site_id": "turin"},
    ]
    planned = encoded(RUN | {"site_id": "lyon", "pegs": pegs})
    topic = "lyon." + ORDERS

    assert [("authorisation", "pegs.1.order_site_id", topic)] == refusals(
        converted(Raw(topic, 0, 0, planned))
    )


def test_every_field_that_names_a_site_is_looked_at() -> None:
    """A field that is added later, and not looked at, would be a way round."""
    models = [model for topic in bound_inputs() for model in TOPICS[topic].types]

    assert set(SITE_FIELDS) == {path for model in models for path in site_fields(model)}


def site_fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Dotted paths of all fields, nested ones too, whose names say that they hold sites."""
    for name, info in model.model_fields.items():
        if name.endswith(("site_id", "site_ids")):
            yield prefix + name
        for nested in models_in(info.annotation):
            yield from site_fields(nested, f"{prefix}{name}.")


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def test_several_sites_are_all_looked_at() -> None:
    body = {"kind": "planning_group_upserted", "event_id": "g", "event_time": "2026-01-05T06:00:00Z"}
    text = json.dumps({**body, "site_id": "lyon", "group_id": "emea", "site_ids": ["lyon", "turin"]}).encode()
    ((_, event),) = decode_batch(PLANT_MODEL, [text])[0].items
    assert not isinstance(event, BadRecord)

    refused = not_authorised(event, frozenset({"lyon"}))

    assert refused is not None
    assert "site_ids.1" == refused.field_path
    assert not_authorised(event, frozenset({"lyon", "turin"})) is None


def test_nobody_is_bound_on_what_planners_decide() -> None:
    assert COMMANDS not in bound_inputs()
    assert "lyon." + COMMANDS not in ingested_topics({"lyon.": ["lyon"]})


def test_a_prefix_is_none_where_the_table_has_the_name() -> None:
    binding = SiteBinding({"mes.": ["lyon"]})

    assert (MACHINE_EVENTS, None) == binding.row_of(MACHINE_EVENTS)
    assert (MACHINE_EVENTS, frozenset({"lyon"})) == binding.row_of("mes." + MACHINE_EVENTS)


def test_no_bound_topic_is_called_as_one_of_the_table() -> None:
    prefixes = {name.partition(".")[0] + "." for name in TOPICS}
    settings = Settings(site_topics={prefix: ["lyon"] for prefix in prefixes})

    bound = [prefix + name for prefix in settings.site_topics for name in bound_inputs()]
    assert [] == [name for name in bound if name in TOPICS]
