"""What the plant's rules make of a card, by hand: whose it is, what a rescue may cost, who cannot slip.

A stop on Line 1: 200 of 800 pieces at Monday 08:00, then nothing. At Tuesday 07:00 the rest ends at 13:00, an hour after
the truck: one day late, 1,000 of penalty on a margin of 800 x (10 - 8) = 1,600 and a revenue of 8,000.
"""

from collections.abc import Sequence
from typing import Any

import pytest

from schemas import Card, CardState, Event, Facts, Severity, topics
from streams.simulator.line3 import line3_events
from tests.folding import Folded, at, count, event, fold_all, order, run, segment_of, small_plant, wire
from tests.unit.test_line3_card import nov, the_card


def rules(when: Any, site_id: str = "S1", **fields: Any) -> Event:
    return event(
        "rules_updated", when, site_id=site_id, rules={"rules_id": "plant", "version": "1", **fields}
    )


def stopped(*said: Event, customer: dict[str, Any] | None = None, until: Any = None, hour: int = 8) -> Folded:
    """The stop as told above, at 08:00 or another hour, after what else is said."""
    plant = Folded()
    plant.tell(*small_plant(), *said)
    plant.tell(order("1", at(1, "12:00"), **(customer or {})))
    plant.tell(run("R1", "L1", at(0, "06:00"), at(0, "14:00"), pegs=["1"]))
    plant.tick(at(0, "06:00"))
    plant.tell(event("run_started", at(0, "06:00"), line_id="L1", run_id="R1"))
    plant.tell(count("L1", "R1", at(0, f"{hour:02d}:00"), 100.0 * (hour - 6)))
    plant.tell(event("run_held", at(0, f"{hour:02d}:00"), line_id="L1", run_id="R1"))
    plant.tick(until or at(1, "07:00"))
    return plant


def only_card(plant: Folded) -> Card:
    [card] = plant.cards.values()
    return card


PEOPLE = [
    event("person_upserted", at(0, "00:00"), person_id=person, name=name)
    for person, name in (("ada", "A. Da"), ("bob", "B. Ob"), ("eve", "E. Ve"))
]

OWNER_TABLE: list[tuple[dict[str, Any], str]] = [
    ({}, "A. Da"),
    ({"line_id": "L1"}, "A. Da"),
    ({"line_id": "L2"}, "S. Upervisor"),
    ({"area_id": "A1"}, "A. Da"),
    ({"area_id": "A2"}, "S. Upervisor"),
    ({"item_id": "red"}, "A. Da"),
    ({"item_id": "blue"}, "S. Upervisor"),
    ({"family": "red"}, "A. Da"),
    ({"family": "blue"}, "S. Upervisor"),
    ({"customer_id": "acme"}, "A. Da"),
    ({"customer_id": "other"}, "S. Upervisor"),
    ({"kind": "material_shortage"}, "S. Upervisor"),
    ({"kind": "line_down"}, "A. Da"),
    ({"min_severity": "high"}, "A. Da"),
    ({"min_severity": "critical"}, "S. Upervisor"),
    ({"line_id": "L1", "customer_id": "other"}, "S. Upervisor"),
]
"""Condition of the only owner rule, which names A. Da -> who owns the card of Line 1, supervised by S. Upervisor."""


@pytest.mark.parametrize(("when", "expected"), OWNER_TABLE)
def test_an_owner_rule_holds_where_all_that_it_names_holds(when: dict[str, Any], expected: str) -> None:
    card = only_card(stopped(*PEOPLE, rules(at(0, "00:00"), owners=[{"when": when, "owner_id": "ada"}])))

    assert (Severity.HIGH, expected) == (card.severity, card.owner.name)


def owner_of(*said: Event) -> tuple[str, str]:
    owner = only_card(stopped(*PEOPLE, *said)).owner
    return owner.name, owner.rule


def owned(*owners: dict[str, Any]) -> Event:
    return rules(at(0, "00:00"), owners=list(owners))


def away(person: str, name: str, until: Any) -> Event:
    return event("person_upserted", at(0, "01:00"), person_id=person, name=name, absent_until=until)


def test_the_first_owner_rule_that_holds_wins_and_the_card_names_it() -> None:
    first = {"name": "night desk", "when": {"line_id": "L1"}, "owner_id": "ada"}
    other = {"when": {}, "owner_id": "bob"}
    elsewhere = {"when": {"line_id": "L2"}, "owner_id": "eve"}

    assert ("A. Da", 'rule "night desk"') == owner_of(owned(elsewhere, first, other))
    assert ("B. Ob", "owner rule 2 of the rules") == owner_of(owned(elsewhere, other, first))


