"""Warming: values that will be wanted are computed before they are, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final, Generic, TypeVar

import msgspec

from headrace.toolkit.containment import Containment

Key = TypeVar("Key")

AT_ONCE: Final = 4


class Warmed(msgspec.Struct, frozen=True):
    """What warming came to.

    Attributes:
        computed: values that were computed.
        held: keys that had a value already.
        failed: computations that raised.
        last_error: type and place of the last one of them; empty where there was none.
        is_full: whether it ended early because there was no room left.
    """

    computed: int
    held: int
    failed: int
    last_error: str
    is_full: bool


class Warming(Generic[Key]):
    """One warming. Keys are read one by one, as they are needed.

    Args:
        keys: those that are wanted, the most wanted first.
        is_held: whether a key has a value.
        is_full: whether what comes now would make others leave.
    """

    def __init__(
        self, keys: Iterable[Key], is_held: Callable[[Key], bool], is_full: Callable[[], bool]
    ) -> None:
        self._keys = iter(keys)
        self._is_held = is_held
        self._is_full = is_full
        self._lock = Lock()
        self._is_stopped = False
        self._was_full = False
        self._computed = self._held = 0
        self._failures: list[Containment] = []

    def on_threads(self, compute: Callable[[Key], object], threads: int) -> Warmed:
        """Compute what is missing, on so many threads."""

        def work() -> None:
            failures = self._contained()
            for key in self._missing():
                with failures:
                    compute(key)
                    self._note_computed()

        with ThreadPoolExecutor(threads) as pool:
            try:
                for done in [pool.submit(work) for _ in range(threads)]:
                    done.result()
            finally:
                self._is_stopped = True  # what is under way ends, and no more begins
        return self._report()

    async def in_tasks(self, compute: Callable[[Key], Awaitable[object]], tasks: int) -> Warmed:
        """Compute what is missing, in so many tasks."""

        async def work() -> None:
            failures = self._contained()
            for key in self._missing():
                with failures:
                    await compute(key)
                    self._note_computed()

        try:
            await asyncio.gather(*(work() for _ in range(tasks)))
        finally:
            self._is_stopped = True
        return self._report()

    def _missing(self) -> Iterator[Key]:
        while not self._is_stopped:
            with self._lock:
                for key in self._keys:
                    if not self._is_held(key):
                        break
                    self._held += 1
                else:
                    return
                if self._is_full():
                    self._is_stopped = self._was_full = True
                    return
            yield key

    def _note_computed(self) -> None:
        with self._lock:
            self._computed += 1

    def _contained(self) -> Containment:
        failures = Containment()
        with self._lock:
            self._failures.append(failures)
        return failures

    def _report(self) -> Warmed:
        return Warmed(
            computed=self._computed,
            held=self._held,
            failed=sum(each.errors for each in self._failures),
            last_error=next((each.last for each in self._failures if each.last), ""),
            is_full=self._was_full,
        )
