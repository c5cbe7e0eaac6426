"""As much of an HTTP client as the demo needs: keep-alive, sized and chunked bodies, times."""

import asyncio
import time
from types import TracebackType

import msgspec

from headrace.errors import HeadraceError

_Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Reply(msgspec.Struct, frozen=True):
    """An answer, and when its parts came in seconds since the request was sent.

    Attributes:
        headers: names in lower case.
        pieces_s: when each chunk of a chunked body came; one time for a sized body.
        took_s: when the last byte came.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    pieces_s: tuple[float, ...]
    took_s: float


class BrokenAnswer(HeadraceError):
    """What came is not an answer, or its connection broke."""


class Client:
    """Asks one server over kept-alive connections, one for each request under way.

    Args:
        url: base of the server without a path, such as `http://127.0.0.1:8080`.
    """

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self._host, self._port = host, int(port)
        self._idle: list[_Wire] = []

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._idle:
            self._idle.pop()[1].close()

    async def get(self, path: str) -> Reply:
        """Ask for `path`; raises as `post` does."""
        return await self._ask(b"GET", path, b"")

    async def post(self, path: str, body: bytes) -> Reply:
        """Send JSON to `path`.

        Raises:
            BrokenAnswer: there was no whole answer.
        """
        return await self._ask(b"POST", path, body)

    async def _ask(self, method: bytes, path: str, body: bytes) -> Reply:
        wire: _Wire | None = None
        try:
            wire = await self._connected()
            reply = await self._exchange(wire, _request(method, path, self._host, body))
        except (OSError, EOFError, ValueError) as error:
            if wire is not None:
                wire[1].close()
            raise BrokenAnswer(f"{path} gave no whole answer: {error}") from error
        except asyncio.CancelledError:
            if wire is not None:
                wire[1].close()
            raise
        self._idle.append(wire)
        return reply

    async def _connected(self) -> _Wire:
        if self._idle:
            return self._idle.pop()
        return await asyncio.open_connection(self._host, self._port)

    async def _exchange(self, wire: _Wire, request: bytes) -> Reply:
        reader, writer = wire
        began_s = time.perf_counter()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in head[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        pieces: list[bytes] = []
        times_s: list[float] = []
        if headers.get("transfer-encoding") == "chunked":
            while size := int(await reader.readline(), 16):
                pieces.append((await reader.readexactly(size + 2))[:-2])
                times_s.append(time.perf_counter() - began_s)
            await reader.readexactly(2)
        else:
            pieces.append(await reader.readexactly(int(headers.get("content-length", "0"))))
            times_s.append(time.perf_counter() - began_s)
        return Reply(
            status=int(head[0].split(" ")[1]),
            headers=headers,
            body=b"".join(pieces),
            pieces_s=tuple(times_s),
            took_s=time.perf_counter() - began_s,
        )


def _request(method: bytes, path: str, host: str, body: bytes) -> bytes:
    lines = b"%b %b HTTP/1.1\r\nhost: %b\r\n" % (method, path.encode(), host.encode())
    if body:
        lines += b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body)
    return lines + b"\r\n" + body