def test_who_is_not_known_or_absent_is_stood_in_for_and_the_card_says_so() -> None:
    """Tuesday 07:00; A. Da is back on Wednesday, or was back on Monday."""
    desk = {"name": "desk", "when": {}, "owner_id": "ada", "fallback_id": "bob"}
    unknown = {"name": "desk", "when": {}, "owner_id": "zoe", "fallback_id": "bob"}

    assert (
        "B. Ob",
        'fallback of rule "desk"; rule "desk": A. Da is absent until Wed 4 Mar 06:00',
    ) == owner_of(owned(desk), away("ada", "A. Da", at(2, "06:00")))
    assert ("A. Da", 'rule "desk"') == owner_of(owned(desk), away("ada", "A. Da", at(1, "06:00")))
    assert ("B. Ob", 'fallback of rule "desk"; rule "desk": zoe is not known') == owner_of(owned(unknown))


def test_without_a_rule_an_absent_supervisor_is_stood_in_for_by_the_owner_of_the_site() -> None:
    assert (
        "B. Oss",
        "owner of site S1; supervisor of Line 1: S. Upervisor is absent until Wed 4 Mar 06:00",
    ) == owner_of(away("sue", "S. Upervisor", at(2, "06:00")))


def test_where_everybody_is_away_the_card_is_still_somebody_s() -> None:
    everybody = [away("sue", "S. Upervisor", at(2, "06:00")), away("boss", "B. Oss", at(2, "06:00"))]

    assert (
        "S. Upervisor",
        "supervisor of Line 1: S. Upervisor is absent until Wed 4 Mar 06:00",
    ) == owner_of(*everybody)


def test_who_comes_back_has_their_card_back() -> None:
    plant = stopped(away("sue", "S. Upervisor", at(1, "08:00")))
    plant.tick(at(1, "08:00"))

    assert ["B. Oss", "S. Upervisor"] == [card.owner.name for card in plant.on(topics.CARDS)]
    assert "owner changed" == only_card(plant).update_reason


def test_the_account_owner_of_a_customer_that_cannot_slip_comes_before_the_site() -> None:
    """Line 1 without a supervisor; that Acme cannot slip, and who answers for them, is said by the rules alone."""
    line = event("line_upserted", at(0, "01:00"), line_id="L1", name="Line 1", calendar_id="two-shifts")
    acme = {"customer_id": "acme", "cannot_slip": True, "account_owner_id": "eve"}
    lenient = {**acme, "cannot_slip": False}

    assert ("E. Ve", "account owner of Acme, who cannot slip") == owner_of(
        line, rules(at(0, "00:00"), customers=[acme])
    )
    assert ("B. Oss", "owner of site S1") == owner_of(line, rules(at(0, "00:00"), customers=[lenient]))


def test_what_the_rules_say_of_a_customer_stands_over_master_data() -> None:
    """Weight 3 and cannot slip: high becomes critical, and the score three times as much."""
    plain = only_card(stopped())
    acme = {"customer_id": "acme", "cannot_slip": True, "weight": 3.0}
    ruled = only_card(stopped(rules(at(0, "00:00"), customers=[acme])))

    assert (Severity.HIGH, "an order will be late; the line is down") == (
        plain.severity,
        plain.severity_because,
    )
    assert (
        Severity.CRITICAL,
        "an order will be late; its customer cannot slip, as the rules say; the line is down",
    ) == (
        ruled.severity,
        ruled.severity_because,
    )
    assert [1.0, 3.0] == [card.rank_terms[2].value for card in (plain, ruled)]
    assert abs(3.0 * plain.score - ruled.score) < 0.02


def test_rules_speak_of_a_customer_that_master_data_does_not_know() -> None:
    said = rules(at(0, "00:00"), customers=[{"customer_id": "new", "cannot_slip": True}])
    card = only_card(stopped(said, customer={"customer_id": "new", "penalty_per_day": 10.0}))

    assert ("new", Severity.CRITICAL) == (card.affected[0].customer_name, card.severity)


# Margin: the Line 3 case. Overtime leaves 62.20 = 0.05 % of 119,000; late costs 5,000, overtime 4,102.80.


def line3_under(**fields: Any) -> Card:
    folded = Folded()
    said = rules(nov(16, 6), site_id="plant-1", **fields)
    for number, each in enumerate([said, *line3_events(until=nov(19, 8), clock_step_s=1800.0)]):
        folded.fold(Facts(group_id="plant-1", segments=[segment_of("story", number, each)]))
    return the_card(folded)


def margin_rule(card: Card) -> tuple[float | None, float | None, bool, bool | None]:
    rescue = card.impact.rescue
    assert rescue is not None
    return rescue.min_margin_fraction, rescue.min_margin, rescue.breaks_margin_rule, rescue.cheaper_than_late


def test_a_rescue_that_eats_the_margin_is_said_to_break_the_rule() -> None:
    """2 % of 119,000 are 2,380; overtime leaves 62."""
    card = line3_under(min_margin_fraction=0.02)

    assert (0.02, None, True, True) == margin_rule(card)
    assert "Overtime would leave 0.05 %, below the 2 % that the rules keep." in card.summary


def test_a_rescue_that_leaves_enough_is_not() -> None:
    """0.05 % = 59.50 of 119,000; 62.20 is more. And nothing is said where there is no rule."""
    kept, none = line3_under(min_margin_fraction=0.0005), line3_under()

    assert (0.0005, None, False, True) == margin_rule(kept)
    assert (None, None, False, True) == margin_rule(none)
    assert "that the rules keep" not in kept.summary + none.summary


