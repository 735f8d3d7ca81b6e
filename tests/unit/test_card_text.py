"""How a card reads in a terminal and in a file."""

import io
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from schemas import Card
from streams.card_text import card_text, print_cards, why

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 19, 7, 0, tzinfo=UTC)  # Thu 08:00 at the site


def line3_card(**changes: Any) -> Card:
    """The Line 3 case, as the twin writes it."""
    order = {
        "order_id": "4471",
        "site_id": "plant-1",
        "customer_id": "northwind",
        "customer_name": "Northwind",
        "item_id": "HX-31",
        "quantity_pcs": 29750.0,
        "run_id": "R-4471",
        "line_id": "L3",
        "promised_at": "2026-11-24T11:00:00Z",
        "ready_at": "2026-11-24T16:15:39Z",
        "ships_at": "2026-11-26T11:00:00Z",
        "on_time_slot_at": "2026-11-24T11:00:00Z",
        "need_by": "2026-11-24T11:00:00Z",
        "slip_s": 172800.0,
        "slip_days": 2,
        "slack_s": -18939.0,
        "overhang_h": 5.26,
        "p_late": 0.99,
        "penalty": 5000.0,
        "exposure": 5000.0,
        "margin_before": 4165.0,
        "margin_if_late": -835.0,
    }
    rescue = {
        "overtime_h": 5.26,
        "cost": 4102.8,
        "probability": 0.9,
        "notice_by": "2026-11-20T13:00:00Z",
        "windows": ["OT"],
        "exposure_avoided": 5000.0,
        "net_benefit": 897.2,
        "margin_after": 62.2,
        "margin_after_fraction": 0.0005,
    }
    body = {
        "output_id": "o",
        "card_id": "delivery_risk/plant-1/line/L3/1",
        "kind": "delivery_risk",
        "site_id": "plant-1",
        "revision": 5,
        "state": "in_progress",
        "severity": "critical",
        "severity_because": "its customer cannot slip",
        "rank": 1,
        "score": 2142.86,
        "rank_terms": [],
        "title": "#4471 for Northwind will miss its truck of Tue 24 Nov",
        "summary": "",
        "owner": {"id": "r.okafor", "name": "R. Okafor", "rule": "supervisor of Line 3"},
        "deadline": "2026-11-20T13:00:00Z",
        "deadline_because": "overtime notice",
        "need_by": "2026-11-24T11:00:00Z",
        "affected": [order],
        "affected_total": 1,
        "impact": {
            "currency": "EUR",
            "slip_s": 172800.0,
            "slip_days": 2,
            "exposure": 5000.0,
            "parts": {"penalty": 5000.0},
            "margin_before": 4165.0,
            "margin_if_late": -835.0,
            "rescue": rescue,
        },
        "cause": {
            "signal": "drift",
            "entity_type": "line",
            "entity_id": "L3",
            "delta": -0.08,
            "since": "2026-11-17T05:00:00Z",
            "in_words": "Line 3 has run 8.0 % under plan since Tue 17 Nov 06:00 (no stoppage logged)",
        },
        "path": [
            {"from_id": "run/plant-1/R-4471", "relation": "on", "to_id": "line/plant-1/L3"},
            {"from_id": "order/plant-1/4471", "relation": "needs", "to_id": "run/plant-1/R-4471"},
            {"from_id": "order/plant-1/4471", "relation": "ships_on", "to_id": "shipment/plant-1/truck@1"},
            {"from_id": "customer/plant-1/northwind", "relation": "placed", "to_id": "order/plant-1/4471"},
        ],
        "evidence": [],
        "confidence": {"value": 1.0, "n": 378, "window_h": 31.5},
        "rule": {"id": "default", "version": "1"},
        "opened_at": "2026-11-17T06:29:00Z",
        "as_of": "2026-11-19T05:00:00Z",
        "episode": 1,
        "update_reason": "",
    }
    return Card.model_validate(body | changes)


