"""What the ledger costs: a row, a request, and how many rows the store takes in a second.

    python -m benchmarks.store.ledger [--part append|store|requests] [--rounds N] [--blocks N]
        [--seconds S] [--json FILE]

`append` is what a hit pays at once, beside the same with a journal that takes nothing. `store`
brings rows from a journal to SQLite, and to a PostgreSQL server of its own where one is installed
(its commits reach the disk), as fast as it goes, while a timer tells how long the loop is held.
`requests` loads gateways in turn, with and without a ledger, and accounts the CPU of their
processes: while they are loaded, and in all, until every row is in the store (wrk and nginx have
to be installed).
"""

import argparse
import asyncio
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from rich.console import Console

from benchmarks import fresh_blocks, processes
from benchmarks.ratios import quantile
from benchmarks.store import ledger_requests
from headrace.cache.entry import Answer, Shape
from headrace.clock import SystemClock
from headrace.dialects.base import Operation
from headrace.dialects.openai import OpenAIDialect
from headrace.gateway.call import Hints, make_call
from headrace.gateway.ledger.ledger import Ledger
from headrace.model import Usage
from headrace.observe.cells import Cells
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.store.journal.journal import Journal, folder_bytes
from headrace.store.ledger.retention import Retention
from headrace.store.ledger.row import CallRow
from headrace.store.ledger.shipper import ShipCounts, Shipper
from headrace.store.records.open import open_records

ROUNDS = 7
APPENDS = 100_000
ROWS = 40_000
BLOCKS = 12
SECONDS = 0.7
ROOM_BYTES = 1 << 30
APPEND_US_MAX = 1.5
SQLITE_PER_S_MIN = 2_000.0
POSTGRES_PER_S_MIN = 5_000.0
MISS_RATIO_MAX = 1.0 + ledger_requests.MARGIN
_TICK_S = 0.001


class Bar(msgspec.Struct, frozen=True):
    """A promise and what was measured of it."""

    name: str
    value: float
    bound: float
    is_kept: bool


class Nowhere:
    """A journal that takes everything and keeps nothing."""

    problem = ""

    def append(self, record: bytes) -> bool:
        return bool(record)


def quiet(*_: Any, **__: Any) -> None:
    """Say nothing."""


def ledger_on(journal: Any) -> Ledger:
    """A ledger that writes to a journal."""
    layout, clock = Layout(), SystemClock()
    board = Cells(layout.size)
    metrics = Metrics(layout, board.row(0), board.slots, clock)
    return Ledger(journal, clock, metrics, quiet, "0abcdef01")


def append_us(journal: Any, count: int) -> float:
    """Microseconds of CPU that a hit spends on its row."""
    ledger, dialect = ledger_on(journal), OpenAIDialect()
    call = make_call(dialect, Operation.CHAT, "default", Hints(), (), key="key-1")
    answer = Answer(200, (), b"", Shape.WHOLE, "openai", "gpt-4o-mini", Usage(812, 210), 0.00025)
    repeat = ledger.repeat
    began_s = time.process_time()
    for _ in range(count):
        repeat(call, b"", answer, "0abcdef01-1f2e", 0.00005)
    return (time.process_time() - began_s) / count * 1e6


def measure_append(rounds: int) -> dict[str, float]:
    """What a row costs where it is appended, and what making and encoding it is of that."""
    whole: list[float] = []
    made: list[float] = []
    for _ in range(rounds):
        made.append(append_us(Nowhere(), APPENDS))
        with tempfile.TemporaryDirectory() as folder:
            journal = Journal(Path(folder), ROOM_BYTES, SystemClock(), secrets.token_bytes)
            whole.append(append_us(journal, APPENDS))
            journal.close()
    return {"append_us": median(whole), "append_us_min": min(whole), "encode_us": median(made)}


def write_rows(folder: Path, count: int) -> None:
    """A journal of calls as they are."""
    dice = random.Random(7)
    journal = Journal(folder, ROOM_BYTES, SystemClock(), secrets.token_bytes)
    encode = msgspec.msgpack.Encoder().encode
    began_s = time.time()
    for number in range(count):
        is_hit, key = dice.random() < 0.5, dice.randrange(40)
        row = CallRow(
            id=f"0abcdef01-{number:x}",
            at_s=began_s + number / 5000,
            tenant=f"tenant-{key % 20}",
            key_name=f"key-{key}",
            operation="chat",
            asked="fast",
            model=dice.choice(("gpt-4o-mini", "gpt-4o", "claude-sonnet-4")),
            provider="openai",
            cache="l1" if is_hit else "miss",
            status=200,
            attempts=int(not is_hit),
            duration_us=dice.randrange(100, 2_000_000),
            input_tokens=dice.randrange(4000),
            output_tokens=dice.randrange(900),
            cost_nano=0 if is_hit else dice.randrange(2_000_000),
            saved_nano=dice.randrange(2_000_000) if is_hit else 0,
        )
        journal.append(encode(row))
    journal.close()


