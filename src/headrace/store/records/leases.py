"""Leases on work that only one process shall do, with fencing tokens (Kleppmann 2016, "How to do
distributed locking")."""

from typing import Final

from headrace.clock import Clock
from headrace.store.records.records import Records, Step

# No lease is taken for longer, and one that lasts longer yet was taken by a wrong clock.
_LEFT_S_MAX: Final = 3_660.0


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
        self._beyond: dict[str, tuple[float, float]] = {}

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
        if not rows and await self._has_ended_lost(values, ttl_s):
            (rows,) = await self._records.write(Step("leases.take", values))
        if rows:
            self._beyond.pop(name, None)
        return int(rows[0]["token"]) if rows else None

    async def _has_ended_lost(self, values: dict[str, object], ttl_s: float) -> bool:
        """End a lease that lasts longer than it can, and that nobody renews.

        It was taken while the clock was ahead; its holder would have renewed it since, by the
        clock as it is now.
        """
        name, now_s = str(values["name"]), self._clock.monotonic_s()
        told = {"name": name, "now_s": values["now_s"]}
        (held,) = await self._records.fetch("leases.held", told) or ({"left_s": 0.0},)
        if held["left_s"] <= max(ttl_s, _LEFT_S_MAX):
            self._beyond.pop(name, None)
            return False
        expires_s, since_s = self._beyond.get(name, (None, now_s))
        if expires_s != held["expires_s"]:
            since_s = now_s
        self._beyond[name] = held["expires_s"], since_s
        if now_s - since_s < ttl_s:
            return False
        await self._records.write(
            Step("leases.end", {"name": name, "expires_s": held["expires_s"]})
        )
        return True

    async def give_back(self, name: str) -> None:
        """Let another take it at once.

        Raises:
            StoreFault: the store could not be asked; it expires by itself.
        """
        await self._records.write(Step("leases.give_back", {"name": name, "holder": self._holder}))
