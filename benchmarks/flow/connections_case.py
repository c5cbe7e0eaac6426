"""Calls over kept connections: the pool beside a connection per call, and beside its peers.

All ask one small server on loopback that does next to nothing. In every round every client has
its turn, in another order each time, and is compared with the pool of the same round.
"""

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import trustme
import uvloop

from benchmarks.flow.connection_clients import (
    PER_CALL,
    POOL,
    Ask,
    AskHere,
    AsyncClient,
    Place,
    SyncClient,
    on_loops,
    on_threads,
)
from benchmarks.ratios import paired_ratio, spread
from benchmarks.records import Spread

ROUNDS: Final = 11
CALLS: Final = 160
TOGETHER: Final = (1, 20)
SEED: Final = 7

PER_CALL_LEAST: Final = 2.0
HTTPX_LEAST: Final = 1.0
AIOHTTP_LEAST: Final = 1 / 1.3

Told = Callable[[str], object]


class ConnectionRow(msgspec.Struct, frozen=True):
    """One client in one setting.

    Attributes:
        face: `asyncio`, `uvloop` or `threads`.
        wire: `https` or `http`.
        together: calls at once.
        client: its name.
        call_us: microseconds from one call's end to the next's.
        cpu_us: microseconds of this process's CPU for a call.
        against: `call_us` as a ratio to the pool's in the same round: above 1 is slower.
        cpu_against: the same of `cpu_us`, which a busy machine stretches less.
        least: what `against` has to be, where something is promised.
    """

    face: str
    wire: str
    together: int
    client: str
    call_us: Spread
    cpu_us: Spread
    against: Spread
    cpu_against: Spread
    least: float | None

    @property
    def is_kept(self) -> bool | None:
        """Whether the median keeps what is promised; `None` where nothing is."""
        return None if self.least is None else self.against.median >= self.least


class Setting(msgspec.Struct, frozen=True):
    """How calls are made."""

    face: str
    wire: str
    together: int


class Took(msgspec.Struct, frozen=True):
    """One turn of one client, per call."""

    call_us: float
    cpu_us: float


SETTINGS: Final = tuple(
    Setting(face, wire, together)
    for face in ("asyncio", "uvloop", "threads")
    for wire in ("https", "http")
    for together in TOGETHER
)


def measure(
    rounds: int,
    folder: Path,
    told: Told,
    settings: Sequence[Setting] = SETTINGS,
    calls: int = CALLS,
) -> list[ConnectionRow]:
    """Every client in every setting.

    Args:
        rounds: how often, beside a first one that is not counted.
        folder: where certificates go.
        told: is told how far it is.
        settings: which ones.
        calls: of a turn; a client that opens a connection for each makes a quarter of them.
    """
    dice = random.Random(SEED)
    turns: dict[Setting, dict[str, list[Took]]] = {setting: {} for setting in settings}
    with server(folder) as places:
        for number in range(rounds + 1):
            told(f"round {number} of {rounds}")
            for setting in dice.sample(settings, len(settings)):
                for name, took in _round(setting, places[setting.wire], dice, calls):
                    if number:
                        turns[setting].setdefault(name, []).append(took)
    return [row for setting in settings for row in _rows(setting, turns[setting])]


@contextmanager
def server(folder: Path) -> Iterator[dict[str, Place]]:
    """The server in a process of its own, and where to call it."""
    authority = trustme.CA()
    ca_file, certificate = folder / "ca.pem", folder / "server.pem"
    authority.cert_pem.write_to_path(ca_file)
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(certificate)
    command = [sys.executable, "-m", "benchmarks.flow.connection_server", str(certificate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        plain, secret = child.stdout.readline().split()
        try:
            yield {
                "http": Place(f"http://127.0.0.1:{int(plain)}/v1", str(ca_file)),
                "https": Place(f"https://localhost:{int(secret)}/v1", str(ca_file)),
            }
        finally:
            child.stdin.close()


def _round(
    setting: Setting, place: Place, dice: random.Random, calls: int
) -> Iterator[tuple[str, Took]]:
    if setting.face == "threads":
        here = on_threads()
        for name in dice.sample(sorted(here), len(here)):
            yield name, _on_threads(here[name], place, setting.together, _calls(name, calls))
        return
    clients = on_loops()
    loop = uvloop.new_event_loop if setting.face == "uvloop" else asyncio.new_event_loop
    for name in dice.sample(sorted(clients), len(clients)):
        with asyncio.Runner(loop_factory=loop) as runner:
            turn = _on_loop(clients[name], place, setting.together, _calls(name, calls))
            yield name, runner.run(turn)


def _calls(name: str, calls: int) -> int:
    return calls // 4 if name == PER_CALL else calls


async def _on_loop(client: AsyncClient, place: Place, together: int, calls: int) -> Took:
    async def several(ask: Ask, count: int) -> None:
        for _ in range(count):
            await ask()

    async with client(place) as ask:
        await asyncio.gather(*(several(ask, 2) for _ in range(together)))
        begin_s, begin_cpu_s = time.perf_counter(), time.process_time()
        await asyncio.gather(*(several(ask, calls // together) for _ in range(together)))
        return _took(begin_s, begin_cpu_s, calls // together * together)


def _on_threads(client: SyncClient, place: Place, together: int, calls: int) -> Took:
    def several(ask: AskHere, count: int) -> None:
        for _ in range(count):
            ask()

    with client(place) as ask, ThreadPoolExecutor(together) as crew:
        list(crew.map(several, [ask] * together, [2] * together))
        begin_s, begin_cpu_s = time.perf_counter(), time.process_time()
        list(crew.map(several, [ask] * together, [calls // together] * together))
        return _took(begin_s, begin_cpu_s, calls // together * together)


def _took(begin_s: float, begin_cpu_s: float, calls: int) -> Took:
    end_s, end_cpu_s = time.perf_counter(), time.process_time()
    return Took((end_s - begin_s) / calls * 1e6, (end_cpu_s - begin_cpu_s) / calls * 1e6)


def _rows(setting: Setting, turns: dict[str, list[Took]]) -> Iterator[ConnectionRow]:
    own = [took.call_us for took in turns[POOL]]
    own_cpu = [took.cpu_us for took in turns[POOL]]
    for name, tooks in sorted(turns.items(), key=lambda turn: turn[0] != POOL):
        call_us, cpu_us = ([took.call_us for took in tooks], [took.cpu_us for took in tooks])
        yield ConnectionRow(
            setting.face,
            setting.wire,
            setting.together,
            name,
            spread(call_us),
            spread(cpu_us),
            paired_ratio(call_us, own),
            paired_ratio(cpu_us, own_cpu),
            _least(setting, name),
        )


def _least(setting: Setting, name: str) -> float | None:
    if name == PER_CALL:
        return PER_CALL_LEAST if setting.wire == "https" else None
    if name.startswith("httpx"):
        return HTTPX_LEAST
    return AIOHTTP_LEAST if name == "aiohttp" else None
