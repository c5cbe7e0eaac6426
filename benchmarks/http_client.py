"""A raw HTTP client on epoll: exact send times, nothing between the clock and the socket.

    python -m benchmarks.http_client PLAN.json

Reads an `OpenLoopPlan` or a `CountPlan`, prints an `OpenLoopRun` or a `CountRun` as JSON. The
open loop spins instead of sleeping: an event loop's timers are a millisecond coarse, which is
as much as the latencies it has to tell apart. It takes one core while it runs.
"""

import gc
import itertools
import math
import random
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.ratios import quantile
from benchmarks.records import OpenLoopRun
from benchmarks.workload import Call, Template, chat_request

ERROR_SAMPLES = 5
DRAIN_S_MAX = 10.0
READ_BYTES = 65_536
LENGTH = b"content-length:"


class OpenLoopPlan(msgspec.Struct, frozen=True, tag="open"):
    """One request again and again, or several in turn, at times fixed beforehand.

    Attributes:
        call: the target.
        nonce: the word in the request.
        rate_per_s: requests per second, arriving as a Poisson process.
        seconds: how long.
        connections: kept-alive connections; a request takes the first free one.
        seed: seeds the arrival times and the order of requests.
        distinct: how many different requests there are; all come before one comes again.
        cache_header: what the answers should say of where they come from.
        rests: sleep until the next request is due, or an answer comes. Costs the answer a wake-up,
            and leaves the core to those who serve: one that spins is given the core for some
            milliseconds even where whoever has to answer waits for it. For low rates.
    """

    call: Call
    nonce: str
    rate_per_s: float
    seconds: float
    connections: int
    seed: int
    distinct: int = 1
    cache_header: str | None = None
    rests: bool = False


class CountPlan(msgspec.Struct, frozen=True, tag="count"):
    """Distinct requests, as fast as answers come.

    Attributes:
        call: the target.
        nonce: a word that makes the texts of this run its own.
        first: where the counter in the text starts.
        requests: how many.
        connections: kept-alive connections.
    """

    call: Call
    nonce: str
    first: int
    requests: int
    connections: int


class CountRun(msgspec.Struct, frozen=True):
    """What came of a `CountPlan`."""

    requests: int
    errors: int
    error_samples: list[str]


