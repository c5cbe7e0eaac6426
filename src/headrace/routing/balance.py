"""Which of several targets that could all serve a call is to serve it. Pure.

A balancer is given those that may be asked now: what is ejected, open or out of quota has been left
out before. Each chooses in no more than a few steps for each target.
"""

from collections.abc import Callable, Sequence
from math import inf
from typing import Final, Literal, Protocol

from headrace.routing.load import Load
from headrace.routing.sticky import StickyBalance

BalanceName = Literal["weighted", "least-loaded", "latency", "cost", "quota", "sticky"]

# Times that differ by no more than this factor are alike.
_ALIKE: Final = 1.1


class Balance(Protocol):
    """A way to choose."""

    def choose(self, loads: Sequence[Load], now_s: float, session: bytes = b"") -> Load:
        """One of `loads`, of which there is at least one.

        Args:
            loads: those that may be asked.
            now_s: monotonic seconds.
            session: what calls that should stay together have in common; empty for none.
        """
        ...


class WeightedBalance:
    """By weight, evenly spread: the smooth weighted round robin of nginx.

    Of weights 3 and 1, the sequence is a a b a, and not a a a b. No chance is needed.
    """

    __slots__ = ()

    def choose(self, loads: Sequence[Load], now_s: float, session: bytes = b"") -> Load:  # noqa: ARG002
        """The one that is furthest behind its share."""
        best, total = loads[0], 0.0
        for load in loads:
            load.turn += load.weight
            total += load.weight
            if load.turn > best.turn:
                best = load
        best.turn -= total
        return best


class LeastLoadedBalance:
    """The less busy of two drawn by lot, by peak EWMA and calls under way.

    Two choices keep the busiest nearly as idle as if all were looked at (Mitzenmacher, "The Power
    of Two Choices in Randomized Load Balancing", 2001), and many workers that know nothing of each
    other do not all run to the same one. Weights divide the load.

    Args:
        uniform: draws numbers from 0 to 1, 1 excluded.
    """

    __slots__ = ("_uniform",)

    def __init__(self, uniform: Callable[[], float]) -> None:
        self._uniform = uniform

    def choose(self, loads: Sequence[Load], now_s: float, session: bytes = b"") -> Load:  # noqa: ARG002
        """The less busy of two."""
        count = len(loads)
        if count == 1:
            return loads[0]
        one = int(self._uniform() * count)
        two = int(self._uniform() * (count - 1))
        first, second = loads[one], loads[two + 1 if two >= one else two]
        first_s = first.waiting_s(now_s) / first.weight
        second_s = second.waiting_s(now_s) / second.weight
        if first_s == second_s:
            # Nothing is known of either: the calls under way are.
            return second if second.inflight < first.inflight else first
        return first if first_s < second_s else second


class LatencyBalance:
    """The fastest of late. What is slow is tried again as its time is forgotten.

    Among those that are as fast, to within a tenth, the one with the fewest calls under way.
    """

    __slots__ = ()

    def choose(self, loads: Sequence[Load], now_s: float, session: bytes = b"") -> Load:  # noqa: ARG002
        """The fastest."""
        times_s = [load.latency_s(now_s) for load in loads]
        bound_s = min(times_s) * _ALIKE
        alike = [load for load, time_s in zip(loads, times_s, strict=True) if time_s <= bound_s]
        return min(alike, key=_inflight)


class CostBalance:
    """The cheapest; the less busy of those that cost the same."""

    __slots__ = ()

    def choose(self, loads: Sequence[Load], now_s: float, session: bytes = b"") -> Load:  # noqa: ARG002
        """The cheapest."""
        best, best_cost, best_s = loads[0], inf, inf
        for load in loads:
            if load.cost < best_cost or (load.cost == best_cost and load.waiting_s(now_s) < best_s):
                best, best_cost, best_s = load, load.cost, load.waiting_s(now_s)
        return best


class QuotaBalance:
    """The one with the largest share of its quota left; the fewest calls under way among equals."""

    __slots__ = ()

    def choose(self, loads: Sequence[Load], now_s: float, session: bytes = b"") -> Load:  # noqa: ARG002
        """The one with most left."""
        best = loads[0]
        for load in loads:
            if load.quota_left > best.quota_left or (
                load.quota_left == best.quota_left and load.inflight < best.inflight
            ):
                best = load
        return best


def make_balance(name: BalanceName, uniform: Callable[[], float]) -> Balance:
    """The balancer of this name.

    Args:
        name: as settings name it.
        uniform: draws numbers from 0 to 1, 1 excluded.
    """
    match name:
        case "weighted":
            return WeightedBalance()
        case "least-loaded":
            return LeastLoadedBalance(uniform)
        case "latency":
            return LatencyBalance()
        case "cost":
            return CostBalance()
        case "quota":
            return QuotaBalance()
        case "sticky":
            return StickyBalance(LeastLoadedBalance(uniform))


def _inflight(load: Load) -> int:
    return load.inflight
