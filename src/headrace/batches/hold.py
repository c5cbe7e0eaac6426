"""Who runs a batch: one process at a time, by a lease that has to be renewed."""

from collections.abc import Callable
from typing import Final

from headrace.store.records.leases import RecordLeases

TTL_S: Final = 9.0
"""After this without a sign of life another process goes on with a batch."""
RENEW_S: Final = 3.0


class Hold:
    """The lease of one batch. Belongs to one event loop.

    Args:
        leases: of this process.
        batch_id: of the batch.
        now_s: the time, monotonic seconds.
    """

    def __init__(self, leases: RecordLeases, batch_id: str, now_s: Callable[[], float]) -> None:
        self._leases = leases
        self._name = lease_name(batch_id)
        self._now_s = now_s
        self._until_s = float("-inf")

    @property
    def is_held(self) -> bool:
        """Whether nobody else can have it yet."""
        return self._now_s() < self._until_s

    @property
    def is_due(self) -> bool:
        """Whether it should be renewed."""
        return self._now_s() >= self._until_s - TTL_S + RENEW_S

    async def take(self) -> bool:
        """Become, or stay, who runs it.

        Raises:
            StoreFault: the store could not be asked.
        """
        asked_s = self._now_s()
        token = await self._leases.take(self._name, TTL_S)
        self._until_s = float("-inf") if token is None else asked_s + TTL_S
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
