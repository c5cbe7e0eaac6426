"""Connections to one provider, kept alive and bounded.

All state changes happen here: a connection is opening, active, idle or gone. The most recently
used idle connection goes out first, so that the rest can expire; one that is always in use ends
after a while, or it would never learn of a new address. While more and more calls run at
once, spare connections are opened ahead of them, so that a call need not wait for its own.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from headrace.errors import HeadraceError
from headrace.limits import H1_CONNECTION_S_MAX, POOL_SPARES_MAX, POOL_WAITERS_MAX
from headrace.upstream.faults import (
    FaultKind,
    UpstreamFault,
    none_came_free,
    too_many_wait,
    unreachable,
)
from headrace.upstream.h1 import H1Connection, Sink, Timeouts


class PoolLimits(Timeouts, Protocol):
    """The bounds of one provider's pool."""

    @property
    def connections_max(self) -> int: ...
    @property
    def keepalive_s(self) -> float: ...
    @property
    def connect_timeout_s(self) -> float: ...
    @property
    def answer_mb_max(self) -> int: ...


class PoolMeter(Protocol):
    """Told what happens in a pool."""

    def connected(self) -> None: ...
    def retried(self) -> None: ...
    def failed(self, kind: FaultKind) -> None: ...


Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class UpstreamCall:
    """A call on its way, whatever carries it; whoever made it may cancel it."""

    __slots__ = ("is_cancelled", "request", "sink")

    def __init__(self, request: bytes, sink: Sink) -> None:
        self.request = request
        self.sink = sink
        self.is_cancelled = False

    def cancel(self) -> None:
        """Give the call up; its sink hears nothing more. Not for a call that has ended."""
        self.is_cancelled = True


class CallPool(Protocol):
    """What carries calls to one provider: `Pool`, or the one for HTTP/2."""

    @property
    def idle(self) -> int: ...
    @property
    def active(self) -> int: ...
    @property
    def is_full(self) -> bool: ...
    def send(self, request: bytes, sink: Sink) -> UpstreamCall: ...
    async def warm(self, connections: int) -> None: ...
    def sweep(self, now_s: float) -> None: ...
    def close(self) -> None: ...
    def trust(self, tls: ssl.SSLContext | None) -> None: ...
    def end(self) -> None: ...


class H1Call(UpstreamCall):
    """A call over HTTP/1.1; the pool changes it."""

    __slots__ = ("connection", "may_retry", "opening")

    def __init__(self, request: bytes, sink: Sink) -> None:
        super().__init__(request, sink)
        self.connection: H1Connection | None = None
        self.opening: asyncio.Task[None] | None = None
        self.may_retry = False

    def cancel(self) -> None:
        super().cancel()
        opening, self.opening = self.opening, None  # its trace leads back here: a cycle
        if opening is not None:
            opening.cancel()
        if self.connection is not None:
            self.connection.abort()


