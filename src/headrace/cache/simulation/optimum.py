"""What no policy can beat, even one that knows the future."""

from array import array
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from headrace.cache.simulation.replay import Score, score
from headrace.cache.simulation.trace import Trace


class Optimum:
    """Bounds on what a cache can save of one trace.

    Args:
        trace: what is asked.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._next_uses = next_uses(trace.keys)

    def unbounded(self) -> Score:
        """What a cache saves that holds everything: every repeat."""
        trace = self._trace
        repeats = [use for use in self._next_uses if use]
        answer_bytes = sum(trace.sizes[n] for n in repeats) - len(repeats) * trace.overhead_bytes
        return score(
            trace,
            len(repeats),
            answer_bytes,
            sum(trace.costs_usd[n] for n in repeats),
            sum(trace.latencies_s[n] for n in repeats),
        )

    def bound(self, capacity_bytes: int) -> Score:
        """What a cache of `capacity_bytes` can save at most, each share by itself.

        With answers of one size the hit rate is exact: Belady's MIN. Everything else is an upper
        bound, for the exact optimum is NP-hard where sizes differ. An answer that is kept from
        one use to the next takes its bytes times the requests in between. All that is kept can
        take no more than the cache times all requests; so whatever saves most for what it takes
        is kept first, the last one in part. The relaxation is that of PFOO (Berger, Beckmann,
        Harchol-Balter: Practical Bounds on Optimal Caching with Variable Object Sizes, 2018),
        with dollars, bytes and seconds beside hits.
        """
        trace = self._trace
        if trace.is_uniform:
            hits: float = belady_hits(self._next_uses, capacity_bytes // trace.sizes[0])
        else:
            hits = self._relaxed(array("d", [1.0]) * len(trace), capacity_bytes)
        answer_bytes = array("d", (size - trace.overhead_bytes for size in trace.sizes))
        return score(
            trace,
            hits,
            self._relaxed(answer_bytes, capacity_bytes),
            self._relaxed(trace.costs_usd, capacity_bytes),
            self._relaxed(trace.latencies_s, capacity_bytes),
        )

    def _relaxed(self, gains: Sequence[float], capacity_bytes: int) -> float:
        room = float(capacity_bytes) * len(self._trace)
        gained = 0.0
        kept = [(gains[use] / takes, takes) for use, takes in self._kept(capacity_bytes)]
        kept.sort(reverse=True)
        for density, takes in kept:
            if takes >= room:
                return gained + density * room
            gained += density * takes
            room -= takes
        return gained

    def _kept(self, capacity_bytes: int) -> Iterator[tuple[int, float]]:
        """The use that keeping an answer serves, and the bytes times requests that it takes."""
        for number, (use, size) in enumerate(zip(self._next_uses, self._trace.sizes, strict=True)):
            if use and size <= capacity_bytes:
                yield use, float(size) * (use - number)


def next_uses(keys: Sequence[int]) -> "array[int]":
    """For each request the number of the next one for its key, 0 where there is none."""
    found = array("q", [0]) * len(keys)
    next_by_key: dict[int, int] = {}
    for number in range(len(keys) - 1, -1, -1):
        key = keys[number]
        found[number] = next_by_key.get(key, 0)
        next_by_key[key] = number
    return found


def belady_hits(next_uses: Sequence[int], entries_max: int) -> int:
    """The most hits that a cache of `entries_max` entries of one size can have.

    Belady's MIN, free to store nothing: who is used next at the latest leaves (L. A. Belady, A
    study of replacement algorithms for a virtual-storage computer, 1966).

    Args:
        next_uses: as `next_uses` gives them.
        entries_max: size of the cache.
    """
    hits = 0
    held: set[int] = set()  # by the request that will use it
    latest: list[int] = []
    for number, use in enumerate(next_uses):
        if number in held:
            held.discard(number)
            hits += 1
        if use:
            held.add(use)
            heappush(latest, -use)
            if len(held) > entries_max:
                held.discard(-heappop(latest))
    return hits
