"""The toolkit: caches for functions and values, usable without the gateway."""

from headrace.toolkit.cache import Cache
from headrace.toolkit.decorator import cached
from headrace.toolkit.stats import CacheErrors, CacheInfo, CacheStats

__all__ = ("Cache", "CacheErrors", "CacheInfo", "CacheStats", "cached")
