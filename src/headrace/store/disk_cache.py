"""The file of a `SimpleCache`: one table in SQLite, bounded in pages, for threads and processes.

Rows stand in the order they came in, so that the oldest are a range and what they leave is whole
pages. The bound is SQLite's own: when the file may not grow any more, the oldest rows leave, a few
with each write, until a share of the pages is free. A row that is used while it is among the oldest
can be moved to the end (second chance), so what leaves is what was not used for long.

Synchronous, and nothing of it belongs to an event loop. What a write changes is announced before
it is committed and after, while SQLite's lock lets nobody else write.
"""

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from headrace.store.disk_cache_file import PAGE_BYTES, Address, Announcer, CacheFile, number
from headrace.store.faults import StoreFull

# A file with an empty table: its head and schema, the table, the index.
EMPTY_PAGES: Final = 3
PAGES_MIN: Final = 64
# Rows, and pages of theirs, that leave with one write.
ROWS_PER_STEP: Final = 64
PAGES_PER_STEP: Final = 64
ANY_NUMBER: Final = -1
# Evictions for one row, each of as many pages as it needs.
EVICTIONS_MAX: Final = 8
# A place that is not known, and not among the oldest.
SOMEWHERE: Final = 2**63 - 1
ROWS_PER_WINDOW: Final = 1000
# From here on, rows that are used are worth being moved away from those that leave next.
FULL_SHARE: Final = 0.75

_FIND: Final = (
    "SELECT id, digest, kind, stored_s, ttl_s, crc, value FROM entry WHERE scope = ? AND hash = ?"
)
_PUT: Final = """
INSERT INTO entry (scope, hash, digest, kind, stored_s, ttl_s, crc, value)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (scope, hash) DO UPDATE SET digest = excluded.digest, kind = excluded.kind,
    stored_s = excluded.stored_s, ttl_s = excluded.ttl_s, crc = excluded.crc,
    value = excluded.value"""
_RENEW: Final = "UPDATE entry SET id = (SELECT max(id) + 1 FROM entry) WHERE id = ?"
_DELETE: Final = "DELETE FROM entry WHERE"
_OLDEST: Final = "SELECT id, coalesce(length(value), 0) FROM entry ORDER BY id LIMIT ?"
_WINDOW_END: Final = "SELECT max(id) FROM (SELECT id FROM entry WHERE id > ? ORDER BY id LIMIT ?)"
_REMOVE_EXPIRED: Final = f"{_DELETE} id > ? AND id <= ? AND (stored_s + ttl_s <= ? OR stored_s > ?)"


class Row(msgspec.Struct, frozen=True, gc=False):
    """What is held for a key.

    Attributes:
        id: place in the order of leaving.
        digest: of the key.
        kind: how the value is encoded.
        stored_s: when it was stored, wall-clock seconds.
        ttl_s: for how long it is given.
        crc: checksum of all of this and the digest, where the row is whole.
        value: the encoded value.
    """

    id: int
    digest: bytes
    kind: int
    stored_s: float
    ttl_s: float
    crc: int
    value: bytes


class Done(msgspec.Struct, frozen=True, gc=False):
    """A change that was made.

    Attributes:
        made: rows that were removed, or the place of the one that was written, in the order of
            leaving; `SOMEWHERE` for one that stayed at its own.
        begun: what the announcer said of the change.
    """

    made: int
    begun: Any


