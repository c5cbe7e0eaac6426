"""What one process remembers of a disk cache: the values that it read and wrote last.

Looked up without a lock, changed under the lock of whoever owns it. Whether what is remembered is
still true is not known here: see `turns`.
"""

from typing import Any, Final

import msgspec

from headrace.store.disk_cache import Row
from headrace.toolkit.values import JSON, ODD_JSON, decode
from headrace.toolkit.weight import PLAIN

ENTRY_BYTES: Final = 600
# A longer key is looked up on disk: remembering it would cost more than it saves.
KEY_LENGTH_MAX: Final = 1024
# The largest value that is remembered, as a share of the room there is.
VALUE_SHARE: Final = 0.125


class Remembered(msgspec.Struct, frozen=True, gc=False):
    """A value as it was read or written.

    Attributes:
        slot: of its key.
        turn: it is true while the slot's first number is this.
        place: its row's place in the order of leaving.
        stored_s: when it was stored, wall-clock seconds.
        ttl_s: for how long it is given.
        is_final: whether `value` is given as it is; otherwise it is encoded.
        value: plain data, or the JSON of anything else, so that nobody can change what others get.
        weight: bytes it is taken to weigh.
    """

    slot: int
    turn: int
    place: int
    stored_s: float
    ttl_s: float
    is_final: bool
    value: Any
    weight: int


class Front:
    """The remembered values; the oldest is forgotten first.

    Args:
        bytes_max: bound on what they weigh, in bytes.

    Attributes:
        held: by key, for whoever looks up.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._value_bytes_max = bytes_max * VALUE_SHARE
        self._bytes = 0
        self.held: dict[Any, Remembered] = {}

    def remember(self, key: Any, value: object, row: Row, place: int, slot: int, turn: int) -> None:
        """Remember the value of a row, unless it or its key is too large.

        Args:
            key: what it is looked up by.
            value: the value, decoded.
            row: what holds it.
            place: its place in the order of leaving.
            slot: of its key.
            turn: it is true while the slot's first number is this.
        """
        old = self.held.pop(key, None)
        if old is not None:
            self._bytes -= old.weight
        weight = ENTRY_BYTES + len(row.value)
        kind = row.kind
        if kind == ODD_JSON or weight > self._value_bytes_max or len(key) > KEY_LENGTH_MAX:
            return
        is_final = kind != JSON or type(value) in PLAIN
        if is_final and type(value) not in PLAIN:
            value = decode(kind, row.value)  # of a subclass, which nobody else would get
        self.held[key] = Remembered(
            slot,
            turn,
            place,
            row.stored_s,
            row.ttl_s,
            is_final,
            value if is_final else row.value,
            weight,
        )
        self._bytes += weight
        while self._bytes > self._bytes_max:
            self.forget(next(iter(self.held)))

    def forget(self, key: Any) -> None:
        """Remember nothing of a key."""
        if (remembered := self.held.pop(key, None)) is not None:
            self._bytes -= remembered.weight

    def clear(self) -> None:
        """Remember nothing."""
        self.held.clear()
        self._bytes = 0
