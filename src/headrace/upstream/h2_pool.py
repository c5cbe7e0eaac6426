"""HTTP/2 to one provider: many calls share a connection, with the interface of `Pool`.

A connection is filled before the next is opened, so that those that are needed no more fall idle
and expire. After a while each is exchanged for a new one, and finishes the calls it carries: else
one that is always in use would never learn of a new address.
"""

import asyncio
import ssl
from collections import deque

from pyreqwest.exceptions import PyreqwestError
from pyreqwest.response import ResponseBodyReader

from headrace.errors import HeadraceError
from headrace.limits import H2_CONNECTION_S_MAX, H2_STREAMS_MAX, POOL_WAITERS_MAX
from headrace.upstream.faults import UpstreamFault, none_came_free, too_many_wait
from headrace.upstream.h1 import Sink
from headrace.upstream.h2_call import H2Call
from headrace.upstream.h2_client import Channel, Trust, headers_of
from headrace.upstream.h2_faults import fault_of, is_of_stream
from headrace.upstream.h2_parts import Parts, take_apart
from headrace.upstream.pool import PoolLimits, PoolMeter, Spawn

_PROBE = Parts("HEAD", "/", (), b"")


class H2Pool:
    """HTTP/2 connections to one origin. Belongs to one event loop.

    Args:
        provider: the provider's name, for errors.
        origin: scheme, host and port, as in a URL.
        tls: how to verify it, or `None` for plain HTTP (prior knowledge, RFC 9113, 3.3).
        limits: bounds and time limits; `connections_max` counts connections, not calls.
        meter: told what happens.
        spawn: starts the task that drives a call.
    """

    def __init__(
        self,
        provider: str,
        origin: str,
        *,
        tls: ssl.SSLContext | None,
        limits: PoolLimits,
        meter: PoolMeter,
        spawn: Spawn,
    ) -> None:
        self._provider = provider
        self._origin = origin
        self._trust = Trust.of(tls)
        self._limits = limits
        self._meter = meter
        self._spawn = spawn
        self._channels: list[Channel] = []
        self._calls: set[H2Call] = set()
        self._waiters: deque[asyncio.Future[Channel]] = deque()
        self._closed = False

    @property
    def idle(self) -> int:
        """Connections that carry no call."""
        return sum(channel.streams == 0 for channel in self._channels)

    @property
    def active(self) -> int:
        """Calls under way, those that wait for a connection among them."""
        return len(self._calls)

    @property
    def is_full(self) -> bool:
        """Whether another call would have to wait for a connection."""
        channels = self._channels
        return len(channels) >= self._limits.connections_max and all(
            channel.streams >= H2_STREAMS_MAX for channel in channels
        )

    def send(self, request: bytes, sink: Sink) -> H2Call:
        """Make one call; its answer, or why there is none, goes to `sink`.

        Where a connection that has answered before breaks before the answer begins, the call is
        made once more over another one; any other failure is the caller's.

        Returns:
            The call, to be cancelled by whoever does not wait for its end.
        """
        now = asyncio.get_running_loop().time
        call = H2Call(request, sink, self._limits, now, self._calls.discard)
        self._calls.add(call)
        call.task = self._spawn(self._carry(call))
        return call

    async def warm(self, connections: int) -> None:
        """Have as many connections ready as that many calls at once need, by `HEAD /`.

        Raises:
            UpstreamFault: the provider could not be reached.
        """
        wanted = min(-(-connections // H2_STREAMS_MAX), self._limits.connections_max)
        while len(self._channels) < wanted:
            await self._probe(self._open())

    def sweep(self, now_s: float) -> None:
        """End calls whose time is up, and let go of connections that idled or lived too long."""
        for call in list(self._calls):
            kind = call.expired(now_s)
            if kind is not None:
                call.cancel()
                self._fail(call, UpstreamFault(kind, self._provider, received=call.has_head))
        idle_s = now_s - self._limits.keepalive_s
        made_s = now_s - H2_CONNECTION_S_MAX
        self._channels = [
            channel
            for channel in self._channels
            if channel.made_s > made_s and (channel.streams or channel.idle_since_s > idle_s)
        ]

    def close(self) -> None:
        """Let go of every connection; each closes when the calls it carries have ended."""
        self._closed = True
        self._channels.clear()

    def trust(self, tls: ssl.SSLContext | None) -> None:
        """Verify by `tls` from now on; connections verified otherwise only finish their calls."""
        trust = Trust.of(tls)
        if trust != self._trust:
            self._trust = trust
            self._channels.clear()

    def end(self) -> None:
        """Close everything; calls under way are told."""
        self.close()
        for call in list(self._calls):
            call.cancel()
            call.sink.on_fault(UpstreamFault("shutdown", self._provider))

    # One call.

    async def _carry(self, call: H2Call) -> None:
        try:
            channel = await self._room()
            try:
                while not call.is_over:
                    await self._converse(call, channel)
            finally:
                self._release(channel)
        except HeadraceError as error:
            call.over()
            call.sink.on_fault(error)
        except asyncio.CancelledError:
            if not call.is_over:
                call.over()
                call.sink.on_fault(UpstreamFault("shutdown", self._provider))
            raise
        finally:
            call.task = None  # a cycle, which would be left to the garbage collector
            if not call.is_over:  # a bug, which is told of elsewhere; who waits is told here
                call.over()
                call.sink.on_fault(HeadraceError("The gateway failed; its log says how."))

    async def _converse(self, call: H2Call, channel: Channel) -> None:
        """Ask, and hand the answer on; the call is over then, or has to be made once more."""
        may_retry = channel.served > 0 and not call.has_set_out
        call.sets_out()
        try:
            async with channel.request(take_apart(call.request)) as response:
                if channel.served == 0:
                    self._meter.connected()
                channel.served += 1
                if not call.is_over:
                    call.begins(response.status, headers_of(response.headers))
                    await self._relay(call, response.body_reader)
        except PyreqwestError as error:
            fault = fault_of(error, self._provider, received=call.has_head)
            if fault.kind == "reset" and may_retry and not is_of_stream(error):
                self._meter.retried()
            elif not call.is_over:
                self._fail(call, fault)

    async def _relay(self, call: H2Call, reader: ResponseBodyReader) -> None:
        bytes_max = self._limits.answer_mb_max << 20
        while not call.is_over:
            await call.waits()
            chunk = await reader.read_chunk()
            call.works()
            if chunk is None:
                call.over()
                call.sink.on_end()
                return
            call.goes_on(bytes(chunk))
            if call.body_bytes > bytes_max and not call.is_over:
                self._fail(call, UpstreamFault("too_large", self._provider, received=True))

    def _fail(self, call: H2Call, fault: UpstreamFault) -> None:
        call.over()
        self._meter.failed(fault.kind)
        call.sink.on_fault(fault)

    async def _probe(self, channel: Channel) -> None:
        channel.streams += 1
        try:
            async with (
                asyncio.timeout(self._limits.connect_timeout_s),
                channel.request(_PROBE),
            ):
                channel.served += 1
                self._meter.connected()
        except PyreqwestError as error:
            if channel in self._channels:
                self._channels.remove(channel)
            fault = fault_of(error, self._provider, received=False)
            self._meter.failed(fault.kind)
            raise fault from error
        except TimeoutError:
            pass  # an answer that takes its time: the connection is there, or a call will find out
        finally:
            self._release(channel)

    # The connections.

    async def _room(self) -> Channel:
        channel = self._take()
        if channel is not None:
            return channel
        if len(self._waiters) >= POOL_WAITERS_MAX:
            raise too_many_wait(self._provider)
        waiter: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._limits.connect_timeout_s):
                return await self._granted(waiter)
        except TimeoutError:
            raise none_came_free(self._provider) from None

    async def _granted(self, waiter: asyncio.Future[Channel]) -> Channel:
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # just given what it cannot take
                self._release(waiter.result())
            elif waiter in self._waiters:  # or whoever released a place has passed over it
                self._waiters.remove(waiter)
            raise

    def _take(self) -> Channel | None:
        """A place on the fullest connection that has one, or on a new one."""
        fitting = [channel for channel in self._channels if channel.streams < H2_STREAMS_MAX]
        if fitting:
            channel = max(fitting, key=_load)
        elif len(self._channels) < self._limits.connections_max:
            channel = self._open()
        else:
            return None
        channel.streams += 1
        return channel

    def _open(self) -> Channel:
        now_s = asyncio.get_running_loop().time()
        channel = Channel(self._origin, self._limits, self._trust, now_s)
        self._channels.append(channel)
        return channel

    def _release(self, channel: Channel) -> None:
        channel.streams -= 1
        channel.idle_since_s = asyncio.get_running_loop().time()
        while self._waiters:
            waiter = self._waiters[0]
            if not waiter.done():
                room = self._take()
                if room is None:
                    return
                waiter.set_result(room)
            self._waiters.popleft()
        if self._closed and channel.streams == 0 and channel in self._channels:
            self._channels.remove(channel)


def _load(channel: Channel) -> int:
    return channel.streams
