"""What a process allocates and keeps, by the line that does it: Python's own tracemalloc, switched
on for some seconds."""

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from headrace.clock import Clock

if TYPE_CHECKING:
    import tracemalloc

SECONDS_MAX: Final = 60.0
BYTES_MAX: Final = 64 << 20
# How often it is seen whether that is much by now.
_STEP_S: Final = 0.1
# Folders that a place is told without, or from which on it is.
_FOLDERS: Final = (("/site-packages/", 15), ("/headrace/", 1), ("/lib/python", 1))


class Allocation(msgspec.Struct, frozen=True):
    """What one line allocated while it was watched, and has not given back.

    Attributes:
        place: file and line.
        kept_bytes: of it.
        blocks: how many there are.
    """

    place: str
    kept_bytes: int
    blocks: int


class Allocations(msgspec.Struct, frozen=True):
    """What was allocated in a process.

    Attributes:
        pid: of the process.
        seconds: how long it was watched.
        kept_bytes: of all that was allocated meanwhile and is still there.
        peak_bytes: the most that was there at once.
        top: the lines that keep most, first.
    """

    pid: int
    seconds: float
    kept_bytes: int
    peak_bytes: int
    top: list[Allocation]


class AlreadyWatched(Exception):
    """One watches at a time."""


class AllocationWatch:
    """One watch at a time. Belongs to one loop.

    While it lasts, what allocates takes about twice as long. The more was allocated, the longer its
    end takes, so it ends early where that is much.

    Args:
        pid: of this process.
        clock: the time.
        bytes_max: how much may be allocated, and not given back, until it ends early.
    """

    def __init__(self, pid: int, clock: Clock, bytes_max: int = BYTES_MAX) -> None:
        self._pid = pid
        self._now_s = clock.monotonic_s
        self._bytes_max = bytes_max

    async def watch(self, seconds: float, count: int) -> Allocations:
        """See what is allocated.

        Args:
            seconds: how long at the most, up to `SECONDS_MAX`.
            count: of how many lines to tell.

        Raises:
            AlreadyWatched: somebody does.
        """
        import tracemalloc  # with pickle, which an idle gateway does without

        if tracemalloc.is_tracing():
            raise AlreadyWatched
        tracemalloc.start()
        try:
            began_s = self._now_s()
            watched_s = 0.0
            while watched_s < min(seconds, SECONDS_MAX):
                await asyncio.sleep(min(_STEP_S, seconds - watched_s))
                watched_s = self._now_s() - began_s
                if tracemalloc.get_traced_memory()[0] > self._bytes_max:
                    break
            kept, peak = tracemalloc.get_traced_memory()
            snapshot = await asyncio.to_thread(tracemalloc.take_snapshot)
        finally:
            tracemalloc.stop()
        top = await asyncio.to_thread(_top, snapshot, count)
        return Allocations(self._pid, round(watched_s, 3), kept, peak, top)


def _top(snapshot: "tracemalloc.Snapshot", count: int) -> list[Allocation]:
    return [
        Allocation(_place(each.traceback[0]), each.size, each.count)
        for each in snapshot.statistics("lineno")[:count]
    ]


def _place(frame: "tracemalloc.Frame") -> str:
    """A line without the folders of this machine, as far as they are known."""
    name = frame.filename
    for folder, skipped in _FOLDERS:
        begin = name.rfind(folder)
        if begin >= 0:
            name = name[begin + skipped :]
            break
    return f"{name}:{frame.lineno}"
