"""Eviction policies: which key leaves when the cache is full."""

from headrace.cache.policy.base import Policy
from headrace.cache.policy.gdsf import GdsfPolicy
from headrace.cache.policy.lru import LruPolicy
from headrace.cache.policy.make import PolicyName, make_policy
from headrace.cache.policy.s3fifo import S3FifoPolicy
from headrace.cache.policy.selector import Score, SelectingPolicy, SelectorState

__all__ = (
    "GdsfPolicy",
    "LruPolicy",
    "Policy",
    "PolicyName",
    "S3FifoPolicy",
    "Score",
    "SelectingPolicy",
    "SelectorState",
    "make_policy",
)
