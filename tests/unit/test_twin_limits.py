"""What a shard holds at most of what others may invent: by hand, at the limit and one beyond it."""

from datetime import timedelta

import pytest

from schemas import Event, topics
from tests.folding import Folded, at, count, event, order, run, small_plant
from twin import Twin
from twin.state import limits, plant
from twin.state.retention import CARDS_KEPT_S

EARLY = at(0, "01:00")


def rules(**fields: int) -> Event:
    return event("rules_updated", at(0, "00:30"), rules={"rules_id": "r", "version": "1", **fields})


def item(item_id: str) -> Event:
    return event("item_upserted", EARLY, item_id=item_id)


def test_a_site_that_is_full_takes_no_new_entity_and_still_hears_of_those_it_has() -> None:
    """The small plant tells of 12 things, the rules are one more, the order another: 14 are allowed."""
    folded = Folded()
    folded.tell(*small_plant(), rules(entities_max=14), order("1", at(1, "12:00")))
    before = folded.twin.model.plant.count("S1")
    folded.tell(item("green"))
    folded.tell(order("1", at(2, "12:00"), when=EARLY))
    folded.tell(event("order_shipped", EARLY, order_id="1", shipped_pcs=800.0))

    assert (14, ["too_many_entities"]) == (before, folded.rejections)
    assert ["site S1 has 14 entities; its rules allow 14 for this kind"] == [
        body.message for body in folded.on(topics.REJECTIONS)
    ]
    assert "shipped" == folded.twin.model.orders["S1", "1"].state.status


def test_what_ends_entities_has_twice_the_room_and_no_more() -> None:
    """Departures can be made up as well: with 14 allowed, 28 in all are taken."""
    folded = Folded()
    folded.tell(*small_plant(), rules(entities_max=14))
    folded.tell(
        *(
            event("shipment_departed", EARLY, shipment_id=f"T{n}", route_id="daily", order_ids=[])
            for n in range(16)
        )
    )

    assert (28, ["too_many_entities"]) == (folded.twin.model.plant.count("S1"), folded.rejections)


def test_lines_that_a_plan_makes_up_are_refused_beyond_the_limit() -> None:
    folded = Folded()
    folded.tell(*small_plant(), rules(lines_max=3))
    folded.tell(*(run(f"R{n}", f"made-up-{n}", at(0, "06:00"), at(0, "14:00")) for n in range(3)))
    moved = run(
        "R0", "made-up-9", at(0, "06:00"), at(0, "14:00"), when=EARLY
    )  # a known run makes lines up too
    folded.tell(moved)

    assert ["too_many_lines"] * 3 == folded.rejections
    assert ["L1", "L2", "made-up-0"] == [line_id for _, line_id in folded.twin.model.lines]


def test_sites_that_somebody_makes_up_are_refused_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SITES_MAX", 3)
    folded = Folded()
    folded.tell(*small_plant())
    folded.tell(*(event("item_upserted", EARLY, site_id=f"X{n}", item_id="red") for n in range(4)))

    assert (["S1", "X0", "X1"], ["too_many_sites"] * 2) == (
        folded.twin.model.plant.site_ids,
        folded.rejections,
    )


def test_a_line_takes_so_many_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RUNS_PER_LINE_MAX", 2)
    folded = Folded()
    folded.tell(*small_plant())
    folded.tell(*(run(f"R{n}", "L1", at(n, "06:00"), at(n, "14:00")) for n in range(3)))
    folded.tell(run("R0", "L1", at(3, "06:00"), at(3, "14:00"), when=EARLY))  # planned anew: none more

    assert (["R0", "R1"], ["too_many_runs"]) == (
        sorted(folded.twin.model.lines["S1", "L1"].runs),
        folded.rejections,
    )


