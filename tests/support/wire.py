"""HTTP/1.1 by hand: what is sent is byte for byte what the test wrote."""

import contextlib
import json
import socket
import ssl
import struct
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

TIMEOUT_S = 60.0
_LINGER_NONE = struct.pack("ii", 1, 0)


class Response(msgspec.Struct):
    """One answer as it came.

    Attributes:
        headers: names in lower case; of a repeated one the last.
        is_whole: whether the body ended as its framing said; of one that only the end of the
            connection ends, whether that was an orderly one.
        raw_head: the head's bytes.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    is_whole: bool
    raw_head: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = self.json()["error"]
        return error

    @property
    def cache(self) -> str | None:
        return self.headers.get("x-headrace-cache")

    @property
    def events(self) -> list[str]:
        """The data of server-sent events, those of more than one line joined."""
        blocks = self.body.decode().replace("\r\n", "\n").split("\n\n")
        lines = [[ln for ln in block.split("\n") if ln.startswith("data:")] for block in blocks]
        return ["\n".join(ln[5:].strip() for ln in found) for found in lines if found]


def encode_request(
    path: str,
    document: object = None,
    *,
    method: str | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    version: str = "1.1",
) -> bytes:
    """A request; with a document or a body it is a POST with its length."""
    if body is None and document is not None:
        body = json.dumps(document).encode()
    method = method or ("GET" if body is None else "POST")
    lines = [f"{method} {path} HTTP/{version}", "host: localhost"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


class Wire:
    """One connection of a client."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._data = b""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Go away without a word, as a machine that lost its power."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        self.sock.close()

    def read_some(self) -> bytes:
        """The next bytes, none at the end of the connection however it came about."""
        if self._data:
            data, self._data = self._data, b""
            return data
        try:
            return self.sock.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            return b""

    def read_to_end(self) -> bytes:
        """Everything until the connection ends."""
        parts = []
        while data := self.read_some():
            parts.append(data)
        return b"".join(parts)

    def read_until(self, mark: bytes) -> bytes:
        """Everything up to and with `mark`; what lies behind stays."""
        while mark not in self._data:
            if not self._more():
                raise AssertionError(f"ended without {mark!r}: {self._data!r}")
        data, _, self._data = self._data.partition(mark)
        return data + mark

    @property
    def is_ended(self) -> bool:
        """Whether the other side closes without sending anything more; waits for either."""
        return not self._data and not self._more()

    def response(self, *, to_head: bool = False) -> Response:
        """The next final answer. `to_head` says that it was asked for by HEAD."""
        head = self.read_until(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split(" ")[1])
        pairs = (line.partition(":") for line in lines if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        if status == 100:
            return self.response(to_head=to_head)
        if to_head or status == 204:
            body, is_whole = b"", True
        elif headers.get("transfer-encoding") == "chunked":
            body, is_whole = self._chunks()
        elif "content-length" in headers:
            body, is_whole = self._sized(int(headers["content-length"]))
        else:
            body, is_whole = self.read_to_end(), True
        return Response(status, headers, body, is_whole, head)

    def _more(self) -> bool:
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            data = b""
        self._data += data
        return bool(data)

    def _sized(self, size: int) -> tuple[bytes, bool]:
        while len(self._data) < size and self._more():
            pass
        body, self._data = self._data[:size], self._data[size:]
        return body, len(body) == size

    def _chunks(self) -> tuple[bytes, bool]:
        body = b""
        while True:
            while b"\r\n" not in self._data:
                if not self._more():
                    return body, False
            line, _, self._data = self._data.partition(b"\r\n")
            size = int(line.split(b";")[0], 16)
            data, is_whole = self._sized(size + 2)
            if not is_whole:
                return body + data[:size], False
            assert data[size:] == b"\r\n", data
            if size == 0:
                return body, True
            body += data[:size]


@contextlib.contextmanager
def connect(
    url: str,
    *,
    tls: ssl.SSLContext | None = None,
    receive_bytes: int | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Iterator[Wire]:
    """A connection to the server at `url`.

    Args:
        url: where, of which host and port count.
        tls: how to verify it; none for a plain connection.
        receive_bytes: size of the kernel's receive buffer, for a client that reads little.
        timeout_s: the longest wait for anything.
    """
    parts = urlsplit(url)
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if receive_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    sock.settimeout(timeout_s)
    try:
        sock.connect((parts.hostname or "", parts.port or 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            sock = tls.wrap_socket(sock, server_hostname=parts.hostname)
        yield Wire(sock)
    finally:
        sock.close()


def ask(url: str, request: bytes, *, tls: ssl.SSLContext | None = None) -> Response:
    """One request on a connection of its own."""
    with connect(url, tls=tls) as wire:
        wire.send(request)
        return wire.response(to_head=request.startswith(b"HEAD "))
