"""From documents back to a live model: everything as it was, and nothing counts as changed."""

from collections.abc import Mapping
from functools import partial

import msgspec

from schemas import (
    MODEL_OF_KIND,
    AreaUpserted,
    Card,
    Event,
    LineUpserted,
    OrderUpserted,
    OvertimeWindowUpserted,
    Proposal,
    RunPlanned,
    SiteUpserted,
    StationUpserted,
    join_key,
    split_key,
)
from schemas.audit_chain import AuditHead
from twin.cards.card_book import AsideDocument, AuditHeadDocument, SinceDocument
from twin.decisions.plan_book import Basis, Commitment, ProposalLife, SitePlan
from twin.decisions.plan_moves import RunMoves
from twin.forecast.experience import Experience, LineRecord
from twin.judges.risk import root_of
from twin.material.supply_documents import Arrivals, ItemSupply, UseAccount
from twin.quality.quality_documents import series_of
from twin.quality.quality_series import QualityHour, QualitySeries
from twin.replan.replan_book import ReplanMemory
from twin.shopfloor.elements import Period
from twin.shopfloor.stops import LineStops
from twin.state.dedupe import IdChunk, SequenceWindow
from twin.state.entities import (
    BucketHour,
    CommandNote,
    DriftDocument,
    LineState,
    OrderState,
    QueueDocument,
    SiteKey,
)
from twin.state.graph import Edge
from twin.state.model import Model
from twin.state.runs import RunProgress

Documents = Mapping[str, list[tuple[list[str], bytes]]]
"""Documents by type: the parts of their keys, and their bytes."""


def restore_model(model: Model, documents: Mapping[str, bytes]) -> None:
    """Take everything over from its documents; nothing counts as changed afterwards."""
    by_type: dict[str, list[tuple[list[str], bytes]]] = {}
    for key in sorted(documents):
        parts = split_key(key)
        by_type.setdefault(parts[1], []).append((parts, documents[key]))
    edges = [msgspec.json.decode(value, type=Edge) for _, value in by_type.pop("edge", [])]
    model.graph.restore(partial(_put_back, model, by_type), edges)
    model.store.adopt(documents)


def _put_back(model: Model, by_type: Documents) -> None:
    """Everything but the edges between entities."""
    for kind in [kind for kind in by_type if kind in MODEL_OF_KIND]:
        for parts, value in by_type[kind]:
            model.plant.restore(tuple(parts), value)
    for parts, value in by_type.get("line_state", []):
        model.line(parts[0], parts[2]).state = msgspec.json.decode(value, type=LineState)
    _restore_plant(model)
    progress = {
        (parts[0], parts[2]): msgspec.json.decode(value, type=RunProgress)
        for parts, value in by_type.get("run_progress", [])
    }
    for key, run in model.runs.items():
        run.progress = progress[key]
    _restore_lines(model, by_type)
    _restore_orders(model, by_type)
    _restore_supply(model, by_type)
    for parts, value in by_type.get("sequence", []):
        window = msgspec.json.decode(value, type=SequenceWindow)
        model.adopt_sequence((parts[0], parts[2], parts[3]), window, join_key(*parts))
    for parts, value in by_type.get("card", []):
        model.card_book.adopt((parts[2], parts[3], parts[0], parts[4]), Card.model_validate_json(value))
    for parts, value in by_type.get("absent", []):
        root = (parts[2], parts[3], parts[0], parts[4])
        model.card_book.adopt_absence(root, msgspec.json.decode(value, type=SinceDocument).since)
    for parts, value in by_type.get("suspect", []):
        root = (parts[2], parts[3], parts[0], parts[4])
        model.card_book.suspects[root] = msgspec.json.decode(value, type=SinceDocument).since
    for parts, value in by_type.get("aside", []):
        root = (parts[2], parts[3], parts[0], parts[4])
        model.card_book.aside[root] = msgspec.json.decode(value, type=AsideDocument)
    for parts, _ in by_type.get("held", []):
        model.card_book.held[parts[2], parts[3], parts[0], parts[4]] = None
    for parts, value in by_type.get("claim", []):
        claimed = MODEL_OF_KIND[parts[2]].model_validate_json(value)
        assert isinstance(claimed, Event)
        model.plant.adopt_claim((parts[0], *parts[2:-1]), claimed)
    for parts, value in by_type.get("command", []):
        model.card_book.commands[parts[0], parts[2]] = msgspec.json.decode(value, type=CommandNote)
    for parts, value in by_type.get("audit_head", []):
        found = msgspec.json.decode(value, type=AuditHeadDocument)
        model.card_book.audit_heads[parts[0]] = AuditHead(found.sequence, found.hash)
    for parts, value in by_type.get("replanning", []):
        model.replans.adopt(parts[0], msgspec.json.decode(value, type=ReplanMemory))
    for parts, value in by_type.get("run_moves", []):
        model.moves.adopt((parts[0], parts[2]), msgspec.json.decode(value, type=RunMoves))
    _restore_plan_book(model, by_type)


