"""Log lines: the fields of every line, and what never stands in one."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pydantic
import pytest
import structlog

from streams import logs


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers, root.level
    yield
    root.handlers, root.level = before
    for package in ("schemas", "twin", "solvers", "streams"):
        logging.getLogger(package).setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_its_fields_in_order(stream: io.StringIO) -> None:
    logs.configure(role="twin", version="0.1.0", stream=stream)

    structlog.get_logger("streams.shard").info("shard_taken_over", partition=3, offset=4711)

    [line] = lines(stream)
    assert ["time", "level", "event", "role", "version", "partition", "offset"] == list(line)
    assert line.pop("time").endswith("Z")
    assert {
        "level": "info",
        "event": "shard_taken_over",
        "role": "twin",
        "version": "0.1.0",
        "partition": 3,
        "offset": 4711,
    } == line


def test_libraries_go_the_same_way_from_warning_up(stream: io.StringIO) -> None:
    logs.configure(role="twin", version="0.1.0", stream=stream)

    logging.getLogger("aiokafka.consumer").info("chatter")
    logging.getLogger("aiokafka.consumer").warning("Topic %s is not available", "twin.facts.v1")

    assert [("warning", "Topic twin.facts.v1 is not available", "twin", "aiokafka.consumer")] == [
        (line["level"], line["event"], line["role"], line["logger"]) for line in lines(stream)
    ]


@pytest.mark.parametrize(
    ("level", "expected"),
    [("debug", ["a", "b", "c"]), ("info", ["b", "c"]), ("warning", ["c"]), ("error", [])],
)
def test_the_level_holds_for_our_own_events(level: Any, expected: list[str], stream: io.StringIO) -> None:
    logs.configure(role="ingest", version="0.1.0", level=level, stream=stream)
    log = structlog.get_logger("streams.ingest")

    log.debug("a")
    log.info("b")
    log.warning("c")

    assert expected == [line["event"] for line in lines(stream)]


def test_neither_payloads_nor_secrets_are_logged(stream: io.StringIO) -> None:
    logs.configure(role="ingest", version="0.1.0", stream=stream)

    structlog.get_logger("streams.ingest").error(
        "record_refused",
        value=b'{"customer": "Northwind"}',
        sasl_password="hunter2",
        config={"sasl.password": "hunter2", "client.id": "ingest"},
        headers=[b"abc", b"de"],
        token="hunter2",
        key="line-7",
    )

    [line] = lines(stream)
    assert "hunter2" not in stream.getvalue()
    assert "(25 bytes)" == line["value"]
    assert {"sasl.password": "(hidden)", "client.id": "ingest"} == line["config"]
    assert ["(3 bytes)", "(2 bytes)"] == line["headers"]
    assert "line-7" == line["key"]


def test_of_a_refused_body_only_the_field_is_named(stream: io.StringIO) -> None:
    class Body(pydantic.BaseModel):
        quantity: int

    body = {"quantity": "Northwind's order"}
    logs.configure(role="ingest", version="0.1.0", stream=stream)
    try:
        Body.model_validate(body)
    except pydantic.ValidationError:
        structlog.get_logger("streams.ingest").exception("body_refused")
        logging.getLogger("faust").exception("agent raised")

    ours, theirs = lines(stream)
    assert "Northwind" not in stream.getvalue()
    for line in (ours, theirs):
        assert "ValidationError" == line["error_type"]
        assert line["error"].startswith("quantity: Input should be a valid integer")
        assert "in test_of_a_refused_body" in line["exception"]


def test_a_cause_is_shown_without_its_message(stream: io.StringIO) -> None:
    logs.configure(role="twin", version="0.1.0", stream=stream)
    try:
        try:
            raise ValueError("of " + "the cause")
        except ValueError as cause:
            raise RuntimeError("of the error") from cause
    except RuntimeError:
        structlog.get_logger("streams.shard").exception("shard_failed")

    [line] = lines(stream)
    assert ("RuntimeError", "of the error") == (line["error_type"], line["error"])
    assert "ValueError\nthen\n" in line["exception"]


def test_a_terminal_gets_console_lines(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "isatty", lambda: True)
    logs.configure(role="demo", version="0.1.0", stream=stream)

    structlog.get_logger("streams.cli").info("demo_started", site="lyon")

    assert "demo_started" in stream.getvalue()
    assert "\x1b[" in stream.getvalue()


def test_console_lines_without_a_terminal_have_no_colours(stream: io.StringIO) -> None:
    logs.configure(role="demo", version="0.1.0", log_format="console", stream=stream)

    structlog.get_logger("streams.cli").info("demo_started", site="lyon")

    [line] = stream.getvalue().splitlines()
    assert "\x1b[" not in line
    assert "site=lyon" in line


def test_configuring_again_replaces_and_does_not_double(stream: io.StringIO) -> None:
    log = structlog.get_logger("streams.cli")
    logs.configure(role="first", version="0.1.0", stream=io.StringIO())
    logs.configure(role="second", version="0.1.0", stream=stream)

    log.info("started")

    assert ["second"] == [line["role"] for line in lines(stream)]
