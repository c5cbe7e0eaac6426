"""What is done with answers on a connection, in one transaction each. Blocks; knows no loop."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, Select

from headrace.store import answer_statements as sql
from headrace.store.rows import (
    KEY_BYTES_MAX,
    VALUE_BYTES_MAX,
    AnswerRow,
    AnswerStats,
    TopAnswer,
)

ALL: Final = "all"
_KEY_PREFIX: Final = "key:"
_WORTH_USD_MAX: Final = 1e6


class AnswerTable:
    """The statements, in the grammar of one database.

    Args:
        dialect: `sqlite` or `postgresql`.
    """

    def __init__(self, dialect: str) -> None:
        self._put = sql.put(dialect)

    def get(
        self, connection: Connection, keys: Sequence[bytes], now_s: float
    ) -> dict[bytes, bytes]:
        """The values of those keys that are held and have not expired."""
        if len(keys) == 1:
            # What most calls ask, at half the price: the other text depends on how many there are.
            value = connection.execute(sql.GET, {"key": keys[0], "now_s": now_s}).scalar()
            return {} if value is None else {keys[0]: bytes(value)}
        rows = connection.execute(sql.GET_MANY, {"keys": keys, "now_s": now_s})
        return {bytes(key): bytes(value) for key, value in rows}

    def put(self, connection: Connection, rows: Sequence[AnswerRow], now_s: float) -> None:
        """Hold rows in place of whatever their keys held; of two with one key, the later.

        Args:
            connection: in a transaction.
            rows: as `can_be_held` likes them.
            now_s: wall-clock seconds.
        """
        latest = {row.key: row for row in rows}
        if not latest:
            return
        keys = sorted(latest)
        age = self._lock(connection).age
        old_bytes, old_entries = connection.execute(sql.SIZES, {"keys": keys}).one()
        connection.execute(self._put, [_parameters(latest[key], age, now_s) for key in keys])
        self._put_scopes(connection, [latest[key] for key in keys], had_scopes=old_entries > 0)
        more_bytes = sum(row.size_bytes for row in latest.values()) - int(old_bytes)
        self._add(connection, more_bytes, len(keys) - old_entries, age)

    def use(self, connection: Connection, uses: Mapping[bytes, int], now_s: float) -> None:
        """Count uses of keys, as many as each was used."""
        if not uses:
            return
        age = self._lock(connection).age
        used = [
            {"of_key": key, "times": times, "now_s": now_s, "age": age}
            for key, times in sorted(uses.items())
        ]
        connection.execute(sql.USE, used)

    def remove(self, connection: Connection, keys: Sequence[bytes]) -> int:
        """Hold these no longer; returns how many were held."""
        age = self._lock(connection).age
        sizes = connection.execute(sql.REMOVE_BY_KEY, {"keys": keys}).scalars().all()
        return self._subtract(connection, sizes, age)

    def purge(self, connection: Connection, scope: str, limit: int) -> int:
        """Remove up to `limit` answers of a scope; returns how many.

        Args:
            connection: in a transaction.
            scope: `all`, `key:HEX`, or one that answers were put with.
            limit: how many at most.
        """
        if scope == ALL:
            return self._remove_batch(connection, sql.ANY, {"limit": limit})
        if scope.startswith(_KEY_PREFIX):
            key = key_of(scope)
            return self.remove(connection, [key]) if key else 0
        digest = scope_digest(scope)
        return self._remove_batch(connection, sql.IN_SCOPE, {"scope": digest, "limit": limit})

    def expire(self, connection: Connection, now_s: float, limit: int) -> int:
        """Remove up to `limit` answers that have expired; returns how many."""
        return self._remove_batch(connection, sql.EXPIRED, {"now_s": now_s, "limit": limit})

    def evict(self, connection: Connection, bytes_max: int, limit: int) -> int:
        """Remove up to `limit` answers of the least worth per byte, if there are too many bytes.

        Returns:
            How many; 0 where the bound holds.
        """
        totals = self._lock(connection)
        if totals.bytes <= bytes_max:
            return 0
        least = connection.execute(sql.LEAST, {"limit": limit}).all()
        if not least:
            # Somebody else emptied the table.
            connection.execute(sql.NOTHING_HELD)
            return 0
        ids, age, excess = [], totals.age, totals.bytes - bytes_max
        for identifier, size, rank in least:
            ids.append(identifier)
            age = max(age, rank)
            excess -= size
            if excess <= 0:
                break
        sizes = connection.execute(sql.REMOVE_BY_ID, {"ids": ids}).scalars().all()
        return self._subtract(connection, sizes, age)

    def top(self, connection: Connection, limit: int, now_s: float) -> list[TopAnswer]:
        """The answers that have saved most, the most first."""
        rows = connection.execute(sql.TOP, {"limit": limit, "now_s": now_s})
        return [TopAnswer(bytes(key), size, saved, expires) for key, size, saved, expires in rows]

    def stats(self, connection: Connection) -> AnswerStats:
        """What is held."""
        held, entries, age = connection.execute(sql.TOTALS).one()
        return AnswerStats(entries=entries, bytes=held, age=age)

    def _lock(self, connection: Connection) -> AnswerStats:
        """Wait until nobody else writes answers."""
        held, entries, age = connection.execute(sql.LOCK_TOTALS).one()
        return AnswerStats(entries=entries, bytes=held, age=age)

    def _put_scopes(
        self, connection: Connection, rows: Sequence[AnswerRow], *, had_scopes: bool
    ) -> None:
        if had_scopes:
            connection.execute(sql.DROP_SCOPES, {"keys": [row.key for row in rows]})
        scopes = [
            {"scope": digest, "of_key": row.key}
            for row in rows
            for digest in sorted({scope_digest(scope) for scope in row.scopes})
        ]
        if scopes:
            connection.execute(sql.ADD_SCOPE, scopes)

    def _remove_batch(
        self, connection: Connection, batch: Select[int], parameters: Mapping[str, object]
    ) -> int:
        age = self._lock(connection).age
        ids = connection.execute(batch, parameters).scalars().all()
        if not ids:
            return 0
        sizes = connection.execute(sql.REMOVE_BY_ID, {"ids": ids}).scalars().all()
        return self._subtract(connection, sizes, age)

    def _subtract(self, connection: Connection, sizes: Sequence[int], age: float) -> int:
        self._add(connection, -sum(sizes), -len(sizes), age)
        return len(sizes)

    def _add(self, connection: Connection, more_bytes: int, more: int, age: float) -> None:
        changes = {"more_bytes": more_bytes, "more_entries": more, "new_age": age}
        connection.execute(sql.ADD_TO_TOTALS, changes)


def can_be_held(row: AnswerRow, now_s: float) -> bool:
    """Whether a row is one that both databases take, and that is of use at all."""
    return (
        0 < len(row.key) <= KEY_BYTES_MAX
        and len(row.value) <= VALUE_BYTES_MAX
        and row.expires_s > now_s  # NaN is not
    )


def scope_digest(scope: str) -> bytes:
    """What stands for a scope in the index: short, whatever names callers invent."""
    return hashlib.blake2b(scope.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def key_of(scope: str) -> bytes | None:
    """The key that a scope `key:HEX` names; None where it names none."""
    try:
        return bytes.fromhex(scope.removeprefix(_KEY_PREFIX))
    except ValueError:
        return None


def _parameters(row: AnswerRow, age: float, now_s: float) -> dict[str, object]:
    worth_usd = row.worth_usd if math.isfinite(row.worth_usd) else 0.0
    worth_usd = min(max(worth_usd, 0.0), _WORTH_USD_MAX)
    return {
        "key": row.key,
        "value": row.value,
        "size": row.size_bytes,
        "now_s": now_s,
        "expires_s": row.expires_s,
        "worth_usd": worth_usd,
        "rank": age + (worth_usd + sql.WORTH_USD_MIN) / row.size_bytes,
    }
