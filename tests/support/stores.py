"""Stores to test: where they are, what they hold, and loops to use them on."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any, Final, TypeVar

import msgspec

from headrace.clock import Clock, SystemClock
from headrace.store.bounds import StoreBounds
from headrace.store.open import open_store
from headrace.store.records.bounds import RecordBounds
from headrace.store.records.open import open_records
from headrace.store.records.records import Records
from headrace.store.rows import ROW_OVERHEAD_BYTES, AnswerRow
from headrace.store.store import Store

Result = TypeVar("Result")

ROOT: Final = Path(__file__).resolve().parents[2]
NOW_S: Final = 1_700_000_000.0
# Answers of one batch of a writer.
BATCH: Final = 10
# A busy machine is slow, and no test is about time unless it says so.
PATIENT: Final = StoreBounds(read_limit_s=30.0, write_limit_s=30.0)
UNHURRIED: Final = RecordBounds(read_limit_s=30.0, write_limit_s=30.0)


class Place(msgspec.Struct, frozen=True):
    """Where a store is.

    Attributes:
        url: as in the settings.
        folder: for the file.
    """

    url: str
    folder: Path

    @property
    def dialect(self) -> str:
        return self.url.partition(":")[0]

    def open(self, bounds: StoreBounds = PATIENT, say: Any = None) -> Store:
        return open_store(self.url, self.folder, bounds=bounds, say=say)

    @asynccontextmanager
    async def opened(self, bounds: StoreBounds = PATIENT, say: Any = None) -> AsyncIterator[Store]:
        """A store that is closed in the end."""
        store = self.open(bounds, say)
        try:
            yield store
        finally:
            await store.close(30.0)

    @asynccontextmanager
    async def records(
        self, bounds: RecordBounds = UNHURRIED, clock: Clock | None = None, say: Any = None
    ) -> AsyncIterator[Records]:
        """Records of what must survive, closed in the end."""
        records = open_records(
            self.url, self.folder, clock=clock or SystemClock(), bounds=bounds, say=say
        )
        try:
            yield records
        finally:
            await records.close(30.0)

    def use(self, use: Callable[[Store], Awaitable[Result]], **how: Any) -> Result:
        """Open a store on a loop of its own, use it and close it."""

        async def run() -> Result:
            async with self.opened(**how) as store:
                return await use(store)

        return asyncio.run(run())


def row(number: int, **changes: Any) -> AnswerRow:
    """An answer; equal numbers make equal keys."""
    fields = {
        "key": key(number),
        "value": b"value %d" % number,
        "expires_s": NOW_S + 3600.0,
        "scopes": (f"tenant:t{number % 2}", "model:sim/small"),
        "worth_usd": 0.01,
    }
    return AnswerRow(**{**fields, **changes})


def key(number: int) -> bytes:
    """The key of an answer, of the usual length."""
    return number.to_bytes(32, "big")


def writer(place: Place, first: int, step: int, count: int | None = None) -> Popen[str]:
    """Another process that writes batches into a store: see store_writer.py."""
    words = [place.url, str(place.folder), str(first), str(step), *([str(count)] if count else [])]
    return Popen(
        [sys.executable, "-m", "tests.support.store_writer", *words],
        stdout=PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    )


async def assert_whole(store: Store, batches: Iterable[int], numbers: int) -> None:
    """Each of the batches is there, every other one is there as a whole or not at all, and totals
    are right.

    Args:
        batches: those that are known to be written.
        numbers: no answer has this number or a larger one.
    """
    held = await store.answers.get_many([key(n) for n in range(numbers)], NOW_S)
    found = [n for n in range(numbers) if key(n) in held]
    sizes = Counter(n // BATCH for n in found)
    assert set(sizes.values()) <= {BATCH}
    assert set(batches) <= set(sizes)
    stats = await store.answers.stats()
    assert stats.entries == len(found)
    assert stats.bytes == sum(len(value) + ROW_OVERHEAD_BYTES for value in held.values())