def test_the_line_3_card_in_plain_words() -> None:
    assert card_text(line3_card(), BERLIN, NOW) == (
        " 1 ▲ CRITICAL  #4471 for Northwind will miss its truck of Tue 24 Nov\n"
        "     why    Line 3 -8.0 % since Tue 17 Nov 06:00 → R-4471 → #4471 → truck Tue 24 Nov 12:00 → Northwind\n"
        "     owner  R. Okafor (supervisor of Line 3)\n"
        "     until  Fri 20 Nov 14:00, in 1 day 6 h (overtime notice)\n"
        "     money  penalty 5,000 EUR; margin 4,165 → -835 EUR\n"
        "     rescue 5.26 h of overtime for 4,103 EUR (90 % on time), leaves a margin of 62 EUR; net benefit 897 EUR\n"
        "     state  in progress, as of Thu 19 Nov 06:00"
    )


def test_plain_output_has_no_colour_and_does_not_wrap() -> None:
    out = io.StringIO()

    print_cards([line3_card()], BERLIN, NOW, Console(file=out, width=40))

    assert card_text(line3_card(), BERLIN, NOW) + "\n\n" == out.getvalue()


def test_a_terminal_gets_colour_and_fits_its_width() -> None:
    out = io.StringIO()

    print_cards(
        [line3_card()], BERLIN, NOW, Console(file=out, width=80, force_terminal=True, color_system="standard")
    )

    assert "\x1b[" in out.getvalue()
    assert "R-4471" in out.getvalue()


@pytest.mark.parametrize(
    ("severity", "begin"),
    [("critical", " 1 ▲ CRITICAL"), ("high", " 1 ◆ HIGH"), ("medium", " 1 ■ MEDIUM"), ("low", " 1   LOW")],
)
def test_severity_is_a_shape_and_a_word(severity: str, begin: str) -> None:
    assert card_text(line3_card(severity=severity), BERLIN, NOW).startswith(begin)


def test_no_cards_is_an_answer() -> None:
    out = io.StringIO()

    print_cards([], BERLIN, NOW, Console(file=out))

    assert "Nothing needs a decision. Checked Thu 19 Nov 08:00.\n" == out.getvalue()


def test_what_is_unknown_reads_unknown() -> None:
    unknown = {"currency": "EUR", "slip_s": 0.0, "slip_days": 0, "exposure": 0.0, "parts": {}}
    card = line3_card(impact=unknown, deadline=None, deadline_because="no deadline is known")
    text = card_text(card, BERLIN, NOW)

    assert "money  what late costs is unknown\n" in text
    assert "rescue none is known\n" in text
    assert "until  no deadline is known\n" in text


def test_a_deadline_that_has_passed_says_so() -> None:
    late = card_text(line3_card(deadline="2026-11-19T06:20:00Z"), BERLIN, NOW)

    assert "until  Thu 19 Nov 07:20, 40 min ago (overtime notice)" in late


def test_a_cause_without_a_measure_is_told_in_its_own_words() -> None:
    cause = {
        "signal": "stop",
        "entity_type": "line",
        "entity_id": "L3",
        "in_words": "Line 3 lost 2.2 working hours to stops",
    }

    assert why(line3_card(cause=cause), BERLIN).startswith(
        "Line 3 lost 2.2 working hours to stops → R-4471 → #4471"
    )


def test_names_cannot_write_to_the_terminal() -> None:
    card = line3_card(title="#1 for \x1b[2JEvil\nCorp", owner={"id": None, "name": "\x07bell", "rule": "r"})

    assert "\x1b" not in card_text(card, BERLIN, NOW)
    assert "\x07" not in card_text(card, BERLIN, NOW)
    assert card_text(card, BERLIN, NOW).splitlines()[0].endswith("#1 for  [2JEvil Corp")


def test_cards_of_a_list_are_numbered_by_their_place_in_it() -> None:
    out = io.StringIO()

    print_cards([line3_card(rank=2), line3_card(rank=2)], BERLIN, NOW, Console(file=out))

    assert [" 1 ▲", " 2 ▲"] == [line[:4] for line in out.getvalue().splitlines() if "▲" in line]
    assert card_text(line3_card(rank=None), BERLIN, NOW).startswith(" - ▲")
