"""The client: HTTP/1.1 on kept connections, one request each at a time, and no retries."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, cast

import httptools

from headrace.bench.load.answers import BODY_BYTES_MAX, Streamed, Whole
from headrace.bench.load.call import Call, Outcome
from headrace.bench.load.workload import KINDS
from headrace.clock import Clock

_STREAM: Final = KINDS.index("stream")
_SWEEP_S: Final = 0.05
_OPENING_MAX: Final = 64
_CONNECT_S: Final = 10.0
_DETAIL_MAX: Final = 160
# Of an answer that is not whole yet.
_NO_STATUS: Final = 0


class Connection(asyncio.Protocol):
    """One connection; tells its pool of every token and every end.

    Args:
        pool: whose it is.
    """

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._answer: Whole | Streamed | None = None
        self._has_head = self._is_kept = False
        self._status = _NO_STATUS
        self.call: Call | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def send(self, call: Call) -> None:
        """Send a request; its end is told to the pool."""
        self.call = call
        self._has_head = False
        self._status = _NO_STATUS
        self._answer = Streamed() if call.kind == _STREAM else Whole()
        if self._transport is None:
            self.fail("closed", "closed before the request was sent")
        else:
            self._transport.write(call.request)

    def fail(self, outcome: Outcome, detail: str) -> None:
        """Give the request up, and the connection with it."""
        call, self.call = self.call, None
        self.close()
        if call is not None:
            call.outcome, call.detail = outcome, detail[:_DETAIL_MAX]
            self._pool.ended(self, call, is_reusable=False)

    def close(self) -> None:
        """Close the connection, now."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def data_received(self, data: bytes) -> None:
        """Parse what came; what comes unasked ends the connection."""
        if self.call is None:
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.fail("malformed", f"not HTTP: {error}")
        # Not within the parser: whose answer this is may ask again at once.
        if self._status != _NO_STATUS:
            self._finish(self._status)

    def connection_lost(self, exc: Exception | None) -> None:
        """The target closed it: an error where a request is under way."""
        self._transport = None
        self._pool.lost(self)
        if self.call is not None:
            kind: Outcome = "cut" if self._has_head else "closed"
            self.fail(kind, f"closed by the target{f': {exc}' if exc else ''}")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note where the answer is from."""
        if name == b"x-headrace-cache" and self.call is not None:
            self.call.cache = value.decode("latin-1")[:16]

    def on_headers_complete(self) -> None:
        """The head of an answer is here."""
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        """A part of the answer is here."""
        call, answer = self.call, self._answer
        if call is None or answer is None:
            return
        tokens = answer.feed(body)
        if tokens:
            self._pool.tokens(call, tokens)
        if answer.size > BODY_BYTES_MAX:
            self.fail("malformed", f"the answer is larger than {BODY_BYTES_MAX >> 20} MiB")

    def on_message_complete(self) -> None:
        """The answer is whole, unless it was a word before it."""
        status = self._parser.get_status_code()
        if status >= 200:
            self._status, self._is_kept = status, self._parser.should_keep_alive()

    def _finish(self, status: int) -> None:
        call, answer = self.call, self._answer
        if call is None or answer is None:
            return
        self.call = None
        if status == 200:
            call.outcome, call.detail = answer.ending()
        else:
            call.outcome, call.detail = _refusal(status), f"status {status}"
        is_reusable = self._is_kept and call.outcome != "malformed"
        if not is_reusable:
            self.close()
        self._pool.ended(self, call, is_reusable=is_reusable)


def _refusal(status: int) -> Outcome:
    if status == 429:
        return "status_429"
    if 400 <= status < 500:
        return "status_4xx"
    return "status_5xx" if status >= 500 else "status_other"


class Pool:
    """Connections to one target; a call takes the one used last, or a new one.

    Args:
        host: name or address.
        port: its port.
        connections_max: calls beyond wait, which counts as lag of the client.
        clock: the time.
        group: owns what opens connections.
        on_tokens: told of tokens of a stream: the call, how many, and when.
        on_end: told of every call that is over.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        connections_max: int,
        clock: Clock,
        group: asyncio.TaskGroup,
        on_tokens: Callable[[Call, int, float], None],
        on_end: Callable[[Call], None],
    ) -> None:
        self._host, self._port = host, port
        self._connections_max = connections_max
        self._now_s = clock.monotonic_s
        self._group = group
        self._on_tokens = on_tokens
        self._on_end = on_end
        self._idle: dict[Connection, None] = {}
        self._busy: dict[Connection, None] = {}
        self._waiting: deque[Call] = deque()
        self._starting: dict[Call, None] = {}
        self._opening = asyncio.Semaphore(_OPENING_MAX)
        self._sweeper: asyncio.TimerHandle | None = None
        self._sweep()

    @property
    def in_flight(self) -> int:
        """Calls that are not over."""
        return len(self._busy) + len(self._waiting) + len(self._starting)

    def keep(self, connections: int) -> None:
        """Have so many connections at hand: open what is missing, close what idles beyond."""
        there = len(self._idle) + len(self._busy) + len(self._starting)
        for _ in range(min(connections, self._connections_max) - there):
            self._group.create_task(self._open())
        while self._idle and len(self._idle) + len(self._busy) > connections:
            self._idle.popitem()[0].close()

    def send(self, call: Call) -> None:
        """Send a request; never raises, and never waits."""
        if self._idle:
            self._begin(self._idle.popitem()[0], call)
        elif len(self._busy) + len(self._starting) < self._connections_max:
            call.begun_s = self._now_s()
            self._starting[call] = None
            self._group.create_task(self._open(call))
        else:
            self._waiting.append(call)

    def tokens(self, call: Call, count: int) -> None:
        """Tokens came."""
        now_s = self._now_s()
        if call.first_s is None:
            call.first_s = now_s
        call.tokens += count
        self._on_tokens(call, count, now_s)

    def ended(self, connection: Connection, call: Call, *, is_reusable: bool) -> None:
        """A call is over."""
        self._busy.pop(connection, None)
        if is_reusable:
            if self._waiting:
                self._begin(connection, self._waiting.popleft())
            else:
                self._idle[connection] = None
        elif self._waiting:
            self.send(self._waiting.popleft())
        self._finish(call)

    def lost(self, connection: Connection) -> None:
        """A connection is no more."""
        self._idle.pop(connection, None)

    def close(self) -> None:
        """Give up every call, and close every connection."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        waiting = [*self._waiting, *self._starting]
        self._waiting.clear()
        self._starting.clear()
        for call in waiting:
            self._give_up(call, "interrupted", "the run ended first")
        for connection in list(self._busy):
            connection.fail("interrupted", "the run ended first")
        for connection in list(self._idle):
            connection.close()

    def _begin(self, connection: Connection, call: Call) -> None:
        self._busy[connection] = None
        call.begun_s = call.begun_s or self._now_s()
        connection.send(call)

    async def _open(self, call: Call | None = None) -> None:
        loop = asyncio.get_running_loop()
        connection: Connection | None = None
        detail = ""
        async with self._opening:
            if call is not None and call not in self._starting:
                return
            try:
                async with asyncio.timeout(_CONNECT_S):
                    _, connection = await loop.create_connection(
                        lambda: Connection(self), self._host, self._port
                    )
            except OSError as error:
                detail = str(error)
        if call is None and connection is not None:
            self._idle[connection] = None
        elif call is not None and call in self._starting:
            del self._starting[call]
            if connection is None:
                self._give_up(call, "connect", detail)
                if self._waiting:
                    self.send(self._waiting.popleft())
            else:
                self._begin(connection, call)
        elif connection is not None:
            connection.close()  # the call was given up meanwhile

    def _give_up(self, call: Call, outcome: Outcome, detail: str) -> None:
        call.outcome, call.detail = outcome, detail[:_DETAIL_MAX]
        call.begun_s = call.begun_s or self._now_s()
        self._finish(call)

    def _finish(self, call: Call) -> None:
        call.ended_s = self._now_s()
        self._on_end(call)

    def _sweep(self) -> None:
        """Give up what is over its time."""
        now_s = self._now_s()
        for connection in [c for c in self._busy if c.call and c.call.deadline_s <= now_s]:
            connection.fail("timeout", "no whole answer in time")
        for call in [c for c in self._starting if c.deadline_s <= now_s]:
            del self._starting[call]
            self._give_up(call, "timeout", "no connection in time")
        while self._waiting and self._waiting[0].deadline_s <= now_s:
            self._give_up(self._waiting.popleft(), "timeout", "not sent in time")
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_later(_SWEEP_S, self._sweep)
