"""The policies that are held against each other."""

from typing import Final

from headrace.cache.policy import Policy, PolicyName, make_policy

POLICIES: Final[tuple[PolicyName, ...]] = ("lru", "s3fifo", "gdsf", "auto")


def make_contender(name: str, capacity_bytes: int) -> Policy[int]:
    """A new policy for a cache of so many bytes, and of as many keys as fit in.

    Args:
        name: one of `POLICIES`.
        capacity_bytes: what the cache may hold.

    Raises:
        KeyError: there is no such policy.
    """
    known: dict[str, PolicyName] = {policy: policy for policy in POLICIES}
    return make_policy(known[name], bytes_max=capacity_bytes, entries_max=capacity_bytes)
