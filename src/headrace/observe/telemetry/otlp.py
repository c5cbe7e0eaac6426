"""The way to a collector: OpenTelemetry's own exporters, over OTLP/HTTP with protobuf.

What the settings leave open, the exporters take from the standard `OTEL_EXPORTER_OTLP_*` variables
of the environment, and the resource from `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import requests
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)
from requests import Response

from headrace.clock import Clock
from headrace.observe.telemetry.exporting import THREAD, Sent
from headrace.observe.telemetry.pacing import Pace, Paced
from headrace.observe.telemetry.readings import Point, Reading
from headrace.observe.telemetry.traces import Kind, Links, Span
from headrace.settings.telemetry import TelemetrySettings
from headrace.version import __version__

_SCOPE: Final = InstrumentationScope("headrace", __version__)
_CUMULATIVE: Final = AggregationTemporality.CUMULATIVE
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_ERROR: Final = StatusCode.ERROR
_KINDS: Final[Mapping[Kind, SpanKind]] = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "consumer": SpanKind.CONSUMER,
    "internal": SpanKind.INTERNAL,
}
_NS: Final = 1_000_000_000
_REDIRECTS: Final = 300
_ANSWER_BYTES_MAX: Final = 65_536
_LOGGERS: Final = "opentelemetry"
_EXPORTERS: Final = "opentelemetry.exporter.otlp."
_UNREACHED: Final = "the collector cannot be reached, or its answer not be read"


class OtlpLink:
    """Sends to one collector. Implements `Link`.

    Args:
        settings: where to, and how.
        instance: tells this process from all others.
        clock: the time.
        pause: waits for some seconds, for the loop to have the interpreter meanwhile.
        is_guest: whether it is in somebody's program, which may use OpenTelemetry itself.
    """

    def __init__(
        self,
        settings: TelemetrySettings,
        instance: str,
        clock: Clock,
        pause: Callable[[float], object] | None = None,
        *,
        is_guest: bool = False,
    ) -> None:
        _hush(is_guest=is_guest)
        self._resource = _resource(settings, instance)
        self._wall_s = clock.wall_s
        self._is_over = threading.Event()
        self._pause = pause or self._is_over.wait
        self._began_ns = int(clock.wall_s() * _NS)
        headers = {name: value.reveal() for name, value in settings.headers.items()} or None
        self._heard, session = _Heard(), requests.Session()
        session.hooks["response"].append(self._heard)
        self._spans = OTLPSpanExporter(
            endpoint=_below(settings.endpoint, "traces"),
            headers=headers,
            timeout=settings.timeout_s,
            session=session,
        )
        session = requests.Session()
        session.hooks["response"].append(self._heard)
        self._metrics = OTLPMetricExporter(
            endpoint=_below(settings.endpoint, "metrics"),
            headers=headers,
            timeout=settings.timeout_s,
            session=session,
        )

    def send_spans(self, spans: list[Span]) -> Sent:
        """Send spans, and try again for as long as an export may take."""
        self._heard.forget()
        outcome = self._spans.export(Paced(spans, self._readable, Pace(self._pause)))
        return self._heard.sent(is_taken=outcome is SpanExportResult.SUCCESS)

    def send_metrics(self, readings: list[Reading]) -> Sent:
        """Send metrics, in the same way."""
        now_ns = int(self._wall_s() * _NS)
        pace = Pace(self._pause)
        metrics = [_metric(reading, self._began_ns, now_ns, pace) for reading in readings]
        scope = ScopeMetrics(_SCOPE, metrics, schema_url="")
        self._heard.forget()
        data = MetricsData([ResourceMetrics(self._resource, [scope], schema_url="")])
        outcome = self._metrics.export(data)
        return self._heard.sent(is_taken=outcome is MetricExportResult.SUCCESS)

    def abort(self) -> None:
        """Try nothing again, and send nothing more."""
        self._is_over.set()
        self._spans.shutdown()  # type: ignore[no-untyped-call]
        self._metrics.shutdown()

    def _readable(self, span: Span) -> ReadableSpan:
        parent = None
        if span.parent_id:
            parent = _context(span, span.parent_id, is_remote=span.is_remote)
        return ReadableSpan(
            name=span.name,
            context=_context(span, span.span_id, is_remote=False),
            parent=parent,
            resource=self._resource,
            attributes=dict(span.attributes),
            events=tuple(_events(span.events)),
            links=tuple(_links(span.links)),
            kind=_KINDS[span.kind],
            status=Status(_ERROR, span.error) if span.error else Status(),
            start_time=int(span.began_s * _NS),
            end_time=int(span.ended_s * _NS),
            instrumentation_scope=_SCOPE,
        )


class _Heard:
    """What the collector said last: a hook of the connections that the exporters use."""

    def __init__(self) -> None:
        self._status = 0
        self._retry_after_s: float | None = None

    def forget(self) -> None:
        """Before the next export."""
        self._status, self._retry_after_s = 0, None

    def __call__(self, response: Response, *_: object, **__: object) -> None:
        self._status = response.status_code
        told = response.headers.get("retry-after", "")
        self._retry_after_s = float(told) if told.isdecimal() and len(told) < 9 else None
        # Nothing in it is of interest, and nobody bounds it.
        if int(response.headers.get("content-length", _ANSWER_BYTES_MAX + 1)) > _ANSWER_BYTES_MAX:
            response.close()

    def sent(self, *, is_taken: bool) -> Sent:
        """What became of the export that ended just now."""
        # A redirect is not followed, and is no failure to the exporter.
        if is_taken and self._status < _REDIRECTS:
            return Sent(True)
        if not self._status:
            return Sent(False, _UNREACHED)
        return Sent(False, f"the collector answered {self._status}", self._retry_after_s)


def _hush(*, is_guest: bool) -> None:
    """Have the packages print nothing of exports, which are told of here; of those of the program
    that this may be in, they go on."""
    if is_guest:
        for name in [
            each for each in logging.root.manager.loggerDict if each.startswith(_EXPORTERS)
        ]:
            logging.getLogger(name).addFilter(_is_of_others)
        return
    logger = logging.getLogger(_LOGGERS)
    logger.addHandler(logging.NullHandler())
    logger.propagate = False


def _is_of_others(record: logging.LogRecord) -> bool:
    return record.threadName != THREAD


def _resource(settings: TelemetrySettings, instance: str) -> Resource:
    found = Resource.create({"service.instance.id": instance, "service.version": __version__})
    name = settings.service_name
    if name is None and str(found.attributes[SERVICE_NAME]).startswith("unknown_service"):
        name = "headrace"
    return found if name is None else found.merge(Resource({SERVICE_NAME: name}))


def _below(endpoint: str | None, signal: str) -> str | None:
    return None if endpoint is None else f"{endpoint.rstrip('/')}/v1/{signal}"


def _context(span: Span, span_id: str, *, is_remote: bool) -> SpanContext:
    state = TraceState.from_header([span.state.decode()]) if span.state else None
    return SpanContext(int(span.trace_id, 16), int(span_id, 16), is_remote, _SAMPLED, state)


def _events(events: Iterable[tuple[str, float]]) -> Iterator[Event]:
    return (Event(name, timestamp=int(at_s * _NS)) for name, at_s in events)


def _links(links: Links) -> Iterator[Link]:
    for trace_id, span_id in links:
        yield Link(SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False))


def _metric(reading: Reading, began_ns: int, now_ns: int, pace: Pace) -> Metric:
    family, points = reading.family, reading.points
    data: Gauge | Histogram | Sum
    if family.kind == "gauge":
        data = Gauge(Paced(points, lambda point: _number(point, 0, now_ns), pace))
    elif family.kind == "counter":
        numbers = Paced(points, lambda point: _number(point, began_ns, now_ns), pace)
        data = Sum(numbers, _CUMULATIVE, is_monotonic=True)
    else:
        buckets = family.buckets
        spreads = Paced(points, lambda point: _spread(point, buckets, began_ns, now_ns), pace)
        data = Histogram(spreads, _CUMULATIVE)
    return Metric(reading.name, family.help, reading.unit, data)


def _number(point: Point, began_ns: int, now_ns: int) -> NumberDataPoint:
    return NumberDataPoint(dict(point.labels), began_ns, now_ns, point.value)


def _spread(
    point: Point, buckets: tuple[float, ...], began_ns: int, now_ns: int
) -> HistogramDataPoint:
    # The least and the greatest of all are not kept.
    return HistogramDataPoint(
        attributes=dict(point.labels),
        start_time_unix_nano=began_ns,
        time_unix_nano=now_ns,
        count=sum(point.counts),
        sum=point.value,
        bucket_counts=point.counts,
        explicit_bounds=buckets,
        min=None,  # type: ignore[arg-type]  # optional on the wire
        max=None,  # type: ignore[arg-type]
    )
