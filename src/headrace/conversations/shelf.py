"""What is kept, to be looked at, added to and deleted by its tenant."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from headrace.clock import Clock
from headrace.conversations import faults, rows
from headrace.conversations.conversations import adding_steps
from headrace.conversations.pages import Page, write_list
from headrace.conversations.rows import NewId, Row
from headrace.conversations.word_index import index_steps, unindex_steps
from headrace.dialects.responses.items import Item
from headrace.store.records.records import Records, Step

_FIRST: Final = -1
_LAST: Final = 1 << 62
_NEWEST: Final = "z"  # above every id, in whatever order a database has texts


class Shelf:
    """Belongs to one event loop. Every method may raise `StoreFault`.

    Args:
        records: where it is kept.
        new_id: makes ids.
        clock: the time.
    """

    def __init__(self, records: Records, new_id: NewId, clock: Clock) -> None:
        self._records = records
        self._new_id = new_id
        self._clock = clock

    # Responses.

    async def response(self, tenant: str, response_id: str) -> dict[str, Any]:
        """One response.

        Raises:
            NotFound: there is none of this id.
        """
        row = await self._response_row(tenant, response_id)
        values = {"response": response_id, "tenant": tenant}
        return rows.read_response(row, await self._fetch("outputs", values))

    async def inputs(self, tenant: str, response_id: str, page: Page) -> dict[str, Any]:
        """What a response was given in its own request, a page of it.

        Raises:
            NotFound: there is no such response, or nothing of the id that the page is after.
        """
        await self._response_row(tenant, response_id)
        place = await self._place(tenant, page, response=response_id)
        values = {"response": response_id, "tenant": tenant, "place": place}
        return await self._items(f"inputs_{page.way}", values, page)

    async def delete_response(self, tenant: str, response_id: str) -> None:
        """Delete a response and what was said with it, but for what a conversation has of it.

        Raises:
            NotFound: there is none of this id.
        """
        values = {"id": self._checked_response(response_id), "tenant": tenant}
        dropped, *_ = await self._write(
            tenant,
            Step("conversations.drop_response", values),
            *unindex_steps(self._records.dialect, "answer", values),
            Step("conversations.drop_answer", values),
            Step("conversations.part", values),
        )
        if not dropped:
            raise faults.no_response(response_id)

    # Conversations.

    async def begin(
        self, tenant: str, items: Sequence[Item], metadata: dict[str, str]
    ) -> dict[str, Any]:
        """Begin a conversation."""
        now_s, made = self._clock.wall_s(), self._new_id("conv")
        row: Row = {
            "id": made,
            "tenant": tenant,
            "now_s": now_s,
            "metadata": msgspec.json.encode(metadata).decode(),
        }
        steps = [Step("conversations.begin", row)]
        if items:
            steps += self._adding(tenant, made, rows.with_ids(items, self._new_id), now_s)
        await self._write(tenant, *steps)
        return rows.read_conversation({**row, "created_s": now_s})

    async def conversation(self, tenant: str, conversation_id: str) -> dict[str, Any]:
        """One conversation.

        Raises:
            NotFound: there is none of this id.
        """
        return rows.read_conversation(await self._conversation_row(tenant, conversation_id))

    async def describe(
        self, tenant: str, conversation_id: str, metadata: dict[str, str]
    ) -> dict[str, Any]:
        """Give a conversation other metadata.

        Raises:
            NotFound: there is none of this id.
        """
        self._checked_conversation(conversation_id)
        values = {
            "id": conversation_id,
            "tenant": tenant,
            "metadata": msgspec.json.encode(metadata).decode(),
        }
        (changed,) = await self._write(tenant, Step("conversations.describe", values))
        if not changed:
            raise faults.no_conversation(conversation_id)
        return rows.read_conversation(changed[0])

    async def conversations(self, tenant: str, page: Page, words: str = "") -> dict[str, Any]:
        """The conversations of a tenant, a page of them.

        Args:
            tenant: whose they are.
            page: which part.
            words: all of which were said in one item of each; empty for any.
        """
        if page.after:
            self._checked_conversation(page.after)
        values: Row = {"tenant": tenant, "after": page.after or ("" if page.is_up else _NEWEST)}
        query = "page"
        if words.strip():
            query, values["words"] = "found", self._sought(words)
        found = await self._fetch(f"{query}_{page.way}", {**values, "many": page.many + 1})
        told = [rows.read_conversation(row) for row in found[: page.many]]
        return write_list(told, has_more=len(found) > page.many)

    async def delete_conversation(self, tenant: str, conversation_id: str) -> None:
        """Delete a conversation, and all that was said in it.

        Raises:
            NotFound: there is none of this id.
        """
        values = {"id": self._checked_conversation(conversation_id), "tenant": tenant}
        dropped, *_ = await self._write(
            tenant,
            Step("conversations.drop", values),
            *unindex_steps(self._records.dialect, "items", values),
            Step("conversations.drop_items", values),
            Step("conversations.drop_responses", values),
        )
        if not dropped:
            raise faults.no_conversation(conversation_id)

    # Items of conversations.

    async def add(
        self, tenant: str, conversation_id: str, items: Sequence[Item], bytes_max: int
    ) -> dict[str, Any]:
        """Say something in a conversation without asking anybody.

        Raises:
            NotFound: there is no such conversation.
            InvalidRequest: more was said than it may hold.
        """
        head = await self._conversation_row(tenant, conversation_id)
        if head["bytes"] > bytes_max:
            raise faults.too_long("items", "bytes_max", bytes_max)
        added = rows.with_ids(items, self._new_id)
        steps = self._adding(tenant, conversation_id, added, self._clock.wall_s())
        made, *_ = await self._write(tenant, *steps)
        if not made:
            raise faults.no_conversation(conversation_id)
        return write_list(added)

    async def items(self, tenant: str, conversation_id: str, page: Page) -> dict[str, Any]:
        """What was said in a conversation, a page of it.

        Raises:
            NotFound: there is no such conversation, or nothing of the id that the page is after.
        """
        await self._conversation_row(tenant, conversation_id)
        place = await self._place(tenant, page, conversation=conversation_id)
        values = {"conversation": conversation_id, "tenant": tenant, "place": place}
        return await self._items(f"items_{page.way}", values, page)

    async def item(self, tenant: str, conversation_id: str, item_id: str) -> Item:
        """One item of a conversation.

        Raises:
            NotFound: there is none of this id in there.
        """
        return rows.read_item(await self._item_row(tenant, item_id, conversation=conversation_id))

    async def delete_item(self, tenant: str, conversation_id: str, item_id: str) -> dict[str, Any]:
        """Delete an item of a conversation; gives the conversation.

        Raises:
            NotFound: there is none of this id in there.
        """
        await self._item_row(tenant, item_id, conversation=conversation_id)
        of_item = {"id": item_id, "tenant": tenant, "conversation": conversation_id}
        *_, dropped, left = await self._write(
            tenant,
            *unindex_steps(self._records.dialect, "item", of_item),
            Step("conversations.drop_item", of_item),
            Step("conversations.give_room", {"id": conversation_id, "tenant": tenant}),
        )
        if not dropped or not left:
            raise faults.no_item(item_id)
        return rows.read_conversation(left[0])

    # The inside.

    async def _fetch(self, query: str, values: Row) -> list[Row]:
        session = self._records.session(values["tenant"])
        return await self._records.fetch(f"conversations.{query}", values, session)

    async def _write(self, tenant: str, *steps: Step) -> list[list[Row]]:
        return await self._records.write(*steps, session=self._records.session(tenant))

    def _adding(
        self, tenant: str, conversation_id: str, items: Sequence[Item], now_s: float
    ) -> list[Step]:
        made = rows.item_rows(items, tenant, now_s, response=None)
        return [
            *adding_steps(conversation_id, tenant, made, now_s),
            *index_steps(self._records.dialect, made),
        ]

    def _checked_response(self, response_id: str) -> str:
        if not rows.is_id(response_id):
            raise faults.no_response(response_id)
        return response_id

    def _checked_conversation(self, conversation_id: str) -> str:
        if not rows.is_id(conversation_id):
            raise faults.no_conversation(conversation_id)
        return conversation_id

    async def _response_row(self, tenant: str, response_id: str) -> Row:
        values = {"id": self._checked_response(response_id), "tenant": tenant}
        found = await self._fetch("response", values)
        if not found:
            raise faults.no_response(response_id)
        return found[0]

    async def _conversation_row(self, tenant: str, conversation_id: str) -> Row:
        values = {"id": self._checked_conversation(conversation_id), "tenant": tenant}
        found = await self._fetch("find", values)
        if not found:
            raise faults.no_conversation(conversation_id)
        return found[0]

    async def _item_row(self, tenant: str, item_id: str, **where: str) -> Row:
        found = []
        if rows.is_id(item_id):
            found = await self._fetch("item", {"id": item_id, "tenant": tenant})
        if not found or any(found[0][name] != value for name, value in where.items()):
            raise faults.no_item(item_id)
        return found[0]

    async def _place(self, tenant: str, page: Page, **where: str) -> int:
        if not page.after:
            return _FIRST if page.is_up else _LAST
        row = await self._item_row(tenant, page.after, **where)
        return int(row["place"])

    async def _items(self, query: str, values: Row, page: Page) -> dict[str, Any]:
        found = await self._fetch(query, {**values, "many": page.many + 1})
        told = [rows.read_item(row) for row in found[: page.many]]
        return write_list(told, has_more=len(found) > page.many)

    def _sought(self, words: str) -> str:
        """Words as the database looks for them: all of them, and nothing in them is an operator."""
        plain = words.replace("\0", " ")[: rows.WORDS_CHARS_MAX]
        if self._records.dialect != "sqlite":
            return plain
        return " ".join(f'"{word}"' for word in plain.replace('"', " ").split()) or '""'
