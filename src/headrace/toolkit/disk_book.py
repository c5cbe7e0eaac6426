"""A disk cache as threads and processes share it: the table, and what is remembered of it."""

import struct
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import Any, Final, NamedTuple, TypeVar
from zlib import crc32

from headrace.store.disk_cache import DiskCache, Row
from headrace.store.disk_cache_file import Address
from headrace.store.faults import StoreCorrupt, StoreFault
from headrace.toolkit.front import Front, Remembered
from headrace.toolkit.missing import MISSING, Missing
from headrace.toolkit.turns import Turns
from headrace.toolkit.values import JSON, decode, encode

# A value from further ahead than this is from a clock that was set back since.
SKEW_S: Final = 60.0
# What a checksum covers beside key and value: kind, stored_s, ttl_s.
_HEAD: Final = struct.Struct("<Bdd")
# What finds a key, and what tells it apart from others that are found there.
_DIGEST: Final = struct.Struct("<q16s")
FRONT_BYTES_MAX: Final = 16_000_000
FRONT_SHARE: Final = 0.25
# Rows that were used lately and are moved with the next writes, and how many with each.
USED_MAX: Final = 256
RENEWED_PER_WRITE: Final = 4
# The order of leaving is looked at again after so many writes.
WRITES_PER_LOOK: Final = 64

Result = TypeVar("Result")


class CallKey(NamedTuple):
    """The key of a function's call.

    Attributes:
        scope: number of the function, not 0.
        call: the call as bytes.
    """

    scope: int
    call: bytes


AnyKey = str | bytes | CallKey


