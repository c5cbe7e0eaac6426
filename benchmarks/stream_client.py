"""A raw client that holds many streams open and counts what comes.

    python -m benchmarks.stream_client PLAN.json

Reads a `StreamPlan`, prints a `StreamRun` as JSON. Connections are opened first; requests are
then sent at their own times, and TTFT counts from a request's sending to its first event.
"""

import asyncio
import gc
import sys
import time
from pathlib import Path
from typing import cast

import httptools
import msgspec
import uvloop

from benchmarks import procfs
from benchmarks.records import StreamRun
from benchmarks.workload import Call, chat_request

CONNECTS_AT_ONCE = 50
ERROR_SAMPLES = 5
# As fine as uvloop's timers are: anything below fires at once, and would spin.
TIMER_S = 0.001
DRAIN_S_MAX = 20.0
EVENT = b"data: "
# A stream has its chunks, then the finish and `[DONE]`.
EVENTS_AFTER_CHUNKS = 2


class StreamPlan(msgspec.Struct, frozen=True):
    """What the client does.

    Attributes:
        call: the target.
        nonce: a word that makes the prompts of this run its own.
        streams: how many.
        chunks: chunks per stream.
        interval_ms: what the mock waits between two chunks at its fastest pace.
        chunk_every: a chunk comes on every so many-th interval.
        ramp_s: the requests are spread evenly over this time; 0 sends them all at once.
        settle_s: wait after the last first event before the window begins.
        window_s: length of the steady window; 0 for none.
        events_off_max: how many events a stream may have more or fewer than the mock sent.
        watched_pid: whose process tree's CPU time is read around the window.
        keeps_times: whether the run tells when each request was sent.
    """

    call: Call
    nonce: str
    streams: int
    chunks: int
    interval_ms: float
    chunk_every: int
    ramp_s: float
    settle_s: float
    window_s: float
    watched_pid: int
    events_off_max: int = 0
    keeps_times: bool = False


class Window(msgspec.Struct, frozen=True):
    """What happened in the steady window; nothing where there was none."""

    events: int = 0
    reads: int = 0
    seconds: float = 0.0
    cpu_us: float = 0.0


class Tally:
    """What all streams share: counters and the moments others wait for."""

    def __init__(self, streams: int) -> None:
        self.events = 0
        self.reads = 0
        self.open_now = 0
        self.open_max = 0
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self._to_start = streams
        self._to_end = streams

    def one_started(self) -> None:
        """A stream's first event came, or never will."""
        self._to_start -= 1
        if self._to_start == 0:
            self.started.set()

    def one_ended(self) -> None:
        """A stream is over, well or not."""
        self._to_end -= 1
        if self._to_end == 0:
            self.ended.set()


