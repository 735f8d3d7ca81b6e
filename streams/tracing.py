"""Traces over Kafka: W3C `traceparent` in record headers, carried by hand through the batches of every role.

Off by default, and then nothing of it is imported or looked at: roles ask `is_on` once a batch, or carry no traces at all. On, it
needs the extra `foresite[otel]`; where spans go is said by OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_ENDPOINT).

Law: a trace never changes what is written beside headers, and nothing is decided by it. The twin's fold does not see it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from schemas.errors import UsageError

if TYPE_CHECKING:
    from streams.settings import Settings

log = structlog.get_logger(__name__)

HEADER = "traceparent"

CARRIED_MAX = 8
"""Traces that one record carries on. A facts record holds hundreds of events: too large, and headers outgrow the body; too
small: traces of a burst of commands end at ingest."""


class Span:
    """A piece of work that somebody can look at; this one is nobody's.

    Attributes:
        traceparent: to be sent along with what follows from it; "" for nothing.
    """

    traceparent = ""

    def end(self, error: str | None = None) -> None:
        """It is over, well or with an error. Does nothing the second time."""


NO_SPAN = Span()


class Tracing:
    """What roles ask of traces; this one is off."""

    is_on = False

    def carried(self, headers: Any) -> tuple[str, ...]:
        """The traces that a record belongs to, from its headers as any of our clients gives them."""
        return ()

    def sampled(self) -> bool:
        """Whether a record without a trace begins one here."""
        return False

    def span(
        self, name: str, parents: Sequence[str] = (), attributes: Mapping[str, str | int] | None = None
    ) -> Span:
        """Begin a piece of work.

        Args:
            name: few different ones; ids belong into attributes.
            parents: traces that it belongs to: the first is continued, the others are linked.
            attributes: by OpenTelemetry's names where there are such.
        """
        return NO_SPAN

    def close(self) -> None:
        """Send what has not been sent."""


OFF = Tracing()


def open_tracing(role: str, settings: "Settings") -> Tracing:
    """Tracing as the settings want it.

    Raises:
        UsageError: it is wanted and not installed.
    """
    if settings.traces == "off":
        return OFF
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        from streams.otel import OpenTelemetry  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            f"FORESITE_TRACES=otlp needs OpenTelemetry ({error.name} is missing): pip install 'foresite[otel]'"
        ) from None
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"foresite-{role}", "service.namespace": settings.app_id})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    log.info("traces_on", sample=settings.traces_sample)
    return OpenTelemetry(provider, settings.traces_sample)


def header_of(span: Span) -> list[tuple[str, bytes]]:
    """The header that carries a span on; none where there is nothing to carry."""
    return [(HEADER, span.traceparent.encode())] if span.traceparent else []


def headers_of(traceparents: Iterable[str]) -> list[tuple[str, bytes]]:
    """A header for each trace that goes on, up to CARRIED_MAX."""
    return [(HEADER, each.encode()) for each in dict.fromkeys(traceparents)][:CARRIED_MAX]
