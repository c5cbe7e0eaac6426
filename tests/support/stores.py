"""Stores to test: where they are, what they hold, and loops to use them on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from headrace.store.bounds import StoreBounds
from headrace.store.open import open_store
from headrace.store.rows import AnswerRow
from headrace.store.store import Store

Result = TypeVar("Result")

NOW_S = 1_700_000_000.0
# A busy machine is slow, and no test is about time unless it says so.
PATIENT = StoreBounds(read_limit_s=30.0, write_limit_s=30.0)


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
