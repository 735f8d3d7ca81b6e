"""The command line as people meet it: help that teaches, one clear line for an error, NDJSON for machines."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from schemas import CardKind, UsageError
from streams.benches import run_benches

ROOT = Path(__file__).resolve().parents[2]


def foresite(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments],
        cwd=ROOT,
        env={"PATH": "", "TERM": "dumb", "COLUMNS": "120", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("simulated")
    out, truth = folder / "events.ndjson", folder / "truth.ndjson"
    said = foresite(
        "simulate", "--out", str(out), "--truth", str(truth), "--days", "3", "--lines", "3", "--seed", "5"
    )
    assert 0 == said.returncode, said.stderr
    assert "next: foresite replay" in said.stdout
    return out, truth


def test_help_says_where_to_begin() -> None:
    said = foresite("--help")
    assert 0 == said.returncode
    assert "Begin with `foresite demo`" in said.stdout
    for command in (
        "demo",
        "replay",
        "publish",
        "simulate",
        "order-book",
        "up",
        "broker",
        "ingest",
        "twin",
        "verify",
        "bench",
    ):
        assert command in said.stdout


def test_simulate_then_replay(simulated: tuple[Path, Path]) -> None:
    out, truth = simulated
    assert truth.read_text().count("\n") > 10
    said = foresite("replay", str(out), "--json", "--tick", "600")
    assert 0 == said.returncode, said.stderr
    tally = json.loads(said.stderr)
    assert tally["applied"] > 1000
    assert {} == tally["dead_letters"]
    for line in said.stdout.splitlines():
        assert json.loads(line)["kind"] in {kind.value for kind in CardKind}


def test_a_time_without_zone_is_refused_with_the_way_out(simulated: tuple[Path, Path]) -> None:
    said = foresite("replay", str(simulated[0]), "--until", "2026-11-19T08:00")
    assert 2 == said.returncode
    assert "has no zone; write it as 2026-11-19T08:00+01:00" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_file_that_is_not_there_is_named() -> None:
    said = foresite("replay", "nowhere.ndjson")
    assert (2, "foresite: nowhere.ndjson: there is no such file\n") == (said.returncode, said.stderr)


def test_a_setting_out_of_bounds_is_named() -> None:
    said = foresite("verify", FORESITE_COMMIT_INTERVAL_MS="1")
    assert 2 == said.returncode
    assert "commit_interval_ms" in said.stderr


def test_a_kafka_that_is_not_there_is_said() -> None:
    said = foresite("topics", "create", "--kafka", "127.0.0.1:1")
    assert 2 == said.returncode
    assert "no answer from Kafka at 127.0.0.1:1" in said.stderr


def test_the_table_of_topics_prints() -> None:
    said = foresite("topics", "list", "--json")
    names = [json.loads(line)["name"] for line in said.stdout.splitlines()]
    assert "twin.cards.v1" in names
    assert len(set(names)) == len(names)


def test_bench_hands_over_to_the_checkout_and_prints_lines_of_json() -> None:
    said = foresite("bench", "alerts", "--quick", "--seed", "3", "--json")

    assert 0 == said.returncode, said.stderr
    rows = [json.loads(line) for line in said.stdout.splitlines()]
    assert {"alerts"} == {row["benchmark"] for row in rows}
    assert "precision" in {row["metric"] for row in rows}


def test_bench_without_a_checkout_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="clone the source"):
        run_benches(["alerts"], source=tmp_path)


def test_bench_refuses_a_benchmark_that_there_is_not() -> None:
    said = foresite("bench", "speed")

    assert 2 == said.returncode
    assert "invalid choice: 'speed'" in said.stderr
