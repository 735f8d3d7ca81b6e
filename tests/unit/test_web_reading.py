"""What the API answers: lists, details, the graph, data health, tables for spreadsheets, and its own description."""

import csv
import io
from typing import Any

import pytest
from openapi_spec_validator import validate
from pydantic import BaseModel

from schemas import AuditRecord, DeadLetter, EventRejected, LedgerEntry, topics
from streams.web import answers
from streams.web.access import ROUTES
from streams.web.csv_text import csv_text
from streams.web.openapi import openapi_document
from tests.notify_plant import NOON
from tests.web_plant import HOSTILE, WebPlant, edge, line, node, order, plan_state, proposal, web_plant


def got(plant: WebPlant, path: str, model: type[BaseModel] | None = None, **params: Any) -> Any:
    """The answer, held to its model."""
    with plant.client() as client:
        answer = client.get(path, params=params)
    assert 200 == answer.status_code, answer.text
    if model is not None:
        model.model_validate_json(answer.content)
    return answer.json()


def test_cards_are_ranked_filtered_and_paged() -> None:
    with web_plant() as plant:
        for number in range(5):
            plant.card(f"L{number}", score=float(number))
        plant.card("over", state="closed", score=9.0)
        plant.card("other", site_id="S2", score=8.0, owner={"id": "roy", "name": "O. Roy", "rule": ""})

        everything = got(plant, "/api/v1/cards", answers.Cards)
        page = got(plant, "/api/v1/cards", answers.Cards, limit=2, offset=1, site="S1")
        closed = got(plant, "/api/v1/cards", answers.Cards, state="closed")
        owned = got(plant, "/api/v1/cards", answers.Cards, owner="roy")

    assert [8.0, 4.0, 3.0, 2.0, 1.0, 0.0] == [each["score"] for each in everything["items"]]
    assert (5, 1, True, [3.0, 2.0]) == (
        page["total"],
        page["offset"],
        page["is_complete"],
        [each["score"] for each in page["items"]],
    )
    assert [9.0] == [each["score"] for each in closed["items"]]
    assert [8.0] == [each["score"] for each in owned["items"]]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/v1/cards?limit=501", "limit"),
        ("/api/v1/cards?limit=0", "limit"),
        ("/api/v1/cards?offset=-1", "offset"),
        ("/api/v1/cards?state=happy", "state.0"),
        ("/api/v1/graph/line/L1?hops=3", "hops"),
        ("/api/v1/graph/line/L1?limit=151", "limit"),
        ("/api/v1/ledger?week=47", "week"),
        ("/api/v1/audit?since=2026-11-19T08:00:00", "since"),
        ("/api/v1/commands/x?wait_s=11", "wait_s"),
    ],
)
def test_what_may_be_asked_for_is_bounded(path: str, field: str) -> None:
    with web_plant() as plant, plant.client() as client:
        answer = client.get(path)

    assert (422, field) == (answer.status_code, answer.json()["fields"][0]["path"])


def test_a_card_has_its_history_decisions_and_proposals() -> None:
    with web_plant() as plant:
        card = plant.card("L3")
        card = plant.card("L3", 2, state="acknowledged", state_by="o.roy", proposal_ids=["P1"])
        plant.tell(topics.PLANS, "P1", plan_state("P1"))
        record = AuditRecord(
            output_id="a",
            target_id=card.card_id,
            action="card_acknowledge",
            actor="o.roy",
            command_id="c1",
            revision=2,
            at=NOON,
            details={"said": HOSTILE},
        )
        plant.tell(topics.AUDIT, card.card_id, record)

        shown = got(plant, f"/api/v1/cards/{card.card_id}", answers.CardDetail)
        audit = got(plant, "/api/v1/audit", answers.Audit, actor="o.roy")

    assert [(1, None), (2, "o.roy")] == [(each["revision"], each["by"]) for each in shown["history"]]
    assert [record.model_dump(mode="json")] == shown["decisions"] == audit["items"]
    assert ["P1"] == [each["plan_id"] for each in shown["proposals"]]
    assert shown["why"] == "/api/v1/why/delivery_risk%2FS1%2Fline%2FL3%2F1"


