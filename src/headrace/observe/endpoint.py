"""`GET /metrics` of a process that serves nothing else, such as a worker of jobs."""

import asyncio
from collections.abc import Callable
from typing import Final

from headrace.errors import SettingsInvalid
from headrace.observe.exposition import CONTENT_TYPE

_HEAD_BYTES_MAX: Final = 8192
_AT_ONCE_MAX: Final = 16
_TIMEOUT_S: Final = 5.0
_ELSEWHERE: Final = b"There is GET /metrics here, and nothing else.\n"


class MetricsEndpoint:
    """Answers one question on each connection, and closes it. Belongs to one event loop.

    Args:
        expose: gives the text.
    """

    def __init__(self, expose: Callable[[], bytes]) -> None:
        self._expose = expose
        self._server: asyncio.Server | None = None
        self._open = 0

    async def listen(self, host: str, port: int) -> str:
        """Begin to answer; gives the address.

        Args:
            host: where to listen.
            port: 0 takes one that is free.

        Raises:
            SettingsInvalid: nobody can listen there.
        """
        try:
            self._server = await asyncio.start_server(
                self._answer, host, port, limit=_HEAD_BYTES_MAX
            )
        except OSError as error:
            raise SettingsInvalid(
                f"--metrics: cannot listen on {host}:{port}: {error.strerror or error}"
            ) from None
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self._server.sockets[0].getsockname()[1]}/metrics"

    def close(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= _AT_ONCE_MAX:
                async with asyncio.timeout(_TIMEOUT_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._answer_to(head))
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # whoever asked has left, or asks what no scraper does
        finally:
            self._open -= 1
            writer.close()

    def _answer_to(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        if method == b"GET" and rest.split(b" ")[0].split(b"?")[0] == b"/metrics":
            return _message(b"200 OK", CONTENT_TYPE.encode(), self._expose())
        return _message(b"404 Not Found", b"text/plain", _ELSEWHERE)


def _message(status: bytes, kind: bytes, body: bytes) -> bytes:
    lines = (
        b"HTTP/1.1 " + status,
        b"content-type: " + kind,
        b"content-length: %d" % len(body),
        b"connection: close",
    )
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