class Lane:
    """One connection: at most one request on it.

    Args:
        port: the target's loopback port.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10.0)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._received = b""
        self.fileno = self._socket.fileno()
        self.intended_s = 0.0
        self.head = b""

    def send(self, request: bytes, intended_s: float) -> None:
        """Send a request that was due at `intended_s`."""
        self.intended_s = intended_s
        # Far below the socket's buffer, which is empty: it goes in whole.
        self._socket.sendall(request)

    def receive(self) -> str | None:
        """Read; returns "" for a good answer, what is wrong with a bad one, `None` for half one.

        Raises:
            OSError: the connection broke.
        """
        part = self._socket.recv(READ_BYTES)
        if not part:
            raise ConnectionResetError("the target closed the connection")
        self._received += part
        length = answer_length(self._received)
        if length is None or len(self._received) < length:
            return None
        self.head = self._received[: self._received.index(b"\r\n\r\n") + 2]
        status = self.head[9:12]
        self._received = self._received[length:]
        return "" if status == b"200" else f"status {status.decode('latin-1')}"

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def answer_length(received: bytes) -> int | None:
    """Bytes of the answer at the start of `received`, `None` while its head is not whole.

    Raises:
        ValueError: the answer does not tell its length.
    """
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = received[:end].lower()
    at = head.find(LENGTH)
    if at < 0:
        raise ValueError("an answer without content-length")
    return end + 4 + int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0])


def arrivals_s(rate_per_s: float, seconds: float, seed: int) -> list[float]:
    """Arrival times of a Poisson process, in seconds from its start."""
    dice = random.Random(seed)
    times: list[float] = []
    now_s = dice.expovariate(rate_per_s)
    while now_s < seconds:
        times.append(now_s)
        now_s += dice.expovariate(rate_per_s)
    return times


class OpenLoop:
    """Runs an `OpenLoopPlan`.

    Args:
        plan: the plan.
    """

    def __init__(self, plan: OpenLoopPlan) -> None:
        template = chat_request(plan.call, plan.nonce)
        numbers = random.Random(plan.seed).sample(range(plan.distinct), plan.distinct)
        self._requests = itertools.cycle([template.request(number) for number in numbers])
        self._expected = b""
        if plan.cache_header is not None:
            self._expected = b"\r\nx-headrace-cache: %b\r\n" % plan.cache_header.encode()
        self._elsewhere = 0
        self._arrivals_s = arrivals_s(plan.rate_per_s, plan.seconds, plan.seed)
        self._lanes = {lane.fileno: lane for lane in _lanes(plan.call.port, plan.connections)}
        self._free = deque(self._lanes.values())
        self._rests = plan.rests
        self._waiting: deque[float] = deque()
        self._latencies_s: list[float] = []
        self._lags_s: list[float] = []
        self._errors: list[str] = []
        self._poll = _poll(self._lanes)

    def run(self) -> OpenLoopRun:
        """Send every request at its time and wait for the answers."""
        begin_s = time.perf_counter() + 0.01
        last_s = begin_s + self._arrivals_s[-1] + DRAIN_S_MAX
        due = 0
        while len(self._latencies_s) + len(self._errors) < len(self._arrivals_s):
            now_s = time.perf_counter()
            while due < len(self._arrivals_s) and begin_s + self._arrivals_s[due] <= now_s:
                self._lags_s.append(now_s - begin_s - self._arrivals_s[due])
                self._waiting.append(begin_s + self._arrivals_s[due])
                due += 1
            while self._waiting and self._free:
                self._free.popleft().send(next(self._requests), self._waiting.popleft())
            for fileno, _ in self._ready(begin_s, due):
                self._receive(self._lanes[fileno])
            if now_s > last_s:
                missing = len(self._arrivals_s) - len(self._latencies_s) - len(self._errors)
                self._errors.extend(["not answered in time"] * missing)
        for lane in self._lanes.values():
            lane.close()
        return self._summary()

    def _ready(self, begin_s: float, due: int) -> list[tuple[int, int]]:
        """Whose answers have come, waited for until the next request is due."""
        if self._rests:
            end_s = begin_s + self._arrivals_s[due] if due < len(self._arrivals_s) else math.inf
            left_s = min(DRAIN_S_MAX, end_s - time.perf_counter())
            # `select`, whose clock is finer than that of `epoll`.
            select.select([self._poll], [], [], max(0.0, left_s))
        return self._poll.poll(0)

    def _receive(self, lane: Lane) -> None:
        wrong = lane.receive()
        if wrong is None:
            return
        if wrong:
            self._errors.append(wrong)
        else:
            self._latencies_s.append(time.perf_counter() - lane.intended_s)
            self._elsewhere += self._expected not in lane.head
        self._free.append(lane)

    def _summary(self) -> OpenLoopRun:
        milliseconds = [latency_s * 1000 for latency_s in self._latencies_s] or [0.0]
        return OpenLoopRun(
            requests=len(self._latencies_s),
            errors=len(self._errors),
            p50_ms=quantile(milliseconds, 0.5),
            p99_ms=quantile(milliseconds, 0.99),
            p999_ms=quantile(milliseconds, 0.999),
            max_ms=max(milliseconds),
            lag_p99_ms=quantile(self._lags_s, 0.99) * 1000,
            error_samples=self._errors[:ERROR_SAMPLES],
            elsewhere=self._elsewhere,
        )


def send_count(plan: CountPlan) -> CountRun:
    """Run a `CountPlan`: every connection sends its next request when its answer is there."""
    template = chat_request(plan.call, plan.nonce)
    numbers = iter(range(plan.first, plan.first + plan.requests))
    lanes = {lane.fileno: lane for lane in _lanes(plan.call.port, plan.connections)}
    poll = _poll(lanes)
    errors: list[str] = []
    answered = 0
    on_the_way = sum(_send_next(lane, template, numbers) for lane in lanes.values())
    while on_the_way:
        ready = poll.poll(DRAIN_S_MAX)
        if not ready:
            errors.extend(["not answered in time"] * on_the_way)
            break
        for fileno, _ in ready:
            wrong = lanes[fileno].receive()
            if wrong is None:
                continue
            answered += 1
            if wrong:
                errors.append(wrong)
            on_the_way += _send_next(lanes[fileno], template, numbers) - 1
    for lane in lanes.values():
        lane.close()
    return CountRun(answered, len(errors), errors[:ERROR_SAMPLES])


def _send_next(lane: Lane, template: Template, numbers: Iterator[int]) -> int:
    for number in itertools.islice(numbers, 1):
        lane.send(template.request(number), 0.0)
        return 1
    return 0


def _lanes(port: int, connections: int) -> list[Lane]:
    return [Lane(port) for _ in range(connections)]


def _poll(lanes: dict[int, Lane]) -> select.epoll:
    poll = select.epoll()
    for fileno in lanes:
        poll.register(fileno, select.EPOLLIN)
    return poll


def main() -> None:
    """Read the plan, run it, print what was seen."""
    written = Path(sys.argv[1]).read_bytes()
    plan = msgspec.json.decode(written, type=OpenLoopPlan | CountPlan)
    # A collection would be counted as the target's latency.
    gc.disable()
    seen = OpenLoop(plan).run() if isinstance(plan, OpenLoopPlan) else send_count(plan)
    sys.stdout.buffer.write(msgspec.json.encode(seen) + b"\n")


if __name__ == "__main__":
    main()
