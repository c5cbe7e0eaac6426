"""Calls of one session at one target, so that the provider's prompt cache is warm. Pure.

Rendezvous hashing (Thaler, Ravishankar 1996): each session ranks the targets by a number that both
have together, and takes the first. Where a target leaves, its sessions alone go elsewhere, and
come back with it. Bounded loads (Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded
Loads", 2016): one that has its share of the calls under way and a quarter more is passed over, so
that a session that asks a lot does not drown its target.
"""

from collections.abc import Sequence
from hashlib import blake2b
from math import ceil, log
from typing import Final, Protocol

from headrace.routing.load import Load

LOAD_BOUND: Final = 1.25
_DIGEST_BYTES: Final = 6  # 48 bits and a half, which a float holds exactly
_DIGESTS: Final = 256**_DIGEST_BYTES


class Otherwise(Protocol):
    """Who chooses for calls of no session."""

    def choose(self, loads: Sequence[Load], now_s: float, session: bytes = b"") -> Load:
        """One of `loads`."""
        ...


class StickyBalance:
    """The same target for the same session, as long as it is there and not overloaded.

    Args:
        otherwise: chooses for calls of no session.
        bound: how far above its share of the calls under way a target may be; above 1.

    Raises:
        ValueError: the bound leaves no room.
    """

    __slots__ = ("_bound", "_otherwise")

    def __init__(self, otherwise: Otherwise, *, bound: float = LOAD_BOUND) -> None:
        if not bound > 1:
            raise ValueError(f"the bound is above 1, and not {bound}")
        self._otherwise = otherwise
        self._bound = bound

    def choose(self, loads: Sequence[Load], now_s: float, session: bytes = b"") -> Load:
        """The first of the session's ranking that is not above its bound."""
        if not session:
            return self._otherwise.choose(loads, now_s)
        inflight, weights = 1, 0.0
        for load in loads:
            inflight += load.inflight
            weights += load.weight
        per_weight = self._bound * inflight / weights
        best, best_rank = loads[0], 0.0
        for load in loads:
            # Their bounds add up to more than all calls, so one of them is below its own.
            if load.inflight + 1 <= ceil(per_weight * load.weight):
                rank = rank_of(session, load)
                if rank > best_rank:
                    best, best_rank = load, rank
        return best


def rank_of(session: bytes, load: Load) -> float:
    """Where a session ranks a target: the highest is its own."""
    return rank(b"%b\0%b" % (session, load.name.encode()), load.weight)


def rank(both: bytes, weight: float) -> float:
    """How high two rank each other, by a number that they have together.

    Weighted as by Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", 2005: the share
    of the sessions that rank a target highest is that of its weight.
    """
    digest = blake2b(both, digest_size=_DIGEST_BYTES).digest()
    uniform = (int.from_bytes(digest) + 0.5) / _DIGESTS
    return -weight / log(uniform)