class Pool:
    """Keep-alive connections to one origin. Belongs to one event loop.

    Args:
        provider: the provider's name, for errors.
        host: name or address of the origin.
        port: its port.
        tls: how to verify it, or `None` for plain HTTP.
        limits: bounds and time limits.
        meter: told what happens.
        spawn: starts the task that opens a connection.
    """

    def __init__(
        self,
        provider: str,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        limits: PoolLimits,
        meter: PoolMeter,
        spawn: Spawn,
    ) -> None:
        self._provider = provider
        self._host = host
        self._port = port
        self._tls = tls
        self._limits = limits
        self._meter = meter
        self._idle: list[H1Connection] = []
        self._spawn = spawn
        self._active: dict[H1Connection, H1Call] = {}
        self._opening = 0
        self._granted = 0  # waiters that were given a connection, or leave, and do not know yet
        self._waiters: deque[asyncio.Future[H1Connection | None]] = deque()
        self._spares_opening = 0
        self._closed = False

    @property
    def idle(self) -> int:
        """Connections that wait for a call."""
        return len(self._idle)

    @property
    def active(self) -> int:
        """Connections that carry a call, or are about to."""
        return len(self._active) + self._opening + self._granted

    @property
    def is_full(self) -> bool:
        """Whether another call would have to wait for a connection."""
        return not self._idle and self.active >= self._limits.connections_max

    def send(self, request: bytes, sink: Sink) -> H1Call:
        """Make one call; its answer, or why there is none, goes to `sink`.

        A kept-alive connection that turns out to be closed before a byte has come back is
        replaced once by a fresh one (RFC 9112, 9.3.1); any other failure is the caller's.

        Returns:
            The call, to be cancelled by whoever does not wait for its end.
        """
        call = H1Call(request, sink)
        connection = self._take_idle()
        if connection is None:
            call.opening = self._spawn(self._carry_when_open(call, self._acquire))
        else:
            self._carry(call, connection)
        # A quarter of what is in use; from half of that on there is time to open the rest.
        if 2 * len(self._idle) < min(len(self._active) // 4, POOL_SPARES_MAX):
            self._open_spares()
        return call

    async def warm(self, connections: int) -> None:
        """Open connections ahead of the first call.

        Raises:
            UpstreamFault: the provider could not be reached.
        """
        while len(self._idle) + self.active < connections:
            self._put_idle(await self._open())

    def sweep(self, now_s: float) -> None:
        """End calls whose time is up, and drop connections that idled or lived too long."""
        made_s = now_s - H1_CONNECTION_S_MAX
        for connection in list(self._active):
            connection.keep_time(now_s)
            connection.is_old = connection.made_s <= made_s
        oldest_s = now_s - self._limits.keepalive_s
        while self._idle and self._idle[0].idle_since_s <= oldest_s:
            self._idle.pop(0).abort()
        for connection in [each for each in self._idle if each.made_s <= made_s]:
            self._idle.remove(connection)
            connection.abort()

    def close(self) -> None:
        """Close what idles; calls under way, and those that wait for a connection, end first."""
        self._closed = True
        for connection in self._idle:
            connection.abort()
        self._idle.clear()

    def trust(self, tls: ssl.SSLContext | None) -> None:
        """Verify connections yet to be opened by `tls`."""
        self._tls = tls

    def end(self) -> None:
        """Close everything; calls under way are told."""
        self.close()
        for connection, call in list(self._active.items()):
            connection.abort()
            if not call.is_cancelled:
                call.sink.on_fault(UpstreamFault("shutdown", self._provider))

    # What connections say.

    def became_idle(self, connection: H1Connection) -> None:
        if connection.is_old:
            connection.abort()
            return
        del self._active[connection]
        self._put_idle(connection)

    def was_lost(self, connection: H1Connection) -> None:
        if self._active.pop(connection, None) is not None:
            self._pass_on(None)
        elif connection in self._idle:
            self._idle.remove(connection)

    def has_failed(self, connection: H1Connection, sink: Sink, fault: UpstreamFault) -> None:
        call = self._active.get(connection)
        if call is None or call.is_cancelled:
            return
        if fault.kind == "reset" and call.may_retry:
            call.may_retry = False
            self._meter.retried()
            call.opening = self._spawn(self._carry_when_open(call, self._open))
            return
        self._meter.failed(fault.kind)
        sink.on_fault(fault)

    # The inside.

    def _carry(self, call: H1Call, connection: H1Connection) -> None:
        call.may_retry = connection.served > 0
        self._active[connection] = call
        call.connection = connection
        connection.send(call.request, call.sink)

    async def _carry_when_open(
        self, call: H1Call, get: Callable[[], Coroutine[Any, Any, H1Connection]]
    ) -> None:
        try:
            connection = await get()
        except UpstreamFault as fault:
            self._meter.failed(fault.kind)
            call.sink.on_fault(fault)
        except HeadraceError as error:
            call.sink.on_fault(error)
        except asyncio.CancelledError:
            if not call.is_cancelled:
                call.sink.on_fault(UpstreamFault("shutdown", self._provider))
            raise
        else:
            self._carry(call, connection)

    def _take_idle(self) -> H1Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_lost:
                return connection
        return None

    async def _acquire(self) -> H1Connection:
        if self.active < self._limits.connections_max:
            return await self._open()
        if len(self._waiters) >= POOL_WAITERS_MAX:
            raise too_many_wait(self._provider)
        waiter: asyncio.Future[H1Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._limits.connect_timeout_s):
                connection = await self._await(waiter)
        except TimeoutError:
            raise none_came_free(self._provider) from None
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
        if connection is None or connection.is_lost:
            return await self._open()
        return connection

    async def _await(self, waiter: asyncio.Future[H1Connection | None]) -> H1Connection | None:
        try:
            connection = await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # just given what it cannot take
                self._granted -= 1
                self._pass_on(waiter.result())
            raise
        self._granted -= 1
        return connection

    def _open_spares(self) -> None:
        """Open connections that nobody waits for yet."""
        if self._spares_opening or self._closed:
            return
        self._spares_opening = min(len(self._active) // 4, POOL_SPARES_MAX) - len(self._idle)
        for _ in range(self._spares_opening):
            self._spawn(self._open_spare())

    async def _open_spare(self) -> None:
        try:
            if len(self._idle) + self.active < self._limits.connections_max:
                self._put_idle(await self._open())
        except UpstreamFault:
            pass  # a call that needs a connection will find out, and be told
        finally:
            self._spares_opening -= 1

    async def _open(self) -> H1Connection:
        loop = asyncio.get_running_loop()
        self._opening += 1
        try:
            async with asyncio.timeout(self._limits.connect_timeout_s):
                _, connection = await loop.create_connection(
                    self._make_connection,
                    self._host,
                    self._port,
                    ssl=self._tls,
                    server_hostname=self._host if self._tls else None,
                )
        except TimeoutError:
            raise self._not_opened(UpstreamFault("timeout_connect", self._provider)) from None
        except UnicodeError as error:  # a part of the name is empty, or too long
            why = "no host can be called so"
            raise self._not_opened(UpstreamFault("connect", self._provider, why=why)) from error
        except OSError as error:
            is_tls = self._tls is not None
            raise self._not_opened(unreachable(self._provider, error, is_tls=is_tls)) from error
        except asyncio.CancelledError:
            self._pass_on(None)
            raise
        finally:
            self._opening -= 1
        self._meter.connected()
        return connection

    def _not_opened(self, fault: UpstreamFault) -> UpstreamFault:
        self._pass_on(None)  # whoever waits for a connection tries on its own
        return fault

    def _make_connection(self) -> H1Connection:
        return H1Connection(
            self._provider,
            self._limits,
            body_bytes_max=self._limits.answer_mb_max << 20,
            owner=self,
        )

    def _put_idle(self, connection: H1Connection) -> None:
        if self._waiters:
            self._pass_on(connection)
        elif self._closed:
            connection.abort()
        else:
            self._idle.append(connection)

    def _pass_on(self, connection: H1Connection | None) -> None:
        """Give the first caller that still waits a connection, or leave to open its own."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                self._granted += 1
                return
        if connection is not None:
            self._put_idle(connection)
