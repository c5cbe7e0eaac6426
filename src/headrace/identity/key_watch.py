"""The keys of the store as one process sees them: looked at again and again, and kept in a file."""

import asyncio
from collections.abc import Callable, Collection
from typing import Final

import msgspec

from headrace.clock import Clock
from headrace.identity.key_mirror import KeyMirror
from headrace.identity.key_records import NOT_SEEN, KeysSeen
from headrace.identity.key_store import KeyStore
from headrace.store.faults import StoreFault
from headrace.store.voice import Say

Names = Collection[tuple[str | None, str | None]]

LOOK_INTERVAL_S: Final = 0.25
USES_INTERVAL_S: Final = 60.0
_CLOSE_LIMIT_S: Final = 1.0
_TOLD_MAX: Final = 5


class KeyWatch:
    """Belongs to one event loop. What it saw before this process began is there from the start.

    Args:
        store: the keys.
        mirror: the copy of them on disk.
        clock: the time.
        say: told when the store cannot be asked, and when it can be again.
        on_change: told that `seen` is another.
        uses: gives tenant and name of each key that was used since it was asked last.
        has_store: whether there is anything to look at yet; a file that nobody has made holds none.

    Attributes:
        seen: the keys as they were seen last.
    """

    def __init__(
        self,
        store: KeyStore,
        mirror: KeyMirror,
        *,
        clock: Clock,
        say: Say,
        on_change: Callable[[], None],
        uses: Callable[[], Names],
        has_store: Callable[[], bool],
    ) -> None:
        before = mirror.read()
        self.seen: KeysSeen = NOT_SEEN if before is None else before
        self._store = store
        self._mirror = mirror
        self._clock = clock
        self._say = say
        self._on_change = on_change
        self._has_store = has_store
        self._looked_s: float | None = None
        self._failed_s: float | None = None
        self._is_adopted = True
        self._lock = asyncio.Lock()
        self._uses = uses
        self._uses_due_s = clock.monotonic_s() + USES_INTERVAL_S
        if not has_store() and before is None:
            self.seen = KeysSeen()

    @property
    def age_s(self) -> float:
        """Seconds since the store was last asked in vain for the first time; 0 while it answers."""
        return 0.0 if self._failed_s is None else self._clock.monotonic_s() - self._failed_s

    async def close(self) -> None:
        """Note when keys were used, if that is quick."""
        try:
            async with asyncio.timeout(_CLOSE_LIMIT_S):
                await self._note_uses()
        except (StoreFault, TimeoutError):
            return

    async def catch_up(self, timeout_s: float) -> None:
        """Look once, within a limit."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.look()
        except (StoreFault, TimeoutError) as fault:
            self._failed(fault)

    async def look(self) -> None:
        """See whether there are other keys.

        Raises:
            StoreFault: the store cannot be asked.
        """
        if not self._has_store():
            return
        async with self._lock:
            change = await self._store.change()
            if change != self.seen.change or self._looked_s is None or not self._is_adopted:
                await self._adopt(await self._store.look())
            self._looked_s = self._clock.monotonic_s()
        if self._failed_s is not None:
            self._failed_s = None
            self._say("info", "keys_seen_again", detail="the store tells of keys again")

    async def _adopt(self, seen: KeysSeen) -> None:
        if self.seen.had_keys and not seen.had_keys:  # a gateway never opens by itself
            seen = msgspec.structs.replace(seen, had_keys=True)
        is_other = seen != self.seen or not self._is_adopted
        if seen.unread and seen.unread != self.seen.unread:
            some = ", ".join(seen.unread[:_TOLD_MAX])
            self._say("error", "keys_unreadable", detail=f"{len(seen.unread)} keys: {some}")
        self.seen, self._is_adopted = seen, not is_other
        if is_other:
            self._on_change()
            self._is_adopted = True  # else they are gone by at the next look
        if is_other or not self._mirror.path.exists():
            await self._keep(seen)

    async def _keep(self, seen: KeysSeen) -> None:
        try:
            await asyncio.to_thread(self._mirror.write, seen)
        except OSError as error:
            self._say(
                "warning",
                "keys_not_kept",
                about=str(self._mirror.path),
                detail=f"{error.strerror}: a start without the store would know no keys of it",
            )

    async def look_on(self) -> None:
        """Look again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            try:
                await self.look()
                if self._clock.monotonic_s() >= self._uses_due_s:
                    await self._note_uses()
            except StoreFault as fault:
                self._failed(fault)

    async def _note_uses(self) -> None:
        self._uses_due_s = self._clock.monotonic_s() + USES_INTERVAL_S
        used, now_s = self._uses(), self._clock.wall_s()
        records = self.seen.records if used else ()
        await self._store.used(
            {each.id: now_s for each in records if (each.tenant, each.name) in used}
        )

    def _failed(self, fault: Exception) -> None:
        if self._failed_s is None:
            self._failed_s = self._clock.monotonic_s()
            why = str(fault) or "it took too long"
            known = "those seen last count" if self.seen.is_known else "callers are told to wait"
            self._say("warning", "keys_not_seen", detail=f"{why}; {known}")
