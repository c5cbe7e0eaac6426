"""The nearest vectors of one scope: exact by numpy, or by a graph where they are too many for it.

Vectors are of length one, so that their product is the cosine of the angle between them.
"""

import asyncio
from collections.abc import Callable
from itertools import islice
from operator import itemgetter
from typing import Final

import numpy as np
import numpy.typing as npt

from headrace.cache.semantic.graph import Graph

Vector = npt.NDArray[np.float32]
Near = list[tuple[bytes, float]]

_ROWS_MIN: Final = 16
# More rows than these take longer than going to a thread and back, some 100 microseconds.
_ON_LOOP_MAX: Final = 2000
# A key of 20 bytes, its place in a list and in a dictionary.
_KEY_BYTES: Final = 200
# Vectors that go into a new graph at a time, so that a thread ends soon when the process does.
_BATCH: Final = 256


class ExactIndex:
    """All vectors as rows of one array; the nearest by one product with all of them.

    The array doubles when it is full, and halves when three quarters are free. A removed row is
    replaced by the last one, so that rows stay without gaps.

    Args:
        dimensions: length of the vectors.
    """

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._rows: Vector = np.empty((_ROWS_MIN, dimensions), dtype=np.float32)
        self._keys: list[bytes] = []
        self._row_of: dict[bytes, int] = {}

    @property
    def weight_bytes(self) -> int:
        """What it holds in memory, in bytes."""
        return self._rows.nbytes + _KEY_BYTES * len(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: bytes) -> bool:
        return key in self._row_of

    def add(self, key: bytes, vector: Vector) -> None:
        """Hold a vector in place of whatever the key held."""
        row = self._row_of.get(key)
        if row is None:
            row = len(self._keys)
            if row == len(self._rows):
                self._resize(2 * row)
            self._keys.append(key)
            self._row_of[key] = row
        self._rows[row] = vector

    def remove(self, key: bytes) -> None:
        """Hold it no longer.

        Raises:
            KeyError: it is not held.
        """
        row = self._row_of.pop(key)
        last = self._keys.pop()
        if last != key:
            self._rows[row] = self._rows[len(self._keys)]
            self._keys[row] = last
            self._row_of[last] = row
        if len(self._rows) > _ROWS_MIN and 4 * len(self._keys) < len(self._rows):
            self._resize(max(_ROWS_MIN, len(self._rows) // 2))

    def nearest(self, vector: Vector, count: int) -> Near:
        """The keys with the highest similarity, the highest first, with it."""
        return self.settle(self.scan(vector, count)(), vector)

    def scan(self, vector: Vector, count: int) -> Callable[[], list[int]]:
        """The search as work for a thread, where it would hold up the loop.

        It reads rows while others may be changed: what it finds has to be settled.
        """
        rows, held = self._rows, len(self._keys)

        def run() -> list[int]:
            if not held or count < 1:
                return []
            # Not `@`: its threads wait for each other, 16 ms where other work keeps them busy.
            similarities = np.vecdot(rows[:held], vector)
            if count >= held:
                return list(range(held))
            best: list[int] = np.argpartition(similarities, held - count)[held - count :].tolist()
            return best

        return run

    def settle(self, rows: list[int], vector: Vector) -> Near:
        """Keys and similarities, the highest first, of rows that a scan has found.

        Both are of what the rows hold now; a row that has changed meanwhile counts as what it is.
        """
        near = [
            (self._keys[row], float(self._rows[row] @ vector))
            for row in rows
            if row < len(self._keys)
        ]
        near.sort(key=itemgetter(1), reverse=True)
        return near

    def missing_in(self, graph: Graph, count: int) -> list[tuple[bytes, Vector]]:
        """Some of the keys that a graph does not hold, with copies of their vectors."""
        missing = (key for key in self._keys if key not in graph)
        return [(key, self._rows[self._row_of[key]].copy()) for key in islice(missing, count)]

    def _resize(self, rows: int) -> None:
        held = len(self._keys)
        resized = np.empty((rows, self._dimensions), dtype=np.float32)
        resized[:held] = self._rows[:held]
        self._rows = resized


class ScopeIndex:
    """The vectors of one scope behind one face. Belongs to one event loop.

    As long as there are few enough, search is exact. Beyond, a graph is built in a thread while the
    exact rows go on answering, and takes their place when it is whole. What takes long runs in a
    thread, so the loop is never held up.

    Args:
        dimensions: length of the vectors.
        exact_max: entries up to which the nearest are found exactly. Who goes beyond needs usearch.
    """

    def __init__(self, dimensions: int, exact_max: int) -> None:
        self._dimensions = dimensions
        self._exact_max = exact_max
        self._exact: ExactIndex | None = ExactIndex(dimensions)
        self._graph: Graph | None = None
        self._keys: set[bytes] = set()
        self._is_changing = False
        self._lock = asyncio.Lock()

    @property
    def is_exact(self) -> bool:
        """Whether the nearest are found exactly."""
        return self._exact is not None

    @property
    def weight_bytes(self) -> int:
        """What it holds in memory, in bytes."""
        exact = 0 if self._exact is None else self._exact.weight_bytes
        return exact + (0 if self._graph is None else self._graph.weight_bytes)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: bytes) -> bool:
        return key in self._keys

    async def add(self, key: bytes, vector: Vector) -> None:
        """Hold a vector in place of whatever the key held."""
        self._keys.add(key)
        if self._exact is not None:
            self._exact.add(key, vector)
            if self._graph is not None:
                self._graph.forget(key)  # an older vector that has changed over already
            if len(self._keys) > self._exact_max and not self._is_changing:
                await self._change_over(self._exact)
        elif self._graph is not None:
            async with self._lock:
                await asyncio.to_thread(self._graph.adding([(key, vector)]))

    def remove(self, key: bytes) -> None:
        """Hold it no longer.

        Raises:
            KeyError: it is not held.
        """
        self._keys.remove(key)
        if self._exact is not None:
            self._exact.remove(key)
        if self._graph is not None:
            self._graph.forget(key)

    async def nearest(self, vector: Vector, count: int) -> Near:
        """The keys with the highest similarity, the highest first, with it.

        Keys that are added or removed meanwhile may be missed.
        """
        exact, graph = self._exact, self._graph
        if exact is None:
            assert graph is not None  # noqa: S101  # one of the two is always there
            async with self._lock:
                found = await asyncio.to_thread(graph.search, vector, count)
            return graph.settle(found, count)
        if len(exact) <= _ON_LOOP_MAX:
            return exact.nearest(vector, count)
        return exact.settle(await asyncio.to_thread(exact.scan(vector, count)), vector)

    async def _change_over(self, exact: ExactIndex) -> None:
        self._is_changing = True
        try:
            graph = self._graph = self._graph or Graph(self._dimensions)
            while waiting := exact.missing_in(graph, _BATCH):
                await asyncio.to_thread(graph.adding(waiting))
            self._exact = None
        finally:
            self._is_changing = False