def test_a_customer_s_own_share_and_a_sum_of_money_are_kept_too() -> None:
    northwind = {"customer_id": "northwind", "min_margin_fraction": 0.01}
    card = line3_under(min_margin_fraction=0.0, min_margin=500.0, customers=[northwind])

    assert (0.01, 500.0, True, True) == margin_rule(card)
    assert (
        "Overtime would leave 0.05 %, below the 1 % that the rules keep. "
        "Overtime would leave 62 EUR, below the 500 EUR that the rules keep." in card.summary
    )


def dear_rescue(cannot_slip: bool) -> Card:
    """100 pieces by 07:00; on Monday 21:30 the other 700 need half an hour now and 6.5 on Tuesday: 12:30, half an hour
    after the truck. Half an hour of Monday's night at 3,000 is 1,500, with the surety more; the day late costs 1,000."""
    window: dict[str, Any] = {
        "window_id": "O1",
        "line_id": "L1",
        "start_at": at(0, "22:00"),
        "end_at": at(1, "06:00"),
    }
    night = event("overtime_window_upserted", at(0, "00:00"), cost_per_h=3000.0, **window)
    acme = {"customer_id": "acme", "cannot_slip": cannot_slip}
    return only_card(stopped(night, rules(at(0, "00:00"), customers=[acme]), hour=7, until=at(0, "21:30")))


def test_cheaper_to_be_late_but_this_customer_cannot_slip() -> None:
    held, free = dear_rescue(cannot_slip=True), dear_rescue(cannot_slip=False)
    assert held.impact.rescue is not None
    dearer = -held.impact.rescue.net_benefit

    assert held.impact.rescue.cost - 1000.0 == dearer
    assert held.impact.rescue.cheaper_than_late is False
    assert f"To be late would be cheaper by {dearer:,.0f} EUR, but Acme cannot slip." in held.summary
    assert f"To be late is cheaper by {dearer:,.0f} EUR." in free.summary


def test_where_late_costs_nothing_known_no_comparison_is_made() -> None:
    window: dict[str, Any] = {
        "window_id": "O1",
        "line_id": "L1",
        "start_at": at(0, "22:00"),
        "end_at": at(1, "06:00"),
    }
    night = event("overtime_window_upserted", at(0, "00:00"), cost_per_h=3000.0, **window)
    free = event("customer_upserted", at(0, "01:00"), customer_id="acme", name="Acme")
    card = only_card(stopped(night, free, hour=7, until=at(0, "21:30")))

    assert card.impact.rescue is not None
    assert card.impact.rescue.cheaper_than_late is None
    assert "cheaper" not in card.summary


# A reload


def test_new_rules_judge_the_open_cards_at_once() -> None:
    plant = stopped(*PEOPLE)
    outputs = plant.tell(rules(at(1, "07:00"), version="2", owners=[{"name": "desk", "owner_id": "ada"}]))
    [card] = [output.body for output in outputs if output.topic == topics.CARDS]

    assert isinstance(card, Card)
    assert ("A. Da", "plant", "2", 2) == (card.owner.name, card.rule.id, card.rule.version, card.revision)


def test_rules_of_another_site_touch_nothing_here() -> None:
    plant = stopped()

    assert [] == [out for out in plant.tell(rules(at(1, "07:00"), site_id="S2")) if out.topic == topics.CARDS]


def test_what_was_dismissed_comes_back_when_new_rules_make_it_worse() -> None:
    plant = stopped()
    dismiss: dict[str, Any] = {
        "command_id": "c1",
        "actor": "sue",
        "card_id": only_card(plant).card_id,
        "expected_revision": 1,
    }
    plant.tell(event("card_dismiss", at(1, "07:00"), reason="known", **dismiss))
    assert CardState.DISMISSED == only_card(plant).state

    plant.tell(rules(at(1, "07:00"), customers=[{"customer_id": "acme", "cannot_slip": True}]))
    card = only_card(plant)
    assert (CardState.OPEN, "worse than when it was dismissed: high -> critical") == (
        card.state,
        card.update_reason,
    )


def test_a_reload_is_the_same_however_it_is_committed() -> None:
    said: Sequence[Event] = [
        rules(at(1, "07:00"), version="2", min_margin=10.0, owners=[{"owner_id": "ada"}]),
        away("ada", "A. Da", at(3, "06:00")),
    ]
    plant = stopped(*PEOPLE)
    for each in said:
        plant.tell(each)
    plant.tick(at(1, "07:30"))
    twin, outputs, documents = fold_all(plant.records)
    restored = Folded()
    half = len(plant.records) // 2
    for record in plant.records[:half]:
        restored.fold(record)
    restored.twin = type(restored.twin).restore(restored.twin.header(), dict(restored.documents))
    for record in plant.records[half:]:
        restored.fold(record)

    assert wire(plant.outputs) == wire(outputs) == wire(restored.outputs)
    assert plant.documents == documents == restored.documents
    assert twin.digest == plant.twin.digest
