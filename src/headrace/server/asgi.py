"""The bridge to an ASGI application (ASGI 3.0, HTTP), for routes where convenience beats speed."""

from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from headrace.errors import HeadraceError
from headrace.server.exchange import Exchange
from headrace.server.replies import header_lines

Message = MutableMapping[str, Any]
App = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]
Spawn = Callable[[Coroutine[Any, Any, None]], None]


class AsgiBridge:
    """Answers exchanges with an ASGI application; the answer goes out when it is whole.

    Args:
        app: the application.
        spawn: starts the task of a request.
    """

    def __init__(self, app: App, spawn: Spawn) -> None:
        self._app = app
        self._spawn = spawn

    def __call__(self, exchange: Exchange, body: bytes) -> None:
        self._spawn(_run(self._app, exchange, body))


async def _run(app: App, exchange: Exchange, body: bytes) -> None:
    status = 500
    lines = b""
    parts: list[bytes] = []
    unread = [body]

    async def receive() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal status, lines
        if message["type"] == "http.response.start":
            status = message["status"]
            lines = header_lines(
                (name.lower(), value)
                for name, value in message.get("headers", ())
                if name.lower() != b"content-length"
            )
        elif message["type"] == "http.response.body":
            parts.append(message.get("body", b""))

    try:
        await app(_scope(exchange), receive, send)
    except Exception:
        exchange.fail(HeadraceError("The console failed; the gateway's log says how."))
        raise
    exchange.send(status, lines, b"".join(parts))


def _scope(exchange: Exchange) -> Message:
    head = exchange.head
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.0" if head.is_http10 else "1.1",
        "method": head.method.decode("latin-1"),
        "scheme": "http",
        "path": head.path,
        "raw_path": head.path.encode("latin-1"),
        "query_string": head.query,
        "root_path": "",
        "headers": list(head.headers),
        "client": (exchange.line.peer, 0),
        "server": None,
    }
