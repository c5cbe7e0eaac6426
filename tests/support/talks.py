"""Conversations on a store, without a gateway: what a model says is what a test says."""

import asyncio
import itertools
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import psycopg
import pytest
from tests.support.stores import Place

from headrace.clock import Clock, ManualClock
from headrace.conversations.conversations import Conversations, Thread
from headrace.conversations.room import ConversationRoom
from headrace.conversations.shelf import Shelf
from headrace.dialects.responses.items import Item
from headrace.dialects.responses.output import (
    Heading,
    Reply,
    message_item,
    text_part,
    write_response,
)
from headrace.dialects.responses.request import Asked, read_request
from headrace.errors import HeadraceError
from headrace.ids import Ids
from headrace.settings.conversations import ConversationSettings
from headrace.store.records.records import Records

SECRET: Final = "xyzzyplugh"
TABLES: Final = ("headrace_responses", "headrace_conversations", "headrace_items")


class Talk:
    """A caller's conversations."""

    def __init__(self, records: Records, clock: Clock, settings: ConversationSettings) -> None:
        ids = Ids(clock.wall_s)
        self.new_id = ids.new
        self.said: list[str] = []
        self.why: object = None
        self.clock = clock
        self.records = records

        def say(level: str, event: str, about: str = "", **fields: Any) -> None:
            self.said.append(event)
            self.why = fields.get("detail")

        self.conversations = Conversations(records, settings, ids.new, clock, say)
        self.shelf = Shelf(records, ids.new, clock)
        self.room = ConversationRoom(
            self.conversations, records, new_id=ids.new, clock=clock, spawn=None, say=say
        )
        self._count = itertools.count(1)

    async def turn(
        self, text: str | list[Item], *, tenant: str = "app", **fields: Any
    ) -> dict[str, Any]:
        """Ask something; the model answers `answer 1`, `answer 2` and so on. Gives the response."""
        asked = read_request({"model": "m", "input": text, **fields})
        thread = await self.recalled(asked, tenant)
        return await self.answered(asked, thread, tenant)

    async def recalled(self, asked: Asked, tenant: str = "app") -> Thread | None:
        if asked.previous_id or asked.conversation_id:
            return await self.conversations.recall(tenant, asked)
        return None

    async def answered(
        self, asked: Asked, thread: Thread | None, tenant: str = "app"
    ) -> dict[str, Any]:
        heading = Heading(
            self.new_id("resp"), 1, "m", asked.told, asked.previous_id, asked.conversation_id, True
        )
        said = [text_part(f"answer {next(self._count)}")]
        reply = Reply([message_item(self.new_id("msg"), said, "completed")])
        response = write_response(heading, reply)
        response["store"] = await self.conversations.keep(tenant, thread, asked, response)
        return response

    async def history(self, tenant: str = "app", **fields: str) -> list[str]:
        """The words that a request goes on from."""
        asked = read_request({"model": "m", "input": "x", **fields})
        thread = await self.conversations.recall(tenant, asked)
        return words(thread.items)


def words(items: Sequence[Item]) -> list[str]:
    """The texts of messages."""
    return [part["text"] for item in items for part in item.get("content", ()) if "text" in part]


def talking(
    place: Place,
    use: Callable[[Talk], Awaitable[None]],
    *,
    clock: Clock | None = None,
    **settings: Any,
) -> None:
    """Use conversations on a store."""
    clock = clock or ManualClock()

    async def main() -> None:
        async with place.records() as records:
            await use(Talk(records, clock, ConversationSettings(wait_s=30.0, **settings)))

    asyncio.run(asyncio.wait_for(main(), 60))


def rows(place: Place, sql: str) -> list[tuple[Any, ...]]:
    """What stands in the tables, past everything of ours."""
    if place.dialect == "sqlite":
        connection = sqlite3.connect(place.folder / "records.sqlite3")
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()
    with psycopg.connect(place.url) as server:
        return server.execute(sql.encode()).fetchall()


def counts(place: Place) -> list[int]:
    return [rows(place, f"SELECT count(*) FROM {name}")[0][0] for name in TABLES]  # noqa: S608


def index_hits(place: Place, word: str) -> int:
    """How many items the index of words knows a word in."""
    where = f"headrace_item_words WHERE words MATCH '{word}'"
    if place.dialect == "postgresql":
        where = f"headrace_items WHERE found @@ to_tsquery('simple', '{word}')"
    return int(rows(place, f"SELECT count(*) FROM {where}")[0][0])  # noqa: S608


async def fails(work: Any, kind: type[HeadraceError], code: str) -> HeadraceError:
    with pytest.raises(kind) as caught:
        await work
    assert caught.value.code == code
    return caught.value
