"""The third tier: answers in a store that outlives the process, on disk or in a database."""

import contextlib
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, TypeVar

from headrace.cache.tier import Item, TierFault
from headrace.clock import Clock
from headrace.store.faults import StoreFault
from headrace.store.rows import AnswerRow, AnswerStats, TopAnswer

if TYPE_CHECKING:
    # Loading it would load a database driver, which nobody needs who has no store.
    from headrace.store.known_purges import KnownPurges
    from headrace.store.store import Store

Result = TypeVar("Result")


class DurableTier:
    """A store as a tier. It raises `TierFault` where the store fails, and waits no longer than it.

    Args:
        store: opened and closed by whoever made it, unless `close` is called.
        clock: the time.
    """

    name = "l3"

    def __init__(self, store: "Store", clock: Clock) -> None:
        self._store = store
        self._answers = store.answers
        self._clock = clock

    @property
    def known_purges(self) -> "KnownPurges":
        """What a shared server knows of purges, as the store has it."""
        return self._store.known_purges

    async def ready(self) -> None:
        """See that the store can be used; its tables are made where they are missing."""
        await self._do(self._store.ready())

    async def get(self, key: bytes) -> bytes | None:
        """The value of a key that has not expired; counts as a use of it."""
        return await self._do(self._answers.get(key, self._clock.wall_s()))

    async def put(self, items: Sequence[Item]) -> None:
        """Hold these in place of whatever their keys held; what is too large is left out."""
        rows = [
            AnswerRow(item.key, item.value, item.expires_s, item.scopes, item.worth_usd)
            for item in items
        ]
        await self._do(self._answers.put_many(rows, self._clock.wall_s()))

    async def remove(self, keys: Sequence[bytes]) -> None:
        """Hold these no longer."""
        await self._do(self._answers.remove(keys))

    async def close(self) -> None:
        """Write what waits, uses that were not counted yet too, and let go of everything."""
        with contextlib.suppress(TierFault):  # only ranks, and what is warmed, depend on it
            await self.maintain()
        await self._do(self._store.close())

    async def purge(self, scope: str) -> int:
        """Remove every answer of a scope; returns how many there were."""
        return await self._do(self._answers.purge(scope))

    def note_use(self, key: bytes, times: int = 1) -> None:
        """Count uses of a key in a tier above, so that it stays, and is warmed at the next start.

        Never waits, never raises.
        """
        self._answers.note_use(key, times)

    async def top(self, limit: int) -> list[TopAnswer]:
        """The answers that have saved most dollars, the most first: what is worth warming."""
        return await self._do(self._answers.top(limit, self._clock.wall_s()))

    async def get_many(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values of those that are held and have not expired; counts as no use."""
        return await self._do(self._answers.get_many(keys, self._clock.wall_s()))

    async def stats(self) -> AnswerStats:
        """What is held, by all processes that share the store."""
        return await self._do(self._answers.stats())

    async def maintain(self) -> int:
        """Upkeep, to be called every second or so; returns how many answers left."""
        left = await self._do(self._answers.maintain(self._clock.wall_s()))
        await self._do(self._store.leases.expire_batch(self._clock.wall_s()))
        return left

    async def forget_purges(self, keep_s: float) -> int:
        """Forget some purges that are older than any answer can be; returns how many.

        Args:
            keep_s: longest time from the beginning of a call until its answer has expired.
        """
        return await self._do(self._store.purges.forget(self._clock.wall_s() - keep_s))

    async def _do(self, work: Awaitable[Result]) -> Result:
        try:
            return await work
        except StoreFault as fault:
            raise TierFault(self.name, fault.message.rstrip(".")) from fault
