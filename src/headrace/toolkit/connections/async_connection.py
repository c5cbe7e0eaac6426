"""One kept connection on an event loop: a request goes out, its answer is read by one task."""

import asyncio
import select
from collections.abc import Callable
from typing import Final, cast

from headrace.errors import HeadraceError
from headrace.limits import WRITE_BUFFER_BYTES_HIGH
from headrace.toolkit.connections.address import Origin
from headrace.toolkit.connections.faults import CallFault, not_understood
from headrace.upstream.answer_reader import AnswerReader
from headrace.upstream.faults import FaultKind

NEVER_S: Final = float("inf")
_ENDED_OR_READABLE: Final = select.POLLIN | select.POLLHUP | select.POLLERR


class AsyncConnection(asyncio.Protocol):
    """A connection that carries one call at a time.

    Its time limits are looked at by one timer, which is set anew only where the next limit comes
    sooner than it would ring: a call costs no timer of its own.

    Args:
        origin: what it leads to.
        now_s: the time, in seconds.
        on_lost: told when the connection is gone.

    Attributes:
        origin: what it leads to.
        reader: the answer, as far as it came.
        idle_since_s: since when nobody uses it.
        is_lost: whether nothing can be sent any more.
    """

    def __init__(
        self,
        origin: Origin,
        now_s: Callable[[], float],
        on_lost: Callable[["AsyncConnection"], None],
    ) -> None:
        self.reader = AnswerReader()
        self.idle_since_s = 0.0
        self.is_lost = False
        self.origin = origin
        self._now_s = now_s
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._poll = select.poll()
        self._future: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rings_s = NEVER_S
        self._fault: HeadraceError | None = None
        self._is_asked = self._is_whole = self._is_paused = False
        self._buffered = self._unsent = 0
        self._read_timeout_s = self._deadline_s = NEVER_S
        self._heard_s = 0.0

    async def ask(
        self,
        request: bytes,
        *,
        is_head: bool,
        body_bytes_max: float,
        is_whole: bool,
        read_timeout_s: float,
        deadline_s: float,
    ) -> None:
        """Send a request, and wait for the answer's head or for all of it.

        Args:
            request: the bytes that go out.
            is_head: whether it asks by HEAD.
            body_bytes_max: bound on the answer's body.
            is_whole: whether to wait for all of the answer; else it stops being read where
                nobody takes it.
            read_timeout_s: seconds between any two bytes of the answer.
            deadline_s: when it has to be there.

        Raises:
            CallFault: there is no answer, or not all of it; the connection is closed.
        """
        reader = self.reader
        reader.begin(is_head=is_head, body_bytes_max=body_bytes_max)
        self._is_whole = is_whole
        self._is_asked = True
        self._buffered = 0
        self._read_timeout_s = read_timeout_s
        self._deadline_s = deadline_s
        self._heard_s = self._now_s()
        self._transport.write(request)
        self._set_timer(self._heard_s)
        while not reader.is_complete:
            if not is_whole and reader.is_head_done:
                return
            await self._wait()

    async def read(self) -> bytes:
        """What came of the body since, at least a byte of it; nothing at its end.

        Raises:
            CallFault: it broke off.
            RuntimeError: another task reads as well.
        """
        reader = self.reader
        while not (chunk := reader.take()):
            if reader.is_complete:
                return b""
            await self._wait()
        self._buffered = 0
        if self._is_paused and not self.is_lost:
            self._is_paused = False
            self._heard_s = self._now_s()
            self._transport.resume_reading()
            self._set_timer(self._heard_s)
        return chunk

    def rest(self) -> bool:
        """The call is over; returns whether the connection may carry another."""
        self._is_asked = False
        reader = self.reader
        return (
            reader.is_complete
            and reader.keeps_alive
            and not self.is_lost
            and not self._transport.is_closing()
        )

    def abort(self, error: HeadraceError | None = None) -> None:
        """Close it at once; a call under way ends with `error`."""
        self._fault = self._fault or error
        self._stop_timer()
        self._transport.abort()

    @property
    def is_usable(self) -> bool:
        """Whether a request may be sent, as far as one can tell: nothing is there to be read.

        The loop may not have come to read yet that the server has left, or what nobody asked for
        and would be taken for the next answer.
        """
        return not (self.is_lost or self._transport.is_closing() or self._poll.poll(0))

    async def _wait(self) -> None:
        if self._fault is not None:
            raise self._fault
        if self._future is not None:  # what the first one waits for would go to the other
            raise RuntimeError("another task reads this answer already")
        future = self._future = self._loop.create_future()
        try:
            await future
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._future = None

    def _wake(self) -> None:
        future = self._future
        if future is not None and not future.done():
            future.set_result(None)

    # What the transport says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), _ENDED_OR_READABLE)

    def data_received(self, data: bytes) -> None:
        reader = self.reader
        if not self._is_asked or reader.is_complete:  # a late or unsolicited answer
            reader.keeps_alive = False
            self.abort()
            return
        self._heard_s = self._now_s()
        fault = reader.feed(data)
        if fault is not None:
            self._fail(fault, data)
        elif reader.is_complete:
            self._wake()
        elif not self._is_whole and reader.is_head_done:
            self._buffered += len(data)
            if self._buffered > WRITE_BUFFER_BYTES_HIGH and not self._is_paused:
                self._is_paused = True
                self._transport.pause_reading()
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._stop_timer()
        reader = self.reader
        if self._is_asked and self._fault is None and not reader.is_complete:
            kind: FaultKind | None = "cut" if reader.has_begun else "reset"
            if exc is None:
                kind = reader.end()
            if kind is not None:
                self._fault = CallFault(kind, self.origin)
        reader.close()
        self._wake()
        self._on_lost(self)

    def _fail(self, kind: FaultKind, data: bytes = b"") -> None:
        if kind == "garbage":
            self._fault = not_understood(self.origin, data)
        else:
            self._fault = CallFault(kind, self.origin)
        self.abort()
        self._wake()

    # Time.

    def _due_s(self) -> float:
        if self._is_paused:  # nobody takes what came, and that is not the server's doing
            return self._deadline_s
        return min(self._heard_s + self._read_timeout_s, self._deadline_s)

    def _set_timer(self, now_s: float) -> None:
        due_s = self._due_s()
        if due_s >= self._rings_s or due_s == NEVER_S:
            return
        self._stop_timer()
        self._rings_s = due_s
        self._timer = self._loop.call_later(max(0.0, due_s - now_s), self._look)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._rings_s = NEVER_S

    def _look(self) -> None:
        self._timer = None
        self._rings_s = NEVER_S
        if not self._is_asked or self.reader.is_complete or self._fault is not None:
            return
        now_s = self._now_s()
        unsent = self._transport.get_write_buffer_size()
        if unsent < self._unsent:  # a long request still goes out
            self._heard_s = now_s
        self._unsent = unsent
        if now_s < self._due_s():
            self._set_timer(now_s)
        elif now_s >= self._deadline_s:
            self._fail("timeout_total")
        else:
            self._fail("timeout_idle" if self.reader.has_begun else "timeout_first_byte")
