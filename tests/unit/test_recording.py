"""A recorded day folds as the log did: same records, same order, same ticks, same bytes."""

import gzip
import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from schemas import MODEL_OF_KIND, TOPIC_OF_KIND, Event, Facts, Segment, Tick, UsageError
from schemas.decode import decode_batch
from schemas.topics import CARDS, MACHINE_EVENTS, PLANT_MODEL
from streams.picture import picture_from_files
from streams.recording import is_recording, read_recording, recordings_in, up_to, write_recording
from streams.replay import replay
from tests.folding import at, count, event, order, run, small_plant, wire
from twin import Twin

ROOT = Path(__file__).resolve().parents[2]
DAY = ROOT / "examples" / "day" / "day.ndjson.gz"
GOLDEN = ROOT / "tests" / "golden" / "day" / "cards.json"


def a_log() -> list[Facts]:
    """Records with several segments, arrays, a wall tick that lags, and a driven clock."""
    ticks = [event("clock_ticked", at(0, clock)) for clock in ("06:00", "06:10", "06:20")]
    plant = [
        *small_plant(),
        order("1", at(0, "12:00")),
        run("R1", "L1", at(0, "06:00"), at(0, "14:00"), pegs=["1"]),
    ]
    begin = event("run_started", at(0, "06:00"), line_id="L1", run_id="R1")
    counts = [count("L1", "R1", at(0, clock), good) for clock, good in (("06:05", 4.0), ("06:15", 9.0))]

    def segment(topic: str, first: int, events: list[Event], *, array: bool = False) -> Segment:
        places = [(first, index) if array else (first + index, 0) for index in range(len(events))]
        return Segment.model_validate({"topic": topic, "partition": 2, "positions": places, "events": events})

    return [
        Facts(group_id="S1", segments=[segment("mixed", 0, list(plant))]),
        Facts(group_id="*", tick=Tick(now=at(0, "05:50"), lag_s=12.5)),
        Facts(
            group_id="S1",
            segments=[
                segment(PLANT_MODEL, 0, [ticks[0]]),
                segment(MACHINE_EVENTS, 7, [begin, counts[0]], array=True),
                segment(PLANT_MODEL, 1, [ticks[1]]),
                segment(MACHINE_EVENTS, 8, [counts[1]]),
                segment(PLANT_MODEL, 2, [ticks[2]]),
            ],
            tick=Tick(now=at(0, "06:30")),
        ),
    ]


def numbered(log: list[Facts], partition: int = 0) -> list[tuple[int, int, Facts]]:
    return [(partition, offset, facts) for offset, facts in enumerate(log)]


def test_what_is_written_is_read_back_record_by_record(tmp_path: Path) -> None:
    out = tmp_path / "day.ndjson"

    done = write_recording(out, [*numbered(a_log()), *numbered(a_log()[:2], partition=3)])

    assert {0: a_log(), 3: a_log()[:2]} == read_recording(out)
    assert (5, 34, 3, 0) == (done.records, done.events, done.ticks, done.left_out)
    assert is_recording(out)


def test_the_same_facts_give_the_same_bytes_packed_or_not(tmp_path: Path) -> None:
    for name in ("a.ndjson.gz", "b.ndjson.gz", "c.ndjson"):
        write_recording(tmp_path / name, numbered(a_log()))
    packed = (tmp_path / "a.ndjson.gz").read_bytes()

    assert packed == (tmp_path / "b.ndjson.gz").read_bytes()
    assert gzip.decompress(packed) == (tmp_path / "c.ndjson").read_bytes()


def test_a_recording_folds_to_the_same_outputs_and_state(tmp_path: Path) -> None:
    out = tmp_path / "day.ndjson"
    write_recording(out, numbered(a_log()))
    there, here = Twin(), Twin()
    said = [output for facts in a_log() for output in there.apply(facts)]
    again = [output for facts in read_recording(out)[0] for output in here.apply(facts)]

    assert wire(said) == wire(again)
    assert there.take_changes() == here.take_changes()
    assert there.digest == here.digest == replay([out], None, Twin).digest


def test_each_line_is_an_event_that_any_reader_takes(tmp_path: Path) -> None:
    out = tmp_path / "day.ndjson"
    write_recording(out, numbered(a_log()))
    for line in out.read_bytes().splitlines():
        kind = json.loads(line)["kind"]
        [verdicts] = decode_batch(PLANT_MODEL if kind == "clock_ticked" else TOPIC_OF_KIND[kind], [line])
        [(_, verdict)] = verdicts.items
        assert isinstance(verdict, MODEL_OF_KIND[kind]), verdict


def test_a_record_is_parted_at_the_first_tick_after_the_moment() -> None:
    record = a_log()[2]

    before, rest = up_to(record, at(0, "06:09").timestamp())
    assert rest is not None
    assert [PLANT_MODEL, MACHINE_EVENTS] == [segment.topic for segment in before.segments]
    assert [PLANT_MODEL, MACHINE_EVENTS, PLANT_MODEL] == [segment.topic for segment in rest.segments]
    assert (None, at(0, "06:30")) == (before.tick, rest.tick.now if rest.tick else None)
    assert (record, None) == up_to(record, at(0, "06:30").timestamp())
    without_tick, tick = up_to(record, at(0, "06:29").timestamp())
    assert record.segments == without_tick.segments
    assert tick is not None
    assert ([], record.tick) == (tick.segments, tick.tick)


