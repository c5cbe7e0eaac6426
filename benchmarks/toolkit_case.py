"""The toolkit's caches beside others, in one process, every round in another order.

What happens in memory on one thread is told in CPU time, which a busy machine stretches less; with
threads, and on disk, the clock tells what is waited for as well.
"""

import gc
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from benchmarks import bars
from benchmarks.progress import Steps
from benchmarks.ratios import paired_ratio, spread
from benchmarks.records import Bar, ToolkitRow, Verdict
from benchmarks.toolkit_caches import (
    DICT,
    DISKCACHE,
    HEADRACE,
    HEADRACE_DISK,
    HEADRACE_FUNCTION,
    LOCKED,
    PACKAGES,
    PEERS,
    Contender,
    diskcache_cache,
    in_memory,
    simple_cache,
)

SIZE = KEYS = 1_000
PASSES, PUT_PASSES = 20, 5
THREADS = 8
THREAD_KEYS = 4_000
GETS_PER_PUT = 9
DISK_KEYS = 300
VALUE = "x" * 100
DISK_VALUE = "x" * 1000

GET_US_MAX = 0.4
PUT_US_MAX = 2.5
CACHED_US_MAX = 2.0
# A look-up in a dictionary takes a third of it where nothing else runs.
DICT_US_MAX = 0.1

GET, PUT, SHARED = "get, hit", "set, new and evict", f"{THREADS} threads, 9 gets per set"
DISK_GET, DISK_FIRST = "disk: get", "disk: get, first in this process"
DISK_PUT, DISK_OVER = "disk: set, new", "disk: set, over"


class Timings:
    """Seconds for one operation, by operation and cache, round by round."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], list[float]] = {}

    def time(self, operation: str, name: str, work: Callable[[], object], count: int) -> None:
        """Do some work, of so many operations, and note what one of them took."""
        now_s = time.process_time if operation in (GET, PUT) else time.perf_counter
        gc.collect()
        begin_s = now_s()
        work()
        taken_s = (now_s() - begin_s) / count
        self._seconds.setdefault((operation, name), []).append(taken_s)

    def rows(self) -> list[ToolkitRow]:
        """All of them beside Headrace's of the same operation, without the first round."""
        return [
            ToolkitRow(
                operation,
                name,
                spread([taken_s * 1e6 for taken_s in seconds[1:]]),
                paired_ratio(seconds[1:], self._ours(operation)[1:]),
            )
            for (operation, name), seconds in self._seconds.items()
        ]

    def _ours(self, operation: str) -> list[float]:
        name = HEADRACE_DISK if operation.startswith("disk") else HEADRACE
        return self._seconds[operation, name]


def measure(rounds: int, directory: Path, dice: random.Random, steps: Steps) -> list[ToolkitRow]:
    """Every cache that is installed, in memory, between threads and on disk.

    Args:
        rounds: how often; the first is not counted.
        directory: where those on disk keep their files.
        dice: order of the caches.
        steps: progress.
    """
    timings = Timings()
    steps.start("toolkit", rounds * 2)
    with ExitStack() as stack:
        memory = _installed((in_memory, *PEERS), (SIZE, VALUE), stack)
        for number in range(rounds):
            _memory_round(timings, dice.sample(memory, len(memory)), number)
            _threads_round(timings, dice.sample(memory, len(memory)), number)
            steps.done(f"memory, {number + 1} of {rounds}")
        disk = _installed((simple_cache, diskcache_cache), (directory, DISK_VALUE), stack)
        for number in range(rounds):
            _disk_round(timings, dice.sample(disk, len(disk)), number)
            _first_gets(timings, directory, dice, number)
            steps.done(f"disk, {number + 1} of {rounds}")
    return timings.rows()


def _installed(
    makers: Iterable[Callable[..., list[Contender]]],
    arguments: tuple[object, ...],
    stack: ExitStack,
) -> list[Contender]:
    contenders: list[Contender] = []
    for make in makers:
        with suppress(ImportError):  # `notes` tells
            contenders += make(*arguments)
    for contender in contenders:
        stack.callback(contender.end)
    return contenders


def _memory_round(timings: Timings, contenders: Sequence[Contender], number: int) -> None:
    held = [f"held {place}" for place in range(KEYS)]
    for contender in contenders:
        new = [f"new {number} {place}" for place in range(SIZE + KEYS * PUT_PASSES)]
        contender.put(new[:SIZE])  # full from here on
        work = partial(contender.put, new[SIZE:])
        timings.time(PUT, contender.name, work, KEYS * PUT_PASSES)
        contender.put(held)
        contender.get(held)
        timings.time(GET, contender.name, partial(contender.get, held * PASSES), KEYS * PASSES)


