"""One request on its way to its answer: writes the answer, then counts and logs it once.

Implements the relay's `Reader`, for a client over HTTP.
"""

import enum
from collections.abc import Callable
from typing import Protocol

from headrace.cache.entry import Answer, Headers
from headrace.clock import Clock
from headrace.errors import DeadlineExceeded, HeadraceError
from headrace.gateway.call import Stopwatch
from headrace.gateway.ledger.ledger import Ledger
from headrace.gateway.reader import Place, Source
from headrace.server.answer_lines import (
    error_lines,
    passed_on,
    retry_lines,
    trailer_lines,
    whence_lines,
)
from headrace.server.callers import Admission, Caller
from headrace.server.heads import RequestHead
from headrace.server.inlet import Inlet
from headrace.server.ledger_entry import enter
from headrace.server.limit_lines import without_limits
from headrace.server.line import Line, WriteFailure
from headrace.server.replies import (
    GATHERED_BYTES_MIN,
    LAST_CHUNK,
    TRAILER_LINE,
    chunk,
    cost_line,
    header_lines,
    status_line,
)

CLIENT_GONE = 499  # nginx's number for it; never sent
_ERRORS = 400
# A provider may have gone on working when a request ended so.
_UNFINISHED = frozenset(("client_gone", "deadline_exceeded"))


class State(enum.IntEnum):
    """How far an answer is."""

    WAITING = 0  # nothing of it is there
    WORDED = 1  # all of it is ready, none of it is written
    STREAMING = 2  # its head is written, and more will follow
    WRITTEN = 3  # all of it is written
    OVER = 4  # counted and logged


# Finding a member of an enum costs more than comparing with it.
_WAITING, _WORDED, _STREAMING, _WRITTEN, _OVER = State


class Office(Protocol):
    """What an exchange needs of whoever starts it.

    Attributes:
        clock: the time.
        date_line: the header line that says it.
        is_draining: whether connections close with their answers.
        ledger: has a row for each request, where one is wanted.
        timing_line: words what is known of the stages.
    """

    clock: Clock
    date_line: bytes
    is_draining: bool
    ledger: Ledger | None
    timing_line: Callable[[Stopwatch], bytes]

    def next_request_id(self) -> str:
        """An id that no other request has."""
        ...

    def refused(self, error: HeadraceError) -> None:
        """A request was wrong, or too much."""
        ...

    def settled(self, exchange: "Exchange", *, aborted: bool = False) -> None:
        """An exchange is over, because its client went where it is `aborted`."""
        ...