class DiskCache:
    """The table. Thread-safe; survives a fork.

    Every method may raise `StoreFault`. Who finds the file damaged is told by `StoreCorrupt`, and
    may try again: it has been moved aside by then.

    Args:
        path: the file; made where it is missing, for its owner alone.
        bytes_max: bound on the file; its log comes on top.
        eviction_share: share of the file that is made free when it is full.
        announcer: told of every change.

    Raises:
        SchemaTooNew: a newer version made it.
        StoreFault: it cannot be opened, or belongs to another program.
    """

    def __init__(
        self, path: Path, *, bytes_max: int, eviction_share: float, announcer: Announcer
    ) -> None:
        self._pages_max = max(PAGES_MIN, bytes_max // PAGE_BYTES)
        self._free_pages_wanted = max(1, int(self._pages_max * eviction_share))
        self._announcer = announcer
        self._is_making_room = False
        self._last_place = 0
        self._file = CacheFile(path, self._pages_max, announcer)

    def find(self, address: Address) -> Row | None:
        """What is held for a key, whether it is still of use or not."""
        with self._file as db:
            found = db.execute(_FIND, (address.scope, address.hash)).fetchone()
        if found is None or found[1] != address.digest:
            return None
        return Row(*found)

    def put(self, address: Address, row: Row, renewed: Iterable[int] = ()) -> Done | None:
        """Hold a row in place of what the key held; its `id` does not matter.

        Args:
            address: of the key.
            row: what is held.
            renewed: rows that were used, and are moved to the end of the order.

        Returns:
            Where it is held; `None` where it is too large, and then what was held is unchanged.
        """
        pages = len(row.value) // (PAGE_BYTES - 4) + 4
        if pages > self._pages_max - EMPTY_PAGES:
            return None
        for _ in range(EVICTIONS_MAX):
            try:
                return self._write(address, self._put, address, row, renewed)
            except StoreFull:
                renewed = ()
                if not self._evict(pages):
                    raise
        return None

    def remove(self, address: Address) -> bool:
        """Hold nothing for a key; says whether something was held."""
        found_by = (address.scope, address.hash)
        return self._write(address, _delete, "scope = ? AND hash = ?", found_by).made > 0

    def remove_all(self, scope: int | None = None) -> int:
        """Hold nothing any more, of one scope or of all; returns how many rows there were."""
        where, values = ("scope = ?", (scope,)) if scope is not None else ("TRUE", ())
        return self._write(None, _delete, where, values).made

    def remove_expired(self, now_s: float, skew_s: float) -> int:
        """Drop what is past its time, or from a later time than now; returns how many.

        Args:
            now_s: wall-clock seconds.
            skew_s: how far ahead of now a clock may have been.
        """
        removed, last = 0, -1
        while True:
            with self._file as db, db:
                db.execute("BEGIN IMMEDIATE")
                end = db.execute(_WINDOW_END, (last, ROWS_PER_WINDOW)).fetchone()[0]
                if end is None:
                    return removed
                times = (last, end, now_s, now_s + skew_s)
                removed += db.execute(_REMOVE_EXPIRED, times).rowcount
            last = end

    def count(self, scope: int) -> int:
        """How many rows there are of one scope."""
        with self._file as db:
            return number(db, "SELECT count(*) FROM entry WHERE scope = ?", scope)

    def used_bytes(self) -> int:
        """Bytes of the file that are in use for rows."""
        with self._file as db:
            return (_used_pages(db) - EMPTY_PAGES) * PAGE_BYTES

    def old_below(self) -> int:
        """The place below which rows will leave soon; 0 while there is room enough."""
        with self._file as db:
            if _used_pages(db) < self._pages_max * FULL_SHARE:
                return 0
            first, last = db.execute("SELECT min(id), max(id) FROM entry").fetchone()
            return 0 if first is None else (int(first) + int(last)) // 2

    def close(self) -> None:
        """Let go of the file. Closing twice does nothing."""
        self._file.close()

    def _write(self, address: Address | None, change: Callable[..., int], *arguments: Any) -> Done:
        """Make a change of one key, or of all, in a transaction, and announce it.

        Args:
            address: of the key; `None` for all.
            change: makes it, with the connection and the arguments.
            arguments: for `change`.
        """
        begun = None
        try:
            with self._file as db:
                db.execute("BEGIN IMMEDIATE")
                try:
                    begun = self._announcer.begin(address)
                    made = change(db, *arguments)
                    db.execute("COMMIT")
                finally:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
            return Done(made, begun)
        finally:
            if begun is not None:
                self._announcer.end(begun)

    def _put(
        self, db: sqlite3.Connection, address: Address, row: Row, renewed: Iterable[int]
    ) -> int:
        if self._is_making_room:
            self._make_room(db, PAGES_PER_STEP, ROWS_PER_STEP)
        for place in renewed:
            db.execute(_RENEW, (place,))
        values = (
            address.scope,
            address.hash,
            row.digest,
            row.kind,
            row.stored_s,
            row.ttl_s,
            row.crc,
            row.value,
        )
        place = db.execute(_PUT, values).lastrowid or 0
        if place == self._last_place:  # nothing was inserted: the row stayed where it is
            return SOMEWHERE
        self._last_place = place
        return place

    def _evict(self, pages: int) -> bool:
        """Make room for so many pages, if it is the bound that is reached and not the disk's."""
        with self._file as db, db:
            db.execute("BEGIN IMMEDIATE")
            if number(db, "PRAGMA page_count") + pages <= self._pages_max:
                return False
            self._is_making_room = True
            return self._make_room(db, max(pages, PAGES_PER_STEP), ANY_NUMBER)

    def _make_room(self, db: sqlite3.Connection, pages: int, rows_max: int) -> bool:
        """Let the oldest rows leave, so many pages of them; says whether there were any."""
        last, freed = None, 0.0
        for place, size in db.execute(_OLDEST, (rows_max,)):
            last = place
            freed += size / PAGE_BYTES
            if freed >= pages:
                break
        if last is not None:
            db.execute(f"{_DELETE} id <= ?", (last,))
        free = number(db, "PRAGMA freelist_count")
        self._is_making_room = last is not None and free < self._free_pages_wanted
        return last is not None


def _delete(db: sqlite3.Connection, where: str, values: tuple[object, ...]) -> int:
    return db.execute(f"{_DELETE} {where}", values).rowcount


def _used_pages(db: sqlite3.Connection) -> int:
    return number(db, "PRAGMA page_count") - number(db, "PRAGMA freelist_count")
