"""`/admin/keys`: keys of the store, for administrators."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Protocol

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from headrace.clock import Clock
from headrace.errors import InvalidRequest
from headrace.identity.key_records import KeyRecord, KeyWish, read_wish
from headrace.identity.key_store import GRACE_S, PAGE_MAX, NewKey, Page
from headrace.settings import Settings

_LIMIT: Final = 20
_GRACE_S_MAX: Final = 31 * 86_400.0


class Keys(Protocol):
    """What the console asks of keys. Everything may raise `StoreFault` besides what it says."""

    async def create(self, wish: KeyWish) -> NewKey:
        """Make a key."""
        ...

    async def find(self, key_id: str) -> KeyRecord:
        """A key by its id, or by its name."""
        ...

    async def page(self, *, limit: int, after: str | None, is_up: bool, tenant: str | None) -> Page:
        """Some keys."""
        ...

    async def alter(self, key_id: str, wish: KeyWish) -> KeyRecord:
        """Change what a key may."""
        ...

    async def revoke(self, key_id: str) -> KeyRecord:
        """Take a key away."""
        ...

    async def rotate(self, key_id: str, grace_s: float) -> NewKey:
        """Put another key in the place of one."""
        ...


class _Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    grace_s: Annotated[float, Meta(ge=0, le=_GRACE_S_MAX)] = GRACE_S


class KeyRoom:
    """The routes as a room of a worker.

    Args:
        keys: who makes and changes them.
        clock: the time.

    Attributes:
        routes: see above.
    """

    def __init__(self, keys: Keys, clock: Clock) -> None:
        self.routes = key_routes(keys, clock)

    @property
    def is_busy(self) -> bool:
        """Nothing has to be waited for."""
        return False

    async def start(self) -> None:
        """Nothing has to be done."""

    def adopt(self, settings: Settings) -> None:
        """Nothing of it is set here."""

    def stop(self) -> None:
        """Nothing is under way."""

    async def close(self) -> None:
        """Nothing is left."""


def key_routes(keys: Keys, clock: Clock) -> list[BaseRoute]:
    """The routes.

    Args:
        keys: who makes and changes them.
        clock: the time.
    """

    def told(record: KeyRecord, **more: Any) -> Response:
        return JSONResponse({**record.told(clock.wall_s()), **more})

    async def create(request: Request) -> Response:
        made = await keys.create(read_wish(await _document(request)))
        return told(made.record, key=made.key)

    async def show(request: Request) -> Response:
        return told(await keys.find(request.path_params["id"]))

    async def alter(request: Request) -> Response:
        wish = read_wish(await _document(request))
        return told(await keys.alter(request.path_params["id"], wish))

    async def revoke(request: Request) -> Response:
        return told(await keys.revoke(request.path_params["id"]))

    async def rotate(request: Request) -> Response:
        try:
            rotation = msgspec.convert(await _document(request), _Rotation)
        except msgspec.ValidationError as problem:
            raise InvalidRequest(f"grace_s: {problem}.", code="bad_key") from None
        made = await keys.rotate(request.path_params["id"], rotation.grace_s)
        return told(made.record, key=made.key)

    async def show_all(request: Request) -> Response:
        page = await keys.page(**_asked_page(request.query_params))
        now_s = clock.wall_s()
        return JSONResponse(page_told([each.told(now_s) for each in page.records], page.has_more))

    return [
        Route("/admin/keys", show_all, methods=["GET"]),
        Route("/admin/keys", create, methods=["POST"]),
        Route("/admin/keys/{id}", show, methods=["GET"]),
        Route("/admin/keys/{id}", alter, methods=["PATCH"]),
        Route("/admin/keys/{id}", revoke, methods=["DELETE"]),
        Route("/admin/keys/{id}/rotate", rotate, methods=["POST"]),
    ]


def page_told(items: list[dict[str, Any]], has_more: bool) -> dict[str, Any]:
    """A page of a list as OpenAI's routes tell it."""
    return {
        "object": "list",
        "data": items,
        "first_id": items[0]["id"] if items else None,
        "last_id": items[-1]["id"] if items else None,
        "has_more": has_more,
    }


def _asked_page(query: Mapping[str, str]) -> dict[str, Any]:
    limit, order = query.get("limit", str(_LIMIT)), query.get("order", "asc")
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit[:9]) <= PAGE_MAX:
        raise InvalidRequest(f"limit: expected 1 to {PAGE_MAX}.", param="limit")
    if order not in ("asc", "desc"):
        raise InvalidRequest("order: expected asc or desc.", param="order")
    after, tenant = query.get("after"), query.get("tenant")
    return {"limit": int(limit[:9]), "after": after, "is_up": order == "asc", "tenant": tenant}


async def _document(request: Request) -> dict[str, Any]:
    body = await request.body()
    try:
        return msgspec.json.decode(body, type=dict[str, Any]) if body.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidRequest("Send a JSON object.", code="invalid_json") from None
