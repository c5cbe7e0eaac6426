"""What a worker does for its collector: requests are traced and counted, and a thread sends it."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from headrace.clock import Clock
from headrace.gateway.landing import Landing
from headrace.gateway.tracing import CollectorVoice
from headrace.observe.metrics import Metrics
from headrace.observe.telemetry.exporting import Exporter, Signal, Tally
from headrace.observe.telemetry.gen_ai import GenAiMetrics
from headrace.observe.telemetry.readings import Reading, read_row
from headrace.observe.telemetry.traces import Tracer
from headrace.server.books import Books
from headrace.server.post import Post
from headrace.server.service import Service
from headrace.settings import Settings
from headrace.settings.telemetry import TelemetrySettings, check_telemetry
from headrace.store.voice import Say

_SIGNALS: Sequence[Signal] = ("traces", "metrics")
_RESTARTS: Final = "headrace_worker_restarts_total"


class Telemetry:
    """Belongs to one event loop; what is sent is sent by a thread of its own.

    Args:
        exporter: sends it.
        tracer: traces requests; `None` where that is not wanted.
        gen_ai: counts by the conventions; `None` where metrics are not sent.
        metrics: counts what became of spans and exports.
        voice: tells the operator of the collector.
    """

    def __init__(
        self,
        exporter: Exporter,
        tracer: Tracer | None,
        gen_ai: GenAiMetrics | None,
        metrics: Metrics,
        voice: CollectorVoice,
    ) -> None:
        self._exporter = exporter
        self._tracer = tracer
        self._gen_ai = gen_ai
        self._metrics = metrics
        self._voice = voice
        self._booked = Tally()

    def attach(self, service: Service, books: Books, landing: Landing) -> None:
        """Have requests traced, and counted by the conventions, where that is wanted."""
        service.tracer = landing.tracer = self._tracer
        books.gen_ai = landing.gen_ai = self._gen_ai

    def start(self) -> None:
        """Begin to send."""
        self._exporter.start()

    def tick(self) -> None:
        """Count what the thread has done, and tell what went wrong; to be called now and then."""
        done, booked, metrics = self._exporter.tally, self._booked, self._metrics
        spans, exports = metrics.spans, metrics.telemetry_exports
        exported, failed = done.exported, done.failed
        spans.add(spans.at("exported"), exported - booked.exported)
        spans.add(spans.at("failed"), failed - booked.failed)
        booked.exported, booked.failed = exported, failed
        if self._tracer is not None:
            spans.add(spans.at("dropped"), self._tracer.take_dropped())
        for signal in _SIGNALS:
            taken, refused = done.taken[signal], done.refused[signal]
            exports.add(exports.at(signal, "taken"), taken - booked.taken[signal])
            exports.add(exports.at(signal, "failed"), refused - booked.refused[signal])
            booked.taken[signal], booked.refused[signal] = taken, refused
        self._voice.tell(done.problem)

    async def close(self) -> None:
        """Send what is left, within the time for that."""
        if not await asyncio.to_thread(self._exporter.close):
            self._voice.left()
        self.tick()


class NoTelemetry:
    """What there is where nothing is sent."""

    def attach(self, service: Service, books: Books, landing: Landing) -> None: ...

    def start(self) -> None: ...

    def tick(self) -> None: ...

    async def close(self) -> None: ...


def keep_telemetry(start: Settings, renewed: Settings) -> Settings:
    """Settings that are read again, with the telemetry that the board and the tracer were made for.

    Workers that are started later stand on the same board.

    Args:
        start: what is gone by so far.
        renewed: what was read.
    """
    return replace(renewed, telemetry=start.telemetry.kept(renewed.telemetry))


def open_telemetry(
    settings: TelemetrySettings, post: Post, clock: Clock, metrics: Metrics, say: Say, tag: str
) -> Telemetry | NoTelemetry:
    """What a worker sends to a collector, where that is wanted.

    Args:
        settings: what is sent, and where to.
        post: where the worker stands, and its row.
        clock: the time.
        metrics: counts what became of it.
        say: tells the operator.
        tag: tells this process from all others.

    Raises:
        SettingsInvalid: what is needed for it is not installed.
    """
    if not settings.is_on:
        return NoTelemetry()
    check_telemetry(settings)
    # Importing it takes longer than all else of a start.
    from headrace.observe.telemetry.otlp import OtlpLink

    tracer = gen_ai = None
    if settings.traces:
        uniform = secrets.SystemRandom().random
        tracer = Tracer(settings, clock, uniform, secrets.token_bytes)
    layout, row, slots = post.layout, post.board.row(post.index), post.board.slots
    worker, slos = post.index, post.board.slo_slots
    before = post.board.copy(worker)
    # The supervisor counts these before the successor begins, who is the one to tell of them.
    before[layout.place(_RESTARTS).base] = 0.0

    def read() -> list[Reading]:
        return read_row(layout, post.board.copy(worker), before, slots.names(), slos.names())

    if settings.metrics:
        gen_ai = GenAiMetrics(layout, row, slots)
    link = OtlpLink(settings, tag, clock)
    reads = read if settings.metrics else None
    exporter = Exporter(settings, link, tracer, reads, clock.monotonic_s)
    return Telemetry(exporter, tracer, gen_ai, metrics, CollectorVoice(say))
