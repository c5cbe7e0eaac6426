"""The bridge to an ASGI application (ASGI 3.0, HTTP), for routes where convenience beats speed.

Bodies are collected, but for places that take files: there they come part by part, and a client is
read from only as fast as the application reads. Answers of one part go out whole, others as they
come, and `send` waits while the client does not read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, Protocol
from urllib.parse import unquote

from headrace.cache.entry import Headers
from headrace.errors import HeadraceError
from headrace.server.exchange import Exchange
from headrace.server.inlet import Inlet
from headrace.server.replies import header_lines

Message = MutableMapping[str, Any]
App = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]
Spawn = Callable[[Coroutine[Any, Any, None]], object]

_EVENTS = b"text/event-stream"
_SEEN = b"x-headrace-seen"
# What frames an answer is the connection's business.
_FRAMING = frozenset((b"content-length", b"transfer-encoding", b"connection", b"date"))


class Seen(Protocol):
    """How much a client has seen of what is kept."""

    @property
    def seen_token(self) -> str: ...
    def bring(self, token: str) -> None: ...


class AsgiBridge:
    """Answers exchanges with an ASGI application.

    An error of the tree that the application raises is told in the caller's dialect, as any other.

    Args:
        app: the application; `scope["state"]` has `principal`, `tenant`, `request_id`, and `trace`:
            the place of the request in its trace, or nothing.
        spawn: starts the task of a request.
        seen: told what the client of a task has seen elsewhere, and tells what it has seen here.
    """

    def __init__(self, app: App, spawn: Spawn, seen: Seen | None = None) -> None:
        self._app = app
        self._seen = seen
        self._spawn = spawn
        self._events: set[_Run] = set()
        self._is_draining = False

    def __call__(self, exchange: Exchange, body: bytes) -> None:
        self._spawn(self._run(exchange, body))

    def drain(self) -> None:
        """End event streams, which would never end by themselves; clients come again elsewhere."""
        self._is_draining = True
        for run in list(self._events):
            run.end_events()

    async def _run(self, exchange: Exchange, body: bytes) -> None:
        run = _Run(exchange, body, self._began_events, self._seen)
        exchange.seated(run)
        token = dict(exchange.head.headers).get(_SEEN)
        if token and self._seen is not None:
            self._seen.bring(token.decode("latin-1"))
        try:
            await self._app(_scope(exchange), run.receive, run.send)
        except HeadraceError as error:
            run.fail(error)
        except Exception:
            run.fail(HeadraceError("The gateway failed; its log says how."))
            raise
        else:
            run.returned()
        finally:
            self._events.discard(run)

    def _began_events(self, run: "_Run") -> None:
        self._events.add(run)
        if self._is_draining:
            run.end_events()


class _Run:
    """One request and the application that answers it. The exchange's seat."""

    def __init__(
        self,
        exchange: Exchange,
        body: bytes,
        on_events: Callable[["_Run"], None],
        seen: Seen | None,
    ) -> None:
        self._exchange = exchange
        self._seen = seen
        self._inlet: Inlet | None = exchange.inlet
        self._unread: bytes | None = body
        self._on_events = on_events
        self._status = 500
        self._headers: Headers = ()
        self._is_events = False
        self._is_streaming = False
        self._is_over = asyncio.Event()  # answered, or the client is gone
        self._may_write = asyncio.Event()
        self._may_write.set()

    # What the exchange says.

    def pause(self) -> None:
        self._may_write.clear()

    def resume(self) -> None:
        self._may_write.set()

    def leave(self) -> None:
        self._is_over.set()
        self._may_write.set()

    # What the application asks for.

    async def receive(self) -> Message:
        if self._inlet is not None:
            read = await self._inlet.read()
            self._exchange.bytes_in = self._inlet.bytes_in
            if read is not None:
                part, is_more = read
                self._inlet = self._inlet if is_more else None
                self._unread = None
                return {"type": "http.request", "body": part, "more_body": is_more}
            self._inlet = None
            self._unread = None
        elif self._unread is not None:
            body, self._unread = self._unread, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._is_over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start(message)
        elif not self._is_over.is_set():
            self._write(message.get("body", b""), is_last=not message.get("more_body", False))
            if not self._is_over.is_set():
                await self._may_write.wait()

    # What the bridge says.

    def returned(self) -> None:
        """The application is done, and should have answered."""
        if not self._is_over.is_set():
            self.fail(HeadraceError("The gateway gave no whole answer."))

    def fail(self, error: HeadraceError) -> None:
        if self._is_over.is_set():
            return
        self._is_over.set()
        if self._is_streaming and not self._is_events:
            self._exchange.cut(error)
        else:
            self._exchange.fail(error)

    def end_events(self) -> None:
        """The last event was the last."""
        if not self._is_over.is_set():
            self._is_over.set()
            self._exchange.close()

    # The inside.

    def _start(self, message: Message) -> None:
        self._status = message["status"]
        pairs = ((name.lower(), value) for name, value in message.get("headers", ()))
        self._headers = tuple(pair for pair in pairs if pair[0] not in _FRAMING)
        if self._seen is not None and (token := self._seen.seen_token):
            self._headers += ((_SEEN, token.encode()),)
        kind = dict(self._headers).get(b"content-type", b"")
        self._is_events = kind.startswith(_EVENTS)

    def _write(self, part: bytes, *, is_last: bool) -> None:
        exchange = self._exchange
        if is_last and not self._is_streaming:
            self._is_over.set()
            exchange.send(self._status, header_lines(self._headers), part)
            return
        if not self._is_streaming:
            self._is_streaming = True
            exchange.begin(self._status, self._headers)
            if self._is_events:
                self._on_events(self)
        if part and not self._is_over.is_set():
            exchange.feed(part)
        if is_last and not self._is_over.is_set():
            self._is_over.set()
            exchange.close()


def _scope(exchange: Exchange) -> Message:
    head, principal, trace = exchange.head, exchange.head.principal, exchange.watch.trace
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.0" if head.is_http10 else "1.1",
        "method": head.method.decode("latin-1"),
        "scheme": "http",
        "path": unquote(head.path),
        "raw_path": head.path.encode("latin-1"),
        "query_string": head.query,
        "root_path": "",
        "headers": list(head.headers),
        "client": (exchange.line.peer, 0),
        "server": None,
        "state": {
            "principal": principal,
            "tenant": principal.tenant if principal else None,
            "request_id": exchange.request_id,
            "trace": trace.context if trace is not None else "",
        },
    }
