"""`foresite init`: a site from two tables, with everything that was guessed or is missing said aloud."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas import UsageError
from streams.adapters.mapping_file import mappings_for
from streams.first_site import FirstSite, make_site
from streams.replay import replay
from twin import Twin

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "first_sheet"
NOW = datetime(2026, 2, 1, tzinfo=UTC)
POOR = "Order,Customer,Qty,Due\n1,Acme,100,03/04/2026\n"
COUNTS = "Timestamp,Good\n2026-01-05 07:00,50\n2026-01-05 08:00,40\n"


def made(folder: Path, orders: Path, counts: Path) -> FirstSite:
    return make_site(folder, orders, counts, zone="Europe/Paris", owner="O. Roy", now=NOW)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_s_card_is_true(tmp_path: Path) -> None:
    """318 pieces in the last eight hours; 982 left at that pace is past 17:00, and 4471 makes its noon."""
    folder = tmp_path / "Lyon 2"

    site = made(folder, EXAMPLES / "orders.xlsx", EXAMPLES / "counts.csv")
    result = replay([folder], mappings_for([folder], None), Twin)

    assert ("lyon-2", ["Line 1"]) == (site.site, site.lines)
    [card] = result.ranked()
    assert (
        "#4472 for Borel will miss its date of Tue 6 Jan 17:00: it is ready Tue 6 Jan 18:13, 1 day late"
        == card.title
    )
    assert ("O. Roy", 'rule "all cards of lyon-2"') == (card.owner.name, card.owner.rule)
    assert (25, {}, {}) == (result.applied, result.rejected, dict(result.dead_letters))


def test_guesses_and_what_is_missing_are_said(tmp_path: Path) -> None:
    site = made(tmp_path / "s", written(tmp_path / "o.csv", POOR), written(tmp_path / "c.csv", COUNTS))

    told = site.doubts()

    assert ["line-1"] == site.lines
    assert any(
        "o.yaml: GUESS: 'Due' is taken as %d/%m/%Y; every sample fits %m/%d/%Y" in each for each in told
    )
    assert any("o.yaml: no run_planned: no column means line, start, end. no runs" in each for each in told)
    assert any("c.yaml: line_id: no column: all counts are of one line" in each for each in told)
    assert any(
        "c.yaml: no column means order: counts are of the run that the line is on" in each for each in told
    )


def test_nothing_is_overwritten_and_tables_must_be_told_apart(tmp_path: Path) -> None:
    orders, counts = EXAMPLES / "orders.xlsx", EXAMPLES / "counts.csv"
    (tmp_path / "used").mkdir()
    written(tmp_path / "used" / "x", "")

    with pytest.raises(UsageError, match="is there already and not empty"):
        made(tmp_path / "used", orders, counts)
    with pytest.raises(UsageError, match="differ by numbers alone"):
        made(tmp_path / "s", written(tmp_path / "a 1.csv", POOR), written(tmp_path / "a 2.csv", COUNTS))
    with pytest.raises(UsageError, match=r"like no kind of table that I know.*good"):
        made(tmp_path / "s", orders, written(tmp_path / "b.csv", POOR))
    assert not (tmp_path / "s").exists(), "a folder that cannot be finished is not begun"