def test_orders_and_lines_come_with_their_cards() -> None:
    with web_plant() as plant, plant.client() as client:
        card = plant.card("L3")
        plant.tell(topics.LINES, "S1/L3", line("L3"))
        plant.tell(topics.LINES, "S2/L3", line("L3", "S2"))
        plant.tell(topics.ORDER_PROJECTIONS, "S1/1", order("1", p_late=0.2))
        plant.tell(topics.ORDER_PROJECTIONS, "S1/2", order("2", p_late=0.9))
        plant.tell(topics.ORDER_PROJECTIONS, "S1/a%2Fb", order("a/b", p_late=0.0))

        orders = got(plant, "/api/v1/orders", answers.Orders)
        one = got(plant, "/api/v1/lines/L3", answers.LineDetail, site="S1")
        by_key = got(plant, "/api/v1/lines/S1/L3", answers.LineDetail)
        slash = got(plant, "/api/v1/orders/a%2Fb", answers.OrderDetail)
        unclear = client.get("/api/v1/lines/L3")
        gone = client.get("/api/v1/orders/nobody")

    assert ["2", "1", "a/b"] == [each["order_id"] for each in orders["items"]]
    assert [card.card_id] == [each["card_id"] for each in one["cards"]]
    assert one == by_key
    assert "a/b" == slash["order"]["order_id"]
    assert (422, "several sites have this line: S1, S2; say which with site=") == (
        unclear.status_code,
        unclear.json()["fields"][0]["message"],
    )
    assert (404, "not_found") == (gone.status_code, gone.json()["type"])


def test_a_neighbourhood_is_two_hops_nearest_first_and_bounded() -> None:
    here, near, far, beyond = (
        node("line", "L3"),
        node("run", "R1"),
        node("order", "4471"),
        node("customer", "C"),
    )
    with web_plant() as plant:
        for each in (here, near, far, beyond):
            plant.tell(topics.GRAPH, each.node_id, each)
        for link in (edge(near, "runs_on", here), edge(near, "makes", far), edge(far, "for", beyond)):
            plant.tell(topics.GRAPH, link.edge_id, link)
        for number in range(200):
            run = node("run", f"X{number:03}")
            plant.tell(topics.GRAPH, run.node_id, run)
            link = edge(run, "runs_on", here)
            plant.tell(topics.GRAPH, link.edge_id, link)

        many = got(plant, "/api/v1/graph/line/L3", answers.Around)
        few = got(plant, "/api/v1/graph/order/4471", answers.Around, hops=1)
        gone = edge(far, "for", beyond)
        plant.tell(topics.GRAPH, gone.edge_id, None)
        plant.tell(topics.GRAPH, near.node_id, None)
        left = got(plant, "/api/v1/graph/order/4471", answers.Around)

    assert (150, 53, here.node_id) == (len(many["nodes"]), many["left_out"], many["nodes"][0]["node_id"])
    assert [far.node_id, beyond.node_id, near.node_id] == [each["node_id"] for each in few["nodes"]]
    assert {"for", "makes"} == {each["relation"] for each in few["edges"]}
    assert [far.node_id] == [each["node_id"] for each in left["nodes"]]
    assert [] == left["edges"]


def test_plans_and_proposals() -> None:
    with web_plant() as plant:
        plant.tell(topics.PLANS, "committed/S1", plan_state("committed/S1", state="committed"))
        plant.tell(topics.PLANS, "P1", plan_state("P1", state="committing"))
        plant.tell(topics.PLANS, "P2", plan_state("P2", state="rejected"))
        plant.tell(topics.PROPOSALS, "P1", proposal("P1"))

        plan = got(plant, "/api/v1/plan", answers.Plans)
        waiting = got(plant, "/api/v1/proposals", answers.Proposals)
        all_of_them = got(plant, "/api/v1/proposals", answers.Proposals, all="true")
        one = got(plant, "/api/v1/proposals/P1", answers.ProposalDetail)

    assert [["committed/S1"], ["P1"]] == [
        [each["plan_id"] for each in plan[name]] for name in ("committed", "pending")
    ]
    assert ["P1"] == [each["plan_id"] for each in waiting["items"]]
    assert ["P1", "P2"] == [each["plan_id"] for each in all_of_them["items"]]
    assert "P1" == one["proposal"]["proposal_id"]


