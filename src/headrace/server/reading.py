"""The requests of one client, read from its bytes; nothing is sent from here.

llhttp parses in its strict mode, which refuses the shapes that request smuggling is made of
(RFC 9112, 6.1 and 11.2). Its callbacks collect and check: raising in them would lose the reason.
"""

import enum
from collections import deque
from typing import NamedTuple

import httptools
import msgspec

from headrace.errors import HeadersTooLarge, HeadraceError, InvalidRequest, RequestTimeout
from headrace.limits import FORM_BYTES_MAX, INLET_STEP_BYTES
from headrace.server.heads import RawHead, RequestHead, body_too_large, file_too_large
from headrace.server.inlet import Inlet
from headrace.server.service import Service

NEVER_S = float("inf")

# Bytes taken from a client while a request of it waits; beyond, it is not read from. As long as it
# is, its leaving is seen.
READ_AHEAD_BYTES_MAX = 65_536

# Longer than a chunk's size and line ends ever have to be; what exceeds it is extensions.
CHUNK_FRAMING_BYTES = 16

_TLS_RECORD = b"\x16\x03"  # the first bytes of a handshake (RFC 8446, 5.1)


class Reading(enum.IntEnum):
    """Where in the stream of requests the client is."""

    IDLE = 0  # between two requests
    HEAD = 1
    BODY = 2


_IDLE, _HEAD, _BODY = Reading  # finding a member of an enum costs more than comparing with it


class Received(NamedTuple):
    """A request that waits for its turn: complete, or with a body that is read as it comes."""

    head: RequestHead
    body: bytes
    began_s: float
    inlet: Inlet | None = None


