"""Calls as the ledger has them, in journals and in tables."""

import secrets
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from headrace.clock import Clock, SystemClock
from headrace.store.journal.journal import Journal, segment_paths
from headrace.store.journal.segment import START, SegmentReader
from headrace.store.ledger.retention import Retention
from headrace.store.ledger.row import CallRow, ContentRow, Row
from headrace.store.ledger.shipper import ShipCounts, Shipper
from headrace.store.records.records import Records

NOW_S = 1_795_286_729.5  # 2026-11-21


class Tally:
    """What a shipper counts and says."""

    def __init__(self) -> None:
        self.stored = self.damaged = self.pending = 0
        self.said: list[str] = []

    def counts(self) -> ShipCounts:
        return ShipCounts(self._stored, self._damaged, self._pending)

    def say(self, level: str, event: str, about: str = "", **fields: Any) -> None:
        self.said.append(event)

    def _stored(self, count: int) -> None:
        self.stored += count

    def _damaged(self, count: int) -> None:
        self.damaged += count

    def _pending(self, count: int) -> None:
        self.pending = count


def call(number: int = 1, **changes: Any) -> CallRow:
    """A call; equal numbers make equal ones."""
    row = CallRow(
        id=f"call-{number}",
        at_s=NOW_S + number,
        tenant="app",
        key_name="key-1",
        operation="chat",
        asked="fast",
        model="gpt-4o-mini",
        provider="openai",
        cache="miss",
        status=200,
        attempts=1,
        duration_us=1000,
        upstream_us=900,
        input_tokens=10,
        output_tokens=20,
        cost_nano=500,
    )
    return msgspec.structs.replace(row, **changes)


def write_journal(folder: Path, rows: Iterable[Row], *, is_closed: bool = True) -> Journal:
    """A journal with some rows."""
    journal = Journal(folder, 1 << 30, SystemClock(), secrets.token_bytes)
    for row in rows:
        assert journal.append(msgspec.msgpack.encode(row))
    if is_closed:
        journal.close()
    return journal


def shipper(
    folder: Path,
    records: Records,
    tally: Tally,
    *,
    clock: Clock | None = None,
    keep_days: int = 0,
) -> Shipper:
    return Shipper(
        folder,
        records,
        Retention(records, keep_days, 30),
        clock or SystemClock(),
        tally.say,
        tally.counts(),
        share_max=1.0,
        bytes_max=1 << 30,
    )


def journalled(folder: Path) -> list[CallRow]:
    """Every call that stands in the journals of a folder."""
    decode = msgspec.msgpack.Decoder(CallRow | ContentRow).decode
    found: list[CallRow] = []
    for path in segment_paths(folder):
        reader = SegmentReader(path)
        position = START
        while (portion := reader.read(position, 1000)).end != position:
            rows = map(decode, portion.records)
            found += [row for row in rows if isinstance(row, CallRow)]
            position = portion.end
        reader.close()
    return found


def stored(data_dir: Path) -> list[Mapping[str, Any]]:
    """Every call that a SQLite store has, the oldest first."""
    return table(data_dir, "SELECT * FROM headrace_calls ORDER BY at_s, id")


def daily(data_dir: Path) -> list[Mapping[str, Any]]:
    """Every sum of a day that a SQLite store has."""
    return table(data_dir, "SELECT * FROM headrace_usage_daily")


def table(data_dir: Path, query: str) -> list[Mapping[str, Any]]:
    """The rows of a query to a SQLite store."""
    path = data_dir / "records.sqlite3"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=30.0)) as connection:
        connection.row_factory = sqlite3.Row
        made = "SELECT count(*) FROM sqlite_master WHERE name = 'headrace_ledger_reached'"
        if not connection.execute(made).fetchone()[0]:
            return []
        return [dict(row) for row in connection.execute(query)]


def assert_sums(rows: Iterable[Mapping[str, Any]], days: Iterable[Mapping[str, Any]]) -> None:
    """Sums are those of the rows."""
    rows, days = list(rows), list(days)
    assert sum(day["calls"] for day in days) == len(rows)
    for name in ("cost_nano", "saved_nano", "input_tokens", "output_tokens", "duration_us"):
        assert sum(day[name] for day in days) == sum(row[name] or 0 for row in rows), name
