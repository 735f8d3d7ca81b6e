"""A recorded day: facts as lines of JSON, so that a file folds the same as the log that it was taken from.

One event a line, as its source sent it, with `fact` beside it: where in the log it stood and where it came from. Ticks
stand between them as clock_ticked. A line is a valid event for every other reader of events; what reads it as a
recording takes records, positions, order and ticks from `fact`, and so comes to the same outputs, ids included.
"""

import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from schemas import Facts, FactsCorrupt, MachineEvent, Segment, Tick, UsageError, decode_facts
from streams.adapters.delimited import open_bytes
from streams.routing import EVERYWHERE
from streams.sources import input_files

FACT = "fact"
"""The field that makes a line one of a recording. Inputs ignore fields that they do not know, so it hurts nowhere."""


@dataclass(slots=True)
class Recorded:
    """What was written down: records of the log, events and ticks in them, and of machine events those left out."""

    records: int = 0
    events: int = 0
    ticks: int = 0
    left_out: int = 0


def write_recording(out: Path, log: Iterable[tuple[int, int, Facts]], since: float | None = None) -> Recorded:
    """Write facts down, gzipped if the name ends in .gz (with no time in it: the same facts give the same bytes).

    Args:
        out: the file.
        log: partition, offset and facts of each record, partition by partition.
        since: what machines said and what the clock ticked before it is left out, POSIX seconds; what offices said is
            kept, for nothing can be told without it.

    Raises:
        UsageError: the file cannot be written.
    """
    done = Recorded()
    try:
        with out.open("wb") as raw:
            if out.suffix != ".gz":
                _write(raw, log, since, done)
                return done
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
                _write(packed, log, since, done)
    except OSError as error:
        raise UsageError(f"{out}: cannot be written: {error}") from None
    return done


def is_recording(path: Path) -> bool:
    """Whether the first line of a file is one of a recording."""
    if ".ndjson" not in path.suffixes and ".jsonl" not in path.suffixes:
        return False
    with open_bytes(path) as stream:
        first = stream.readline(1_000_000)
    try:
        body = orjson.loads(first)
    except orjson.JSONDecodeError:
        return False
    return isinstance(body, dict) and isinstance(body.get(FACT), dict)


def read_recording(path: Path) -> dict[int, list[Facts]]:
    """The facts of each partition, in the order of the log.

    Raises:
        UsageError: a line is none of a recording.
    """
    partitions: dict[int, list[Facts]] = {}
    for (partition, _), lines in groupby(_lines(path), key=lambda line: _place(path, line)):
        members = list(lines)
        partitions.setdefault(partition, []).append(_facts(path, members))
    return partitions


def recordings_in(paths: Sequence[Path]) -> dict[int, list[Facts]] | None:
    """Facts of each partition where the files are recordings; None where none of them is.

    Raises:
        UsageError: some are and some are not.
    """
    files = input_files(paths)
    recorded = [path for path in files if is_recording(path)]
    if not recorded:
        return None
    if len(recorded) < len(files):
        other = next(path for path in files if path not in recorded)
        raise UsageError(f"{recorded[0]} is a recording and {other} is none: they cannot be folded together")
    partitions: dict[int, list[Facts]] = {}
    for path in recorded:
        for partition, records in read_recording(path).items():
            partitions.setdefault(partition, []).extend(records)
    return partitions


def _write(stream: Any, log: Iterable[tuple[int, int, Facts]], since: float | None, done: Recorded) -> None:
    for partition, offset, facts in log:
        done.records += 1
        place = {"partition": partition, "record": offset, "group": facts.group_id}
        for segment in facts.segments:
            source = {"topic": segment.topic, "source_partition": segment.partition}
            for (source_offset, index), event in zip(segment.positions, segment.events, strict=True):
                is_floor = isinstance(event, MachineEvent) or event.kind == "clock_ticked"
                if since is not None and is_floor and event.event_time.timestamp() < since:
                    done.left_out += 1
                    continue
                done.events += 1
                body = event.model_dump(mode="json", exclude_none=True)
                fact = {**place, **source, "offset": source_offset, "index": index}
                stream.write(orjson.dumps({**body, FACT: fact}) + b"\n")
        tick = facts.tick
        if tick is not None and (since is None or tick.now.timestamp() >= since):
            done.ticks += 1
            now = tick.now.isoformat()
            body = {
                "kind": "clock_ticked",
                "event_id": f"tick/{now}",
                "event_time": now,
                "site_id": EVERYWHERE,
            }
            stream.write(orjson.dumps({**body, FACT: {**place, "tick": True, "lag_s": tick.lag_s}}) + b"\n")


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open_bytes(path) as stream:
        for number, line in enumerate(stream, start=1):
            try:
                body = orjson.loads(line)
                assert isinstance(body[FACT], dict)
            except (orjson.JSONDecodeError, KeyError, TypeError, AssertionError):
                raise UsageError(f"{path}: line {number} is none of a recording") from None
            yield number, body


def _place(path: Path, line: tuple[int, dict[str, Any]]) -> tuple[int, int]:
    number, body = line
    try:
        return int(body[FACT]["partition"]), int(body[FACT]["record"])
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"{path}: line {number} does not say where it stood in the log") from None


def _facts(path: Path, lines: list[tuple[int, dict[str, Any]]]) -> Facts:
    """One record of the log from its lines, judged as the log's own bytes are."""
    segments: list[dict[str, Any]] = []
    tick: dict[str, Any] | None = None
    group = ""
    try:
        for _, body in lines:
            fact: Mapping[str, Any] = body.pop(FACT)
            group = fact["group"]
            if fact.get("tick"):
                tick = {"now": body["event_time"], "lag_s": fact["lag_s"]}
                continue
            source = {"topic": fact["topic"], "partition": fact["source_partition"]}
            if not segments or {name: segments[-1][name] for name in source} != source:
                segments.append({**source, "positions": [], "events": []})
            segments[-1]["positions"].append([fact["offset"], fact["index"]])
            segments[-1]["events"].append(body)
        return decode_facts(orjson.dumps({"group_id": group, "segments": segments, "tick": tick}))
    except (KeyError, TypeError, FactsCorrupt) as error:
        raise UsageError(f"{path}: line {lines[0][0]} and those of its record: {error}") from None


def up_to(facts: Facts, moment: float) -> tuple[Facts, Facts | None]:
    """Part a record where its clock first passes a moment.

    Args:
        facts: one record.
        moment: POSIX seconds; what a tick at it brings about belongs to it.

    Returns:
        What was folded by then, and the rest of the record; None where all of it was.
    """
    kept: list[Segment] = []
    rest: list[Segment] = []
    for segment in facts.segments:
        if rest:
            rest.append(segment)
            continue
        cut = next(
            (
                index
                for index, event in enumerate(segment.events)
                if event.kind == "clock_ticked" and _is_after(event.event_time.timestamp(), moment)
            ),
            None,
        )
        if cut is None:
            kept.append(segment)
            continue
        for part, into in ((slice(0, cut), kept), (slice(cut, None), rest)):
            if segment.events[part]:
                into.append(
                    segment.model_copy(
                        update={"positions": segment.positions[part], "events": segment.events[part]}
                    )
                )
    tick: Tick | None = facts.tick
    if not rest and (tick is None or not _is_after(tick.now.timestamp(), moment)):
        return facts, None
    before = facts.model_copy(update={"segments": kept, "tick": None})
    return before, facts.model_copy(update={"segments": rest})


def _is_after(tick: float, moment: float) -> bool:
    # To the millisecond, as outputs carry it.
    return round(tick * 1000.0) > round(moment * 1000.0)
