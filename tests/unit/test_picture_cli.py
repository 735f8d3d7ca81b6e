"""as-of, measures and why from the command line, on the recorded day."""

import json

from tests.unit.test_cli import foresite

DAY = "examples/day/day.ndjson.gz"
NOON = "2026-11-17T12:00:00+01:00"
END = "2026-11-18T06:00:00+01:00"


def test_as_of_prints_cards_lines_and_tight_orders() -> None:
    said = foresite("as-of", NOON, DAY, "--zone", "Europe/Berlin")
    assert 0 == said.returncode, said.stderr
    assert "As of Tue 17 Nov 12:00; last tick Tue 17 Nov 12:00." in said.stdout
    assert "Orders with less than 48 h of slack" in said.stdout
    assert "L1    EXECUTE" in said.stdout


def test_as_of_for_machines_is_what_was_published() -> None:
    said = foresite("as-of", NOON, DAY, "--json")
    records = [json.loads(line) for line in said.stdout.splitlines()]
    assert {"twin.cards.v1", "twin.order-projections.v1", "twin.lines.v1"} == {
        each["topic"] for each in records
    }
    assert all(each["value"]["as_of"] <= "2026-11-17T11:00:00Z" for each in records)
    assert ["plant-1/L1", "plant-1/L2", "plant-1/L3"] == [
        each["key"] for each in records if each["topic"] == "twin.lines.v1"
    ]


def test_measures_add_up_over_lines() -> None:
    lines = [
        json.loads(line) for line in foresite("measures", DAY, "--per", "day", "--json").stdout.splitlines()
    ]
    [site] = [
        json.loads(line) for line in foresite("measures", DAY, "--by", "site", "--json").stdout.splitlines()
    ]

    for name in ("pbt_s", "apt_s", "aust_s", "adet_s", "adot_s", "gq", "sq", "rq", "pq"):
        assert abs(site[name] - sum(line[name] for line in lines)) < 0.01
    assert abs(site["pbt_s"] - sum(site[name] for name in ("apt_s", "aust_s", "adet_s", "adot_s"))) < 0.01
    assert site["availability"] == round(site["apt_s"] / site["pbt_s"], 6)
    assert site["oee"] != round(sum(line["oee"] for line in lines) / len(lines), 6)
    table = foresite("measures", DAY, "--by", "run").stdout
    assert "OEE %" in table
    assert "R-10001" in table


def test_why_answers_for_orders_lines_and_cards() -> None:
    records = [json.loads(line) for line in foresite("as-of", END, DAY, "--json").stdout.splitlines()]
    card = next(each["value"] for each in records if each["topic"] == "twin.cards.v1")
    for name, answer in (("10014", "#10014"), ("L3", "Line 3"), (card["card_id"], card["title"])):
        said = foresite("why", name, DAY)
        assert 0 == said.returncode, said.stderr
        assert said.stdout.startswith(answer)
    body = json.loads(foresite("why", "L3", DAY, "--as-of", NOON, "--json").stdout)
    assert ("line/plant-1/L3", "2026-11-17T11:00:00+00:00") == (body["subject"], body["as_of"])


def test_a_name_that_is_nothing_is_one_clear_line() -> None:
    said = foresite("why", "nobody", DAY)
    assert (2, "foresite: 'nobody' is no card, order or line of this picture\n") == (
        said.returncode,
        said.stderr,
    )