def test_a_moment_holds_what_its_own_tick_brings_about(tmp_path: Path) -> None:
    """The run begins at 06:00 and its clock ticks then: as of 06:00 it runs, a second earlier nothing is known."""
    out = tmp_path / "day.ndjson"
    write_recording(out, numbered(a_log()))

    assert [] == picture_from_files([out], None, at(0, "05:49")).lines
    [line] = [each for each in picture_from_files([out], None, at(0, "06:00")).lines if each.line_id == "L1"]
    assert (at(0, "06:00"), "R1") == (line.as_of, line.run_id)


def test_recordings_and_other_files_do_not_mix(tmp_path: Path) -> None:
    out, other = tmp_path / "a.ndjson", tmp_path / "b.ndjson"
    write_recording(out, numbered(a_log()))
    other.write_text(small_plant()[0].model_dump_json() + "\n")

    with pytest.raises(UsageError, match="is a recording and"):
        recordings_in([out, other])
    assert recordings_in([other]) is None
    out.write_text(out.read_text() + "{}\n")
    with pytest.raises(UsageError, match="line 23 is none of a recording"):
        read_recording(out)


def test_a_replay_of_two_partitions_is_refused_with_the_way_out(tmp_path: Path) -> None:
    out = tmp_path / "a.ndjson"
    write_recording(out, [*numbered(a_log()), *numbered(a_log(), partition=1)])

    with pytest.raises(UsageError, match="foresite record --site"):
        replay([out], None, Twin)


def test_partitions_that_hold_only_what_concerns_every_site_stand_in_no_one_s_way(tmp_path: Path) -> None:
    out = tmp_path / "a.ndjson"
    everywhere = [Facts(group_id="*", tick=Tick(now=at(0, "05:50")))]
    write_recording(out, [*numbered(everywhere), *numbered(a_log(), partition=1)])

    assert 20 == replay([out], None, Twin).events


def test_since_leaves_out_what_machines_said_before(tmp_path: Path) -> None:
    out = tmp_path / "a.ndjson"

    done = write_recording(out, numbered(a_log()), since=at(0, "06:10").timestamp())

    kinds = [json.loads(line)["kind"] for line in out.read_bytes().splitlines()]
    assert 3 == done.left_out
    assert ["clock_ticked", "count_reported", "clock_ticked", "clock_ticked"] == kinds[-4:]
    assert "order_upserted" in kinds


def test_a_recorded_day_replays_to_the_cards_that_it_had() -> None:
    """After a change that is meant to change cards: FORESITE_UPDATE_GOLDEN=1, and look at the difference."""
    result = replay([DAY], None, Twin)
    actual = {key: card.state.value for key, card in sorted(result.cards.items())}
    if os.environ.get("FORESITE_UPDATE_GOLDEN"):
        GOLDEN.parent.mkdir(parents=True, exist_ok=True)
        GOLDEN.write_text(json.dumps(actual, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    assert json.loads(GOLDEN.read_text(encoding="utf-8")) == actual
    assert (
        1141
        == result.events
        == result.applied + sum(result.repeated.values()) + sum(result.rejected.values())
    )


def test_the_picture_of_each_moment_of_the_day_is_what_was_published_by_then() -> None:
    [log] = read_recording(DAY).values()
    twin = Twin()
    published: list[tuple[datetime, str, bytes | None]] = [
        (datetime.fromisoformat(output.time), output.key, output.value())
        for facts in log
        for output in twin.apply(facts)
        if output.topic == CARDS
    ]
    times = sorted({when for when, _, _ in published})
    for moment in (
        times[0],
        times[len(times) // 3],
        times[len(times) // 2] - timedelta(seconds=1),
        times[-1],
    ):
        expected = {key: value for when, key, value in published if when <= moment}
        picture = picture_from_files([DAY], None, moment)
        assert expected == {key: body.model_dump_json().encode() for key, body in picture.said[CARDS].items()}


def test_files_without_a_clock_are_as_of_a_moment_what_a_replay_of_them_is(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    events = [
        *small_plant(),
        order("1", at(0, "12:00")),
        run("R1", "L1", at(0, "06:00"), at(0, "14:00"), pegs=["1"]),
    ]
    path.write_text("".join(each.model_dump_json(exclude_none=True) + "\n" for each in events))
    moment = at(0, "09:00")

    picture = picture_from_files([path], None, moment, tick_s=600)
    result = replay([path], None, Twin, moment, tick_s=600)

    assert result.digest == picture.shards[0].digest
    assert {key: card.model_dump_json() for key, card in result.cards.items()} == {
        card.card_id: card.model_dump_json() for card in picture.cards
    }
    assert [] != picture.projections
