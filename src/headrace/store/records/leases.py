"""Leases on work that only one process shall do, with fencing tokens (Kleppmann 2016, "How to do
distributed locking")."""

from headrace.clock import Clock
from headrace.store.records.records import Records, Step


class RecordLeases:
    """Takes, keeps and gives back leases for one holder.

    On SQLite the time is this machine's, on PostgreSQL the server's.

    Args:
        records: where they stand.
        clock: the time.
        holder: who takes them; unique among processes.
    """

    def __init__(self, records: Records, clock: Clock, holder: str) -> None:
        self._records = records
        self._clock = clock
        self._holder = holder

    async def take(self, name: str, ttl_s: float) -> int | None:
        """Become, or stay, who holds a lease.

        Args:
            name: of the work.
            ttl_s: seconds until another may take it.

        Returns:
            The token, which grows with every change of the holder; None where another holds it.

        Raises:
            StoreFault: the store could not be asked.
        """
        values: dict[str, object] = {"name": name, "holder": self._holder, "ttl_s": ttl_s}
        values["now_s"] = self._clock.wall_s()
        (rows,) = await self._records.write(Step("leases.take", values))
        return int(rows[0]["token"]) if rows else None

    async def give_back(self, name: str) -> None:
        """Let another take it at once.

        Raises:
            StoreFault: the store could not be asked; it expires by itself.
        """
        await self._records.write(Step("leases.give_back", {"name": name, "holder": self._holder}))
