"""The thread that sends what there is to a collector, so that nothing the collector does, be it
away, slow or wrong, is ever waited for by a request."""

import threading
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Final, Literal, Protocol

import msgspec

from headrace.observe.telemetry.readings import Read, Reading
from headrace.observe.telemetry.traces import Span, Tracer
from headrace.settings.telemetry import TelemetrySettings

Signal = Literal["traces", "metrics"]

THREAD: Final = "headrace-telemetry"
# Each is one request to the collector, which is worded in one go.
BATCH_SPANS: Final = 64
POLL_S: Final = 0.5
_TRIES: Final = 3
_PAUSE_S_MAX: Final = 30.0
_ABORT_S: Final = 0.5


class Sent(msgspec.Struct, frozen=True):
    """What became of an export.

    Attributes:
        is_taken: whether the collector took it.
        problem: why not; holds no header and no credential.
        retry_after_s: how long it wants to be left alone, where it says so.
    """

    is_taken: bool
    problem: str = ""
    retry_after_s: float | None = None


class Link(Protocol):
    """The way to a collector. Used by the thread only, but for `abort`."""

    def send_spans(self, spans: list[Span]) -> Sent: ...
    def send_metrics(self, readings: list[Reading]) -> Sent: ...
    def abort(self) -> None:
        """Wait for nothing any more; from any thread."""
        ...


class Tally(msgspec.Struct):
    """What the thread has done so far: it alone writes, and whoever likes may read.

    Attributes:
        exported: spans that the collector took.
        failed: spans that it did not take.
        taken: exports that it took, by signal.
        refused: those that it did not.
        problem: why the last one was not taken; empty where it was.
    """

    exported: int = 0
    failed: int = 0
    taken: dict[Signal, int] = msgspec.field(default_factory=lambda: {"traces": 0, "metrics": 0})
    refused: dict[Signal, int] = msgspec.field(default_factory=lambda: {"traces": 0, "metrics": 0})
    problem: str = ""


class Exporter:
    """Sends spans soon after they are over, and metrics now and then.

    Args:
        settings: when, and for how long.
        link: the way to the collector.
        tracer: who keeps spans; `None` where none are made.
        read: reads the metrics; `None` where none are sent.
        now_s: monotonic seconds.

    Attributes:
        tally: what was done so far.
    """

    def __init__(
        self,
        settings: TelemetrySettings,
        link: Link,
        tracer: Tracer | None,
        read: Read | None,
        now_s: Callable[[], float],
    ) -> None:
        self.tally = Tally()
        self._settings = settings
        self._link = link
        self._tracer = tracer
        self._read = read
        self._now_s = now_s
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=THREAD, daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def close(self, limit_s: float = inf) -> bool:
        """Send what is left, within the time for that; blocks as long. Whether all was tried.

        Args:
            limit_s: what there is of it, where that is less than the settings give.
        """
        self._closing.set()
        if self._thread.ident is None:  # it was never started
            return True
        if not self.tally.problem:  # else there is nobody to take it: what is tried again ends now
            self._thread.join(min(self._settings.flush_s, limit_s))
        self._link.abort()
        self._thread.join(_ABORT_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        metrics_due_s = self._now_s() + self._settings.metrics_interval_s
        while not self._closing.wait(POLL_S):
            self._send_spans()
            if self._now_s() >= metrics_due_s:
                metrics_due_s = self._now_s() + self._settings.metrics_interval_s
                self._send_metrics()
        self._send_spans()
        self._send_metrics()

    def _send_spans(self) -> None:
        if self._tracer is None:
            return
        # No more than may wait: metrics have their time too, whatever comes meanwhile.
        for _ in range(self._settings.queue_spans_max // BATCH_SPANS + 1):
            batch = self._tracer.take(BATCH_SPANS)
            if not batch:
                break
            if self._send("traces", partial(self._link.send_spans, batch)):
                self.tally.exported += len(batch)
            else:
                self.tally.failed += len(batch)
                if not self._closing.is_set():
                    break

    def _send_metrics(self) -> None:
        if self._read is not None:
            read = self._read
            self._send("metrics", lambda: self._link.send_metrics(read()))

    def _send(self, signal: Signal, send: Callable[[], Sent]) -> bool:
        """Send something; again after a while, where the collector asks for that."""
        for tries_left in reversed(range(_TRIES)):
            sent = send()
            if sent.is_taken:
                self.tally.taken[signal] += 1
                self.tally.problem = ""
                return True
            self.tally.problem = sent.problem
            self.tally.refused[signal] += 1
            if sent.retry_after_s is None or not tries_left:
                break
            if self._closing.wait(min(sent.retry_after_s, _PAUSE_S_MAX)):
                break
        return False