async def ship(url: str, folder: Path, count: int) -> dict[str, float]:
    """Rows a second, CPU of this process for each, and how long the loop is held meanwhile."""
    clock, stored = SystemClock(), 0
    write_rows(folder / "ledger", count)

    def note(rows: int) -> None:
        nonlocal stored
        stored += rows

    records = open_records(url, folder, clock=clock)
    await records.ready(60.0)
    counts = ShipCounts(note, quiet, quiet)
    retention = Retention(records, 0, 30)
    shipper = Shipper(
        *(folder / "ledger", records, retention, clock, quiet, counts),
        share_max=1.0,
        bytes_max=ROOM_BYTES,
    )
    held: list[float] = []
    ticking = asyncio.ensure_future(_tick(held))
    began_s, cpu_s = time.perf_counter(), time.process_time()
    while stored < count:
        await shipper.ship()
    took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    ticking.cancel()
    await records.close()
    assert folder_bytes(folder / "ledger") == 0
    return {
        "rows_per_s": count / took_s,
        "cpu_us_per_row": cpu_s / count * 1e6,
        "loop_held_p99_ms": quantile(held, 0.99) * 1000,
        "loop_held_max_ms": max(held) * 1000,
    }


async def _tick(held: list[float]) -> None:
    while True:
        began_s = time.perf_counter()
        await asyncio.sleep(_TICK_S)
        held.append(time.perf_counter() - began_s - _TICK_S)


@contextmanager
def postgres() -> Iterator[str | None]:
    """An empty database whose commits reach the disk; `None` where there is no server."""
    from tests.support.postgres import PostgresServer, find_binaries

    binaries = find_binaries()
    if binaries is None:
        yield None
        return
    server = PostgresServer(binaries, {"fsync": "on"})
    try:
        server.start()
        with server.databases.fresh() as url:
            yield url
    finally:
        server.close()


def measure_store() -> dict[str, dict[str, float]]:
    """Both kinds of store."""
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        figures["sqlite"] = asyncio.run(ship("sqlite", Path(folder), ROWS))
    with tempfile.TemporaryDirectory() as folder, postgres() as url:
        if url is not None:
            figures["postgresql"] = asyncio.run(ship(url, Path(folder), ROWS))
    return figures


def bars(told: dict[str, Any]) -> list[Bar]:
    """What was promised of what was measured."""
    found: list[Bar] = []
    if (append := told.get("append")) is not None:
        us = append["append_us"]
        found.append(Bar("microseconds of a row on a hit", us, APPEND_US_MAX, us <= APPEND_US_MAX))
    wanted = (("sqlite", SQLITE_PER_S_MIN), ("postgresql", POSTGRES_PER_S_MIN))
    for name, least in wanted:
        if name in told.get("store", {}):
            rate = told["store"][name]["rows_per_s"]
            found.append(Bar(f"rows a second, {name}", rate, least, rate >= least))
    for figures in told.get("requests", ()):
        made = figures.against[ledger_requests.WITH]
        if figures.metric == ledger_requests.MISS_LOADED and made.estimate is not None:
            ratio = made.estimate.effect
            name = f"{figures.metric}, with a ledger to without"
            found.append(Bar(name, ratio, MISS_RATIO_MAX, ratio <= MISS_RATIO_MAX))
    return found


def show(console: Console, told: dict[str, Any], kept: Sequence[Bar]) -> None:
    """Print the figures and the bars."""
    for part, figures in told.items():
        console.print(f"[bold]{part}[/]")
        if part == "requests":
            fresh_blocks.show(console, figures)
        else:
            console.print_json(msgspec.json.encode(figures).decode())
    for bar in kept:
        word = "[green]kept[/]" if bar.is_kept else "[red]missed[/]"
        console.print(f"{word} {bar.name}: {bar.value:,.3f} (bound {bar.bound:,.3f})")


def main() -> int:
    """Measure, print, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--part", choices=("append", "store", "requests"))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--blocks", type=int, default=BLOCKS, help="of fresh gateways")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a round of requests")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    told: dict[str, Any] = {}
    try:
        if arguments.part in (None, "append"):
            told["append"] = measure_append(arguments.rounds)
        if arguments.part in (None, "store"):
            told["store"] = measure_store()
        if arguments.part in (None, "requests"):
            told["requests"] = ledger_requests.measure(arguments.blocks, arguments.seconds)
    except processes.ChildFailed as failed:
        Console(stderr=True).print(str(failed))
        return 2
    kept = bars(told)
    show(Console(), told, kept)
    if arguments.json is not None:
        arguments.json.write_bytes(msgspec.json.encode({"figures": told, "bars": kept}))
    return 0 if all(bar.is_kept for bar in kept) else 1


if __name__ == "__main__":
    sys.exit(main())