def test_data_health_names_what_was_refused_and_what_web_left_out() -> None:
    letter = DeadLetter(
        output_id="l",
        code="parse",
        message="not JSON",
        field_path="",
        source_topic="erp.orders.v1",
        source_partition=1,
        source_offset=7,
        index=0,
        source_timestamp_ms=1_763_359_200_000,
        key_base64=None,
        payload_base64="PHNjcmlwdD4=" + "AAAA" * 10_000,
        payload_bytes=30_008,
        headers=[],
    )
    refused = EventRejected(
        output_id="r",
        reason="unknown_run",
        message=HOSTILE,
        event_kind="count_reported",
        event_id="e",
        event_time=NOON,
        site_id="S1",
        source_topic="mes.machine-events.v1",
        source_partition=0,
        source_offset=1,
        source_index=0,
        as_of=NOON,
    )
    with web_plant(web_view_documents_max=10) as plant:
        for _ in range(7):
            plant.tell(topics.DEAD_LETTERS, "k", letter)
        plant.tell(topics.REJECTIONS, "k", refused)
        plant.tell(topics.CARDS, "new", b'{"card_id": "new", "from": "the future"}')
        for number in range(12):
            plant.card(f"L{number}")

        found = got(plant, "/api/v1/data", answers.DataHealth)
        cards = got(plant, "/api/v1/cards", answers.Cards)

    [letters] = found["dead_letters"]
    assert ("parse", 7, 5) == (letters["reason"], letters["count"], len(letters["samples"]))
    assert letters["samples"][0]["payload"].startswith("<script>")
    assert 2_000 >= len(letters["samples"][0]["payload"])
    assert [HOSTILE] == [each["message"] for each in found["rejections"][0]["samples"]]
    held = {each["topic"]: each for each in found["topics"]}
    assert {"topic": topics.CARDS, "documents": 10, "dropped": 2, "unreadable": 1} == held[topics.CARDS]
    assert (10, False) == (cards["total"], cards["is_complete"])


def test_the_ledger_is_a_table_in_which_no_cell_is_a_formula() -> None:
    entry = LedgerEntry(
        output_id="x",
        week="2026-W47",
        site_id="=cmd|'/C calc'!A0",
        line_id="@SUM(A1)",
        changeovers_run=3,
        changeovers_needed=2,
        tardiness_h=1.5,
        tardiness_possible_h=0.0,
        money=-100.0,
        money_possible=0.0,
        promised={},
        came={},
    )
    with web_plant() as plant, plant.client() as client:
        plant.tell(topics.LEDGER, "2026-W47/S1/L1", entry)
        answer = client.get("/api/v1/ledger", params={"format": "csv", "week": "2026-W47"})
        listed = got(plant, "/api/v1/ledger", answers.Ledger, week="2026-W46")

    [row] = csv.DictReader(io.StringIO(answer.text))
    assert ("'=cmd|'/C calc'!A0", "'@SUM(A1)", "-100.0", "") == (
        row["site_id"],
        row["line_id"],
        row["money"],
        row["tardiness_really_h"],
    )
    assert "text/csv; charset=utf-8" == answer.headers["content-type"]
    assert 0 == listed["total"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1"])
def test_text_that_a_spreadsheet_would_calculate_is_text(text: str) -> None:
    [[cell]] = list(csv.reader(io.StringIO(csv_text(["a"], [[text]]), newline="")))[1:]

    assert f"'{text}" == cell


def test_the_openapi_document_is_one_and_knows_every_route() -> None:
    with web_plant() as plant:
        document = openapi_document(plant.web.api)
        page = None
        with plant.client() as client:
            served = client.get("/api/v1/openapi.json").json()
            page = client.get("/api/v1/docs").text

    validate(document)
    assert document == served
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    own = {"/api/v1/openapi.json", "/api/v1/docs"}
    routes = {
        (method, path.replace(":path}", "}"))
        for method, path in ROUTES
        if path.startswith("/api/") and path not in own
    }
    assert routes == described
    acknowledge = document["components"]["schemas"]["CardAcknowledged"]
    assert "actor" not in acknowledge["properties"]
    assert ["card_id", "command_id", "kind", "site_id"] == acknowledge["required"]
    assert "POST /api/v1/commands" in page
    assert "<script" not in page


def test_the_past_is_asked_in_a_process_of_its_own_and_refuses_in_our_words() -> None:
    """Nothing answers at that address: the process says so, and neither a stack trace nor a secret comes through."""
    with web_plant(web_fold_timeout_s=60.0) as plant, plant.client() as client:
        bad_time = client.get("/api/v1/as-of", params={"time": "--help"})

    assert 404 == bad_time.status_code
    assert "--help" in bad_time.json()["detail"]