def test_a_source_too_many_is_told_apart_by_event_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sources are remembered by number; of the third, the same event twice counts once all the same."""
    monkeypatch.setattr("twin.shopfloor.repeats.SOURCES_PER_LINE_MAX", 2)
    folded = Folded()
    folded.tell(*small_plant(), run("R1", "L1", at(0, "06:00"), at(0, "14:00")))
    for number in range(4):
        said = count(
            "L1",
            "R1",
            at(0, f"06:0{number}"),
            10.0,
            source_id=f"gw{number}",
            source_sequence=1,
            event_id=f"e{number}",
        )
        folded.tell(said, said)

    assert ["gw0", "gw1"] == list(folded.twin.model.sources_of_line["S1", "L1"])
    assert 40.0 == folded.twin.model.runs["S1", "R1"].progress.good_pcs
    assert (2, 2) == (
        folded.twin.counters["duplicate", "sequence"],
        folded.twin.counters["duplicate", "event_id"],
    )


def test_views_of_one_order_are_kept_of_so_many_systems() -> None:
    folded = Folded()
    folded.tell(*small_plant())
    folded.tell(
        *(order("1", at(1, "12:00"), 800.0 + n, source_id=f"erp{n}") for n in range(plant.CLAIMS_MAX + 3))
    )

    assert plant.CLAIMS_MAX == len(folded.twin.model.plant.claims("S1", "order_upserted", "1"))


def test_departures_and_work_orders_go_after_retention_unless_a_run_is_of_them() -> None:
    """Retention is 35 days by default; R1 is not finished, so its work order stays."""
    folded = Folded()
    folded.tell(*small_plant(), run("R1", "L1", at(0, "06:00"), at(0, "14:00"), work_order_id="W1"))
    for name in ("W1", "W2"):
        folded.tell(
            event("work_order_upserted", EARLY, work_order_id=name, item_id="red", quantity_pcs=800.0)
        )
    folded.tell(event("shipment_departed", EARLY, shipment_id="T1", route_id="daily", order_ids=[]))
    folded.tick(EARLY + timedelta(days=35))
    before = folded.twin.model.plant.counts()["S1"]
    folded.tick(EARLY + timedelta(days=36))
    after = folded.twin.model.plant.counts()["S1"]

    assert (2, 1) == (before["work_order_upserted"], before["shipment_departed"])
    assert (1, None) == (after["work_order_upserted"], after.get("shipment_departed"))


def test_a_restored_twin_counts_what_it_holds() -> None:
    folded = Folded()
    folded.tell(*small_plant(), rules(entities_max=14, lines_max=2), order("1", at(1, "12:00")))
    restored = Twin.restore(folded.twin.header(), folded.documents)
    for twin in (folded.twin, restored):
        twin.apply(folded.log.of(item("green"), event("line_upserted", EARLY, line_id="L9")))

    assert folded.twin.model.plant.counts() == restored.model.plant.counts()
    assert {("rejected", "too_many_entities"): 1, ("rejected", "too_many_lines"): 1} == {
        key: value for key, value in restored.counters.items() if key[0] == "rejected"
    }


def test_what_ends_entities_has_the_room_that_is_said() -> None:
    assert 2 == limits.FOLLOWING_ROOM


def test_pieces_of_a_series_too_many_count_for_the_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """SERIES_PER_LINE_MAX is one: the second station's pieces are made all the same."""
    monkeypatch.setattr("twin.quality.inspection.SERIES_PER_LINE_MAX", 1)
    folded = Folded()
    folded.tell(*small_plant(), run("R1", "L1", at(0, "06:00"), at(0, "14:00")))
    for number in (1, 2):
        folded.tell(
            count("L1", "R1", at(0, f"06:0{number}"), 10.0, scrap_count=1.0, station_id=f"ST{number}")
        )

    assert [("count", "ST1", "red")] == list(folded.twin.model.lines["S1", "L1"].quality.series)
    assert 20.0 == folded.twin.model.runs["S1", "R1"].progress.good_pcs


def test_the_card_of_an_order_that_is_gone_goes_too() -> None:
    """Order 9 has no run and a card; shipped on Tuesday, it goes after its 35 days, and so does the card (CARDS_KEPT_S),
    with a tombstone. The card of a line would stay: lines stay."""
    folded = Folded()
    pegged = [order("1", at(1, "12:00")), run("R1", "L1", at(0, "06:00"), at(0, "14:00"), pegs=["1"])]
    folded.tell(*small_plant(), *pegged, order("9", at(1, "12:00")))
    folded.tick(at(0, "06:00"))
    folded.tick(at(0, "06:16"))
    card_id = next(iter(folded.cards))
    folded.tick(at(1, "10:00"))
    folded.tell(event("order_shipped", at(1, "10:00"), order_id="9", shipped_pcs=800.0))
    folded.tick(at(1, "11:01"))  # a card goes when its cause was gone for an hour
    state = folded.cards[card_id].state
    for day in range(2, 40):
        folded.tick(at(day, "00:01"))
    gone = [output for output in folded.outputs if output.topic == topics.CARDS and output.body is None]
    restored = Twin.restore(folded.twin.header(), folded.documents)

    assert ("plan_infeasible/S1/order/9/1", "cleared") == (card_id, state)
    assert [card_id] == [output.key for output in gone]
    assert at(1, "11:01") + timedelta(seconds=CARDS_KEPT_S) < at(37, "00:01")
    assert [] == [root for root in restored.model.cards if root[3] == "9"]
