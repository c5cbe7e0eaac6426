"""Eviction policies: which key leaves when the cache is full."""

from headrace.cache.policy.base import Policy
from headrace.cache.policy.gdsf import GdsfPolicy
from headrace.cache.policy.lru import LruPolicy
from headrace.cache.policy.s3fifo import S3FifoPolicy

__all__ = ("GdsfPolicy", "LruPolicy", "Policy", "S3FifoPolicy")
