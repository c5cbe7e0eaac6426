"""What keeping conversations takes: a response kept, a chain recalled, a page deep in a long one.

    python -m benchmarks.store.conversations [--folder DIR] [--items 200000] [--url postgresql://...]

Pages are read at the beginning and at the end of one conversation, in turns, so that whatever else
the machine does meets both; keyset paging is meant to make them cost the same.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from headrace.clock import SystemClock
from headrace.conversations.conversations import Conversations, adding_steps
from headrace.conversations.pages import Page
from headrace.conversations.rows import item_rows, with_ids
from headrace.conversations.shelf import Shelf
from headrace.dialects.responses.output import (
    Heading,
    Reply,
    message_item,
    text_part,
    write_response,
)
from headrace.dialects.responses.request import read_request
from headrace.ids import Ids
from headrace.settings.conversations import ConversationSettings
from headrace.store.records.open import open_records
from headrace.store.records.records import Records

ROUNDS = 200
TURNS = 50
PAGE = 50
BATCH = 5000
TENANT = "bench"


class Bench:
    """Conversations on a store."""

    def __init__(self, records: Records) -> None:
        clock = SystemClock()
        self.new_id = Ids(clock.wall_s).new
        self.records = records
        settings = ConversationSettings(wait_s=60.0, bytes_max=1 << 30)
        self.kept = Conversations(records, settings, self.new_id, clock, _say_nothing)
        self.shelf = Shelf(records, self.new_id, clock)

    async def turn(self, previous: str = "") -> str:
        """Recall, and keep a response of a hundred words; gives its id."""
        fields = {"previous_response_id": previous} if previous else {}
        asked = read_request({"model": "m", "input": "word " * 20, **fields})
        thread = await self.kept.recall(TENANT, asked) if previous else None
        heading = Heading(self.new_id("resp"), 1, "m", asked.told, previous, "", True)
        said = message_item(self.new_id("msg"), [text_part("water " * 100)], "completed")
        response = write_response(heading, Reply([said]))
        if not await self.kept.keep(TENANT, thread, asked, response):
            raise SystemExit("the store keeps nothing")
        return heading.id

    async def recalled(self, previous: str) -> None:
        asked = read_request({"model": "m", "input": "x", "previous_response_id": previous})
        await self.kept.recall(TENANT, asked)

    async def page(self, conversation: str, after: str) -> None:
        await self.shelf.items(TENANT, conversation, Page(PAGE, after, True))

    async def filled(self, count: int) -> tuple[str, str]:
        """A conversation of so many items; gives its id, and that of an item near its end."""
        begun = (await self.shelf.begin(TENANT, [], {}))["id"]
        late = ""
        for first in range(0, count, BATCH):
            texts = [f"word {number}" for number in range(first, min(count, first + BATCH))]
            asked = [read_request({"model": "m", "input": text}).items[0] for text in texts]
            rows = item_rows(with_ids(asked, self.new_id), TENANT, time.time(), response=None)
            steps = adding_steps(begun, TENANT, rows, time.time())
            await self.records.write(*steps)
            late = rows[-2 * PAGE]["id"]
        return begun, late


def _say_nothing(level: str, event: str, about: str = "", **fields: object) -> None:
    """Nobody listens."""


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds."""
    began_s = time.perf_counter()
    await work()
    return (time.perf_counter() - began_s) * 1000.0


def told(name: str, figures: Sequence[float]) -> str:
    """A line of the table."""
    ordered = sorted(figures)
    p99 = ordered[int(len(ordered) * 0.99)]
    return f"{name:<28} {statistics.median(ordered):8.2f} ms   p99 {p99:8.2f} ms"


async def measure(url: str, folder: Path, items: int) -> list[str]:
    """The lines of the table."""
    records = open_records(url, folder, clock=SystemClock())
    try:
        await records.ready(60.0)
        bench = Bench(records)
        kept = [await timed(bench.turn) for _ in range(ROUNDS)]
        last = ""
        for _ in range(TURNS):
            last = await bench.turn(last)
        recalls = [await timed(lambda: bench.recalled(last)) for _ in range(ROUNDS)]
        begun, late = await bench.filled(items)
        pages: dict[str, list[float]] = {"": [], late: []}
        for _ in range(ROUNDS):
            for after, figures in pages.items():
                figures.append(await timed(partial(bench.page, begun, after)))
    finally:
        await records.close()
    return [
        told("a response kept", kept),
        told(f"a chain of {TURNS} recalled", recalls),
        told(f"the first page of {PAGE}", pages[""]),
        told(f"a page at {items}", pages[late]),
    ]


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", help="on the disk to measure; a temporary one by default")
    parser.add_argument("--items", type=int, default=200_000, help="of the long conversation")
    parser.add_argument("--url", default="sqlite", help="of an empty PostgreSQL database")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        lines = asyncio.run(measure(arguments.url, Path(folder), arguments.items))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
