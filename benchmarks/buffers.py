"""`python -m benchmarks.buffers`: what pooled buffers, views and gathered writes would gain.

Each way of doing the same work takes turns with the others in random order; what counts is
processor time, as a ratio to the way that Headrace goes.
"""

import argparse
import asyncio
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from random import Random
from statistics import median
from typing import Any, Final

import uvloop
from rich.console import Console
from rich.table import Table

ROUNDS: Final = 15
SIZES: Final = (64, 512, 4096, 65_536)
BODIES: Final = (1024, 16_384, 65_536, 262_144, 4_194_304)
BYTES_A_ROUND: Final = 16 << 20
MESSAGES_MAX: Final = 4000
HEAD: Final = b"x" * 500

Work = Callable[[int], Any]


class Receives(asyncio.Protocol):
    """Gets bytes of its own with each read."""

    def __init__(self, done: asyncio.Event, expected: int) -> None:
        self.done, self.left, self.kept = done, expected, b""

    def data_received(self, data: bytes) -> None:
        self.kept = data
        self.left -= len(data)
        if self.left <= 0:
            self.done.set()


class Pooled(asyncio.BufferedProtocol):
    """Has one buffer, and copies out of it what is kept, as answers are."""

    keeps = True

    def __init__(self, done: asyncio.Event, expected: int) -> None:
        self.done, self.left, self.kept = done, expected, b""
        self.view = memoryview(bytearray(65_536))

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return self.view

    def buffer_updated(self, nbytes: int) -> None:
        if self.keeps:
            self.kept = bytes(self.view[:nbytes])
        self.left -= nbytes
        if self.left <= 0:
            self.done.set()


class PooledUnkept(Pooled):
    """The same, as if nothing had to be kept: a bound that the gateway cannot reach."""

    keeps = False


def reading(make: type[Receives | Pooled]) -> Work:
    """Processor time of one message that comes over a socket, one after the other."""

    async def run(size: int) -> float:
        loop, count = asyncio.get_running_loop(), messages(size)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        payload = b"x" * size
        spent_s = 0.0
        transport, protocol = await loop.create_connection(
            lambda: make(asyncio.Event(), size), sock=ours
        )
        theirs.setblocking(True)
        for _ in range(count):
            protocol.left = size
            protocol.done.clear()
            theirs.sendall(payload)
            begun_s = time.thread_time()
            await protocol.done.wait()
            spent_s += time.thread_time() - begun_s
        transport.abort()
        theirs.close()
        return spent_s / count

    return run


def slicing(cut: Callable[[bytes, int], object]) -> Work:
    """Processor time of taking the payload out of a chunk."""

    async def run(size: int) -> float:
        data, count = b"x" * (size + 8), 20_000
        begun_s = time.thread_time()
        for _ in range(count):
            cut(data, size)
        return (time.thread_time() - begun_s) / count

    return run


def cut_bytes(data: bytes, size: int) -> object:
    """As Headrace does."""
    return data[6 : 6 + size]


def cut_view(data: bytes, size: int) -> object:
    """A view of the same."""
    return memoryview(data)[6 : 6 + size]


def writing(write: Callable[[asyncio.WriteTransport, bytes], None]) -> Work:
    """Processor time of writing head and body of an answer, and of reading it at the other end.

    Some is written at once and some later, so all of it is counted until it has come.
    """

    async def run(size: int) -> float:
        loop, body, count = asyncio.get_running_loop(), b"y" * size, messages(size)
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        room = bytearray(1 << 20)
        begun_s = time.thread_time()
        for _ in range(count):
            write(transport, body)
            left = size + len(HEAD)
            while left > 0:
                left -= await loop.sock_recv_into(theirs, room)
        spent_s = time.thread_time() - begun_s
        transport.abort()
        theirs.close()
        return spent_s / count

    return run


def write_joined(transport: asyncio.WriteTransport, body: bytes) -> None:
    """One piece, for which the body is copied."""
    transport.write(HEAD + body)


def write_gathered(transport: asyncio.WriteTransport, body: bytes) -> None:
    """Two pieces in one go."""
    transport.writelines((HEAD, body))


def write_twice(transport: asyncio.WriteTransport, body: bytes) -> None:
    """Two pieces, one after the other."""
    transport.write(HEAD)
    transport.write(body)


def messages(size: int) -> int:
    """How many of a size make a round."""
    return max(4, min(MESSAGES_MAX, BYTES_A_ROUND // size))


EXPERIMENTS: Final[Mapping[str, tuple[Sequence[int], Mapping[str, Work]]]] = {
    "read what is kept": (
        SIZES,
        {
            "data_received": reading(Receives),
            "pooled buffer, copied": reading(Pooled),
            "pooled buffer, not kept": reading(PooledUnkept),
        },
    ),
    "take a payload out": (SIZES, {"bytes": slicing(cut_bytes), "memoryview": slicing(cut_view)}),
    "write head and body": (
        BODIES,
        {
            "joined": writing(write_joined),
            "writelines": writing(write_gathered),
            "two writes": writing(write_twice),
        },
    ),
}


def measure(rounds: int, seed: int) -> Table:
    """Every way of every experiment, interleaved; the first way of each is what is done today."""
    table = Table("what", "bytes", "how", "us", "x the first", title="Buffers, processor time")
    dice = Random(seed)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for name, (sizes, ways) in EXPERIMENTS.items():
            for size in sizes:
                found: dict[str, list[float]] = {way: [] for way in ways}
                for _ in range(rounds):
                    for way in dice.sample(list(ways), len(ways)):
                        found[way].append(runner.run(ways[way](size)))
                first = next(iter(found.values()))
                for way, taken_s in found.items():
                    ratios = sorted(a / b for a, b in zip(taken_s, first, strict=True))
                    table.add_row(
                        name,
                        f"{size:,}",
                        way,
                        f"{median(taken_s) * 1e6:.2f}",
                        f"{median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})",
                    )
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    Console().print(measure(asked.rounds, asked.seed))


if __name__ == "__main__":
    main()
