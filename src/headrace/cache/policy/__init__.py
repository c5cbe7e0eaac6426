"""Eviction policies: which key leaves when the cache is full."""

from headrace.cache.policy.base import Policy
from headrace.cache.policy.lru import LruPolicy

__all__ = ("LruPolicy", "Policy")
