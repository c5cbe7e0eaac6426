"""Policies by name."""

from typing import Literal

from headrace.cache.policy.base import Key, Policy
from headrace.cache.policy.gdsf import GdsfPolicy
from headrace.cache.policy.lru import LruPolicy
from headrace.cache.policy.s3fifo import S3FifoPolicy
from headrace.cache.policy.selector import Score, SelectingPolicy

PolicyName = Literal["auto", "gdsf", "lru", "s3fifo"]


def make_policy(
    name: PolicyName,
    *,
    bytes_max: int,
    entries_max: int,
    score: Score = "dollars",
    seed: int = 0,
) -> Policy[Key]:
    """A new policy.

    Args:
        name: which one; `auto` chooses by what it sees.
        bytes_max: room of the cache it decides for, in bytes.
        entries_max: likewise, in keys.
        score: what `auto` and `gdsf` are to save; the others know no worth.
        seed: of samples and sketches; the same seed and keys make the same decisions.
    """
    if name == "auto":
        return SelectingPolicy[Key](
            bytes_max=bytes_max, entries_max=entries_max, score=score, seed=seed
        )
    if name == "gdsf":
        return GdsfPolicy[Key](is_priced=score == "dollars", seed=seed)
    return S3FifoPolicy[Key]() if name == "s3fifo" else LruPolicy[Key]()
