"""`SimpleCache`: values on disk, shared by threads and processes."""

from math import inf
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from headrace.clock import Clock, SystemClock
from headrace.toolkit.arguments import number, seconds
from headrace.toolkit.disk_book import DiskBook
from headrace.toolkit.missing import MISSING

MEGABYTE: Final = 1_000_000
DEFAULT_PATH: Final = "~/.cache/headrace/simple-cache.db"


class SimpleCache:
    """Values on disk, for a time. Any number of threads and processes may use one file.

    Values are bytes or what JSON can hold, never pickles. Everything waits for the disk: a look-up
    some microseconds, or less than one where this process has read or written the value lately; a
    change some 50 µs, and 5 s at most where another process holds the file.

    Args:
        ttl_seconds: how long a value is given, in seconds; `math.inf` for ever.
        max_size_mb: bound on the file, in megabytes of 1,000,000 bytes. Its log, of some 10, and
            a small file for the processes to agree by come on top.
        eviction_percentage: how much of the file is made free once it is full, 1 to 100. What
            was not used for long leaves first, a few values with each change.
        path: the file; by default one in `~/.cache/headrace`.
        clock: where time comes from.

    Raises:
        StoreFault: the file cannot be opened, or belongs to another program. One that is damaged
            is moved aside, to the same name with `.corrupt` at its end.
        TypeError: an argument is of another type.
        ValueError: an argument makes no sense.
    """

    def __init__(
        self,
        ttl_seconds: float = 3600.0,
        max_size_mb: float = 100.0,
        eviction_percentage: float = 25.0,
        path: str | PathLike[str] | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        if not 1 <= number("max_size_mb", max_size_mb) < inf:
            raise ValueError(f"max_size_mb is {max_size_mb}: it has to be 1 or more")
        if not 1 <= number("eviction_percentage", eviction_percentage) <= 100:
            raise ValueError(f"eviction_percentage is {eviction_percentage}: it goes from 1 to 100")
        self._ttl_s = seconds("ttl_seconds", ttl_seconds)
        self.book = DiskBook(
            Path(DEFAULT_PATH if path is None else path).expanduser().absolute(),
            bytes_max=int(max_size_mb * MEGABYTE),
            eviction_share=eviction_percentage / 100,
            now_s=(clock or SystemClock()).wall_s,
        )
        self._find = self.book.find

    def get(
        self, key: str | bytes, default: Any = None, *, ttl_override: float | None = None
    ) -> Any:
        """The value of `key`, or `default` where there is none, or it is too old.

        Args:
            key: text or bytes.
            default: given in place of a value.
            ttl_override: how old the value may be, in seconds, whatever was said when it was
                stored. One that is older than that was may have left.

        Raises:
            StoreFault: the file cannot be read.
            TypeError: the key is neither text nor bytes.
        """
        if ttl_override is not None:
            ttl_override = seconds("ttl_override", ttl_override)
        value = self._find(key, ttl_override)
        return default if value is MISSING else value

    def set(self, key: str | bytes, value: Any, *, ttl_override: float | None = None) -> bool:
        """Hold `value` in place of what `key` held. Other processes see it at once.

        Args:
            key: text or bytes.
            value: bytes, or what JSON can hold: text, numbers, true, false, null, lists, and
                mappings with text for keys.
            ttl_override: seconds that it is given for, in place of the cache's own.

        Returns:
            Whether it is held: not if it is larger than the cache.

        Raises:
            NotStorable: it would not come back as what it is.
            StoreBusy: another process held the file for 5 s.
            StoreFull: there is no room on the disk; what is held can still be read.
            StoreFault: the file cannot be written.
            TypeError: the key is neither text nor bytes.
            ValueError: the time makes no sense.
        """
        if ttl_override is None:
            return self.book.put(key, value, self._ttl_s)
        return self.book.put(key, value, seconds("ttl_override", ttl_override))

    def invalidate(self, key: str | bytes | None = None) -> int:
        """Drop what `key` holds, or everything; returns how many values were held."""
        return self.book.remove_all() if key is None else int(self.book.remove(key))

    def get_size(self) -> int:
        """Bytes of the file that are in use, 0 where it is empty."""
        return self.book.used_bytes()

    def cleanup_expired(self) -> int:
        """Drop everything that is too old; returns how many values.

        They are never given, and leave by and by when room is needed; this frees the room now.
        """
        return self.book.remove_expired()

    def close(self) -> None:
        """Let go of the file. Closing twice does nothing."""
        self.book.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
