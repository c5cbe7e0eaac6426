"""One call over HTTP/2, from when it is made until its answer has ended."""

import asyncio
from collections.abc import Callable

from headrace.upstream.faults import FaultKind
from headrace.upstream.h1 import NEVER_S, RawHeaders, Sink, Timeouts
from headrace.upstream.pool import UpstreamCall


class H2Call(UpstreamCall):
    """One call on its way; the pool drives it, whoever made it may cancel it. Also its `Flow`.

    Args:
        request: the request, worded for HTTP/1.1.
        sink: where the answer goes.
        timeouts: time limits.
        now: the loop's time, in seconds.
        on_over: told once the call is over.

    Attributes:
        is_over: whether its sink has heard all it will hear.
        has_set_out: whether its request went out before.
        has_head: whether its answer has begun.
        body_bytes: what came of its body.
        task: what drives it.
    """

    __slots__ = (
        "_deadline_s",
        "_heard",
        "_is_stoppable",
        "_now",
        "_on_over",
        "_resumed",
        "_timeouts",
        "_total_deadline_s",
        "body_bytes",
        "has_head",
        "has_set_out",
        "is_over",
        "task",
    )

    def __init__(
        self,
        request: bytes,
        sink: Sink,
        timeouts: Timeouts,
        now: Callable[[], float],
        on_over: Callable[["H2Call"], None],
    ) -> None:
        super().__init__(request, sink)
        self._timeouts = timeouts
        self._now = now
        self._on_over = on_over
        self._deadline_s = self._total_deadline_s = NEVER_S
        self._heard = False
        self._resumed: asyncio.Event | None = None
        self._is_stoppable = True
        self.is_over = False
        self.has_head = self.has_set_out = False
        self.body_bytes = 0
        self.task: asyncio.Task[None] | None = None

    # Whoever made it.

    def cancel(self) -> None:
        """Give the call up; its sink hears nothing more. Not for a call that has ended.

        Its stream is reset, at once where the answer has begun, else as soon as it does.
        """
        super().cancel()
        self.over()
        if self._is_stoppable and self.task is not None:
            self.task.cancel()

    def pause(self) -> None:
        """Read nothing more of the answer; only the total time limit still runs."""
        if self._resumed is None and not self.is_over:
            self._resumed = asyncio.Event()
            self._deadline_s = self._total_deadline_s

    def resume(self) -> None:
        """Read on."""
        resumed, self._resumed = self._resumed, None
        if resumed is not None:
            resumed.set()
            self._expect(self._timeouts.idle_timeout_s)

    def redirect(self, sink: Sink) -> None:
        """What comes from now on goes to `sink`."""
        self.sink = sink
        self.resume()

    # The pool.

    def over(self) -> None:
        """Its sink hears nothing more."""
        if not self.is_over:
            self.is_over = True
            self._on_over(self)

    def sets_out(self) -> None:
        """The request goes out; until the answer begins its stream cannot be reset."""
        now_s = self._now()
        self._total_deadline_s = now_s + self._timeouts.total_timeout_s
        self._expect(self._timeouts.first_byte_timeout_s)
        self._is_stoppable = False
        self.has_set_out = True
        self.sink.on_attempt(self)

    def begins(self, status: int, headers: RawHeaders) -> None:
        """The answer begins."""
        self.has_head = self._heard = True
        self.sink.on_head(status, headers)

    def goes_on(self, chunk: bytes) -> None:
        """More of the answer has come."""
        self._heard = True
        self.body_bytes += len(chunk)
        self.sink.on_body(chunk)

    async def waits(self) -> None:
        """Wait while nobody takes what comes."""
        self._is_stoppable = True
        while self._resumed is not None:
            await self._resumed.wait()

    def works(self) -> None:
        """The answer is handed on: whoever cancels now is seen before the next wait."""
        self._is_stoppable = False

    def expired(self, now_s: float) -> FaultKind | None:
        """Which time limit has passed, if any; asked now and then."""
        if self._heard:
            self._heard = False
            if self._resumed is None:
                self._expect(self._timeouts.idle_timeout_s)
        elif now_s >= self._deadline_s:
            if now_s >= self._total_deadline_s:
                return "timeout_total"
            return "timeout_idle" if self.has_head else "timeout_first_byte"
        return None

    def _expect(self, within_s: float) -> None:
        self._deadline_s = min(self._now() + within_s, self._total_deadline_s)
