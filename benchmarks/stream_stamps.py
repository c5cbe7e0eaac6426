"""When each beginning stream was where in the gateway, and how long the turns of its loop were.

Times are `time.perf_counter`'s, which all processes of a Linux machine share, so that they stand
beside the client's own.
"""

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

import msgspec

from benchmarks.parts import replace
from benchmarks.procfs import Scheduled, this_thread
from benchmarks.workload import COUNTER_DIGITS

NUMBER = re.compile(rb"-(\d{%d}):" % COUNTER_DIGITS)


# The functions that are stamped, in the order of a stream's way.
STAMPED = (
    "headrace.server.service:Service._gather",
    "headrace.upstream.pool:Pool.send",
    "headrace.upstream.h1:H1Connection.__init__",
    "headrace.upstream.h1:H1Connection.connection_made",
    "headrace.upstream.h1:H1Connection.send",
    "headrace.gateway.relay:Relay.on_head",
    "headrace.upstream.h1:H1Connection.data_received",
    "headrace.server.http:HttpConnection.data_received",
)


class Stamps(msgspec.Struct):
    """One stream's way, in seconds; 0 for what has not happened.

    Attributes:
        read_s: the turn had come to its request.
        planned_s: the request went to the pool.
        opening_s: a connection began to be opened for it, where none was idle.
        connected_s: that connection was open.
        written_s: the request was written to the provider.
        first_s: the first bytes of the answer were read.
        passed_on_s: they had been written to the client.
    """

    read_s: float = 0.0
    planned_s: float = 0.0
    opening_s: float = 0.0
    connected_s: float = 0.0
    written_s: float = 0.0
    first_s: float = 0.0
    passed_on_s: float = 0.0


class Turn(msgspec.Struct, frozen=True):
    """One turn of the loop, from its first callback to the next turn."""

    began_s: float
    ended_s: float
    callbacks: int


class StreamWatch:
    """Takes the stamps. Belongs to one event loop."""

    def __init__(self) -> None:
        self._now_s = time.perf_counter
        self._streams: dict[int, Stamps] = {}
        self._by_sink: dict[int, Stamps] = {}
        self._opened: dict[int, tuple[float, float]] = {}
        self._turns: list[Turn] = []
        self._moments: list[Scheduled] = []
        self._began_s = 0.0
        self._callbacks = 0
        self._first: Stamps | None = None

    def install(self) -> None:
        """Put stamping functions in place of the gateway's; before a worker is made."""
        stampings = (
            self._gathering,
            self._planning,
            self._opening,
            self._connecting,
            self._sending,
            self._beginning,
            self._passing_on,
            self._in_turn,
        )
        for path, stamping in zip(STAMPED, stampings, strict=True):
            replace(path, stamping)

    def take(self) -> tuple[dict[int, Stamps], list[Turn], list[Scheduled]]:
        """What was seen since the last time: streams by number, turns, how the thread fared."""
        seen = self._streams, self._turns, self._moments
        self._streams, self._turns, self._moments = {}, [], []
        self._by_sink.clear()
        return seen

    def _in_turn(self, work: Callable[..., None]) -> Callable[..., None]:
        def received(connection: Any, data: bytes) -> None:
            self._count()
            work(connection, data)

        return received

    def _count(self) -> None:
        if self._callbacks == 0:
            self._began_s = self._now_s()
            asyncio.get_running_loop().call_soon(self._turn_over)
        self._callbacks += 1

    def _turn_over(self) -> None:
        self._turns.append(Turn(self._began_s, self._now_s(), self._callbacks))
        self._callbacks = 0

    def _gathering(self, work: Callable[..., None]) -> Callable[..., None]:
        def gather(service: Any, exchange: Any, body: bytes) -> None:
            number = NUMBER.search(body)
            if number:
                self._streams[int(number.group(1))] = Stamps(read_s=exchange.watch.began_s)
                self._moments.append(this_thread())
            work(service, exchange, body)

        return gather

    def _planning(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def send(pool: Any, request: bytes, sink: Any) -> Any:
            number = NUMBER.search(request)
            stamps = self._streams.get(int(number.group(1))) if number else None
            if stamps is not None:
                stamps.planned_s = self._now_s()
                self._by_sink[id(sink)] = stamps
            return work(pool, request, sink)

        return send

    def _opening(self, work: Callable[..., None]) -> Callable[..., None]:
        def init(connection: Any, *args: Any, **kwargs: Any) -> None:
            self._opened[id(connection)] = (self._now_s(), 0.0)
            work(connection, *args, **kwargs)

        return init

    def _connecting(self, work: Callable[..., None]) -> Callable[..., None]:
        def made(connection: Any, transport: Any) -> None:
            began_s, _ = self._opened[id(connection)]
            self._opened[id(connection)] = (began_s, self._now_s())
            work(connection, transport)

        return made

    def _sending(self, work: Callable[..., None]) -> Callable[..., None]:
        def send(connection: Any, request: bytes, sink: Any) -> None:
            work(connection, request, sink)
            stamps = self._by_sink.get(id(sink))
            opened = self._opened.pop(id(connection), None)
            if stamps is not None:
                stamps.written_s = self._now_s()
                if opened is not None and opened[0] >= stamps.planned_s:
                    stamps.opening_s, stamps.connected_s = opened

        return send

    def _beginning(self, work: Callable[..., None]) -> Callable[..., None]:
        def on_head(relay: Any, *args: Any) -> None:
            self._first = self._by_sink.pop(id(relay), None)
            if self._first is not None:
                self._first.first_s = self._now_s()
            work(relay, *args)

        return on_head

    def _passing_on(self, work: Callable[..., None]) -> Callable[..., None]:
        def received(connection: Any, data: bytes) -> None:
            self._count()
            work(connection, data)
            if self._first is not None:
                self._first.passed_on_s = self._now_s()
                self._first = None

        return received
