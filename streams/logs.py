"""What a log line looks like: console lines for people, one JSON object a line for machines.

One event per thing worth knowing, with `time level event role version` first. Libraries that log by the standard
library (faust, aiokafka, librdkafka's clients) go the same way. Payloads and secrets never appear: bytes are shown by
their length, what is named like a secret is hidden, and of an exception there is type, message and the code's lines,
where of a refused body there is only which field was wrong.
"""

import logging
import re
import sys
import traceback
from importlib.metadata import version
from typing import IO, Literal

import pydantic
import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from streams.settings import Settings

_FIRST_FIELDS = ("time", "level", "event", "role", "version")

# Separate words of a field's name: `sasl_password`, `api-key`, but not `key` or `monkey`.
_SECRET_NAME = re.compile(
    r"password|passwd|secret|credential|authorization|cookie|api[_.-]?key|(^|[_.-])token($|[_.-])",
    re.IGNORECASE,
)

_HIDDEN = "(hidden)"

# The packages whose own lines are ours; all others begin at `warning`.
_OURS = ("schemas", "twin", "solvers", "streams")


def configure(
    *,
    role: str,
    version: str,
    level: Literal["debug", "info", "warning", "error"] = "info",
    log_format: Literal["auto", "console", "json"] = "auto",
    stream: IO[str] | None = None,
) -> None:
    """Set up logging for the whole process; called once by a role's start, and again by tests.

    Args:
        role: which role this process plays; on every line.
        version: of the distribution; on every line.
        level: least level of our own events. Libraries log from `warning` up unless it is `debug`.
        log_format: `auto` is console on a terminal and JSON elsewhere.
        stream: where lines go; standard error by default.
    """
    stream = sys.stderr if stream is None else stream
    is_console = log_format == "console" or (log_format == "auto" and stream.isatty())

    def add_identity(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {"role": role, "version": version, **event}

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        add_identity,
        _describe_exception,
        _hide_payloads_and_secrets,
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), _add_logger, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _order_fields,
                _console_renderer(has_colors=stream.isatty()) if is_console else _json_renderer(),
            ],
        )
    )
    our_level = logging.getLevelNamesMapping()[level.upper()]
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.DEBUG if level == "debug" else max(our_level, logging.WARNING))
    for package in _OURS:
        logging.getLogger(package).setLevel(our_level)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # a module's logger must see a later configure
    )


def configure_role(role: str, settings: Settings) -> None:
    """Set up logging for a role as its settings say."""
    configure(
        role=role, version=version("foresite"), level=settings.log_level, log_format=settings.log_format
    )


def _console_renderer(*, has_colors: bool) -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=has_colors,
        timestamp_key="time",
        exception_formatter=structlog.dev.plain_traceback,
        sort_keys=False,
    )


def _json_renderer() -> Processor:
    return structlog.processors.JSONRenderer(default=str, ensure_ascii=False)


def _order_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    first = {name: event[name] for name in _FIRST_FIELDS if name in event}
    return {**first, **{name: value for name, value in event.items() if name not in first}}


def _add_logger(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record = event.get("_record")
    return event if record is None else {**event, "logger": record.name}


def _hide_payloads_and_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: _safe(name, value) for name, value in event.items()}


def _safe(name: str, value: object) -> object:
    if _SECRET_NAME.search(name):
        return _HIDDEN
    if isinstance(value, bytes | bytearray | memoryview):
        return f"({len(value)} bytes)"
    if isinstance(value, dict):
        return {key: _safe(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple) and name != "_record":
        return [_safe(name, item) for item in value]
    return value


def _describe_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace exc_info by `error_type`, `error` and `exception`, the last without the messages that a traceback has."""
    info = event.pop("exc_info", None)
    if not info:
        return event
    error = (
        info if isinstance(info, BaseException) else info[1] if isinstance(info, tuple) else sys.exc_info()[1]
    )
    if error is None:
        return event
    event.setdefault("error_type", type(error).__name__)
    event.setdefault("error", _message_of(error))
    event["exception"] = _frames_of(error)
    return event


def _message_of(error: BaseException) -> str:
    if isinstance(error, pydantic.ValidationError):  # its own text repeats the input
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        return "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
    return str(error)


def _frames_of(error: BaseException) -> str:
    frames = "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return frames if cause is None else f"{_frames_of(cause)}\nthen\n{frames}"
