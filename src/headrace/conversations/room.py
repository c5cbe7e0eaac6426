"""The room of conversations: its routes, and the end of what is kept."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from headrace.clock import Clock
from headrace.conversations.api import ConversationApi
from headrace.conversations.conversations import Conversations
from headrace.conversations.rows import NewId
from headrace.conversations.shelf import Shelf
from headrace.conversations.word_index import unindex_steps
from headrace.settings import Settings
from headrace.store.faults import StoreFault
from headrace.store.records.records import Records, Step
from headrace.store.voice import Say

SWEEP_S: Final = 60.0
# Deleted in one transaction, so that nobody waits long for its end.
_AT_ONCE: Final = 50
_DAY_S: Final = 86_400.0

_RESPONSE: Final = ("drop_answer", "drop_response")
_CONVERSATION: Final = ("drop_items", "drop_responses", "drop")

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class ConversationRoom:
    """Belongs to one event loop.

    Args:
        conversations: what requests recall and keep.
        records: where it is kept.
        new_id: makes ids.
        clock: the time.
        spawn: starts the task that deletes; `None` where another worker does.
        say: tells the operator what fails.
    """

    def __init__(
        self,
        conversations: Conversations,
        records: Records,
        *,
        new_id: NewId,
        clock: Clock,
        spawn: Spawn | None,
        say: Say,
    ) -> None:
        self._conversations = conversations
        self._records = records
        self._clock = clock
        self._spawn = spawn
        self._say = say
        self._api = ConversationApi(Shelf(records, new_id, clock), conversations)
        self._sweeping: asyncio.Task[None] | None = None

    @property
    def routes(self) -> Sequence[Any]:
        """Its routes."""
        return self._api.routes

    @property
    def is_busy(self) -> bool:
        """Whether something runs that should end before the worker does: nothing ever does."""
        return False

    async def start(self) -> None:
        """Begin to delete what is old, from time to time."""
        if self._spawn is not None:
            self._sweeping = self._spawn(self._keep_sweeping())

    def adopt(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        self._conversations.adopt(settings.conversations)

    def stop(self) -> None:
        """Begin nothing new."""
        if self._sweeping is not None:
            self._sweeping.cancel()

    async def close(self) -> None:
        """Nothing runs that has to end."""

    async def sweep(self) -> int:
        """Delete what has not been used for its time, a little at once; says how much that was.

        Raises:
            StoreFault: the store failed.
        """
        days = self._conversations.settings.retention_days
        before = {"before_s": self._clock.wall_s() - days * _DAY_S, "many": _AT_ONCE}
        deleted = 0
        for query, steps in (("old_responses", _RESPONSE), ("old", _CONVERSATION)):
            found = await self._records.fetch(f"conversations.{query}", before)
            if found:
                values = [{"id": row["id"], "tenant": row["tenant"]} for row in found]
                which = steps[0].removeprefix("drop_")
                await self._records.write(
                    *unindex_steps(self._records.dialect, which, values),
                    *(Step(f"conversations.{name}", values) for name in steps),
                )
            deleted += len(found)
        return deleted

    async def _keep_sweeping(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                while await self.sweep():
                    pass  # each sweep waits for the store, and others have their turns meanwhile
            except StoreFault as fault:
                self._say("warning", "conversation_sweep_failed", detail=fault.message)
