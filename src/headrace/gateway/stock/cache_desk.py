"""What is asked of the cache as a whole: how it does, and that it forget something everywhere."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from headrace.cache.entry import KEY_PREFIX
from headrace.cache.memory import MemoryCache
from headrace.cache.purges import ALL, PurgeLedger
from headrace.cache.tiers import TierStack
from headrace.gateway.stock.foresight import NOTHING_FORESEEN, Foresight
from headrace.gateway.stock.lifetimes import Lifetimes
from headrace.gateway.stock.meanings import Meanings
from headrace.observe.metrics import Metrics


class CacheDesk:
    """Belongs to one event loop.

    Args:
        memory: the nearest tier.
        tiers: those below it, where there are any.
        ledger: what has been purged.
        announce: purges a scope for all who share a tier; says how far that reached.
        metrics: counts.
        lifetimes: how long answers are fresh, where that is learnt.
        meanings: answers to questions that mean the same, where that is wanted.
        foresight: what will be used again, where that is foreseen.
    """

    def __init__(
        self,
        *,
        memory: MemoryCache,
        tiers: TierStack | None,
        ledger: PurgeLedger,
        announce: Callable[[str], Awaitable[str]],
        metrics: Metrics,
        lifetimes: Lifetimes | None,
        meanings: Meanings | None,
        foresight: Foresight | None,
    ) -> None:
        self._memory = memory
        self._tiers = tiers
        self._ledger = ledger
        self._announce = announce
        self._metrics = metrics
        self._lifetimes = lifetimes
        self._meanings = meanings
        self._foresight = foresight

    def told(self) -> Mapping[str, Any]:
        """How the cache does, as plain data without secrets."""
        tiers = self._tiers
        return {
            "memory": {"entries": len(self._memory), "bytes": self._memory.bytes_held},
            "policy": msgspec.to_builtins(self._memory.selector),
            "tiers": tiers.states if tiers is not None else {},
            "waiting_writes": sum(tiers.waiting.values()) if tiers is not None else 0,
            "purges": self._ledger.latest,
            "lifetimes": self._lifetimes.told() if self._lifetimes is not None else [],
            "semantic": self._meanings.told() if self._meanings is not None else None,
            **(self._foresight.told() if self._foresight is not None else NOTHING_FORESEEN),
            **self._metrics.cache_books(),
        }

    async def purge(self, scope: str) -> Mapping[str, Any]:
        """Forget a scope, here and wherever the same tiers are shared.

        Args:
            scope: `all`, `key:HEX`, `tag:NAME`, `model:PROVIDER/MODEL` or `tenant:NAME`.
        """
        self._metrics.cache_purges.increment()
        reach = await self._announce(scope)
        tiers = self._tiers
        if tiers is not None and scope.startswith(KEY_PREFIX):
            await tiers.remove([bytes.fromhex(scope.removeprefix(KEY_PREFIX))])
        return {"purged": scope, "reach": reach}

    def purged(self, scope: str, number: int) -> None:  # noqa: ARG002
        """The ledger has learnt of a purge: let what can be found at once go at once."""
        if scope == ALL:
            self._memory.clear()
            if self._meanings is not None:
                self._meanings.forget_all()
        elif scope.startswith(KEY_PREFIX):
            self._memory.purge_key(bytes.fromhex(scope.removeprefix(KEY_PREFIX)))
