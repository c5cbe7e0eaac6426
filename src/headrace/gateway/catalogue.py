"""Which models callers may name: the configured ones, or else what the providers list."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from headrace.clock import Clock
from headrace.errors import HeadraceError, NotFound, UpstreamBroken
from headrace.gateway.plan import Lane, Plan
from headrace.identity.model_patterns import allows
from headrace.limits import CATALOGUE_RETRY_S, CATALOGUE_TTL_S
from headrace.model import DialectName
from headrace.routing.directory import Directory
from headrace.upstream.faults import UpstreamFault
from headrace.upstream.fetch import Fetched, fetch

Item = dict[str, Any]
Patterns = tuple[str, ...]
Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class _Page(msgspec.Struct):
    """A list of models as both dialects give it."""

    data: list[Any]


class Catalogue:
    """The model lists of one plan; what each provider says is remembered for a minute.

    Whoever asks while a provider is being asked waits for that very answer. A provider that
    cannot say is asked again soon; meanwhile what it said before still holds.

    Args:
        plan: whose models to list.
        clock: the time.
        spawn: starts the task that asks a provider.
    """

    def __init__(self, plan: Plan, clock: Clock, spawn: Spawn) -> None:
        self._directory = plan.directory
        self._shelves = [_Shelf(lane, plan.directory, clock, spawn) for lane in plan.lanes.values()]

    async def page(self, dialect: DialectName, allowed: Patterns = ()) -> bytes:
        """The list as `GET /v1/models` answers it in a dialect.

        Args:
            dialect: the caller's.
            allowed: patterns of the models that the caller may ask for; empty for all of them.

        Raises:
            UpstreamBroken: no provider of the dialect can say, or ever could.
        """
        items = await self._items(dialect, allowed)
        if dialect == "openai":
            return msgspec.json.encode({"object": "list", "data": items})
        ends = {
            "first_id": items[0]["id"] if items else None,
            "last_id": items[-1]["id"] if items else None,
        }
        return msgspec.json.encode({"data": items, "has_more": False, **ends})

    async def item(self, dialect: DialectName, model: str, allowed: Patterns = ()) -> bytes:
        """One model as `GET /v1/models/{id}` answers it; the arguments are as for `page`.

        Raises:
            NotFound: it is not in the list.
            UpstreamBroken: as for `page`.
        """
        for item in await self._items(dialect, allowed):
            if item["id"] == model:
                return msgspec.json.encode(item)
        raise NotFound(
            f"No model '{model[:100]}' is listed; GET /v1/models names those that are.",
            code="model_not_found",
            param="model",
        )

    async def _items(self, dialect: DialectName, allowed: Patterns) -> list[Item]:
        items = await self._all_items(dialect)
        return [each for each in items if allows(allowed, each["id"])] if allowed else items

    async def _all_items(self, dialect: DialectName) -> list[Item]:
        names = self._directory.names_for(dialect)
        if names is not None:
            return [_item(dialect, name) for name in names]
        shelves = [shelf for shelf in self._shelves if shelf.dialect == dialect]
        asking = [task for shelf in shelves if (task := shelf.asked()) is not None]
        if asking:  # not awaited one by one: who leaves would take the answer from the others
            await asyncio.wait(asking)
        items: dict[str, Item] = {}
        for shelf in shelves:
            for item in shelf.items or ():
                items.setdefault(item["id"], item)
        if shelves and all(shelf.items is None for shelf in shelves):
            raise _nothing_listed([shelf.fault for shelf in shelves])
        return list(items.values())


class _Shelf:
    """What one provider lists.

    Attributes:
        items: the last list, with names that lead here; `None` as long as there was none.
        fault: why there is none, or no newer one.
    """

    def __init__(self, lane: Lane, directory: Directory, clock: Clock, spawn: Spawn) -> None:
        self.dialect = lane.endpoint.dialect.name
        self.items: list[Item] | None = None
        self.fault: HeadraceError = UpstreamFault("shutdown", lane.endpoint.name)
        self._endpoint = lane.endpoint
        self._directory = directory
        self._now = clock.monotonic_s
        self._spawn = spawn
        self._due_s = self._now()
        self._asking: asyncio.Task[None] | None = None

    def asked(self) -> asyncio.Task[None] | None:
        """The task that asks the provider, where the list is too old."""
        if self._asking is not None and not self._asking.done():
            return self._asking
        if self._now() < self._due_s:
            return None
        self._asking = self._spawn(self._ask())
        return self._asking

    async def _ask(self) -> None:
        try:
            listed = _listed(self._endpoint.name, await fetch(self._endpoint, "/models"))
        except HeadraceError as fault:
            self.fault = fault
            self._due_s = self._now() + CATALOGUE_RETRY_S
        else:
            self.items = [{**item, "id": self._name(item["id"])} for item in listed]
            self._due_s = self._now() + CATALOGUE_TTL_S

    def _name(self, model: str) -> str:
        return self._directory.shortest_name(self._endpoint.name, model, self.dialect)


def _listed(provider: str, answer: Fetched) -> list[Item]:
    """The models of a provider's answer.

    Raises:
        UpstreamBroken: it is no list of models.
    """
    if answer.status != 200:
        raise UpstreamBroken(f"Provider '{provider}' answered {answer.status}.")
    try:
        page = msgspec.json.decode(answer.body, type=_Page)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamBroken(f"Provider '{provider}' answered with no list of models.") from None
    items = [item for item in page.data if isinstance(item, dict)]
    return [item for item in items if isinstance(item.get("id"), str)]


def _nothing_listed(faults: list[HeadraceError]) -> UpstreamBroken:
    told = " ".join(fault.message for fault in faults)
    return UpstreamBroken(
        f"No provider could say which models it has: {told} What is named under `models` in the "
        "settings is listed without asking.",
        code="models_unavailable",
    )


def _item(dialect: DialectName, name: str) -> Item:
    if dialect == "openai":
        return {"id": name, "object": "model", "created": 0, "owned_by": "headrace"}
    epoch = "1970-01-01T00:00:00Z"
    return {"type": "model", "id": name, "display_name": name, "created_at": epoch}
