"""Tiers for tests, each with what it needs to run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from headrace.cache.valkey import ValkeyTier
from headrace.gateway.tasks import Tasks

FAR_S = 4_000_000_000.0
"""A time that no test lives to see, wall-clock seconds."""


@asynccontextmanager
async def valkey_tier(url: str, **options: Any) -> AsyncIterator[ValkeyTier]:
    """A tier at `url`; nothing of it is left in the end, and nothing in it may fail unexpectedly.

    Args:
        url: where its server is.
        options: what it is made with, besides the defaults of tests.
    """
    bugs: list[BaseException] = []
    tasks = Tasks(bugs.append)
    options = {"prefix": "test", "timeout_s": 5.0, **options}
    tier = ValkeyTier(url, spawn=tasks.spawn, **options)
    try:
        yield tier
    finally:
        await tier.close()
        await tasks.close()
        assert bugs == []
