"""Replay: order of events, ticks between them, and a tally in which every line is found."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from schemas import Event, EventRejected, Facts, Output
from schemas.topics import REJECTIONS
from streams.replay import Replay, replay
from twin import Twin

START = datetime(2026, 1, 5, 6, tzinfo=UTC)


class Notebook:
    """A twin that writes down what it is given and rejects what has run_id "bad"."""

    def __init__(self) -> None:
        self.counters: Counter[tuple[str, str]] = Counter()
        self.digest = "notebook"
        self.events: list[Event] = []
        self.lines: list[str] = []
        self.positions: dict[str, list[tuple[int, int]]] = {}
        self.sizes: list[int] = []

    def apply(self, facts: Facts) -> list[Output]:
        outputs = []
        events = [event for segment in facts.segments for event in segment.events]
        for segment in facts.segments:
            self.positions.setdefault(segment.topic, []).extend(segment.positions)
        self.events += events
        self.sizes.append(len(events))
        self.lines += [event.event_id for event in events]
        for event in events:
            if getattr(event, "run_id", None) == "bad":
                self.counters["rejected", "unknown_run"] += 1
                outputs.append(rejection(event))
        if facts.tick is not None:
            self.lines.append(f"{facts.tick.now:%H:%M}")
        return outputs

    def take_changes(self) -> dict[str, bytes | None]:
        return {}


def rejection(event: Event) -> Output:
    body = EventRejected(
        output_id="r",
        reason="unknown_run",
        message="",
        event_kind=event.kind,
        event_id=event.event_id,
        event_time=event.event_time,
        site_id=event.site_id,
        source_topic="",
        source_partition=0,
        source_offset=0,
        source_index=0,
        as_of=None,
    )
    return Output(REJECTIONS, "k", body, "r", "")


def started(name: str, minute: float, run_id: str = "R", **more: Any) -> str:
    at = START + timedelta(minutes=minute)
    body = {"kind": "run_started", "event_id": name, "event_time": at.isoformat(), "site_id": "s"}
    return json.dumps(body | {"line_id": "L", "run_id": run_id} | more)


def site(name: str, minute: float) -> str:
    at = START + timedelta(minutes=minute)
    return json.dumps(
        {"kind": "site_upserted", "event_id": name, "event_time": at.isoformat(), "site_id": "s"}
    )


def written(folder: Path, *lines: str, name: str = "a.ndjson") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def test_events_go_by_time_then_by_file_and_ticks_stand_between_them(tmp_path: Path) -> None:
    twin = Notebook()
    first = written(tmp_path, started("late", 2.5), started("tie 1", 1), site("tie 2", 1))
    second = written(tmp_path, started("tie 3", 1), started("begin", 0), name="b.ndjson")

    result = replay([first, second], None, lambda: twin, until=START + timedelta(minutes=4))

    expected = ["06:00", "begin", "tie 1", "tie 2", "tie 3", "06:01", "06:02", "late", "06:03", "06:04"]
    assert expected == twin.lines
    assert (START, START + timedelta(minutes=4)) == (result.first_at, result.until)
    assert {"mes.machine-events.v1", "plant.model.v1"} == set(twin.positions)
    assert [(0, 0), (1, 0), (2, 0), (3, 0)] == twin.positions["mes.machine-events.v1"]


def test_the_end_is_inclusive_and_has_a_tick_of_its_own(tmp_path: Path) -> None:
    twin = Notebook()
    path = written(tmp_path, started("in", 1), started("at", 1.5), started("after", 1.6))

    result = replay([path], None, lambda: twin, until=START + timedelta(minutes=1.5))

    assert ["06:01", "in", "at", "06:01"] == twin.lines
    assert (2, 1) == (result.applied, result.after_until)


def test_without_an_end_the_last_event_is_the_end(tmp_path: Path) -> None:
    result = replay([written(tmp_path, started("a", 0), started("b", 90))], None, Notebook)

    assert (2, 0, START + timedelta(minutes=90)) == (result.applied, result.after_until, result.until)


def test_many_events_at_once_come_in_batches(tmp_path: Path) -> None:
    twin = Notebook()

    replay([written(tmp_path, *(started(f"e{n}", 1) for n in range(1_201)))], None, lambda: twin)

    assert [0, 500, 500, 201] == twin.sizes


def test_every_line_is_found_in_the_tally(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        started("good", 0),
        started("rejected", 0, run_id="bad"),
        started("no time", 0, event_time="soon"),
        "{",
        '{"kind": "run_exploded"}',
        f"[{started('one', 1)}, {started('two', 1, run_id='')}]",
        started("after", 9),
        "",
    )

    result = replay([path], None, Notebook, until=START + timedelta(minutes=5))

    assert {
        "lines": 7,
        "ignored": {},
        "dead_letters": {"parse": 1, "schema": 1, "time": 1, "version": 1},
        "events": 4,
        "applied": 2,
        "repeated": {},
        "rejected": {"unknown_run": 1},
        "after_until": 1,
    } == result.tally()
    assert 4 == len(result.refusals)
    assert f"{path}: line 3: time [event_time]" in {
        refusal.split(": a time")[0] for refusal in result.refusals
    }
    assert ["rejected"] == [rejected.event_id for rejected in result.rejections]


def test_no_event_is_no_error(tmp_path: Path) -> None:
    result = replay([written(tmp_path, "{")], None, Notebook)

    assert (0, None, {"parse": 1}) == (result.events, result.until, dict(result.dead_letters))


def test_going_on_in_steps_comes_to_the_same_as_going_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, *(started(f"e{n}", n) for n in range(0, 60, 7)))
    at_once, stepwise = Notebook(), Notebook()

    replay([path], None, lambda: at_once, until=START + timedelta(hours=1), tick_s=600)
    run = Replay([path], None, stepwise, tick_s=600)
    applied = [run.advance(START + timedelta(minutes=minute)).applied for minute in (10, 20, 60)]

    assert at_once.lines == stepwise.lines
    assert [2, 3, 9] == applied


def test_the_twin_drops_what_it_has_had_before(tmp_path: Path) -> None:
    line = {
        "kind": "line_upserted",
        "event_id": "l",
        "event_time": START.isoformat(),
        "site_id": "s",
        "line_id": "L",
    }
    path = written(tmp_path, json.dumps(line), started("unplanned", 1), started("unplanned", 1))

    result = replay([path], None, Twin)

    assert (1, {"event_id": 1}, {"unknown_run": 1}) == (result.applied, result.repeated, result.rejected)
    assert 32 == len(result.digest)