def _restore_plant(model: Model) -> None:
    for event in model.plant.of_type(SiteUpserted):
        model.links.site(event)
    for area in model.plant.of_type(AreaUpserted):
        model.links.area(area)
    for line_event in model.plant.of_type(LineUpserted):
        model.put_line(line_event)
    for station in model.plant.of_type(StationUpserted):
        model.links.station(station)
    for window in model.plant.of_type(OvertimeWindowUpserted):
        model.put_overtime(window)
    for run_event in model.plant.of_type(RunPlanned):
        model.put_run(run_event)
    for order_event in model.plant.of_type(OrderUpserted):
        model.put_order(order_event)


def _restore_lines(model: Model, by_type: Documents) -> None:
    for parts, value in by_type.get("record", []):
        model.line(parts[0], parts[2]).record = msgspec.json.decode(value, type=LineRecord)
    for parts, value in by_type.get("experience", []):
        model.experience[parts[0]] = msgspec.json.decode(value, type=Experience)
    for parts, value in by_type.get("drift", []):
        model.line(parts[0], parts[2]).drift = msgspec.json.decode(value, type=DriftDocument).state
    for parts, value in by_type.get("stops", []):
        model.line(parts[0], parts[2]).stops = msgspec.json.decode(value, type=LineStops)
    _restore_quality(model, by_type)
    for parts, value in by_type.get("bucket_hour", []):
        line = model.line(parts[0], parts[2])
        line.buckets.extend(msgspec.json.decode(value, type=BucketHour).buckets)
    for parts, value in by_type.get("shift", []):
        model.line(parts[0], parts[2]).periods.append(msgspec.json.decode(value, type=Period))
    chunks: dict[SiteKey, list[IdChunk]] = {}
    for parts, value in by_type.get("ids", []):
        chunks.setdefault((parts[0], parts[2]), []).append(msgspec.json.decode(value, type=IdChunk))
    for key, found in chunks.items():
        model.line(*key).ids.restore(found)
    for parts, value in by_type.get("queue", []):
        runs = QueueDocument.decode(value).runs
        model.line(parts[0], parts[2]).projected = {run.run_id: run for run in runs}
    for line in model.lines.values():
        line.buckets.sort(key=lambda bucket: bucket.start_s)
        line.periods.sort(key=lambda period: period.start_s)
        line.queue = None


def _restore_quality(model: Model, by_type: Documents) -> None:
    for parts, value in by_type.get("quality", []):
        line, key = model.line(parts[0], parts[2]), (parts[3], parts[4], parts[5])
        series_of(line, key).hot = msgspec.json.decode(value, type=QualitySeries)
    for parts, value in by_type.get("quality_hour", []):
        series = model.line(parts[0], parts[2]).quality.series[parts[3], parts[4], parts[5]]
        series.buckets.extend(msgspec.json.decode(value, type=QualityHour).buckets)
    for line in model.lines.values():
        for series in line.quality.series.values():
            series.buckets.sort(key=lambda bucket: bucket.start_s)
        line.quality.note_phases()


def _restore_orders(model: Model, by_type: Documents) -> None:
    for parts, value in by_type.get("order_state", []):
        order = model.orders[parts[0], parts[2]]
        order.state = msgspec.json.decode(value, type=OrderState)
        if order.state.root is not None:
            key = (order.site_id, order.order_id)
            model.members.setdefault(root_of(order.state.root), {})[key] = None


def _restore_supply(model: Model, by_type: Documents) -> None:
    """Stock and receipts are events of the plant; what runs used and what follows are documents of their own."""
    model.supply.restore(
        items={
            (parts[0], parts[2]): msgspec.json.decode(value, type=ItemSupply)
            for parts, value in by_type.get("supply", [])
        },
        accounts={
            (parts[0], parts[2], parts[3]): msgspec.json.decode(value, type=UseAccount)
            for parts, value in by_type.get("material_use", [])
        },
        arrivals={
            (parts[0], parts[2]): msgspec.json.decode(value, type=Arrivals)
            for parts, value in by_type.get("arrivals", [])
        },
        runs=model.runs,
    )


def _restore_plan_book(model: Model, by_type: Documents) -> None:
    book = model.plan_book
    for parts, value in by_type.get("site_plan", []):
        book.plans[parts[0]] = msgspec.json.decode(value, type=SitePlan)
    for _, value in by_type.get("proposal_life", []):
        book.adopt_life(msgspec.json.decode(value, type=ProposalLife))
    for parts, value in by_type.get("proposal_basis", []):
        book.adopt_basis((parts[0], parts[2]), msgspec.json.decode(value, type=Basis))
    for parts, value in by_type.get("proposal_options", []):
        book.proposals[parts[0], parts[2]] = Proposal.model_validate_json(value)
    for parts, value in by_type.get("commitment", []):
        book.commitments[parts[0], parts[2]] = msgspec.json.decode(value, type=Commitment)
