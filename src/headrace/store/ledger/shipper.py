"""From the journal to the tables: one process of all that share a folder takes what all of them
wrote, those that have died included.

A segment is taken in batches, each in one transaction with its sums and the position it ends at.
The position in the database is the truth: whoever goes on after a crash, or after a commit of which
nobody knows whether it took effect, asks for it first. So a call counts once.
"""

import asyncio
import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from headrace.clock import Clock
from headrace.store.faults import StoreClosed, StoreFault, StoreRefused
from headrace.store.journal.frames import Portion
from headrace.store.journal.journal import folder_bytes, segment_paths
from headrace.store.journal.segment import START, NotASegment, SegmentReader
from headrace.store.ledger.batch import Batch, BatchMaker, Values
from headrace.store.ledger.models import Models
from headrace.store.ledger.refused import put_aside
from headrace.store.ledger.retention import Retention
from headrace.store.records.records import Records, Step
from headrace.store.voice import Say

_LOCK_FILE: Final = "shipping.lock"
# What is done again after a crash; of more rows, more add to the same sums.
BATCH_ROWS: Final = 1024
# What a thread reads, and makes of it, before it lets the loop have the interpreter.
_ROWS_AT_ONCE: Final = 64
_BREATH_S: Final = 0.0005
# Of one segment, before those of others have their turn.
_BATCHES_MAX: Final = 64
_POLL_S: Final = 0.5
_BACKOFF_S: Final = (1.0, 30.0)
_REST_S_MAX: Final = 1.0

Count = Callable[[int], None]


class ShipCounts:
    """What is counted of shipping.

    Args:
        stored: counts rows that the store has.
        damaged: counts stretches of a journal, and records, that cannot be read.
        pending: is told how many bytes of the journal the store does not have.
    """

    def __init__(self, stored: Count, damaged: Count, pending: Count) -> None:
        self.stored, self.damaged, self.pending = stored, damaged, pending


