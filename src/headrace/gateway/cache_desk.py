"""What is asked of the cache as a whole: how it does, and that it forget something everywhere."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from headrace.cache.memory import MemoryCache
from headrace.cache.purges import PurgeLedger
from headrace.cache.tier import TierFault
from headrace.cache.tiers import TierStack
from headrace.observe.metrics import Metrics

KEY = "key:"


class Announcer(Protocol):
    """Numbers purges for all who share a tier, and tells everybody of them."""

    async def publish(self, scope: str) -> int:
        """Announce the purge of a scope; returns its number.

        Raises:
            TierFault: nobody could be told.
        """
        ...


class CacheDesk:
    """Belongs to one event loop.

    Args:
        memory: the nearest tier.
        tiers: those below it.
        ledger: what has been purged.
        announcer: tells the others; `None` where there are none.
        metrics: counts.
    """

    def __init__(
        self,
        *,
        memory: MemoryCache,
        tiers: Callable[[], TierStack | None],
        ledger: PurgeLedger,
        announcer: Callable[[], Announcer | None],
        metrics: Metrics,
    ) -> None:
        self._memory = memory
        self._tiers = tiers
        self._ledger = ledger
        self._announcer = announcer
        self._metrics = metrics

    def told(self) -> Mapping[str, Any]:
        """How the cache does, as plain data without secrets."""
        tiers = self._tiers()
        return {
            "memory": {"entries": len(self._memory), "bytes": self._memory.bytes_held},
            "tiers": tiers.states if tiers is not None else {},
            "waiting_writes": tiers.waiting if tiers is not None else 0,
            "purges": self._ledger.latest,
            **self._metrics.cache_books(),
        }

    async def purge(self, scope: str) -> Mapping[str, Any]:
        """Forget a scope, here and wherever the same tiers are shared.

        Args:
            scope: `all`, `key:HEX`, `tag:NAME`, `model:PROVIDER/MODEL` or `tenant:NAME`.
        """
        announcer = self._announcer()
        reach = "this process"
        number = 0
        if announcer is not None:
            try:
                number = await announcer.publish(scope)
                reach = "every process that shares a tier"
            except TierFault as fault:
                reach = f"this process only: {fault.why}"
        self.apply(scope, number or self._ledger.latest + 1)
        tiers = self._tiers()
        if tiers is not None and scope.startswith(KEY):
            await tiers.remove([bytes.fromhex(scope.removeprefix(KEY))])
        return {"purged": scope, "number": self._ledger.latest, "reach": reach}

    def apply(self, scope: str, number: int) -> None:
        """A scope was purged, here or elsewhere."""
        self._ledger.apply(scope, number)
        self._metrics.cache_purges.increment()
        if scope == "all":
            self._memory.clear()
        elif scope.startswith(KEY):
            self._memory.purge_key(bytes.fromhex(scope.removeprefix(KEY)))
