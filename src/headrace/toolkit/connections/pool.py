"""The pool for event loops."""

import asyncio
from functools import partial
from types import TracebackType
from typing import Self, Unpack

from headrace.errors import HeadraceError, NotRunning
from headrace.toolkit.connections.address import Origin
from headrace.toolkit.connections.answers import HttpResponse
from headrace.toolkit.connections.async_connection import AsyncConnection
from headrace.toolkit.connections.face import Call, CallWishes, PoolFace, bounded_s
from headrace.toolkit.connections.faults import CallFault, closed, crowded, unreachable
from headrace.toolkit.connections.places import Places
from headrace.toolkit.connections.stats import ConnectionStats
from headrace.toolkit.connections.stream import HttpStream, Leased


class ConnectionPool(PoolFace):
    """HTTP calls from an event loop, over connections that are kept.

    `async with ConnectionPool() as pool:`, or `await pool.close()` at the end. It belongs to the
    loop that uses it first; for threads there is `SyncConnectionPool`. A redirect is an answer
    like others, bodies are not decompressed, and there are neither proxies nor cookies.

    Args and errors are those of `PoolFace`.
    """

    # Its calls.

    async def get(self, url: str, **wishes: Unpack[CallWishes]) -> HttpResponse:
        """The answer to GET; see `request`."""
        return await self.request("GET", url, **wishes)

    async def post(self, url: str, **wishes: Unpack[CallWishes]) -> HttpResponse:
        """The answer to POST; see `request`."""
        return await self.request("POST", url, **wishes)

    async def request(self, method: str, url: str, **wishes: Unpack[CallWishes]) -> HttpResponse:
        """Make a call and wait for its whole answer, whatever its status.

        Args:
            method: HTTP method.
            url: where; begins with `http://` or `https://`.
            wishes: headers, body, time limit and retries: see `CallWishes`.

        Raises:
            InvalidRequest: address, method, headers or body cannot be sent.
            NotRunning: the pool is closed, or belongs to another loop.
            Overloaded: no connection came free in time.
            UpstreamBroken: the server could not be reached, or its answer broke off, made no
                sense, was too large or took too long.
        """
        self._check_loop()
        call = self._call(method, url, **wishes)
        places, connection = await self._answered(call, is_whole=True)
        reader = connection.reader
        attempts = call.retries.attempts
        answer = HttpResponse(reader.status, reader.headers, reader.take(), attempts)
        self._release(places, connection)
        return answer

    def stream(self, method: str, url: str, **wishes: Unpack[CallWishes]) -> HttpStream:
        """A call whose answer is read as it comes: `async with pool.stream(...) as answer:`.

        Arguments and errors are those of `request`. What nobody takes is not read from the
        connection beyond some 256 KiB, so a slow reader slows the server down.
        """
        self._check_loop()
        call = self._call(method, url, **wishes)
        return HttpStream(call, self._head, self._release, self._tally)

    # Its life.

    async def __aenter__(self) -> Self:
        self._check_loop()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; calls under way end with `NotRunning`. Twice does nothing."""
        if self._closing is None:
            self._is_closed = True
            return
        self._check_loop(is_closing=True)
        if not self._is_closed:
            self._is_closed = True
            self._closing.set_result(None)
            for places in list(self._origins.values()):
                for waiter in list(places.waiters):
                    waiter.refuse()
        for connection in list(self._alive):
            connection.abort(closed())
        if self._alive:
            await self._gone.wait()

    def stats(self) -> ConnectionStats:
        """What it did so far, and how it is."""
        return self._told(self._origins.values())

    # The inside.

    def _set_up(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Future[None] | None = None
        self._is_closed = False
        self._origins: dict[Origin, Places[AsyncConnection]] = {}
        self._alive: set[AsyncConnection] = set()
        self._gone = asyncio.Event()
        self._sweep: asyncio.TimerHandle | None = None

    def _check_loop(self, *, is_closing: bool = False) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None:
                raise NotRunning(
                    "The pool belongs to another event loop: make one in each.", code="wrong_loop"
                )
            self._loop = loop
            self._closing = loop.create_future()
        if self._is_closed and not is_closing:
            raise closed()

    async def _head(self, call: Call) -> Leased:
        self._check_loop()
        return await self._answered(call, is_whole=False)

    async def _answered(self, call: Call, *, is_whole: bool) -> Leased:
        """Make attempts until one has an answer that stands; the connection it came over."""
        try:
            while True:
                try:
                    places, connection = await self._attempt(call, is_whole=is_whole)
                except CallFault as fault:
                    delay_s = self._after_fault(call, fault)
                else:
                    reader = connection.reader
                    after_s = self._after_answer(call, reader.status, reader.headers)
                    if after_s is None:
                        return places, connection
                    delay_s = after_s
                    self._release(places, connection)
                await self._pause(delay_s)
        except HeadraceError:
            self._tally.errors += 1
            raise

    async def _attempt(self, call: Call, *, is_whole: bool) -> Leased:
        places = self._origins.get(call.origin)
        if places is None:
            places = self._origins[call.origin] = Places(self._terms)
        connection = await self._turn(places, call)
        is_answered = False
        try:
            if connection is not None:
                self._tally.reused += 1
                try:
                    await self._ask(connection, call, is_whole=is_whole)
                    is_answered = True
                    return places, connection
                except CallFault as fault:
                    if fault.kind != "reset":
                        raise
                call.retries.at_once()
                self._tally.retries += 1
            connection = await self._open(call)
            await self._ask(connection, call, is_whole=is_whole)
            is_answered = True
            return places, connection
        finally:
            if not is_answered:
                self._drop(call.origin, places)

    async def _ask(self, connection: AsyncConnection, call: Call, *, is_whole: bool) -> None:
        await connection.ask(
            call.request,
            is_head=call.is_head,
            body_bytes_max=self._terms.answer_bytes_max if is_whole else float("inf"),
            is_whole=is_whole,
            read_timeout_s=self._terms.read_timeout_s,
            deadline_s=call.deadline_s,
        )

    async def _turn(self, places: Places[AsyncConnection], call: Call) -> AsyncConnection | None:
        """A kept connection, or leave to open one; its place is taken."""
        now_s = self._now_s()
        while (connection := places.take(now_s)) is not None:
            if connection.is_usable:
                return connection
            connection.abort()
            places.drop()
        self._expire(places, now_s)
        if places.may_open():
            return None
        if places.is_crowded:
            raise crowded(call.origin, "too many calls wait for one")
        self._tally.waits += 1
        connection = await self._wait(places, call, now_s)
        if connection is None or connection.is_usable:
            return connection
        connection.abort()
        return None

    async def _wait(
        self, places: Places[AsyncConnection], call: Call, now_s: float
    ) -> AsyncConnection | None:
        waiter = _Waiter()
        places.waiters.append(waiter)
        is_served = False
        try:
            async with asyncio.timeout(bounded_s(self._terms.pool_timeout_s, call, now_s)):
                connection = await waiter.turn
            is_served = True
            return connection
        except TimeoutError:
            if self._now_s() >= call.deadline_s:
                raise CallFault("timeout_total", call.origin) from None
            raise crowded(call.origin, "none came free in time") from None
        finally:
            places.withdraw(waiter)
            if not is_served and waiter.is_granted:  # just given what it cannot take
                self._pass_on(call.origin, places, waiter.turn.result())

    def _pass_on(
        self, origin: Origin, places: Places[AsyncConnection], connection: AsyncConnection | None
    ) -> None:
        if connection is None or connection.is_lost:
            self._drop(origin, places)
        else:
            self._put(places, connection)

    async def _open(self, call: Call) -> AsyncConnection:
        loop, origin, now_s = asyncio.get_running_loop(), call.origin, self._now_s()
        tls = self._trust(origin)
        made = partial(AsyncConnection, origin, self._now_s, self._lost)
        try:
            async with asyncio.timeout(bounded_s(self._terms.connect_timeout_s, call, now_s)):
                _, connection = await loop.create_connection(
                    made,
                    origin.host,
                    origin.port,
                    ssl=tls,
                    server_hostname=origin.host if tls else None,
                )
        except TimeoutError:
            is_over = self._now_s() >= call.deadline_s
            raise CallFault("timeout_total" if is_over else "timeout_connect", origin) from None
        except OSError as error:
            raise unreachable(origin, error) from error
        if not connection.is_lost:
            self._alive.add(connection)
        self._tally.opened += 1
        if self._is_closed:
            connection.abort()
            raise closed()
        return connection

    def _release(self, places: Places[AsyncConnection], connection: AsyncConnection) -> None:
        """The call is over: the connection goes to the next, or is closed."""
        if connection.rest() and not self._is_closed:
            self._put(places, connection)
        else:
            connection.abort()
            self._drop(connection.origin, places)

    def _put(self, places: Places[AsyncConnection], connection: AsyncConnection) -> None:
        if not places.put(connection, self._now_s()):
            connection.abort()
        elif self._sweep is None and places.idle:
            self._sweep_later()

    def _drop(self, origin: Origin, places: Places[AsyncConnection]) -> None:
        places.drop()
        if places.is_unused:
            self._origins.pop(origin, None)

    def _lost(self, connection: AsyncConnection) -> None:
        self._alive.discard(connection)
        if self._is_closed and not self._alive:
            self._gone.set()
        places = self._origins.get(connection.origin)
        if places is not None and connection in places.idle:
            places.idle.remove(connection)
            if places.is_unused:
                del self._origins[connection.origin]

    def _expire(self, places: Places[AsyncConnection], now_s: float) -> None:
        for connection in places.expire(now_s):
            self._tally.expired += 1
            connection.abort()

    def _sweep_later(self) -> None:
        if self._loop is not None and self._terms.keepalive_s < float("inf"):
            self._sweep = self._loop.call_later(self._terms.keepalive_s, self._sweep_now)

    def _sweep_now(self) -> None:
        self._sweep = None
        now_s = self._now_s()
        for origin, places in list(self._origins.items()):
            self._expire(places, now_s)
            if places.is_unused:
                del self._origins[origin]
        if not self._is_closed and any(places.idle for places in self._origins.values()):
            self._sweep_later()

    async def _pause(self, delay_s: float) -> None:
        """Wait for the next attempt, or for the end of the pool."""
        self._tally.retries += 1
        if self._closing is not None:
            await asyncio.wait((self._closing,), timeout=delay_s)
        if self._is_closed:
            raise closed()


class _Waiter:
    """A call that waits for a connection."""

    __slots__ = ("turn",)

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.turn: asyncio.Future[AsyncConnection | None] = loop.create_future()

    @property
    def is_granted(self) -> bool:
        turn = self.turn
        return turn.done() and not turn.cancelled() and turn.exception() is None

    def grant(self, connection: AsyncConnection | None) -> bool:
        if self.turn.done():
            return False
        self.turn.set_result(connection)
        return True

    def refuse(self) -> None:
        if not self.turn.done():
            self.turn.set_exception(closed())