class Shipper:
    """Belongs to one event loop.

    Args:
        folder: of the journals.
        records: where calls go.
        retention: removes what is kept long enough.
        clock: the time.
        say: tells of what cannot be read, and of a store that is away.
        counts: counts.
        share_max: which part of the time it may work, while there is room.
        bytes_max: of the journals.
    """

    def __init__(
        self,
        folder: Path,
        records: Records,
        retention: Retention,
        clock: Clock,
        say: Say,
        counts: ShipCounts,
        *,
        share_max: float,
        bytes_max: int,
    ) -> None:
        self._folder = folder
        self._records = records
        self._retention = retention
        self._models = Models(records)
        self._clock = clock
        self._say = say
        self._counts = counts
        self._share_max = share_max
        self._bytes_max = bytes_max
        self._readers: dict[Path, _Reading] = {}
        self._lock = -1
        self._is_away = False
        self._breath = threading.Event()  # never set
        self._is_stopping = asyncio.Event()

    async def run(self) -> None:
        """Ship until `stop`; the rest is taken before it returns, if the store is there."""
        fails_s = _BACKOFF_S[0]
        while not self._is_stopping.is_set():
            pause_s = _POLL_S
            if self._is_in_charge():
                try:
                    await self.ship()
                    await self._retention.keep(self._clock.wall_s())
                    self._is_away, fails_s = False, _BACKOFF_S[0]
                except (StoreFault, OSError) as fault:
                    self._tell_away(fault)
                    pause_s, fails_s = fails_s, min(2 * fails_s, _BACKOFF_S[1])
            await self._rest(pause_s)

    async def stop(self, limit_s: float) -> None:
        """Take what is there, for so long, and let another process go on.

        Args:
            limit_s: seconds.
        """
        self._is_stopping.set()
        self._forget_positions()
        try:
            if self._is_in_charge() and not self._is_away:
                async with asyncio.timeout(limit_s):
                    await self.ship()
        except (StoreFault, OSError, TimeoutError):
            pass  # the journal keeps it, and the next one to start takes it
        finally:
            for reading in self._readers.values():
                reading.reader.close()
            self._readers.clear()
            if self._lock >= 0:
                os.close(self._lock)
                self._lock = -1

    async def ship(self) -> None:
        """Take what is there now.

        Raises:
            StoreFault: the store is not there, or full.
            OSError: a journal cannot be read.
        """
        paths = await asyncio.to_thread(segment_paths, self._folder)
        for path in paths:
            reading = self._readers.get(path) or self._open(path)
            if reading is not None:
                self._readers[path] = reading
                await self._take(reading)
        self._counts.pending(0)

    # The inside.

    def _is_in_charge(self) -> bool:
        """Whether this process ships; it does so to its end."""
        if self._lock >= 0:
            return True
        try:
            lock = os.open(self._folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def _open(self, path: Path) -> "_Reading | None":
        try:
            return _Reading(SegmentReader(path))
        except FileNotFoundError:
            return None
        except NotASegment as why:
            path.rename(path.with_suffix(".unreadable"))
            self._counts.damaged(1)
            self._say("error", "ledger_journal_unreadable", about=path.name, detail=str(why))
            return None

    async def _take(self, reading: "_Reading") -> None:
        reader = reading.reader
        if reading.position < 0:
            # An idle gateway opens no database.
            if reader.is_read(START):
                self._done_with(reader)
                return
            if reader.is_empty() and not reader.is_finished():
                return
            reading.position = await self._reached(reader)
        for _ in range(_BATCHES_MAX):
            began_s = self._clock.monotonic_s()
            portion, batch, pending = await asyncio.to_thread(self._read, reading)
            if portion.end == reading.position:
                break
            self._counts.pending(pending)
            try:
                await self._store(reading, portion, batch)
            except StoreRefused as fault:
                await self._narrow(reading, portion, fault)
            else:
                self._note_damage(reader, portion, batch)
                reading.count_max = min(2 * reading.count_max, BATCH_ROWS)
            await self._rest(self._pause_s(self._clock.monotonic_s() - began_s, pending))
        if reader.is_read(reading.position):
            self._done_with(reader)

    def _done_with(self, reader: SegmentReader) -> None:
        del self._readers[reader.path]
        reader.close()
        reader.path.unlink(missing_ok=True)

    async def _narrow(self, reading: "_Reading", portion: Portion, fault: StoreRefused) -> None:
        """Look for what the database refuses in smaller batches; one row is put aside."""
        count, path = len(portion.records), reading.reader.path
        if not count:
            raise fault
        if count > 1:
            reading.count_max = count // 2
            return
        is_kept = await asyncio.to_thread(put_aside, path, portion.records)
        await self._store(reading, portion, BatchMaker().batch())
        self._counts.damaged(1)
        detail = str(fault) if is_kept else f"{fault}; it is not kept: too many were refused"
        self._say("error", "ledger_row_refused", about=path.name, detail=detail)

    def _read(self, reading: "_Reading") -> tuple[Portion, Batch, int]:
        """The next batch, and how many bytes all journals have."""
        maker, records, position, damaged = BatchMaker(), list[bytes](), reading.position, 0
        while (left := reading.count_max - len(records)) > 0:
            portion = reading.reader.read(position, min(left, _ROWS_AT_ONCE))
            if portion.end == position:
                break
            maker.add(portion.records)
            records += portion.records
            position, damaged = portion.end, damaged + portion.damaged
            self._breath.wait(_BREATH_S)  # or the loop would wait for the interpreter
        whole = Portion(records, position, damaged)
        return whole, maker.batch(), folder_bytes(self._folder)

    async def _reached(self, reader: SegmentReader) -> int:
        rows = await self._records.fetch("ledger.reached", {"segment": reader.name.hex()})
        return int(rows[0]["position"]) if rows else START

    async def _store(self, reading: "_Reading", portion: Portion, batch: Batch) -> None:
        """Store a batch, unless that was done already."""
        await self._retention.make_room(batch, self._clock.wall_s())
        batch = await self._models.bound(batch)
        try:
            add = Step("ledger.add_calls", batch.calls)
            held = await self._write(reading, portion, batch, add)
        except StoreClosed:
            raise
        except StoreFault:
            reached = await self._reached(reading.reader)
            if reached != reading.position:  # it was stored, and nobody was told
                reading.position = reached
                return
            add = Step("ledger.add_calls_again", batch.named_calls())
            held = await self._write(reading, portion, batch, add)
        if held != reading.position:
            reading.position = held
            return
        reading.position = portion.end
        self._counts.stored(len(batch.calls))

    async def _write(
        self, reading: "_Reading", portion: Portion, batch: Batch, add_calls: Step
    ) -> int:
        """Returns the position that the segment was at before."""
        segment = reading.reader.name.hex()
        at: Values = {"segment": segment, "begins": reading.position}
        rows = await self._records.write(
            Step(
                "ledger.hold",
                {"segment": segment, "begins": START, "now_s": self._clock.wall_s()},
            ),
            *([add_calls] if batch.calls else []),
            *([Step("ledger.add_contents", batch.contents)] if batch.contents else []),
            Step("ledger.add_to_day", {"groups": _json(batch.days), **at}),
            Step("ledger.add_to_month", {"groups": _json(batch.months), **at}),
            Step("ledger.reach", {**at, "ends": portion.end}),
        )
        return int(rows[0][0]["position"])

    def _note_damage(self, reader: SegmentReader, portion: Portion, batch: Batch) -> None:
        lost = portion.damaged + batch.unreadable
        if lost:
            self._counts.damaged(lost)
            detail = f"{lost} records could not be read, and are left out"
            self._say("error", "ledger_journal_damaged", about=reader.path.name, detail=detail)

    def _pause_s(self, took_s: float, pending: int) -> float:
        """How long to leave the processor, and the database, to others.

        A burst is taken in later; the fuller the journal, the sooner.
        """
        share = min(1.0, self._share_max + pending / self._bytes_max)
        return 0.0 if self._is_stopping.is_set() else min(took_s * (1 / share - 1), _REST_S_MAX)

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._is_stopping.wait()
        except TimeoutError:
            pass

    def _forget_positions(self) -> None:
        """What became of the last commit is not known."""
        for reading in self._readers.values():
            reading.position = -1

    def _tell_away(self, fault: Exception) -> None:
        if not self._is_away:
            detail = f"calls stay in the journal until it is there again: {fault}"
            self._say("warning", "ledger_store_away", detail=detail)
        self._is_away = True
        self._forget_positions()
        self._counts.pending(folder_bytes(self._folder))


class _Reading:
    """A segment being taken, how far (-1 where the store has to be asked), and how much at once."""

    __slots__ = ("count_max", "position", "reader")

    def __init__(self, reader: SegmentReader) -> None:
        self.reader = reader
        self.position = -1
        self.count_max = BATCH_ROWS


def _json(groups: list[Values]) -> str:
    return msgspec.json.encode(groups).decode()
