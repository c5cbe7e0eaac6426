"""Too many vectors for exact search, in a graph of small worlds (HNSW), by usearch."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Final

import numpy as np
import numpy.typing as npt

from headrace.errors import NotRunning

_LINKS: Final = 16
_KEY_BYTES: Final = 400
_DEAD_MAX: Final = 1000

Work = Callable[[], None]


def require_graph() -> None:
    """Make sure that a graph can be had.

    Raises:
        NotRunning: usearch is not installed.
    """
    if find_spec("usearch") is None:
        raise NotRunning(
            "More entries of one scope than exact search is fit for need usearch: "
            "pip install 'headrace[ann]', or lower cache.semantic.entries_max."
        )


class Graph:
    """Keys by their vectors, found nearly always (Malkov and Yashunin, arXiv 1603.09320).

    A neighbour it misses costs a hit, and never gives a wrong answer. What `adding` returns and
    `search` may run in a thread, one at a time; all else belongs to the loop.

    Args:
        dimensions: length of the vectors.
        search_width: candidates on the way to the nearest: more find more, and take longer.
    """

    def __init__(self, dimensions: int, search_width: int = 128) -> None:
        from usearch.index import Index

        self._index = Index(
            ndim=dimensions,
            metric="ip",
            dtype="f32",
            connectivity=_LINKS,
            expansion_add=128,
            expansion_search=search_width,
        )
        self._key_of: dict[int, bytes] = {}
        self._number_of: dict[bytes, int] = {}
        self._dead: list[int] = []
        self._next = 0

    @property
    def weight_bytes(self) -> int:
        """What it holds in memory, in bytes."""
        return int(self._index.memory_usage) + _KEY_BYTES * len(self._number_of)

    def __contains__(self, key: bytes) -> bool:
        return key in self._number_of

    def __len__(self) -> int:
        return len(self._number_of)

    def adding(self, pairs: Sequence[tuple[bytes, npt.NDArray[np.float32]]]) -> Work:
        """Hold vectors in place of whatever their keys held, as work for a thread.

        It is slow, about a millisecond for each; the keys count at once.
        """
        for key, _ in pairs:
            self.forget(key)
        dead, self._dead = self._dead, []
        numbered = []
        for number, (key, vector) in enumerate(pairs, start=self._next):
            self._key_of[number] = key
            self._number_of[key] = number
            numbered.append((number, vector))
        self._next += len(numbered)

        def run() -> None:
            for number in dead:
                self._index.remove(number)
            for number, vector in numbered:
                self._index.add(number, vector)

        return run

    def forget(self, key: bytes) -> None:
        """Find a key no longer; its vector leaves with the next one that comes."""
        number = self._number_of.pop(key, None)
        if number is not None:
            del self._key_of[number]
            self._dead.append(number)

    def search(self, vector: npt.NDArray[np.float32], count: int) -> list[tuple[int, float]]:
        """Numbers and similarities of the nearest; may run in a thread."""
        found = self._index.search(vector, count + min(len(self._dead), _DEAD_MAX))
        pairs = zip(found.keys.tolist(), found.distances.tolist(), strict=True)
        return [(number, 1.0 - distance) for number, distance in pairs]

    def settle(self, found: Sequence[tuple[int, float]], count: int) -> list[tuple[bytes, float]]:
        """The keys of what a search found, as far as they are held."""
        near = [(self._key_of.get(number), similarity) for number, similarity in found]
        return [(key, similarity) for key, similarity in near if key is not None][:count]