class RequestReader:
    """Reads what one client sends.

    Args:
        service: what all connections of a worker share.
        peer: the client's address.

    Attributes:
        phase: where the client is.
        pending: what waits for its turn; an error is the last, and why no more is read.
        began_s: when the first byte of the last request came, monotonic seconds.
        deadline_s: when what comes next has to be there, monotonic seconds.
        raw_head: a head that came whole, to be known again; set before it is fed.
        is_deaf: whether nothing more of what the client sends counts.
        wants_leave: whether the client waits for `100 Continue`.
    """

    def __init__(self, service: Service, peer: str) -> None:
        self._service = service
        self._now = service.clock.monotonic_s
        self._peer = peer
        self._parser = httptools.HttpRequestParser(self)
        self.phase = _IDLE
        self.pending: deque[Received | HeadraceError] = deque()
        self.began_s = 0.0
        self.deadline_s = NEVER_S
        self.raw_head = b""
        self.is_deaf = False
        self._paused_s_left: float | None = None  # until the deadline, while time stands still
        self._ahead_bytes = 0
        self._head_bytes = 0
        self._framing_bytes = 0
        self._trailer_bytes = 0
        self._trailers = 0
        self._start_message()

    def _start_message(self) -> None:
        self.wants_leave = False
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head: RequestHead | None = None
        self._inlet: Inlet | None = None
        self._parts: list[bytes] = []
        self._body_bytes = 0

    @property
    def has_more(self) -> bool:
        """Whether the client has sent more than what was taken."""
        return self.phase is not _IDLE or bool(self.pending)

    @property
    def is_far_ahead(self) -> bool:
        """Whether the client has sent more than is held for it."""
        inlet = self._inlet
        return self._ahead_bytes > READ_AHEAD_BYTES_MAX or (inlet is not None and inlet.is_full)

    @property
    def leave_is_due(self) -> bool:
        """Whether a client that waits for leave gets it while its request is under way."""
        return self._inlet is not None and not self.pending

    def feed(self, data: bytes) -> None:
        """Read on. What is wrong with it comes as an error at the end of `pending`."""
        waiting = len(self.pending)
        if waiting:
            self._ahead_bytes += len(data)
        if self.is_deaf:
            return
        before, body_bytes = self.phase, self._body_bytes
        self._parse(data)
        if len(self.pending) > waiting:  # something ended in these bytes: what is left is short
            return
        if self.phase is _HEAD:
            self._head_bytes += len(data)
            if self._head_bytes > self._service.bounds.header_bytes_max:
                self.refuse(self._headers_too_large())
        elif self._head is not None and self._head.body_bytes is None:
            start = 0 if before is _BODY else data.find(b"\r\n\r\n") + 4
            self._count_framing(len(data) - start - (self._body_bytes - body_bytes))

    def take(self) -> Received | HeadraceError:
        """What is next of `pending`."""
        taken = self.pending.popleft()
        if not self.pending:
            self._ahead_bytes = 0
        return taken

    def refuse(self, error: HeadraceError) -> None:
        """Read no more; the error has its turn after what came before."""
        self.stop()
        if self._inlet is not None:  # its request is under way already
            self._inlet.fail(error)
        else:
            self.pending.append(error)

    def stop(self) -> None:
        """Read no more."""
        self.is_deaf = True
        self.wants_leave = False
        self.deadline_s = NEVER_S

    def end(self) -> None:
        """Read no more, and let go of what waits."""
        self.stop()
        self.pending.clear()
        self._ahead_bytes = 0
        if self._inlet is not None:
            self._inlet.cut()

    def close(self) -> None:
        """Nothing will be fed any more."""
        del self._parser  # a cycle, which would be left to the garbage collector

    def expire(self) -> None:
        """A request did not come in time."""
        what, limit = ("headers", "header_timeout_s")
        if self.phase is _BODY:
            what, limit = ("body", "body_timeout_s")
        self.refuse(RequestTimeout(f"The {what} came too slowly: listen.{limit} has passed."))

    def leave_given(self) -> None:
        """The client has been told to go on: from now on its body has to come."""
        self.wants_leave = False
        self.deadline_s = self._now() + self._service.bounds.body_timeout_s

    def pause(self) -> None:
        """Let time stand still: a client that is not read from is not slow."""
        if self.phase is not _IDLE and not self.is_deaf:
            self._paused_s_left = self.deadline_s - self._now()
            self.deadline_s = NEVER_S

    def resume(self) -> None:
        """Let time go on."""
        left_s, self._paused_s_left = self._paused_s_left, None
        if left_s is not None and not self.is_deaf:
            self.deadline_s = self._now() + left_s

    # The inside.

    def _parse(self, data: bytes) -> None:
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = b"" if self.is_deaf else self._without_offer() + data[upgrade.args[0] :]
                continue
            except httptools.HttpParserError as error:
                if not self.is_deaf:
                    self.refuse(self._misread(error, data))
            return

    def _without_offer(self) -> bytes:
        """The head again, the offer to upgrade left out, which is ignored (RFC 9110, 7.8).

        The parser takes the bytes behind such a head for another protocol, even where they are
        the request's body; so another one begins with what this returns.
        """
        lines = [b"%b %b HTTP/1.1" % (self._parser.get_method(), self._target)]
        lines += [b"%b: %b" % pair for pair in self._headers if pair[0] != b"upgrade"]
        self._parser = httptools.HttpRequestParser(self)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _misread(self, error: httptools.HttpParserError, data: bytes) -> InvalidRequest:
        """What the client did where the parser gave up."""
        if self._target == b"*" and self._parser.get_method() == b"PRI":  # RFC 9113, 3.4
            return InvalidRequest(
                "This port speaks HTTP/1.1, and the client began with HTTP/2 (prior knowledge): "
                "let it use HTTP/1.1."
            )
        if not (self._target or self.pending) and data.startswith(_TLS_RECORD):
            self._service.tls_was_tried(self._peer)
            return InvalidRequest(
                "This port speaks plain HTTP, and the client began with TLS: "
                "use http:// instead of https://, or set listen.tls."
            )
        return InvalidRequest(f"This is not valid HTTP/1.1: {error}.")

    def _headers_too_large(self) -> HeadersTooLarge:
        bounds = self._service.bounds
        return HeadersTooLarge(
            f"The headers are above {bounds.header_bytes_max} bytes or {bounds.header_count_max} "
            "lines; send less, or raise listen.header_bytes_max or listen.header_count_max."
        )

    def _framing_too_large(self) -> HeadersTooLarge:
        bounds = self._service.bounds
        return HeadersTooLarge(
            f"The chunk extensions or trailers are above {bounds.header_bytes_max} bytes or "
            f"{bounds.header_count_max} lines; leave them out: they have no meaning here."
        )

    # What the parser says.

    def on_message_begin(self) -> None:
        self._start_message()
        self._head_bytes = 0
        self.phase = _HEAD
        if not self.is_deaf:
            self.deadline_s = self.began_s + self._service.bounds.header_timeout_s

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.is_deaf:
            return
        if self._head is not None:
            self._count_trailer(len(name) + len(value))
            return
        self._headers.append((name.lower(), value))
        if len(self._headers) > self._service.bounds.header_count_max:
            self.refuse(self._headers_too_large())

    def _count_framing(self, size: int) -> None:
        """What surrounds the data of chunks: sizes, extensions, trailers."""
        self._framing_bytes += size
        if self._framing_bytes > self._service.bounds.header_bytes_max:
            self.refuse(self._framing_too_large())

    def _count_trailer(self, size: int) -> None:
        """A trailer is never merged into the head (RFC 9110, 6.5.1), and nobody else wants it."""
        bounds = self._service.bounds
        self._trailers += 1
        self._trailer_bytes += size
        if (
            self._trailer_bytes > bounds.header_bytes_max
            or self._trailers > bounds.header_count_max
        ):
            self.refuse(self._framing_too_large())

    def on_headers_complete(self) -> None:
        if self.is_deaf:
            return
        bounds = self._service.bounds
        size = len(self._target) + sum(len(n) + len(v) + 4 for n, v in self._headers)
        if size > bounds.header_bytes_max:
            self.refuse(self._headers_too_large())
            return
        parser = self._parser
        if parser.should_upgrade() and parser.get_method() != b"CONNECT":
            return  # this head comes again, see `_without_offer`
        raw = RawHead(
            parser.get_method(),
            self._target,
            parser.get_http_version(),
            parser.should_keep_alive(),
            self._headers,
        )
        self._head = head = self._service.read_head(raw, self._peer)
        if self.raw_head:
            # At once: settings may change before the body is there.
            self._service.remember_head(self.raw_head, head)
            self.raw_head = b""
        self.phase = _BODY
        self.deadline_s = self._now() + bounds.body_timeout_s
        if head.body_bytes is None:
            self._framing_bytes = self._trailer_bytes = self._trailers = 0
        if head.error and (head.expects_continue or not head.is_framed or head.file_bytes_max):
            self.stop()
            head = msgspec.structs.replace(head, keep_alive=False)
            self.pending.append(Received(head, b"", self.began_s))
            return
        if head.expects_continue:
            self.wants_leave = True
            self.deadline_s = NEVER_S  # the body cannot be late before it is asked for
        if head.file_bytes_max:
            self._inlet = Inlet(head.file_bytes_max)
            self.pending.append(Received(head, b"", self.began_s, self._inlet))

    def on_chunk_header(self) -> None:
        # As in Go's net/http: a small allowance for each chunk, and a bound on the excess of all.
        self._framing_bytes -= CHUNK_FRAMING_BYTES

    def on_body(self, part: bytes) -> None:
        if self.is_deaf:
            return
        if self.wants_leave:  # it does not wait after all (RFC 9110, 10.1.1)
            self.leave_given()
        if self._inlet is not None:
            self._take_in(self._inlet, part)
            return
        self._body_bytes += len(part)
        bytes_max = self._service.bounds.body_bytes_max
        if self._body_bytes > bytes_max:
            self.refuse(body_too_large(bytes_max))
        elif self._head is not None and self._head.error is None:
            self._parts.append(part)

    def _take_in(self, inlet: Inlet, part: bytes) -> None:
        steps = inlet.bytes_in // INLET_STEP_BYTES
        inlet.feed(part)
        self._body_bytes = inlet.bytes_in
        if inlet.bytes_in > inlet.bytes_max + FORM_BYTES_MAX:
            self.refuse(file_too_large(inlet.bytes_max))
        elif inlet.bytes_in // INLET_STEP_BYTES > steps:
            self.deadline_s = self._now() + self._service.bounds.body_timeout_s

    def on_message_complete(self) -> None:
        head = self._head
        if self.is_deaf or head is None:
            return
        if self._inlet is not None:
            self._inlet.complete()
            self.stop()
            return
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        self.phase = _IDLE
        self.deadline_s = NEVER_S
        self.pending.append(Received(head, body, self.began_s))
        self._start_message()
