"""Proposals for tables that nobody described: what is found, how surely, and that it works without a change."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import yaml

from schemas import UsageError
from streams.adapters.header_words import Sureness, likeness
from streams.adapters.mapper import map_file
from streams.adapters.mapping import Mapping
from streams.adapters.mapping_file import load_mapping
from streams.adapters.proposal_text import mapping_yaml
from streams.adapters.proposing import known_since, propose
from tests.workbooks import wall, workbook

NOW = datetime(2026, 2, 1, tzinfo=UTC)

GERMAN = """Auftragsliste Werk 2;;;;;;;
;;;;;;;
Auftrags-Nr.;Kunde;Artikel;Menge (Stück);Liefertermin;Linie;Beginn;Ende
4711;Müller;Kappe;1.200;13.01.2026;L1;05.01.2026 06:00;06.01.2026 06:00
4712;Köhler;Deckel;850;14.01.2026;L1;06.01.2026 06:00;07.01.2026 06:00
;;Summe;2.050;;;;
"""
AMBIGUOUS = """Order,Customer,Qty,Due
1,Acme,5,03/04/2026
2,Borel,7,05/06/2026
"""
FRENCH = """Machine|Horodatage|Etat|Motif
M1|2026-01-05 06:00|Marche|
M1|2026-01-05 07:00|Panne|courroie
M1|2026-01-05 08:00|Bizarre|
"""


def written(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def proposed(path: Path, wanted: str | None = None) -> tuple[str, Mapping]:
    """The text, and the mapping that it is."""
    proposal = propose(path, zone="Europe/Berlin", site="s", line="L9", wanted=wanted)
    text = mapping_yaml(proposal, known_since([proposal], NOW))
    out = path.parent / "proposed.yaml"
    out.write_text(text, encoding="utf-8")
    return text, load_mapping(out)


def test_an_order_list_of_a_german_office_is_read_as_it_is(tmp_path: Path) -> None:
    path = written(tmp_path, "Auftraege_KW2.csv", GERMAN, "cp1252")

    text, mapping = proposed(path)
    rows = list(map_file(path, mapping))

    assert ["customer_upserted", "order_upserted", "run_planned"] == [body["kind"] for body in rows[0].bodies]
    order, run = rows[0].bodies[1:]
    assert ("4711", "Müller", 1200, "2026-01-13T17:00:00+01:00") == (
        order["order_id"],
        order["customer_id"],
        order["quantity_pcs"],
        order["promised_at"],
    )
    assert [{"order_id": "4711", "quantity_pcs": 1200}] == run["pegs"]
    assert "no Auftrags-Nr." == rows[2].ignored
    assert "# likely: encoding cp1252" in text
    assert "# sure: delimiter ';'" in text
    assert "# sure: header in row 3" in text
    assert "no time of day, so due at 17:00" in text
    assert "no column means penalty: lateness costs nothing" in text


def test_what_can_be_read_in_two_ways_is_called_a_guess(tmp_path: Path) -> None:
    path = written(tmp_path, "orders.csv", AMBIGUOUS)

    text, mapping = proposed(path)

    assert "GUESS: 'Due' is taken as %d/%m/%Y; every sample fits %m/%d/%Y as well, as '03/04/2026'" in text
    assert "no run_planned: no column means line, start, end. no runs: nobody knows" in text
    assert "item_id: item # no column: all orders are of one item" in text
    assert 2 == len([row for row in map_file(path, mapping) if row.bodies])


def test_numbers_that_could_be_others_are_called_a_guess(tmp_path: Path) -> None:
    text, _ = proposed(
        written(tmp_path, "o.csv", AMBIGUOUS.replace(",5,", ",1.500,").replace(",7,", ",2.250,"))
    )

    assert "GUESS: decimal '.', thousands None: '1.500' could also be 1500" in text


def test_states_get_packml_names_and_those_that_nobody_knows_are_guesses(tmp_path: Path) -> None:
    path = written(tmp_path, "etats.csv", FRENCH)

    text, mapping = proposed(path)

    assert ["EXECUTE", "HELD", "HELD"] == [row.bodies[0]["state"] for row in map_file(path, mapping)]
    assert "GUESS: nobody told me what 'Bizarre' means" in text
    assert "Panne" not in "".join(line for line in text.splitlines() if "GUESS" in line)


def test_a_bill_of_material_is_gathered(tmp_path: Path) -> None:
    path = written(tmp_path, "stueckliste.csv", "Baugruppe,Komponente,Menge pro\nbox,card,2\nbox,glue,0.5\n")

    _, mapping = proposed(path, "materials")

    [body] = [body for row in map_file(path, mapping) for body in row.bodies]
    assert [{"item_id": "card", "quantity_per": 2}, {"item_id": "glue", "quantity_per": 0.5}] == body[
        "components"
    ]


@pytest.mark.parametrize(
    ("header", "row", "kind"),
    [
        ("Item,Warehouse,Stock,Lot", "card,W1,12,L7", "stock_reported"),
        ("PO number,Item,Qty,Expected date", "P1,card,12,2026-01-20", "receipt_expected"),
        ("Timestamp,Machine,Order,Good,Scrap", "2026-01-05 06:12,L1,4711,12,1", "count_reported"),
    ],
)
def test_other_tables_are_told_apart(tmp_path: Path, header: str, row: str, kind: str) -> None:
    path = written(tmp_path, "t.csv", f"{header}\n{row}\n")

    _, mapping = proposed(path)

    assert [kind] == [body["kind"] for row in map_file(path, mapping) for body in row.bodies]


def test_a_counter_that_runs_on_is_not_taken_for_pieces_since_the_row_before(tmp_path: Path) -> None:
    rows = "\n".join(f"2026-01-05 {6 + n:02}:00,L1,4711,{n * 37}" for n in range(12))

    text, _ = proposed(written(tmp_path, "c.csv", f"Timestamp,Line,Order,Good\n{rows}\n"))

    assert "counter: total # GUESS" in text


def test_merged_cells_and_units_of_a_workbook_are_seen(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "orders.xlsx",
        [
            ["Order", "Customer", "Qty", "Due"],
            [1, None, "5 pcs", date(2026, 1, 13)],
            [2, None, "7 pcs", wall("2026-01-14 12:00")],
        ],
        merged=[(1, 1, 2, 1, "Acme")],
    )

    text, mapping = proposed(path)

    assert 'fill_down: ["Customer"]' in text
    assert 'number: "Qty", unit: "pcs"' in text
    orders = [row.bodies[1] for row in map_file(path, mapping)]
    assert [("Acme", 5), ("Acme", 7)] == [(body["customer_id"], body["quantity_pcs"]) for body in orders]


def test_a_table_that_is_like_none_is_told_with_what_is_there(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", "Colour,Weather\nred,rain\n")

    with pytest.raises(UsageError, match=r"like no kind of table that I know.*has: Colour, Weather") as error:
        propose(path, zone="UTC")

    assert "docs/mapping.md" in str(error.value)
    with pytest.raises(UsageError, match="no kind of table is called 'x'; there are orders"):
        propose(path, zone="UTC", wanted="x")
    with pytest.raises(UsageError, match="is empty"):
        propose(written(tmp_path, "e.csv", ""), zone="UTC")


def test_what_has_no_time_of_its_own_is_known_before_all_that_it_speaks_of_and_never_later_than_now(
    tmp_path: Path,
) -> None:
    proposal = propose(written(tmp_path, "o.csv", GERMAN), zone="Europe/Berlin")

    assert "2026-01-04T00:00:00+01:00" == known_since([proposal], NOW).isoformat()
    early = datetime(2026, 1, 3, 12, tzinfo=UTC)
    assert "2026-01-02T00:00:00+01:00" == known_since([proposal], early).isoformat()


@pytest.mark.parametrize(
    ("header", "meaning", "expected"),
    [
        ("Order No.", "order", Sureness.SURE),
        ("AUFTRAGSNUMMER", "order", Sureness.SURE),
        ("Customer order no (ERP)", "order", Sureness.LIKELY),
        ("Quantitiy", "quantity", Sureness.GUESS),
        ("Colour", "quantity", Sureness.NONE),
        ("", "order", Sureness.NONE),
    ],
)
def test_headers_are_known_more_or_less_surely(header: str, meaning: str, expected: Sureness) -> None:
    assert expected is likeness(header, meaning)[0]


def test_a_proposal_is_yaml_whatever_the_header_holds(tmp_path: Path) -> None:
    """Quotes, colons, hashes and braces in headers are text, not YAML."""
    odd = 'Order: "no" # {1}'
    path = written(
        tmp_path, "o.csv", AMBIGUOUS.replace("Order", '"Order: ""no"" # 1"').replace("Due", "Due {date}")
    )

    text, _ = proposed(path)

    assert isinstance(yaml.safe_load(text), dict)
    assert odd not in text
