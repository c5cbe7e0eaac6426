"""What was said before a request, and what is said now."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from headrace.clock import Clock
from headrace.conversations import faults, rows
from headrace.conversations.rows import NewId, Row
from headrace.conversations.word_index import index_steps
from headrace.dialects.responses.items import Item
from headrace.dialects.responses.request import Asked
from headrace.settings.conversations import ConversationSettings
from headrace.store.faults import StoreBusy, StoreFault, StoreTimeout
from headrace.store.records.records import Records, Step
from headrace.store.voice import Say

Result = TypeVar("Result")

# A store that failed is left alone for so long: nobody waits for what will hardly come.
REST_S: Final = 2.0
REFERENCES_MAX: Final = 1_000
"""Items that one request may only name."""
# No conversation within its bytes has more.
_ITEMS_MAX: Final = 1 << 20


class Thread(msgspec.Struct, frozen=True):
    """A conversation as it was when a request came.

    Attributes:
        items: what was said, the oldest first.
        turns: how many responses in a row there were.
        bytes: how much it is.
    """

    items: Sequence[Item] = ()
    turns: int = 0
    bytes: int = 0


NOTHING: Final = Thread()


class Conversations:
    """Recalls and keeps. Belongs to one event loop; opens nothing before its first use.

    Args:
        records: where it is kept.
        settings: what may be kept.
        new_id: makes ids.
        clock: the time.
        say: tells the operator what fails.
    """

    def __init__(
        self,
        records: Records,
        settings: ConversationSettings,
        new_id: NewId,
        clock: Clock,
        say: Say,
    ) -> None:
        self.settings = settings
        self._records = records
        self._new_id = new_id
        self._clock = clock
        self._say = say
        self._rests_until_s = 0.0

    def adopt(self, settings: ConversationSettings) -> None:
        """Go by other settings from now on."""
        self.settings = settings

    def keeps(self, asked: Asked) -> bool:
        """Whether the response to a request is kept."""
        return asked.stores and self.settings.enabled

    async def resolve(self, tenant: str, asked: Asked) -> Asked:
        """A request with the items that it only names.

        Raises:
            NotFound: one is not there.
            InvalidRequest: nothing is kept here, or it is too much to go on from.
            Overloaded: the store cannot be reached.
        """
        if not self.settings.enabled:
            raise faults.turned_off("input")
        references = asked.references
        if len(references) > REFERENCES_MAX:
            raise faults.too_many_references(len(references), REFERENCES_MAX)
        what = "What was said before cannot be read"
        try:
            kept, size = await self._within(lambda: self._named(tenant, references))
        except StoreFault as fault:
            self._tell(what, fault)
            raise faults.unreachable(what) from None
        for item_id in references:
            if item_id not in kept:
                raise faults.no_item(item_id, "input")
        return asked.with_items(kept, size)

    async def recall(self, tenant: str, asked: Asked) -> Thread:
        """What a request goes on from.

        Raises:
            NotFound: there is no such conversation.
            InvalidRequest: there is no such response, or a part of it was deleted; nothing is kept
                here, or it is too much to go on from.
            Overloaded: the store cannot be reached.
        """
        param = "previous_response_id" if asked.previous_id else "conversation"
        if not self.settings.enabled:
            raise faults.turned_off(param)
        what = "What was said before cannot be read"
        try:
            if asked.previous_id:
                return await self._within(lambda: self._chain(tenant, asked))
            return await self._within(lambda: self._said(tenant, asked))
        except StoreFault as fault:
            self._tell(what, fault)
            raise faults.unreachable(what) from None

    async def keep(
        self, tenant: str, thread: Thread | None, asked: Asked, response: dict[str, Any]
    ) -> bool:
        """Keep a response, and what was said to get it.

        Args:
            tenant: whose it is.
            thread: what it goes on from.
            asked: what was asked.
            response: the whole response, as it is told.

        Returns:
            Whether it is kept: not where the store fails, nor where the conversation, or the
            response before it, was deleted meanwhile.

        Raises:
            Overloaded: the store cannot be reached, and the settings want it kept.
        """
        steps = self._steps(tenant, thread or NOTHING, asked, response)
        what = "The response cannot be kept"
        try:
            session = self._records.session(tenant)
            written = await self._within(lambda: self._records.write(*steps, session=session))
        except StoreFault as fault:
            self._tell(what, fault)
            if self.settings.required:
                raise faults.unreachable(what) from None
            return False
        return bool(written[0])

    # The inside.

    def _steps(
        self, tenant: str, thread: Thread, asked: Asked, response: dict[str, Any]
    ) -> list[Step]:
        now_s = self._clock.wall_s()
        said = [*rows.with_ids(asked.items, self._new_id), *response["output"]]
        items = rows.item_rows(
            said, tenant, now_s, outputs=len(response["output"]), response=response["id"]
        )
        added = rows.rows_bytes(items)
        conversation = asked.conversation_id or None
        row: Row = {
            "id": response["id"],
            "tenant": tenant,
            "now_s": now_s,
            "conversation": conversation,
            "previous": asked.previous_id or None,
            "turns": thread.turns + 1,
            "bytes": thread.bytes + added,
            "body": rows.write_body(response),
        }
        add = Step("conversations.add_response", row)
        if conversation is None:
            adding = [Step("conversations.add_answer", items)]
        else:
            adding = adding_steps(conversation, tenant, items, now_s)
        return [add, *adding, *index_steps(self._records.dialect, items)]

    async def _named(self, tenant: str, ids: Sequence[str]) -> tuple[dict[str, Item], int]:
        """Items by their ids, as far as they are there, and how much they are where they stand."""
        sought = sorted({item_id for item_id in ids if rows.is_id(item_id)})
        values = {"tenant": tenant, "ids": msgspec.json.encode(sought).decode()}
        found = await self._records.fetch("conversations.sizes", values)
        sizes = {row["id"]: row["bytes"] for row in found}
        size = sum(sizes.get(item_id, 0) for item_id in ids)  # as often as each is named
        self._check_size("input", 0, size)
        named = await self._records.fetch("conversations.named", values)
        return {row["id"]: item for row, item in zip(named, _items(named), strict=True)}, size

    async def _chain(self, tenant: str, asked: Asked) -> Thread:
        """All that was said up to a response."""
        param, response_id = "previous_response_id", asked.previous_id
        head = await self._one("response", response_id, tenant)
        if head is None:
            raise faults.no_previous(response_id)
        if head["conversation"] is not None:
            raise faults.in_conversation(response_id, head["conversation"])
        self._check_size(param, head["turns"], head["bytes"] + asked.named_bytes)
        found = await self._records.fetch(
            "conversations.chain",
            {"id": response_id, "tenant": tenant, "turns": self.settings.turns_max},
        )
        if not found or found[0]["previous"] is not None:  # a part was deleted
            raise faults.no_previous(found[0]["previous"] if found else response_id)
        return Thread(_items(found), head["turns"], head["bytes"])

    async def _said(self, tenant: str, asked: Asked) -> Thread:
        """All that was said in a conversation."""
        conversation_id = asked.conversation_id
        head = await self._one("find", conversation_id, tenant)
        if head is None:
            raise faults.no_conversation(conversation_id, "conversation")
        self._check_size("conversation", 0, head["bytes"] + asked.named_bytes)
        values = {"conversation": conversation_id, "tenant": tenant, "place": -1}
        found = await self._records.fetch("conversations.items_up", {**values, "many": _ITEMS_MAX})
        return Thread(_items(found), 0, head["bytes"])

    async def _one(self, query: str, sought: str, tenant: str) -> Row | None:
        if not rows.is_id(sought):
            return None
        found = await self._records.fetch(
            f"conversations.{query}", {"id": sought, "tenant": tenant}
        )
        return found[0] if found else None

    def _check_size(self, param: str, turns: int, size: int) -> None:
        if turns >= self.settings.turns_max:
            raise faults.too_long(param, "turns_max", self.settings.turns_max)
        if size > self.settings.bytes_max:
            raise faults.too_long(param, "bytes_max", self.settings.bytes_max)

    async def _within(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """Wait for the store as long as callers may have to.

        Raises:
            StoreFault: it failed, or takes too long, or did so a moment ago.
        """
        if self._clock.monotonic_s() < self._rests_until_s:
            raise StoreBusy("The store failed a moment ago")
        wait_s = self.settings.wait_s
        try:
            async with asyncio.timeout(wait_s):
                return await work()
        except TimeoutError:
            raise StoreTimeout(f"The store took longer than {wait_s:g} s") from None

    def _tell(self, what: str, fault: StoreFault) -> None:
        if isinstance(fault, StoreBusy):
            return
        self._rests_until_s = self._clock.monotonic_s() + REST_S
        self._say("warning", "conversation_store_failed", about=what, detail=fault.message)


def adding_steps(conversation: str, tenant: str, items: Sequence[Row], now_s: float) -> list[Step]:
    """Items at the end of a conversation: who adds others meanwhile comes after."""
    room = {
        "id": conversation,
        "tenant": tenant,
        "many": len(items),
        "bytes": rows.rows_bytes(items),
        "now_s": now_s,
    }
    return [
        Step("conversations.make_room", room),
        Step("conversations.add_item", rows.in_conversation(items, conversation)),
    ]


def _items(found: Sequence[Row]) -> list[Item]:
    return [
        msgspec.json.decode(row["body"], type=dict[str, Any])
        for row in found
        if row["body"] is not None
    ]
