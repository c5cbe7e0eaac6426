"""A little collector of OpenTelemetry: takes OTLP over HTTP, and misbehaves on demand."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import msgspec
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.support.waiting import eventually

INTERNAL, SERVER, CLIENT, CONSUMER = 1, 2, 3, 5
HELD_S = 120.0
"""So long an answer is held back at most."""


class SpanTold(msgspec.Struct, frozen=True):
    """A span as the collector got it; ids are hexadecimal."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    state: str
    attributes: dict[str, Any]
    events: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    is_error: bool
    began_s: float
    took_s: float
    instance: str
    service: str


class SeriesTold(msgspec.Struct, frozen=True):
    """A series as the collector got it: its value, or its sum and counts by bucket."""

    name: str
    unit: str
    labels: dict[str, Any]
    value: float
    counts: tuple[int, ...]
    bounds: tuple[float, ...]
    instance: str


class Reply(msgspec.Struct, frozen=True):
    """How an export is answered.

    Attributes:
        status: of the answer; 0 for bytes that are no HTTP.
        retry_after: the header, where there is one.
        body: of the answer.
    """

    status: int = 200
    retry_after: str = ""
    body: bytes = b""


class Collector:
    """Listens on a port of its own while it is entered.

    Attributes:
        spans: those of exports that were taken, in the order in which they came.
        series: those of the last export of metrics of each instance that was taken.
        headers: of each export, whether it was taken or not.
        taken: how many exports were taken.
        raw: all bytes that came.
    """

    def __init__(self, port: int = 0) -> None:
        self.spans: list[SpanTold] = []
        self.series: dict[str, list[SeriesTold]] = {}
        self.headers: list[dict[str, str]] = []
        self.taken = 0
        self.raw = b""
        self._replies: list[Reply] = []
        self._connections: set[socket.socket] = set()
        self._may_answer = threading.Event()
        self._may_answer.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Go away, as one that is killed does: who waits for an answer gets none."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def answer_next(self, *replies: Reply) -> None:
        """How the next exports are answered; later ones are taken."""
        self._replies.extend(replies)

    def hold(self) -> None:
        """Answer nothing until `release`."""
        self._may_answer.clear()

    def release(self) -> None:
        self._may_answer.set()

    def wait_for_spans(self, count: int) -> Sequence[SpanTold]:
        """All spans, once there are so many."""
        return eventually(lambda: self.spans if len(self.spans) >= count else None)

    def named(self, name: str) -> list[SeriesTold]:
        """The series of a metric, of all instances."""
        every = [each for series in self.series.values() for each in series]
        return [each for each in every if each.name == name]

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """One export."""
        self.headers.append(headers)
        self.raw += body
        self._may_answer.wait(HELD_S)
        reply = self._replies.pop(0) if self._replies else Reply()
        if reply.status == 200:
            self.taken += 1
            if path == "/v1/traces":
                self.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
            elif path == "/v1/metrics":
                told = list(_series(ExportMetricsServiceRequest.FromString(body)))
                self.series[told[0].instance] = told
        return reply

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                collector._connections.add(self.connection)

            def finish(self) -> None:
                collector._connections.discard(self.connection)
                super().finish()

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = collector.take(self.path, headers, self.rfile.read(length))
                if not reply.status:
                    self.wfile.write(b"\x16\x03 this is no HTTP\r\n\r\n")
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                if reply.retry_after:
                    self.send_header("retry-after", reply.retry_after)
                self.send_header("content-length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, *_: object) -> None: ...

        return Handler


def _spans(request: Any) -> Iterator[SpanTold]:
    for resource in request.resource_spans:
        known = _pairs(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield SpanTold(
                    span.name,
                    span.kind,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.trace_state,
                    _pairs(span.attributes),
                    tuple(event.name for event in span.events),
                    tuple((each.trace_id.hex(), each.span_id.hex()) for each in span.links),
                    span.status.code == 2,
                    span.start_time_unix_nano / 1e9,
                    (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                    known["service.instance.id"],
                    known["service.name"],
                )


def _series(request: Any) -> Iterator[SeriesTold]:
    for resource in request.resource_metrics:
        instance = _pairs(resource.resource.attributes)["service.instance.id"]
        for metric in resource.scope_metrics[0].metrics:
            data = getattr(metric, metric.WhichOneof("data"))
            for point in data.data_points:
                is_spread = metric.HasField("histogram")
                yield SeriesTold(
                    metric.name,
                    metric.unit,
                    _pairs(point.attributes),
                    point.sum if is_spread else point.as_double + point.as_int,
                    tuple(point.bucket_counts) if is_spread else (),
                    tuple(point.explicit_bounds) if is_spread else (),
                    instance,
                )


def _pairs(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