class Exchange:
    """One request and its answer.

    An answer is whole (`prepare`, `answer`, `done`, or `send` for all of them), or it is a stream
    (`begin`, `feed`, `end`); either may `fail` instead. What no longer fits its state does nothing:
    nobody is answered twice, and a client that is gone not at all.

    Args:
        line: the connection it came over.
        office: who starts it.
        head: the head of the request, or what stands for one that could not be read.
        began_s: when its first byte came, monotonic seconds.
    """

    __slots__ = (
        "_is_paused",
        "_office",
        "_seat",
        "_worded",
        "admission",
        "answer_given",
        "bytes_in",
        "bytes_out",
        "digest",
        "error",
        "first_byte_s",
        "head",
        "inlet",
        "is_stream",
        "line",
        "request_id",
        "source",
        "state",
        "status",
        "watch",
        "write_failure",
    )

    def __init__(self, line: Line, office: Office, head: RequestHead, began_s: float) -> None:
        self.line = line
        self.head = head
        self.request_id = office.next_request_id()
        self.watch = Stopwatch(office.clock.monotonic_s, began_s)
        self.state = _WAITING
        self.source: Source | None = None
        self.answer_given: Answer | None = None
        self.bytes_in = 0
        self.bytes_out = 0
        self.digest = b""  # key of the body, for the pipeline
        self.first_byte_s = 0.0
        self.status = 0
        self.is_stream = False
        self.inlet: Inlet | None = None  # the body, where it is read as it comes
        self.error: str | None = None
        self.admission: Admission | None = None  # where its caller is limited
        self.write_failure: WriteFailure | None = None  # where a stream ends well by its event
        self._office = office
        self._seat: Place | None = None
        self._is_paused = False
        self._worded: bytes | tuple[bytes, bytes] = b""  # the answer, about to be written

    # What the connection says.

    def pause(self) -> None:
        """The client does not keep up."""
        self._is_paused = True
        if self._seat:
            self._seat.pause()

    def resume(self) -> None:
        """The client keeps up again."""
        self._is_paused = False
        if self._seat:
            self._seat.resume()

    def client_gone(self) -> None:
        """The connection is lost."""
        if self.state is _OVER:
            return
        is_written, self.state = self.state is _WRITTEN, _OVER
        self.status = self.status or CLIENT_GONE
        self.error = "client_gone"
        self._leave()
        if not is_written:
            self._enter()
        self._office.settled(self, aborted=True)

    def expire(self) -> None:
        """The caller's own deadline passed."""
        self._leave()
        self.fail(DeadlineExceeded("The deadline of x-headrace-deadline-ms has passed."))

    # What the pipeline and the relay say.

    def placed(self, source: Source) -> None:
        """It is known where the answer comes from.

        Raises:
            RateLimited: a provider would have to be asked, and the caller has no tokens left.
        """
        if self.admission is not None and not source.is_free:
            self.admission.reserve()
        self.source = source

    def seated(self, seat: Place) -> None:
        self._seat = seat
        if self._is_paused:
            seat.pause()

    def prepare(self, answer: Answer) -> None:
        """Word the answer; the writing of many follows in one go, which is cheaper."""
        if self.state is _WAITING:
            self.answer_given = answer
            lines = self._passed_on(answer.headers)
            lines += cost_line(self.cost_usd)
            if answer.status >= _ERRORS:
                lines += retry_lines(self.source)
            self._word(answer.status, lines, answer.body)

    def answer(self, answer: Answer, age_s: float | None = None) -> None:
        if age_s is None:
            self.prepare(answer)
        elif self.state is _WAITING:
            self.answer_given = answer
            lines = b"x-headrace-cost-usd: 0\r\nage: %d\r\n" % age_s
            self._word(answer.status, header_lines(answer.headers) + lines, answer.body)
        self._write_worded()

    def done(self) -> None:
        if self.state is _WRITTEN:
            self._finish(keep_alive=True)

    def begin(self, status: int, headers: Headers) -> None:
        self.state = _STREAMING
        self.is_stream = True
        framing = b"" if self.head.is_http10 else b"transfer-encoding: chunked\r\n"
        if self.head.takes_trailers:
            framing += TRAILER_LINE
        self.line.write(self._head_bytes(status, self._passed_on(headers) + framing))

    def feed(self, data: bytes, framed: bytes | None = None) -> None:
        if not self.head.is_http10:
            data = framed or chunk(data)
        self.bytes_out += len(data)
        self.line.write(data)

    def end(self, answer: Answer) -> None:
        self.answer_given = answer
        self.watch.passed("relay")
        self.close()

    def close(self) -> None:
        """End a stream, whatever of it there was."""
        self._enter()
        if self.head.takes_trailers:
            self.line.write(b"0\r\n%b\r\n" % trailer_lines(self.cost_usd, self.source))
        elif not self.head.is_http10:
            self.line.write(LAST_CHUNK)
        self._finish(keep_alive=not self.head.is_http10)

    def fail(self, error: HeadraceError) -> None:
        """Tell the client; in the middle of a stream by an event and a broken connection."""
        if self.state is _OVER:
            return
        if self.state is _WRITTEN:  # too late to tell: the client has its answer
            self.done()
            return
        self.error = error.code
        if 400 <= error.status < 500:
            self._office.refused(error)
        if self.state is _STREAMING:
            self._break(error)
            return
        self._unword()
        self.send(
            error.status,
            error_lines(error, self.source),
            self.head.dialect.error_body(error, self.request_id),
        )

    def cut(self, error: HeadraceError) -> None:
        """Break a stream off, where nothing can be told within it."""
        self.error = error.code
        self.state = _OVER
        self._seat = None
        self.line.broken()
        self._office.settled(self)

    def send(self, status: int, lines: bytes, body: bytes) -> None:
        """Answer with header lines, each ending in CRLF, and a whole body."""
        if self.state is _WAITING:
            self._word(status, lines, body)
            self._write_worded()
            self.done()

    @property
    def cost_usd(self) -> float | None:
        """What this request added to the bill, in US dollars; `None` where nobody knows."""
        if self.answer_given is None:
            return None
        if self.source is not None and self.source.is_free:
            return 0.0
        return self.answer_given.cost_usd

    def settle_limits(self) -> None:
        """Let the caller's limits know what this request used; where that is known, once."""
        if self.admission is not None:
            is_unknown = self.is_stream or self.error in _UNFINISHED
            self.admission.settle(self.source, self.answer_given, is_unknown=is_unknown)

    # The inside.

    def _enter(self) -> None:
        """Before the last byte is written, so that nobody has an answer without its row."""
        if self._office.ledger is not None:
            enter(self._office.ledger, self)

    def _passed_on(self, headers: Headers) -> bytes:
        """A provider's headers; limits that are told are those of the caller, where it has any."""
        kept = headers if self.head.caller is None else without_limits(headers)
        return passed_on(kept, self.source)

    def _limit_lines(self, caller: Caller) -> bytes:
        if self.answer_given is not None:
            self.settle_limits()
        return caller.lines(self.head.dialect.name)

    def _word(self, status: int, lines: bytes, body: bytes) -> None:
        if status != 204:
            lines += b"content-length: %d\r\n" % len(body)
        if self.head.method == b"HEAD":
            body = b""
        self.bytes_out += len(body)
        head = self._head_bytes(status, lines)
        self._worded = head + body if len(body) < GATHERED_BYTES_MIN else (head, body)
        self.state = _WORDED

    def _write_worded(self) -> None:
        if self.state is _WORDED:
            self.state = _WRITTEN
            self._enter()
            worded, self._worded = self._worded, b""
            if isinstance(worded, bytes):
                self.line.write(worded)
            else:
                self.line.writelines(worded)

    def _unword(self) -> None:
        """Let go of an answer that was made ready in vain."""
        self.state = _WAITING
        self.answer_given = None
        self.bytes_out = 0
        self._worded = b""

    def _break(self, error: HeadraceError) -> None:
        if self.watch.names:  # what an application streams has no stages
            self.watch.passed("relay")
        if self.write_failure is not None:
            self.feed(self.write_failure(error))
            self.close()
            return
        self._enter()
        # What came may have broken off within an event, which a blank line ends.
        self.feed(b"\n\n" + self.head.dialect.error_event(error, self.request_id))
        self.cut(error)

    def _head_bytes(self, status: int, lines: bytes) -> bytes:
        office, head, source, watch = self._office, self.head, self.source, self.watch
        self.status = status
        whence = b""
        if source is not None:
            told = source.told()
            if told.attempts:
                watch.passed("send")
            whence = whence_lines(source.key, told)
        self.first_byte_s = office.clock.monotonic_s()
        request_id = self.request_id.encode()
        return b"%b%b%b%b%bx-request-id: %b\r\n%b%b" % (
            status_line(status),
            lines,
            whence,
            office.timing_line(watch) if watch.names else b"",
            head.extra if head.caller is None else head.extra + self._limit_lines(head.caller),
            # Anthropic's SDK looks for its own name of it.
            b"%b\r\nrequest-id: %b" % (request_id, request_id)
            if head.dialect.name == "anthropic"
            else request_id,
            office.date_line,
            b"\r\n" if head.keep_alive and not office.is_draining else b"connection: close\r\n\r\n",
        )

    def _leave(self) -> None:
        seat, self._seat = self._seat, None
        if seat:
            seat.leave()

    def _finish(self, *, keep_alive: bool) -> None:
        self.state = _OVER
        self._seat = None
        office = self._office
        office.settled(self)
        keep_alive = keep_alive and self.head.keep_alive and not office.is_draining
        self.line.finished(keep_alive=keep_alive)
