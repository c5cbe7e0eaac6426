"""What goes into a store and comes out of it. No driver is needed to make one."""

from typing import Final

import msgspec

# Canonical keys have 32 bytes. Longer ones than this are not held: they would not fit an index.
KEY_BYTES_MAX: Final = 256
# PostgreSQL takes 1 GiB in a value and SQLite 1e9 bytes; both want it several times over in memory.
VALUE_BYTES_MAX: Final = 64 * 1024 * 1024
# What a row costs on disk beside its value: key, scopes, its place in the indexes, and room that is
# left in pages. Measured in SQLite: 370 for values of 600 bytes, 1,000 to 1,200 for larger ones.
ROW_OVERHEAD_BYTES: Final = 1024


class AnswerRow(msgspec.Struct, frozen=True, gc=False):
    """One answer on its way into the store.

    Attributes:
        key: canonical key, 1 to `KEY_BYTES_MAX` bytes.
        value: the encoded answer, up to `VALUE_BYTES_MAX` bytes.
        expires_s: when it is of no use any more, wall-clock seconds.
        scopes: what it may be purged by, such as `tenant:NAME`.
        worth_usd: dollars that its next use saves.
    """

    key: bytes
    value: bytes
    expires_s: float
    scopes: tuple[str, ...] = ()
    worth_usd: float = 0.0

    @property
    def size_bytes(self) -> int:
        """What it counts against the bound."""
        return len(self.value) + ROW_OVERHEAD_BYTES


class TopAnswer(msgspec.Struct, frozen=True, gc=False):
    """An answer that has saved money.

    Attributes:
        key: its key.
        size_bytes: what it counts against the bound.
        saved_usd: what its uses have saved so far.
        expires_s: when it is of no use any more, wall-clock seconds.
    """

    key: bytes
    size_bytes: int
    saved_usd: float
    expires_s: float


class AnswerStats(msgspec.Struct, frozen=True, gc=False):
    """What the store holds, of all processes that use it.

    Attributes:
        entries: answers, expired ones that have not left yet included.
        bytes: what they count against the bound.
        age: rank of the answer that left last, dollars per byte; grows while the store is full.
    """

    entries: int
    bytes: int
    age: float


class Purge(msgspec.Struct, frozen=True, gc=False):
    """One purge that was announced.

    Attributes:
        seq: its number; every later purge has a larger one.
        scope: what became invalid: `all`, `tenant:NAME`, `model:PROVIDER/MODEL`, `tag:NAME` or
            `key:HEX`.
        at_s: when, wall-clock seconds.
    """

    seq: int
    scope: str
    at_s: float


class Purges(msgspec.Struct, frozen=True, gc=False):
    """The purges after a number.

    Attributes:
        latest: number of the last purge of all.
        forgotten: number of the last purge that is forgotten. What was made when a smaller number
            was the latest may have been purged by one of them, and has to be taken as purged.
        purges: those after the number asked for, oldest first.
        is_complete: False where some of them are forgotten, or the numbers began anew. Then only
            a purge of everything is right.
    """

    latest: int
    forgotten: int
    purges: tuple[Purge, ...]
    is_complete: bool
