"""A process that writes batches into a store until it is killed, and says which are written.

Run as `python -m tests.support.store_writer URL FOLDER FIRST STEP [COUNT]`: batch N holds the
answers N * 10 to N * 10 + 9.
"""

import asyncio
import sys
from pathlib import Path

from tests.support.stores import BATCH, NOW_S, Place, row


async def write(place: Place, first: int, step: int, count: int | None) -> None:
    async with place.opened() as store:
        number = first
        while count is None or number < first + step * count:
            rows = [row(number * BATCH + n, value=bytes(20_000)) for n in range(BATCH)]
            await store.answers.put_many(rows, NOW_S)
            print(number, flush=True)
            number += step


if __name__ == "__main__":
    url, folder, first, step, *rest = sys.argv[1:]
    count = int(rest[0]) if rest else None
    asyncio.run(write(Place(url, Path(folder)), int(first), int(step), count))
