"""What two standbys give: reads a second with and without them, none of them stale.

    python -m benchmarks.store.replicas [--seconds S]

A primary and two standbys run on this machine, so they share its cores with whoever asks. Reads
that cost their processor show what that leaves. Reads that keep a server's connection for 20 ms
without its processor show what servers on machines of their own would give: there, as here, a
server does as much at once as it is given connections. Rounds with and without take turns.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from tests.support.postgres import find_binaries
from tests.support.replication import Cluster, cluster

from headrace.clock import SystemClock
from headrace.store.records.bounds import RecordBounds
from headrace.store.records.open import open_records
from headrace.store.records.queries import Queries, parse_queries
from headrace.store.records.records import Records, Step
from headrace.store.records.roster import ReplicaBounds

ROUNDS = 3
READERS = 32
ROWS = 20_000
RATIO_MIN = 1.6
_BOUNDS = RecordBounds(
    read_limit_s=30.0, write_limit_s=30.0, replicas=ReplicaBounds(wait_ms_max=50.0)
)
_QUERIES = """
-- name: make
-- for: this benchmark
CREATE TABLE things AS
    SELECT n AS id, CAST(0 AS BIGINT) AS value FROM generate_series(1, 20000) AS n;
-- name: key
-- for: this benchmark
CREATE UNIQUE INDEX things_by_id ON things (id);
-- name: one
-- for: a row by its key
SELECT value FROM things WHERE id = CAST(:id AS BIGINT);
-- name: many
-- for: some work for a processor
SELECT sum(value) AS value FROM things WHERE id BETWEEN CAST(:id AS BIGINT) AND :id + 2000;
-- name: held
-- for: 20 ms of a server's time, without this machine's processor
SELECT value, pg_sleep(0.02) FROM things WHERE id = CAST(:id AS BIGINT);
-- name: set
-- for: a write
UPDATE things SET value = :value WHERE id = CAST(:id AS BIGINT);
-- name: load
-- for: writes of others
UPDATE things SET value = value + 1 WHERE id BETWEEN 15000 AND 15100;
"""


class Freshness(msgspec.Struct):
    """How reads right after writes went.

    Attributes:
        reads: how many.
        stale: those that did not see the write.
        by_standbys: those that a standby answered.
        waits_ms: how long each took.
    """

    reads: int = 0
    stale: int = 0
    by_standbys: int = 0
    waits_ms: list[float] = []


@asynccontextmanager
async def opened(servers: Cluster, *, standbys: bool) -> AsyncIterator[Records]:
    """Records with or without standbys."""
    urls = [each.url for each in servers.standbys] if standbys else []
    found = open_records(
        servers.primary.url, Path(), clock=SystemClock(), bounds=_BOUNDS, replicas=urls
    )
    queries = Queries("postgresql", parse_queries("b", _QUERIES, "postgresql"))
    records = Records(found._driver, queries)  # noqa: SLF001
    await records.ready(30.0)
    try:
        while standbys and any(each.why_out for each in records.condition().standbys):  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # nothing tells when they were looked at
        yield records
    finally:
        await found.close()


async def reads_per_s(records: Records, query: str, seconds: float) -> float:
    """How many reads many readers get done in a second."""
    end_s = time.perf_counter() + seconds
    done = 0

    async def read(number: int) -> None:
        nonlocal done
        session = records.session(f"reader {number}")
        while time.perf_counter() < end_s:
            await records.fetch(query, {"id": 1 + done % 10_000}, session)
            done += 1

    began_s = time.perf_counter()
    await asyncio.gather(*map(read, range(READERS)))
    return done / (time.perf_counter() - began_s)


async def freshness(records: Records, writes: int) -> Freshness:
    """Write and read at once what was written, while others write."""
    found, stop = Freshness(), asyncio.Event()

    async def load() -> None:
        while not stop.is_set():
            await records.write(Step("b.load"))

    async def write_and_read(number: int) -> None:
        session = records.session(f"writer {number}")
        for value in range(1, writes + 1):
            await records.write(Step("b.set", {"id": number, "value": value}), session=session)
            began_s = time.perf_counter()
            (row,) = await records.fetch("b.one", {"id": number}, session)
            found.waits_ms.append((time.perf_counter() - began_s) * 1e3)
            found.reads += 1
            found.stale += row["value"] != value

    loading = asyncio.create_task(load())
    await asyncio.gather(*map(write_and_read, range(1, 5)))
    stop.set()
    await loading
    reads = records.condition().standby_reads
    found.by_standbys = reads.get("at_once", 0) + reads.get("waited", 0)
    return found


async def throughput(servers: Cluster, query: str, seconds: float) -> tuple[list[float], ...]:
    """Reads a second without standbys and with them, in turns."""
    without: list[float] = []
    with_them: list[float] = []
    for _ in range(ROUNDS):
        for figures, standbys in ((without, False), (with_them, True)):
            async with opened(servers, standbys=standbys) as records:
                figures.append(await reads_per_s(records, query, seconds))
    return without, with_them


def told(name: str, without: Sequence[float], with_them: Sequence[float]) -> str:
    """A line of the table."""
    middle = [statistics.median(each) for each in (without, with_them)]
    return f"{name:<34}{middle[0]:>10,.0f}{middle[1]:>10,.0f}{middle[1] / middle[0]:>8.2f}"


async def run(servers: Cluster, seconds: float, writes: int) -> bool:
    """Print all figures; whether bars were kept."""
    async with opened(servers, standbys=False) as records:
        await records.write(Step("b.make"))
        await records.write(Step("b.key"))
    await asyncio.get_running_loop().run_in_executor(None, servers.settle)
    print(f"{'reads a second':<34}{'none':>10}{'two':>10}{'ratio':>8}")
    ratio = 0.0
    for query, name in (
        ("b.one", "one row (processor of who asks)"),
        ("b.many", "2,000 rows (processor of servers)"),
        ("b.held", "20 ms of a server of its own"),
    ):
        without, with_them = await throughput(servers, query, seconds)
        print(told(name, without, with_them))
        ratio = statistics.median(with_them) / statistics.median(without)
    async with opened(servers, standbys=True) as records:
        found = await freshness(records, writes)
    cuts = statistics.quantiles(found.waits_ms, n=100)
    print(
        f"{found.reads:,} reads right after a write, under write load: {found.stale} stale, "
        f"{found.by_standbys / found.reads:.0%} by standbys, "
        f"p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms"
    )
    is_kept = ratio >= RATIO_MIN and not found.stale
    print(f"none stale, and {RATIO_MIN:g} times the reads: {'yes' if is_kept else 'NO'}")
    return is_kept


def main() -> int:
    """Print the figures; 1 where a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round")
    parser.add_argument("--writes", type=int, default=500, help="of each of four writers")
    arguments = parser.parse_args()
    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("no PostgreSQL here")
    with cluster(binaries, 2) as servers:
        is_kept = asyncio.run(run(servers, arguments.seconds, arguments.writes))
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
