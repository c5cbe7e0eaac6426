"""What a commit of records takes in SQLite, one at a time and many at once.

    python -m benchmarks.store.commits [--folder DIR]

Each commit reaches the disk. Rounds take turns, so that whatever else the machine does meets both.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from headrace.clock import SystemClock
from headrace.store.records.open import open_records
from headrace.store.records.records import Records, Step

ROUNDS = 7
ONE_BY_ONE = 50
AT_ONCE = 500


def step(name: str) -> Step:
    """A small write."""
    return Step("leases.take", {"name": name, "holder": "it", "ttl_s": 1.0, "now_s": 1.0})


async def one_by_one(records: Records) -> float:
    """Microseconds of a commit that waits for the one before."""
    began_s = time.perf_counter()
    for number in range(ONE_BY_ONE):
        await records.write(step(f"alone {number}"))
    return (time.perf_counter() - began_s) / ONE_BY_ONE * 1e6


async def at_once(records: Records) -> float:
    """Microseconds of a commit where many wait together."""
    began_s = time.perf_counter()
    await asyncio.gather(*(records.write(step(f"together {n}")) for n in range(AT_ONCE)))
    return (time.perf_counter() - began_s) / AT_ONCE * 1e6


async def measure(folder: Path) -> tuple[list[float], list[float]]:
    """Both, in rounds."""
    records = open_records("sqlite", folder, clock=SystemClock())
    try:
        await records.ready(60.0)
        rounds = [(await one_by_one(records), await at_once(records)) for _ in range(ROUNDS)]
    finally:
        await records.close()
    return [alone for alone, _ in rounds], [together for _, together in rounds]


def told(name: str, figures: Sequence[float]) -> str:
    """A line of the table."""
    return (
        f"{name:<12} {statistics.median(figures):8.0f} us  "
        f"({min(figures):.0f} to {max(figures):.0f})"
    )


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", help="on the disk to measure; a temporary one by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        alone, together = asyncio.run(measure(Path(folder)))
    print(told("one by one", alone))
    print(told(f"{AT_ONCE} at once", together))
    return 0


if __name__ == "__main__":
    sys.exit(main())