class Stream(asyncio.Protocol):
    """One stream on one connection.

    Args:
        tally: the shared counters.
        chunks: how many chunks have to come.
        events_off_max: how many events may be missing or too many.
    """

    def __init__(self, tally: Tally, chunks: int, events_off_max: int) -> None:
        self._tally = tally
        self._events_due = chunks + EVENTS_AFTER_CHUNKS
        self._events_off_max = events_off_max
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._tail = b""
        self._events = 0
        self.sent_s: float | None = None
        self._over = False
        self.ttft_s: float | None = None
        self.error: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes) -> None:
        """Send the request and start the clock."""
        if self._transport is None:
            self._end("closed before the request")
            return
        self._tally.open_now += 1
        self._tally.open_max = max(self._tally.open_max, self._tally.open_now)
        self.sent_s = time.perf_counter()
        self._transport.write(request)

    def abandon(self, reason: str) -> None:
        """Give the stream up."""
        self._end(reason)
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._tally.reads += 1
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.abandon(f"not HTTP: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed: an error unless the stream is over."""
        self._transport = None
        if self.sent_s is not None:
            self._end(f"closed after {self._events} events: {exc}")

    def on_headers_complete(self) -> None:
        """The head of the answer is here."""
        status = self._parser.get_status_code()
        if status != 200:
            self.abandon(f"status {status}")

    def on_body(self, body: bytes) -> None:
        """Count the events; one may be cut by a read, never counted twice."""
        if self._over:
            return
        if self.ttft_s is None and self.sent_s is not None:
            self.ttft_s = time.perf_counter() - self.sent_s
            self._tally.one_started()
        seen = self._tail + body
        found = seen.count(EVENT)
        self._events += found
        self._tally.events += found
        # Shorter than what is counted, so that nothing counts twice.
        self._tail = seen[1 - len(EVENT) :]

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if abs(self._events - self._events_due) > self._events_off_max:
            self._end(f"{self._events} events instead of {self._events_due}")
        else:
            self._end(None)

    def _end(self, error: str | None) -> None:
        if self._over:
            return
        self._over = True
        self.error = error
        if self.sent_s is not None:
            self._tally.open_now -= 1
        if self.ttft_s is None:
            self._tally.one_started()
        self._tally.one_ended()


async def run(plan: StreamPlan) -> StreamRun:
    """Open the streams, watch the window, wait for the end."""
    tally = Tally(plan.streams)
    streams = await _connect(plan, tally)
    gc.collect()
    gc.freeze()
    stream_s = plan.chunks * plan.chunk_every * plan.interval_ms / 1000
    window = Window()
    try:
        async with asyncio.timeout(plan.ramp_s + stream_s + DRAIN_S_MAX):
            await _send(plan, streams)
            await tally.started.wait()
            if plan.window_s:
                await asyncio.sleep(plan.settle_s)
                window = await _watch(plan, tally)
            await tally.ended.wait()
    except TimeoutError:
        for stream in streams:
            stream.abandon("not over in time")
    for stream in streams:
        stream.close()
    return _summary(streams, tally, window, keeps_times=plan.keeps_times)


async def _connect(plan: StreamPlan, tally: Tally) -> list[Stream]:
    loop = asyncio.get_running_loop()
    streams: list[Stream] = []
    while len(streams) < plan.streams:
        wanted = min(CONNECTS_AT_ONCE, plan.streams - len(streams))
        made = await asyncio.gather(
            *(
                loop.create_connection(
                    lambda: Stream(tally, plan.chunks, plan.events_off_max),
                    "127.0.0.1",
                    plan.call.port,
                )
                for _ in range(wanted)
            )
        )
        streams.extend(protocol for _, protocol in made)
    return streams


async def _send(plan: StreamPlan, streams: list[Stream]) -> None:
    template = chat_request(
        plan.call, plan.nonce, stream_chunks=plan.chunks, chunk_every=plan.chunk_every
    )
    requests = [template.request(number) for number in range(len(streams))]
    begin_s = time.perf_counter()
    gap_s = plan.ramp_s / len(streams)
    for number, stream in enumerate(streams):
        wait_s = begin_s + number * gap_s - time.perf_counter()
        if wait_s > 0:
            await asyncio.sleep(max(TIMER_S, wait_s))
        stream.send(requests[number])


async def _watch(plan: StreamPlan, tally: Tally) -> Window:
    events_before, reads_before, begin_s = tally.events, tally.reads, time.perf_counter()
    cpu_before = procfs.tree_cpu(plan.watched_pid)
    await asyncio.sleep(plan.window_s)
    return Window(
        events=tally.events - events_before,
        reads=tally.reads - reads_before,
        seconds=time.perf_counter() - begin_s,
        cpu_us=procfs.cpu_between_us(cpu_before, procfs.tree_cpu(plan.watched_pid)),
    )


def _summary(
    streams: list[Stream], tally: Tally, window: Window, *, keeps_times: bool
) -> StreamRun:
    errors = [stream.error for stream in streams if stream.error is not None]
    return StreamRun(
        ttft_ms=[stream.ttft_s * 1000 for stream in streams if stream.ttft_s is not None],
        streams_ok=len(streams) - len(errors),
        streams_open_max=tally.open_max,
        window_events=window.events,
        window_reads=window.reads,
        window_s=window.seconds,
        window_cpu_us=window.cpu_us,
        errors=len(errors),
        error_samples=errors[:ERROR_SAMPLES],
        sent_s=[stream.sent_s for stream in streams] if keeps_times else [],
    )


def main() -> None:
    """Read the plan, run it, print what was seen."""
    plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=StreamPlan)
    seen = uvloop.run(run(plan))
    sys.stdout.buffer.write(msgspec.json.encode(seen) + b"\n")


if __name__ == "__main__":
    main()
