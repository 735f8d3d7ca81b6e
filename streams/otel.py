"""Tracing with OpenTelemetry: imported only where traces are on, so that nobody else needs it."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from streams.tracing import CARRIED_MAX, HEADER, Span, Tracing

_W3C = TraceContextTextMapPropagator()


class OpenTelemetry(Tracing):
    """Traces that go to a provider.

    Args:
        provider: where spans go.
        sample: share of records without a trace that begin one.
    """

    is_on = True

    def __init__(self, provider: TracerProvider, sample: float) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("foresite")
        self._sample = sample

    def carried(self, headers: Any) -> tuple[str, ...]:
        """See Tracing. What is no traceparent, or was not sampled by who began it, is left alone."""
        pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
        found: list[str] = []
        for name, value in pairs:
            if name == HEADER and len(found) < CARRIED_MAX:
                text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
                if _context(text).trace_flags.sampled:
                    found.append(text)
        return tuple(found)

    def sampled(self) -> bool:
        """See Tracing."""
        return random.random() < self._sample

    def span(
        self, name: str, parents: Sequence[str] = (), attributes: Mapping[str, str | int] | None = None
    ) -> Span:
        """See Tracing."""
        parent = _W3C.extract({HEADER: parents[0]}) if parents else None
        made = self._tracer.start_span(
            name,
            context=parent,
            kind=SpanKind.CONSUMER if parents else SpanKind.INTERNAL,
            attributes=dict(attributes or {}),
            links=[Link(_context(each)) for each in parents[1:]],
        )
        return _Span(made)

    def close(self) -> None:
        """See Tracing."""
        self._provider.shutdown()


class _Span(Span):
    def __init__(self, span: trace.Span) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, trace.set_span_in_context(span))
        self.traceparent = carrier.get(HEADER, "")

    def end(self, error: str | None = None) -> None:
        """See Span."""
        if not self._span.is_recording():
            return
        if error is not None:
            self._span.set_status(Status(StatusCode.ERROR, error))
        self._span.end()


def _context(traceparent: str) -> SpanContext:
    return trace.get_current_span(_W3C.extract({HEADER: traceparent})).get_span_context()
