"""The demo's story, and what it does when a role fails; the whole of it runs in tests/simulation."""

import sys
from pathlib import Path

import pytest

from schemas import ClockTicked, Event, MachineEvent
from streams.demo import SHOWN_AT, run_demo
from streams.simulator import line3_events
from streams.simulator.demo_story import demo_events, up_to
from streams.simulator.line3_case import SITE_ID


def story(seed: int) -> list[Event]:
    return list(up_to(demo_events(seed, SHOWN_AT), SHOWN_AT))


def on_line_3(events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, MachineEvent) and event.line_id == "L3"]


@pytest.mark.parametrize("seed", [1, 4])
def test_line_3_is_the_same_beside_any_neighbours(seed: int) -> None:
    assert on_line_3(list(line3_events(SHOWN_AT))) == on_line_3(story(seed))


def test_the_neighbours_are_four_lines_of_another_site() -> None:
    events = story(4)
    lines = {(event.site_id, event.line_id) for event in events if isinstance(event, MachineEvent)}

    assert {(SITE_ID, "L3"), *(("north-1", f"L{number}") for number in (1, 2, 4, 5))} == lines
    assert {SITE_ID, "north-1"} == {event.site_id for event in events} - {"*"}
    assert 2 == sum(event.kind == "site_upserted" for event in events)


def test_fast_motion_ends_with_the_tick_of_thursday_morning_and_the_story_goes_on() -> None:
    events = demo_events(4, SHOWN_AT)
    fast = list(up_to(events, SHOWN_AT))
    later = next(event for event in events if isinstance(event, ClockTicked))
    clocks = [event for event in fast if isinstance(event, ClockTicked)]
    ticks = [event.event_time for event in clocks if event.site_id == SITE_ID]

    assert ticks == [event.event_time for event in clocks if event.site_id == "north-1"]
    assert SHOWN_AT == ticks[-1]
    assert isinstance(fast[-1], ClockTicked)
    assert ticks == sorted(set(ticks))
    assert SHOWN_AT < later.event_time


def test_ids_are_told_once() -> None:
    """Duplicates are the gateways' own doing: nobody else numbers two things alike."""
    ids: dict[str, str] = {}
    for event in story(4):
        body = event.model_dump_json()
        assert ids.setdefault(event.event_id, body) == body, f"{event.event_id} means two things"


def test_a_role_that_fails_ends_the_demo_with_its_log(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    code = run_demo(
        headless=True,
        command=lambda role: (sys.executable, "-c", f"raise SystemExit('{role}: no luck today')"),
    )

    told = capsys.readouterr()
    assert 1 == code
    assert "" == told.out
    assert "ended with exit code 1" in told.err
    assert "no luck today" in told.err
    assert [] == list(tmp_path.iterdir()), "something was left behind"
