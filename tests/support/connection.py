"""A client's connection over a transport and a clock that move only when told to."""

import asyncio
from typing import Any, cast

from headrace.clock import ManualClock
from headrace.dialects.anthropic import AnthropicDialect
from headrace.dialects.openai import OpenAIDialect
from headrace.gateway.pipeline import Pipeline
from headrace.identity.keys import KeyRing
from headrace.limits import WRITE_BUFFER_BYTES_HIGH
from headrace.observe.cells import Cells
from headrace.observe.event_log import EventLog
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.server.asgi import App, AsgiBridge, Message
from headrace.server.books import Books
from headrace.server.callers import Callers
from headrace.server.exchange import Exchange
from headrace.server.heads import Desk
from headrace.server.http import HttpConnection
from headrace.server.places import Route
from headrace.server.service import Service
from headrace.settings.flow import AddressLimitSettings
from headrace.settings.schema import KeySettings, ListenSettings

LISTEN = ListenSettings()
BIG = b"x" * (WRITE_BUFFER_BYTES_HIGH + 1)


class Transport(asyncio.Transport):
    """Holds what is written until the client takes it."""

    def __init__(self, *, can_write_eof: bool = True, peer: str = "") -> None:
        super().__init__({"peername": (peer, 1)} if peer else None)
        self.protocol: HttpConnection
        self.held = b""
        self.is_reading = True
        self.is_aborted = self._is_closing = False
        self._can_write_eof = can_write_eof

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return len(self.held)

    def write(self, data: Any) -> None:
        before = len(self.held)
        self.held += data
        if before <= WRITE_BUFFER_BYTES_HIGH < len(self.held):
            self.protocol.pause_writing()

    def take(self, left: int = 0) -> None:
        """The client reads all but `left` bytes."""
        was_full = len(self.held) > WRITE_BUFFER_BYTES_HIGH
        self.held = self.held[len(self.held) - left :]
        if was_full:
            self.protocol.resume_writing()

    def can_write_eof(self) -> bool:
        return self._can_write_eof

    def write_eof(self) -> None: ...

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True

    def abort(self) -> None:
        self.is_aborted = self._is_closing = True

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True


async def _nothing(scope: Message, receive: Any, send: Any) -> None:
    """An application that never answers."""


class Client:
    """One connection to a service whose `/healthz` says little and `/metrics` very much."""

    def __init__(
        self,
        *,
        bounds: ListenSettings = LISTEN,
        can_write_eof: bool = True,
        keys: tuple[KeySettings, ...] = (),
        address: AddressLimitSettings | None = None,
        peer: str = "",
        app: App | None = None,
        file_bytes_max: int = 0,
    ) -> None:
        self.clock = ManualClock()
        layout = Layout()
        cells = Cells(layout.size)
        metrics = Metrics(layout, cells.row(), cells.slots, self.clock)
        self.bridge = AsgiBridge(app or _nothing, asyncio.ensure_future)
        dialects = {"openai": OpenAIDialect(), "anthropic": AnthropicDialect()}
        self.waiting: list[Exchange] = []
        self.callers = Callers(self.clock)
        self.callers.change(keys, address or AddressLimitSettings())
        ring, limited = KeyRing.from_settings(keys), self.callers.limited
        service = Service(
            bounds=bounds,
            desk=Desk(
                ring,
                dialects,  # type: ignore[arg-type]
                frozenset(),
                bounds.body_bytes_max,
                limited,
                file_bytes_max,
            ),
            callers=self.callers,
            pipeline=cast(Pipeline, None),  # no request of these goes there
            handlers={
                Route.HEALTH: lambda exchange, _: exchange.send(200, b"", b"ok"),
                Route.METRICS: lambda exchange, _: exchange.send(200, b"", BIG),
                Route.MODELS: lambda exchange, _: self.waiting.append(exchange),
                Route.API: self.bridge,
                Route.ADMIN: self.bridge,
            },
            clock=self.clock,
            metrics=metrics,
            books=Books(metrics, None, self.clock),
            events=cast(EventLog, None),
            worker_tag="t",
        )
        self.transport = Transport(can_write_eof=can_write_eof, peer=peer)
        self.connection = self.transport.protocol = HttpConnection(service)
        self.connection.connection_made(self.transport)

    def ask(self, path: str, *lines: str) -> None:
        request = "\r\n".join([f"GET {path} HTTP/1.1", "host: localhost", *lines]) + "\r\n\r\n"
        self.connection.data_received(request.encode())

    def wait(self, seconds: float) -> None:
        """Time passes, and deadlines are looked at as often as the service does."""
        self.clock.advance(seconds)
        if self.connection.deadline_s <= self.clock.monotonic_s():
            self.connection.expire(self.clock.monotonic_s())