class DiskBook:
    """Keys and values on disk. Thread-safe.

    Args:
        path: the database's file; another one with `-turns` at the end stands beside it.
        bytes_max: bound on the file, in bytes.
        eviction_share: share of it that is made free when it is full.
        now_s: wall-clock seconds.

    Raises:
        StoreFault: the file cannot be opened.
    """

    def __init__(
        self, path: Path, *, bytes_max: int, eviction_share: float, now_s: Callable[[], float]
    ) -> None:
        try:
            self._turns = Turns(path.with_name(f"{path.name}-turns"))
        except OSError as error:
            raise StoreFault(f"The cache {path} could not be used: {error.strerror}.") from error
        self._disk = DiskCache(
            path, bytes_max=bytes_max, eviction_share=eviction_share, announcer=self._turns
        )
        self._front = Front(min(FRONT_BYTES_MAX, int(bytes_max * FRONT_SHARE)))
        self._held = self._front.held
        self._begun = self._turns.begun
        self._lock = RLock()
        self._old_below = _twice(self._disk.old_below)
        self._used: dict[int, AnyKey] = {}
        self._writes = 0
        self.now_s = now_s

    def find(self, key: AnyKey, ttl_s: float | None) -> Any | Missing:
        """The value of a key, or `MISSING`.

        Args:
            key: of the value.
            ttl_s: how old it may be, in seconds; `None` for what was said when it was stored.
        """
        held = self._held.get(key)
        if held is None:
            return self._read(key, ttl_s)
        try:
            is_true = self._begun[held.slot] == held.turn
        except ValueError:  # closed by another thread meanwhile, as the file will say
            is_true = False
        if not is_true:
            return self._read(key, ttl_s)
        age_s = self.now_s() - held.stored_s
        if age_s >= (held.ttl_s if ttl_s is None else ttl_s) or age_s < -SKEW_S:
            return MISSING
        if held.place < self._old_below:
            self._note_use(key, held)
        return held.value if held.is_final else decode(JSON, held.value)

    def put(self, key: AnyKey, value: object, ttl_s: float) -> bool:
        """Hold a value in place of what the key held; says whether it is held.

        Raises:
            NotStorable: the value is neither bytes nor what JSON can hold.
        """
        kind, encoded = encode(value)
        if ttl_s <= 0:
            self.remove(key)
            return False
        address = _address(key)
        now_s = self.now_s()
        crc = _checksum(address.digest, kind, now_s, ttl_s, encoded)
        row = Row(0, address.digest, kind, now_s, ttl_s, crc, encoded)
        try:
            written = self._disk.put(address, row, self._used_places())
        except StoreCorrupt:  # the file has been moved aside
            written = self._disk.put(address, row)
        with self._lock:
            if written is None:
                self._front.forget(key)
                _twice(partial(self._disk.remove, address))
                return False
            begun = written.begun
            self._front.remember(key, value, row, written.made, begun.slot, begun.turn)
            self._writes += 1
            if self._writes % WRITES_PER_LOOK == 0:
                self._old_below = _twice(self._disk.old_below)
        return True

    def remove(self, key: AnyKey) -> bool:
        """Hold nothing for a key; says whether something was held."""
        with self._lock:
            self._front.forget(key)
        return _twice(partial(self._disk.remove, _address(key)))

    def remove_all(self, scope: int | None = None) -> int:
        """Hold nothing any more, of one function or of all; returns how many there were."""
        with self._lock:
            self._front.clear()
        return _twice(partial(self._disk.remove_all, scope))

    def remove_expired(self) -> int:
        """Drop what is past its time; returns how many there were."""
        return _twice(partial(self._disk.remove_expired, self.now_s(), SKEW_S))

    def count(self, scope: int) -> int:
        """How many values of one function are held."""
        return _twice(partial(self._disk.count, scope))

    def used_bytes(self) -> int:
        """Bytes of the file that are in use."""
        return _twice(self._disk.used_bytes)

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            self._disk.close()
            self._front.clear()
            self._turns.close()

    def _read(self, key: AnyKey, ttl_s: float | None) -> Any | Missing:
        address = _address(key)
        slot = Turns.slot(address)
        turn = self._turns.settled(slot)
        try:
            row = self._disk.find(address)
        except StoreCorrupt:  # the file has been moved aside
            return MISSING
        if row is None:
            return MISSING
        if not _is_whole(row):
            with suppress(StoreFault):
                self._disk.remove(address)
            return MISSING
        value = decode(row.kind, row.value)
        if turn is not None:
            with self._lock:
                self._front.remember(key, value, row, row.id, slot, turn)
        age_s = self.now_s() - row.stored_s
        if age_s >= (row.ttl_s if ttl_s is None else ttl_s) or age_s < -SKEW_S:
            return MISSING
        return value

    def _note_use(self, key: AnyKey, held: Remembered) -> None:
        if len(self._used) < USED_MAX:
            self._used[held.place] = key

    def _used_places(self) -> list[int]:
        """Some rows that were used while they were among the oldest."""
        if not self._used:
            return []
        with self._lock:
            places = list(islice(self._used, RENEWED_PER_WRITE))
            for place in places:
                self._front.forget(self._used.pop(place))  # which knows the old place
            return places


def _address(key: AnyKey) -> Address:
    """Where a key is found.

    Raises:
        TypeError: it is neither text nor bytes.
    """
    scope = 0
    if isinstance(key, str):
        content = b"s" + key.encode("utf-8", "surrogatepass")
    elif isinstance(key, bytes):
        content = b"b" + key
    elif isinstance(key, CallKey):
        scope, content = key.scope, b"c" + key.call
    else:
        raise TypeError(f"a key is text or bytes, not {type(key).__qualname__}")
    hashed, digest = _DIGEST.unpack(blake2b(content, digest_size=_DIGEST.size).digest())
    return Address(scope, hashed, digest)


def _twice(use: Callable[[], Result]) -> Result:
    """Use the file, and again where it was found damaged: it has been moved aside by then."""
    try:
        return use()
    except StoreCorrupt:
        return use()


def _checksum(digest: bytes, kind: int, stored_s: float, ttl_s: float, value: bytes) -> int:
    """Of all that is given, and that it is given by."""
    return crc32(value, crc32(_HEAD.pack(kind, stored_s, ttl_s), crc32(digest)))


def _is_whole(row: Row) -> bool:
    try:
        return _checksum(row.digest, row.kind, row.stored_s, row.ttl_s, row.value) == row.crc
    except (TypeError, struct.error):  # damage can make another type of anything
        return False
