"""A mock provider that streams: one chunk per stream and interval, from one shared ticker.

    python -m benchmarks.stream_mock --port PORT [--interval-ms 20]

A stream has as many chunks as its request's `max_tokens` says. The first goes out at once with
the head of the answer, the rest on the ticks of the stream's phase: phases spread the streams
over the interval, as independent providers would. The last tick sends the finish and `[DONE]`.
A request whose metadata says `"chunk_every": "2"` gets a chunk on every second interval only.
Any GET, and any call that asks for no stream, is answered at once.
"""

import argparse
import asyncio
import gc
import itertools
import re
import time
from typing import cast

import httptools
import uvloop

from benchmarks import workload

PHASES = 20
# As fine as uvloop's timers are: anything below fires at once, and would spin.
TICK_S = 0.001
BACKLOG = 4096


def _framed(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def _whole(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
FIRST = STREAM_HEAD + _framed(workload.stream_event({"role": "assistant", "content": ""}, None))
# More than one, as some gateways end a stream that repeats itself.
WORDS = (" water", " under", " wheel", " turns", " stone", " grain", " flour", " bread")
NEXT = tuple(_framed(workload.stream_event({"content": word}, None)) for word in WORDS)
LAST = _framed(workload.stream_event({}, "stop")) + _framed(b"data: [DONE]\n\n") + _framed(b"")
WHOLE = _whole(workload.completion().encode())
CHUNKS_ASKED = re.compile(rb'"max_(?:completion_)?tokens"\s*:\s*(\d+)')
EVERY_ASKED = re.compile(rb'"chunk_every"\s*:\s*"([1-9])"')
STREAM_ASKED = re.compile(rb'"stream"\s*:\s*true')


class Ticker:
    """Sends every running stream its next chunk, phase by phase.

    Args:
        loop: the event loop that keeps the time.
        interval_s: seconds between two chunks of a stream.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, interval_s: float) -> None:
        self._loop = loop
        self._step_s = interval_s / PHASES
        self._phases: list[dict[Connection, int]] = [{} for _ in range(PHASES)]
        self._turns = itertools.cycle(range(PHASES))
        self._now = 0
        self._due_s = time.perf_counter() + self._step_s
        loop.call_later(TICK_S, self._tick)

    def add(self, connection: "Connection", chunks: int) -> int:
        """Stream `chunks` more chunks to a connection; returns its phase."""
        phase = next(self._turns)
        self._phases[phase][connection] = chunks
        return phase

    def remove(self, connection: "Connection", phase: int) -> None:
        """Forget a connection that is gone."""
        self._phases[phase].pop(connection, None)

    def _tick(self) -> None:
        # More than one phase where the loop came late: the rate is kept, not the delay.
        while self._due_s <= time.perf_counter():
            self._advance(self._phases[self._now])
            self._now = (self._now + 1) % PHASES
            self._due_s += self._step_s
        self._loop.call_later(TICK_S, self._tick)

    def _advance(self, streams: "dict[Connection, int]") -> None:
        for connection, left in list(streams.items()):
            if left > 0:
                streams[connection] = left - 1
                connection.send(NEXT[left % len(NEXT)])
            else:
                del streams[connection]
                connection.finish()


class Tickers:
    """One ticker per pace, made when first asked for.

    Args:
        loop: the event loop that keeps the time.
        interval_s: seconds between two chunks at the fastest pace.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, interval_s: float) -> None:
        self._loop = loop
        self._interval_s = interval_s
        self._by_every: dict[int, Ticker] = {}

    def for_every(self, every: int) -> Ticker:
        """The ticker whose streams get a chunk on every `every`-th interval, 1 to 9."""
        if every not in self._by_every:
            self._by_every[every] = Ticker(self._loop, self._interval_s * every)
        return self._by_every[every]


class Connection(asyncio.Protocol):
    """One connection from the gateway.

    Args:
        tickers: who sends the chunks.
    """

    def __init__(self, tickers: Tickers) -> None:
        self._tickers = tickers
        self._ticker: Ticker | None = None
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._phase = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        """The gateway went away: stop streaming to it."""
        self._transport = None
        if self._ticker is not None:
            self._ticker.remove(self, self._phase)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if self._transport is not None:
                self._transport.abort()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._body = b""

    def on_body(self, body: bytes) -> None:
        """A part of the body came."""
        self._body += body

    def on_message_complete(self) -> None:
        """The request is here: answer it, or begin its stream."""
        if self._parser.get_method() != b"POST" or not STREAM_ASKED.search(self._body):
            self.send(WHOLE)
            return
        asked = CHUNKS_ASKED.search(self._body)
        chunks = int(asked.group(1)) if asked else 1
        every = EVERY_ASKED.search(self._body)
        self.send(FIRST)
        self._ticker = self._tickers.for_every(int(every.group(1)) if every else 1)
        self._phase = self._ticker.add(self, max(0, chunks - 1))

    def send(self, data: bytes) -> None:
        """Write, unless the gateway is gone."""
        if self._transport is not None:
            self._transport.write(data)

    def finish(self) -> None:
        """End the stream; the connection stays for the next call."""
        self._ticker = None
        self.send(LAST)


async def serve(port: int, interval_s: float) -> None:
    """Serve on loopback until cancelled."""
    loop = asyncio.get_running_loop()
    tickers = Tickers(loop, interval_s)
    server = await loop.create_server(
        lambda: Connection(tickers), "127.0.0.1", port, backlog=BACKLOG
    )
    gc.freeze()
    async with server:
        await server.serve_forever()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--interval-ms", type=float, default=20.0)
    options = parser.parse_args()
    uvloop.run(serve(options.port, options.interval_ms / 1000))


if __name__ == "__main__":
    main()
