"""Warming: at boot the answers that saved most come from the durable tier into memory.

The cheapest kind there is: no model is called for it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from headrace.cache.record import Record
from headrace.cache.tier import TierFault

if TYPE_CHECKING:
    from headrace.cache.durable import DurableTier

_BATCH: Final = 64


async def warm_memory(
    durable: "DurableTier",
    *,
    limit: int,
    check: Callable[[bytes, bytes], Record | None],
    take: Callable[[Record], bool],
) -> int:
    """Bring the answers that saved most dollars into memory, the most first.

    Args:
        durable: where they are.
        limit: how many at most.
        check: makes a record of a key and what is held of it, where it still counts.
        take: puts a record into memory; says whether there is room for more.

    Returns:
        How many were brought; those of a tier that fails on the way stay where they are.
    """
    brought = 0
    try:
        top = [answer.key for answer in await durable.top(limit)]
        for start in range(0, len(top), _BATCH):
            keys = top[start : start + _BATCH]
            for record in _records(keys, await durable.get_many(keys), check):
                if not take(record):
                    return brought
                brought += 1
            await asyncio.sleep(0)  # requests come first
    except TierFault:
        pass  # whoever looks something up finds out, and tells
    return brought


def _records(
    keys: Sequence[bytes],
    values: dict[bytes, bytes],
    check: Callable[[bytes, bytes], Record | None],
) -> list[Record]:
    found = [check(key, values[key]) for key in keys if key in values]
    return [record for record in found if record is not None]