def _threads_round(timings: Timings, contenders: Sequence[Contender], number: int) -> None:
    keys = [f"held {place}" for place in range(KEYS)]
    for contender in contenders:
        if contender.one is None:
            continue
        contender.put(keys)
        with _Crew(contender, keys, number) as crew:
            timings.time(SHARED, contender.name, crew.work, THREADS * THREAD_KEYS)


class _Crew:
    """Threads that all do the same with one cache, and begin at once.

    Args:
        contender: the cache.
        keys: what they look up.
        number: of the round, for keys that are new in it.
    """

    def __init__(self, contender: Contender, keys: list[str], number: int) -> None:
        assert contender.one is not None
        self._get, self._put = contender.one
        self._keys = keys
        self._number = number
        self._begin = threading.Barrier(THREADS + 1)
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(THREADS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()

    def work(self) -> None:
        """Let them begin, and wait until all have ended."""
        self._begin.wait()
        for thread in self._threads:
            thread.join()

    def _run(self, thread: int) -> None:
        get, put, keys = self._get, self._put, self._keys
        new = [f"{self._number} {thread} {place}" for place in range(THREAD_KEYS)]
        self._begin.wait()
        for place in range(THREAD_KEYS):
            if place % (GETS_PER_PUT + 1):
                get(keys[(place * 7 + thread) % KEYS])
            else:
                put(new[place], VALUE)


def _disk_round(timings: Timings, contenders: Sequence[Contender], number: int) -> None:
    held = [f"held {place}" for place in range(DISK_KEYS)]
    new = [f"new {number} {place}" for place in range(DISK_KEYS)]
    for contender in contenders:
        assert contender.one is not None
        put = contender.one[1]
        timings.time(DISK_PUT, contender.name, partial(contender.put, new), DISK_KEYS)
        if number == 0:
            contender.put(held)
        changed = f"{DISK_VALUE}{number}"
        over = partial(_put_all, put, held, changed)
        timings.time(DISK_OVER, contender.name, over, DISK_KEYS)
        timings.time(DISK_GET, contender.name, partial(contender.get, held), DISK_KEYS)


def _put_all(put: Callable[[str, str], object], keys: list[str], value: str) -> None:
    for key in keys:
        put(key, value)


def _first_gets(timings: Timings, directory: Path, dice: random.Random, number: int) -> None:
    """What a process pays that has just opened its cache, once it has read one value."""
    keys = [f"new {number} {place}" for place in range(DISK_KEYS)]
    makers = (simple_cache, diskcache_cache)
    with ExitStack() as stack:
        for make in dice.sample(makers, len(makers)):
            for fresh in _installed((make,), (directory, DISK_VALUE), stack):
                fresh.get(keys[:1])
                work = partial(fresh.get, keys[1:])
                timings.time(DISK_FIRST, fresh.name, work, DISK_KEYS - 1)


def notes(measured: Sequence[ToolkitRow]) -> list[str]:
    """What there is no row of; nothing where nothing was measured."""
    absent = [name for name in PACKAGES if measured and find_spec(name) is None]
    return [f"{name} is not installed, and not measured" for name in absent]


def judge(measured: Sequence[ToolkitRow]) -> list[Bar]:
    """The promises of the toolkit; nothing where it was not measured."""
    if not measured:
        return []
    rows = {(row.operation, row.name): row for row in measured}
    dict_us = rows[GET, DICT].us.median
    void = f"busy: a dict took {dict_us:.2f} µs" if dict_us > DICT_US_MAX else None
    own = (
        ("Cache.get, hit, at best", (GET, HEADRACE), GET_US_MAX),
        ("Cache.set, new and evict, at best", (PUT, HEADRACE), PUT_US_MAX),
        ("@cached, hit, at best", (GET, HEADRACE_FUNCTION), CACHED_US_MAX),
    )
    beside = (
        (f"{THREADS} threads", (SHARED, LOCKED), "cachetools with its lock", 1.0),
        ("SimpleCache.get", (DISK_GET, DISKCACHE), "diskcache", 2.0),
        ("SimpleCache.set, new", (DISK_PUT, DISKCACHE), "diskcache", 2.0),
        ("SimpleCache.set, over", (DISK_OVER, DISKCACHE), "diskcache", 2.0),
    )
    return [
        # What another process takes from these can only be added to them (see `timeit`).
        *(bars.at_most(name, rows[key].us.low, limit, "µs", void) for name, key, limit in own),
        *(_at_least(name, rows.get(key), peer, factor) for name, key, peer, factor in beside),
    ]


def _at_least(name: str, row: ToolkitRow | None, peer: str, factor: float) -> Bar:
    """A bar that a peer has to be slower by a factor."""
    promise = f">= {factor:g} x {peer}'s speed"
    if row is None:
        return Bar(name, promise, "", Verdict.NOT_RUN)
    shown = f"{row.against.median:.2f}  ({row.against.low:.2f} - {row.against.high:.2f})"
    kept = row.against.median >= factor
    return Bar(name, promise, shown, Verdict.PASS if kept else Verdict.MISS)
