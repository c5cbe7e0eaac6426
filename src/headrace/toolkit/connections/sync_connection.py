"""One kept connection of threads: a request goes out, and its answer is waited for."""

import select
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from headrace.toolkit.connections.address import Origin
from headrace.toolkit.connections.faults import CallFault, not_understood
from headrace.upstream.answer_reader import AnswerReader
from headrace.upstream.faults import FaultKind

_READ_BYTES: Final = 65536
# So much goes out in one step of a long request, each of which has the time of one.
_WRITE_BYTES: Final = 1 << 20


class SyncConnection:
    """A connection that carries one call at a time, of one thread at a time.

    Args:
        sock: an open socket, with TLS where the origin speaks it.
        origin: what it leads to.
        now_s: the time, in seconds.

    Attributes:
        origin: what it leads to.
        reader: the answer, as far as it came.
        idle_since_s: since when nobody uses it.
    """

    __slots__ = (
        "_deadline_s",
        "_now_s",
        "_poll",
        "_read_timeout_s",
        "_sock",
        "_timeout_s",
        "idle_since_s",
        "origin",
        "reader",
    )

    def __init__(self, sock: socket.socket, origin: Origin, now_s: Callable[[], float]) -> None:
        self.origin = origin
        self.reader = AnswerReader()
        self.idle_since_s = 0.0
        self._sock = sock
        self._now_s = now_s
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN | select.POLLHUP | select.POLLERR)
        self._timeout_s: float | None = -1.0  # as nobody sets it
        self._read_timeout_s = self._deadline_s = float("inf")

    @property
    def is_usable(self) -> bool:
        """Whether it is still open, as far as one can tell: there is nothing to be read."""
        return not self._poll.poll(0)

    def ask(
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
            is_whole: whether to wait for all of the answer.
            read_timeout_s: seconds between any two bytes of the answer.
            deadline_s: when it has to be there.

        Raises:
            CallFault: there is no answer, or not all of it.
        """
        reader = self.reader
        reader.begin(is_head=is_head, body_bytes_max=body_bytes_max)
        self._read_timeout_s = read_timeout_s
        self._deadline_s = deadline_s
        self._send(request)
        while not reader.is_complete:
            if not is_whole and reader.is_head_done:
                return
            self._receive()

    def read(self) -> bytes:
        """What comes next of the body, at least a byte of it; nothing at its end.

        Raises:
            CallFault: it broke off.
        """
        reader = self.reader
        while not (chunk := reader.take()):
            if reader.is_complete:
                return b""
            self._receive()
        return chunk

    def rest(self) -> bool:
        """The call is over; returns whether the connection may carry another."""
        return self.reader.is_complete and self.reader.keeps_alive

    def wake(self) -> None:
        """End the call that another thread waits for. Not for a connection that is closed."""
        # Not the method of a socket with TLS: it would let the other thread write in the clear.
        with suppress(OSError):  # the other side was first
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close it at once."""
        self._sock.close()
        self.reader.close()

    # The inside.

    def _send(self, request: bytes) -> None:
        self._set_timeout()
        try:
            if len(request) <= _WRITE_BYTES:
                self._sock.sendall(request)
                return
            view = memoryview(request)
            for start in range(0, len(request), _WRITE_BYTES):
                self._set_timeout()
                self._sock.sendall(view[start : start + _WRITE_BYTES])
        except TimeoutError:
            raise self._late() from None
        except OSError:
            pass  # what the server said before it stopped reading is still to be read

    def _receive(self) -> None:
        self._set_timeout()
        reader = self.reader
        try:
            data = self._sock.recv(_READ_BYTES)
        except TimeoutError:
            raise self._late() from None
        except (OSError, ssl.SSLError):
            raise CallFault("cut" if reader.has_begun else "reset", self.origin) from None
        fault: FaultKind | None = reader.feed(data) if data else reader.end()
        if fault == "garbage":
            raise not_understood(self.origin, data)
        if fault is not None:
            raise CallFault(fault, self.origin)

    def _set_timeout(self) -> None:
        timeout_s: float | None = self._read_timeout_s
        if self._deadline_s < float("inf"):
            left_s = self._deadline_s - self._now_s()
            if left_s <= 0:
                raise CallFault("timeout_total", self.origin)
            if left_s < self._read_timeout_s:
                timeout_s = left_s
        if timeout_s == float("inf"):
            timeout_s = None
        if timeout_s != self._timeout_s:  # a call of the system each
            self._timeout_s = timeout_s
            self._sock.settimeout(timeout_s)

    def _late(self) -> CallFault:
        if self._now_s() >= self._deadline_s:
            return CallFault("timeout_total", self.origin)
        kind: FaultKind = "timeout_idle" if self.reader.has_begun else "timeout_first_byte"
        return CallFault(kind, self.origin)


def connect(
    origin: Origin, tls: ssl.SSLContext | None, deadline_s: float, now_s: Callable[[], float]
) -> socket.socket:
    """An open socket, with TLS where there is a way to verify it.

    Args:
        origin: what to connect to.
        tls: how to verify it, for https.
        deadline_s: when it has to be open; the system's look-up of a name knows no limit.
        now_s: the time, in seconds.

    Raises:
        OSError: it could not be opened.
    """
    found = socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    sock = _first_open([place[4][:2] for place in found], deadline_s, now_s)
    is_open = False
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            sock.settimeout(_left_s(deadline_s, now_s))
            # The end of a connection that does not say so may be somebody else's doing.
            sock = tls.wrap_socket(sock, server_hostname=origin.host, suppress_ragged_eofs=False)
        is_open = True
        return sock
    finally:
        if not is_open:
            sock.close()


def _first_open(
    places: list[tuple[Any, ...]], deadline_s: float, now_s: Callable[[], float]
) -> socket.socket:
    failed = OSError("the name stands for no address")
    for host, port in places:
        try:
            return socket.create_connection((host, port), _left_s(deadline_s, now_s))
        except OSError as error:
            failed = error
    raise failed


def _left_s(deadline_s: float, now_s: Callable[[], float]) -> float | None:
    if deadline_s == float("inf"):
        return None
    left_s = deadline_s - now_s()
    if left_s <= 0:
        raise TimeoutError
    return left_s
