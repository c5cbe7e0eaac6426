"""The policies that are held against each other."""

from typing import Final

from headrace.cache.policy import LruPolicy, Policy

POLICIES: Final = ("lru",)


def make_contender(name: str, capacity_bytes: int) -> Policy[int]:  # noqa: ARG001
    """A new policy for a cache of so many bytes.

    Args:
        name: one of `POLICIES`.
        capacity_bytes: what the cache may hold.
    """
    return LruPolicy()
