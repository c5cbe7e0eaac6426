"""Which models callers may name: the configured ones, or else what the providers list."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from headrace.clock import Clock
from headrace.errors import HeadraceError, NotFound
from headrace.gateway.plan import Lane, Plan
from headrace.limits import CATALOGUE_TTL_S
from headrace.model import DialectName
from headrace.upstream.fetch import fetch

Item = dict[str, Any]


class Catalogue:
    """The model list of one plan; what providers say is remembered for a minute.

    Args:
        plan: whose models to list.
        clock: the time.
    """

    def __init__(self, plan: Plan, clock: Clock) -> None:
        self._plan = plan
        self._clock = clock
        self._listed: dict[DialectName, tuple[float, list[Item]]] = {}

    async def page(self, dialect: DialectName) -> bytes:
        """The list as `GET /v1/models` answers it in a dialect."""
        items = await self._items(dialect)
        if dialect == "openai":
            return msgspec.json.encode({"object": "list", "data": items})
        ends = {
            "first_id": items[0]["id"] if items else None,
            "last_id": items[-1]["id"] if items else None,
        }
        return msgspec.json.encode({"data": items, "has_more": False, **ends})

    async def item(self, dialect: DialectName, model: str) -> bytes:
        """One model as `GET /v1/models/{id}` answers it.

        Raises:
            NotFound: it is not in the list.
        """
        for item in await self._items(dialect):
            if item["id"] == model:
                return msgspec.json.encode(item)
        raise NotFound(
            f"No model '{model[:100]}' is listed; GET /v1/models names those that are.",
            code="model_not_found",
            param="model",
        )

    async def _items(self, dialect: DialectName) -> list[Item]:
        names = self._plan.directory.names_for(dialect)
        if names is not None:
            return [_item(dialect, name) for name in names]
        now_s = self._clock.monotonic_s()
        listed_s, items = self._listed.get(dialect, (-CATALOGUE_TTL_S, []))
        if now_s - listed_s >= CATALOGUE_TTL_S:
            items = await self._ask_providers(dialect)
            self._listed[dialect] = (now_s, items)
        return items

    async def _ask_providers(self, dialect: DialectName) -> list[Item]:
        lanes = {
            name: lane
            for name, lane in self._plan.lanes.items()
            if lane.endpoint.dialect.name == dialect
        }
        lists = await asyncio.gather(*(_ask(lane) for lane in lanes.values()))
        items: dict[str, Item] = {}
        for provider, listed in zip(lanes, lists, strict=True):
            for item in listed:
                name = self._plan.directory.shortest_name(provider, item["id"], dialect)
                items.setdefault(name, {**item, "id": name})
        return list(items.values())


async def _ask(lane: Lane) -> list[Item]:
    """What one provider lists; nothing where it cannot say."""
    try:
        status, body = await fetch(lane.endpoint, "/models")
        page: Mapping[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    except (HeadraceError, msgspec.DecodeError):
        return []
    listed = page.get("data") if status == 200 else None
    if not isinstance(listed, list):
        return []
    return [item for item in listed if isinstance(item, dict) and isinstance(item.get("id"), str)]


def _item(dialect: DialectName, name: str) -> Item:
    if dialect == "openai":
        return {"id": name, "object": "model", "created": 0, "owned_by": "headrace"}
    epoch = "1970-01-01T00:00:00Z"
    return {"type": "model", "id": name, "display_name": name, "created_at": epoch}
