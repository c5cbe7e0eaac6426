"""What a page of 50 calls takes at the far end of a million, in both databases.

    python -m benchmarks.store.pages [--rows N]

Pages are asked for as callers do, by name and from where the last one ended, one after the other;
the tables are filled by the databases themselves. Beside it stands the same page by OFFSET, which
nothing here uses, and what the driver takes for nothing at all.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.filling import START_S, fill_file, fill_server
from tests.support.postgres import PostgresServer, find_binaries

from headrace.clock import SystemClock
from headrace.store.care.place import CarePlace
from headrace.store.records.bounds import RecordBounds
from headrace.store.records.open import RECORDS_FILE, open_records
from headrace.store.records.queries import Queries, Query, load_queries, parse_queries
from headrace.store.records.records import Records

PAGES = 400
P99_MS_MAX = 2.0
_OTHERS = """
-- name: nothing
-- for: what is left of a page without its rows
SELECT 1 AS one WHERE CAST(:most AS BIGINT) > 0;
-- name: offset
-- for: the page as it is not asked for
SELECT * FROM headrace_calls ORDER BY at_s, id LIMIT :most OFFSET :skipped;
"""
_FILTERS = ("key_name", "model", "provider", "cache", "intent", "purpose", "status")
Ask = Callable[[Records, int], Awaitable[object]]


async def page(records: Records, depth: int) -> object:
    """The 50 calls after so many."""
    values: dict[str, object] = dict.fromkeys(_FILTERS)
    values |= {"at_s": float(START_S + depth), "id": f"x{depth:012d}", "limit": 50}
    return await records.fetch("ledger.calls_old", {**values, "first_s": 0.0, "end_s": 1e12})


async def nothing(records: Records, depth: int) -> object:  # noqa: ARG001
    """A query without a table."""
    return await records.fetch("beside.nothing", {"most": 50})


async def by_offset(records: Records, depth: int) -> object:
    """The same as `page`, by counting off all that comes before."""
    return await records.fetch("beside.offset", {"most": 50, "skipped": depth})


async def times_ms(records: Records, ask: Ask, depths: list[int]) -> list[float]:
    """How long each took."""
    found = []
    for depth in depths:
        began_s = time.perf_counter()
        await ask(records, depth)
        found.append((time.perf_counter() - began_s) * 1e3)
    return found


async def measure(url: str, folder: Path, rows: int) -> dict[str, list[float]]:
    """All of it in one database."""
    chance = random.Random(7)
    deep = [rows - 51 - chance.randrange(rows // 1000) for _ in range(PAGES)]
    shallow = [chance.randrange(1000) for _ in range(PAGES)]
    patient = RecordBounds(read_limit_s=60.0, write_limit_s=60.0)
    opened = open_records(url, folder, clock=SystemClock(), bounds=patient)
    dialect = opened.dialect
    queries: list[Query] = [*load_queries(dialect), *parse_queries("beside", _OTHERS, dialect)]
    records = Records(opened._driver, Queries(dialect, queries))  # noqa: SLF001
    try:
        await records.ready(60.0)
        await times_ms(records, page, deep[:50])
        return {
            "nothing": await times_ms(records, nothing, deep),
            "first pages": await times_ms(records, page, shallow),
            f"pages at {rows:,}": await times_ms(records, page, deep),
            "by OFFSET": await times_ms(records, by_offset, deep[:5]),
        }
    finally:
        await records.close()


@contextmanager
def server() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own."""
    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("no PostgreSQL here")
    found = PostgresServer(binaries, {"shared_buffers": "256MB"})
    try:
        found.start()
        yield found.url
    finally:
        found.close()


def told(figures: dict[str, list[float]]) -> Iterator[str]:
    """A table."""
    yield f"{'':<22}{'least ms':>9}{'p50 ms':>9}{'p99 ms':>9}{'most':>9}"
    for name, each in figures.items():
        p99 = statistics.quantiles(each, n=100)[98] if len(each) >= 100 else max(each)
        cells = (min(each), statistics.median(each), p99, max(each))
        yield f"{name:<22}" + "".join(f"{cell:>9.3f}" for cell in cells)


def kept(figures: dict[str, list[float]]) -> bool:
    """Whether the bar was kept."""
    deep = next(each for name, each in figures.items() if name.startswith("pages at"))
    return statistics.quantiles(deep, n=100)[98] < P99_MS_MAX


def main() -> int:
    """Print the figures; 1 where a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows: int = parser.parse_args().rows
    are_kept = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        CarePlace(url="sqlite", folder=folder).migrate(lambda _: None)
        fill_file(folder / RECORDS_FILE, {"headrace_calls": rows}, 1000)
        figures = asyncio.run(measure("sqlite", folder, rows))
        print("SQLite", *told(figures), sep="\n")
        are_kept.append(kept(figures))
    with server() as url:
        CarePlace(url=url, folder=folder).migrate(lambda _: None)
        fill_server(url, {"headrace_calls": rows}, 1000)
        figures = asyncio.run(measure(url, folder, rows))
        print("PostgreSQL", *told(figures), sep="\n")
        are_kept.append(kept(figures))
    print(f"p99 of a page at {rows:,} below {P99_MS_MAX:g} ms: {'yes' if all(are_kept) else 'NO'}")
    return 0 if all(are_kept) else 1


if __name__ == "__main__":
    sys.exit(main())
