"""Rendered answers kept for repeats, bounded in entries and bytes."""

from headrace.sim.reply import Reply

ENTRIES_MAX = 4096
BYTES_MAX = 64 << 20
REPLY_BYTES_MAX = 1 << 20

WIRE_BYTES_MAX = 32 << 10

Wire = tuple[str, bytes, bytes, bool]
"""Model, bytes before the request's id, bytes after it, and whether it is a stream."""

CacheKey = tuple[str, bytes, int | None]


class ReplyCache:
    """Answers by path, body and wanted length, good for the second they were made in.

    The second counts because answers tell their `created`. The oldest goes first.
    """

    __slots__ = ("_bytes", "_replies")

    def __init__(self) -> None:
        self._replies: dict[CacheKey, tuple[int, Reply]] = {}
        self._bytes = 0

    def get(self, key: CacheKey, created_s: int) -> Reply | None:
        """The answer made for `key` in second `created_s`."""
        found = self._replies.get(key)
        return found[1] if found is not None and found[0] == created_s else None

    def put(self, key: CacheKey, created_s: int, reply: Reply) -> None:
        """Keep `reply`, unless it is very large."""
        weight = _weight(key, reply)
        if weight > REPLY_BYTES_MAX:
            return
        self._drop(key)
        self._replies[key] = (created_s, reply)
        self._bytes += weight
        while len(self._replies) > ENTRIES_MAX or self._bytes > BYTES_MAX:
            self._drop(next(iter(self._replies)))

    def _drop(self, key: CacheKey) -> None:
        dropped = self._replies.pop(key, None)
        if dropped is not None:
            self._bytes -= _weight(key, dropped[1])


class WireCache:
    """Answers without latency as their bytes after the request's id, for one second of time.

    What is repeated within the second costs no more than a look-up.
    """

    __slots__ = ("_second", "_wires")

    def __init__(self) -> None:
        self._second = 0
        self._wires: dict[tuple[str, bytes], Wire] = {}

    def get(self, path: str, body: bytes, second: int) -> Wire | None:
        """The answer to `body` made in `second`."""
        return self._wires.get((path, body)) if second == self._second else None

    def put(self, path: str, body: bytes, second: int, wire: Wire) -> None:
        """Keep `wire` until the second is over, unless it is large or there are many."""
        if second != self._second:
            self._second = second
            self._wires.clear()
        if len(body) + len(wire[2]) <= WIRE_BYTES_MAX and len(self._wires) < ENTRIES_MAX:
            self._wires[path, body] = wire


def _weight(key: CacheKey, reply: Reply) -> int:
    frame = len(reply.frames[0]) + 40 if reply.frames else 0
    return len(key[1]) + len(reply.body) + len(reply.lead) + frame * len(reply.frames)
