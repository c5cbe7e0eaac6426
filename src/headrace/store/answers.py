"""Answers that outlive a process, by key: held up to a number of bytes, purged by scope."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

from sqlalchemy import Connection

from headrace.store.answer_table import AnswerTable, can_be_held
from headrace.store.bounds import StoreBounds
from headrace.store.crew import Crew
from headrace.store.database import Database, Link
from headrace.store.gathering import Gathering
from headrace.store.rows import KEY_BYTES_MAX, AnswerRow, AnswerStats, TopAnswer

# One transaction: what it takes is how long a lease waits for its turn.
_BATCH_ROWS: Final = 128
_BATCH_BYTES: Final = 4 * 1024 * 1024
_BATCH_REMOVED: Final = 256
# Evictions after one batch of rows; the rest follows with the next, or with `maintain`.
_EVICTIONS: Final = 8
# Uses are written in batches. Keys beyond this go uncounted until the next.
_USES_MAX: Final = 4096
# Expired answers that leave in one go of `maintain`, in batches.
_EXPIRIES: Final = 4

Item = TypeVar("Item")
Result = TypeVar("Result")


class AnswerStore:
    """Belongs to one loop. Every method may raise `StoreFault`; none waits beyond its limit.

    Args:
        readers: threads that read.
        writer: the thread that writes.
        database: where to.
        bounds: how much, how long.
    """

    def __init__(
        self, readers: Crew[Link], writer: Crew[Link], database: Database, bounds: StoreBounds
    ) -> None:
        self._readers = readers
        self._writer = writer
        self._database = database
        self._bounds = bounds
        self._table = AnswerTable(database.dialect)
        self._gathering = Gathering(readers, self._find, bounds.read_limit_s)
        self._uses: dict[bytes, int] = {}

    async def get(self, key: bytes, now_s: float) -> bytes | None:
        """The value of a key that has not expired; counts as a use of it.

        Args:
            key: any bytes.
            now_s: wall-clock seconds.
        """
        if len(key) > KEY_BYTES_MAX:
            return None
        value = await self._gathering.get(key, now_s)
        if value is not None:
            self.note_use(key)
        return value

    async def get_many(self, keys: Sequence[bytes], now_s: float) -> dict[bytes, bytes]:
        """The values of those that are held and have not expired; counts as no use."""
        found: dict[bytes, bytes] = {}
        for some in _pieces(keys, _BATCH_ROWS):
            found |= await self._read(partial(self._table.get, keys=some, now_s=now_s))
        return found

    async def put_many(self, rows: Iterable[AnswerRow], now_s: float) -> int:
        """Hold rows in place of whatever their keys held, and let others leave for them.

        Args:
            rows: in any number; written in transactions of a bounded size.
            now_s: wall-clock seconds.

        Returns:
            How many could be held: not those that are expired, or whose key or value is too long.
        """
        held = [row for row in rows if can_be_held(row, now_s)]
        for batch in _batches(held):
            put = partial(self._table.put, rows=batch, now_s=now_s)
            await self._write(partial(self._put, put))
        return len(held)

    async def remove(self, keys: Iterable[bytes]) -> int:
        """Hold these no longer; returns how many were held."""
        removed = 0
        for some in _pieces([key for key in keys if len(key) <= KEY_BYTES_MAX], _BATCH_ROWS):
            removed += await self._write(_once(partial(self._table.remove, keys=some)))
        return removed

    async def purge(self, scope: str) -> int:
        """Remove every answer of a scope, in small transactions.

        Args:
            scope: `all`, `key:HEX`, or one that answers were put with, such as `tenant:NAME`.

        Returns:
            How many there were.
        """
        purge = partial(self._table.purge, scope=scope, limit=_BATCH_REMOVED)
        removed = 0
        while True:
            batch = await self._write(_once(purge))
            removed += batch
            if batch < _BATCH_REMOVED:  # not until there are none: others may come all the time
                return removed

    async def expire_batch(self, limit: int, now_s: float) -> int:
        """Remove up to `limit` answers that have expired; returns how many."""
        return await self._write(_once(partial(self._table.expire, now_s=now_s, limit=limit)))

    def note_use(self, key: bytes, times: int = 1) -> None:
        """Count uses of a key, here or in a tier above; written later, in batches."""
        if key in self._uses or len(self._uses) < _USES_MAX:
            self._uses[key] = self._uses.get(key, 0) + times

    async def top(self, limit: int, now_s: float) -> list[TopAnswer]:
        """The answers whose uses have saved most dollars, the most first."""
        return await self._read(partial(self._table.top, limit=limit, now_s=now_s))

    async def stats(self) -> AnswerStats:
        """What is held, by all processes that share the store."""
        return await self._read(self._table.stats)

    async def maintain(self, now_s: float) -> int:
        """Upkeep, to be called every second or so: uses, what has expired, what is too much.

        Returns:
            How many answers left.
        """
        uses, self._uses = self._uses, {}
        for some in _pieces(list(uses.items()), _BATCH_ROWS):
            await self._write(_once(partial(self._table.use, uses=dict(some), now_s=now_s)))
        left = 0
        for _ in range(_EXPIRIES):
            batch = await self.expire_batch(_BATCH_REMOVED, now_s)
            left += batch
            if batch < _BATCH_REMOVED:
                break
        left += await self._write(self._evict)
        await self._write(_once(self._database.tidy))
        return left

    def _find(self, link: Link, keys: list[bytes], now_s: float) -> Mapping[bytes, bytes]:
        return link.run(partial(self._table.get, keys=keys, now_s=now_s))

    def _put(self, put: Callable[[Connection], None], link: Link) -> None:
        link.run(put)
        self._evict(link)

    def _evict(self, link: Link) -> int:
        bytes_max = self._bounds.bytes_max
        evict = partial(self._table.evict, bytes_max=bytes_max, limit=_BATCH_REMOVED)
        left = 0
        for _ in range(_EVICTIONS):
            batch = link.run(evict)
            if not batch:
                break
            left += batch
        return left

    async def _read(self, work: Callable[[Connection], Result]) -> Result:
        return await self._readers.run(_once(work), self._bounds.read_limit_s)

    async def _write(self, work: Callable[[Link], Result]) -> Result:
        return await self._writer.run(work, self._bounds.write_limit_s)


def _once(work: Callable[[Connection], Result]) -> Callable[[Link], Result]:
    """Work as one transaction of whichever thread does it."""
    return lambda link: link.run(work)


def _pieces(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _batches(rows: Iterable[AnswerRow]) -> Iterator[list[AnswerRow]]:
    """Rows in transactions of a bounded number and of bounded bytes, at least one row in each."""
    batch: list[AnswerRow] = []
    room_bytes = _BATCH_BYTES
    for row in rows:
        if batch and (len(batch) >= _BATCH_ROWS or row.size_bytes > room_bytes):
            yield batch
            batch, room_bytes = [], _BATCH_BYTES
        batch.append(row)
        room_bytes -= row.size_bytes
    if batch:
        yield batch
