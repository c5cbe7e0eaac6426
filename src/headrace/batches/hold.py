"""Who runs a batch: one process at a time, by a lease that has to be renewed."""

from collections.abc import Callable
from typing import Final

from headrace.store.records.leases import RecordLeases

_RENEWALS: Final = 3
"""So often is a lease renewed in the time for which it is taken."""


class Hold:
    """The lease of one batch. Belongs to one event loop.

    Args:
        leases: of this process.
        batch_id: of the batch.
        ttl_s: after so long without a sign of life another process goes on with it.
        now_s: the time, monotonic seconds.
    """

    def __init__(
        self, leases: RecordLeases, batch_id: str, ttl_s: float, now_s: Callable[[], float]
    ) -> None:
        self._leases = leases
        self._name = lease_name(batch_id)
        self._ttl_s = ttl_s
        self._now_s = now_s
        self._until_s = float("-inf")

    @property
    def is_held(self) -> bool:
        """Whether nobody else can have it yet."""
        return self._now_s() < self._until_s

    @property
    def is_due(self) -> bool:
        """Whether it should be renewed."""
        return self._now_s() >= self._until_s - self._ttl_s + self._ttl_s / _RENEWALS

    async def take(self) -> bool:
        """Become, or stay, who runs it.

        Raises:
            StoreFault: the store could not be asked.
        """
        asked_s = self._now_s()
        token = await self._leases.take(self._name, self._ttl_s)
        self._until_s = float("-inf") if token is None else asked_s + self._ttl_s
        return token is not None

    async def give_back(self) -> None:
        """Let another process go on at once.

        Raises:
            StoreFault: the store could not be asked; it expires by itself.
        """
        if self.is_held:
            self._until_s = float("-inf")
            await self._leases.give_back(self._name)


def lease_name(batch_id: str) -> str:
    """What the lease of a batch is called."""
    return f"batch {batch_id}"
