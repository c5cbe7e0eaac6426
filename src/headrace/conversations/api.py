"""The routes of what is kept. Whoever asks sees what belongs to its tenant."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from headrace.conversations import faults
from headrace.conversations.conversations import Conversations
from headrace.conversations.pages import ITEMS_MAX, read_page
from headrace.conversations.shelf import Shelf
from headrace.dialects.fields import missing, wrong
from headrace.dialects.responses.items import Item, read_items
from headrace.dialects.responses.request import read_metadata
from headrace.errors import InvalidRequest
from headrace.store.faults import StoreFault

Json = dict[str, Any]
Answer = Callable[[Request], Awaitable[Response]]

_encode: Final = msgspec.json.Encoder().encode


class ConversationApi:
    """Answers for the shelf.

    Args:
        shelf: what is kept.
        conversations: whose settings say whether anything is.
    """

    def __init__(self, shelf: Shelf, conversations: Conversations) -> None:
        self._shelf = shelf
        self._conversations = conversations

    @property
    def routes(self) -> list[BaseRoute]:
        """All of them."""
        one, items = "/v1/conversations/{id}", "/v1/conversations/{id}/items"
        return [
            Route("/v1/responses/{id}", _safely(self._response), methods=["GET"]),
            Route("/v1/responses/{id}", _safely(self._delete_response), methods=["DELETE"]),
            Route("/v1/responses/{id}/input_items", _safely(self._inputs), methods=["GET"]),
            Route("/v1/responses/{id}/cancel", _safely(self._cancel), methods=["POST"]),
            Route("/v1/conversations", _safely(self._begin), methods=["POST"]),
            Route("/v1/conversations", _safely(self._list), methods=["GET"]),
            Route(one, _safely(self._conversation), methods=["GET"]),
            Route(one, _safely(self._describe), methods=["POST"]),
            Route(one, _safely(self._delete), methods=["DELETE"]),
            Route(items, _safely(self._add), methods=["POST"]),
            Route(items, _safely(self._items), methods=["GET"]),
            Route(items + "/{item}", _safely(self._item), methods=["GET"]),
            Route(items + "/{item}", _safely(self._delete_item), methods=["DELETE"]),
            Route("/admin/conversations", _safely(self._list_for_admin), methods=["GET"]),
        ]

    # Responses.

    async def _response(self, request: Request) -> Response:
        if request.query_params.get("stream", "false") != "false":
            raise InvalidRequest(
                "`stream`: a response that is kept is told as a whole; leave it out.",
                param="stream",
                code="unsupported_parameter",
            )
        return _told(await self._shelf.response(_tenant(request), _id(request)))

    async def _delete_response(self, request: Request) -> Response:
        await self._shelf.delete_response(_tenant(request), _id(request))
        return _told({"id": _id(request), "object": "response", "deleted": True})

    async def _inputs(self, request: Request) -> Response:
        page = read_page(request.query_params)
        return _told(await self._shelf.inputs(_tenant(request), _id(request), page))

    async def _cancel(self, request: Request) -> Response:
        await self._shelf.response(_tenant(request), _id(request))  # whether there is one at all
        raise InvalidRequest(
            "Only responses made in the background can be cancelled, and this gateway makes none: "
            "end the request to end its answer.",
            code="unsupported_parameter",
        )

    # Conversations.

    async def _begin(self, request: Request) -> Response:
        if not self._conversations.settings.enabled:
            raise faults.turned_off("conversations")
        body = await _body(request)
        items = _read_items(body["items"]) if body.get("items") is not None else []
        metadata = read_metadata(body.get("metadata"))
        return _told(await self._shelf.begin(_tenant(request), items, metadata))

    async def _list(self, request: Request) -> Response:
        return await self._page(request, _tenant(request))

    async def _list_for_admin(self, request: Request) -> Response:
        tenant = request.query_params.get("tenant")
        if not tenant:
            raise missing("tenant", "the tenant whose conversations to list")
        return await self._page(request, tenant)

    async def _page(self, request: Request, tenant: str) -> Response:
        query = request.query_params
        page = read_page(query)
        return _told(await self._shelf.conversations(tenant, page, query.get("query", "")))

    async def _conversation(self, request: Request) -> Response:
        return _told(await self._shelf.conversation(_tenant(request), _id(request)))

    async def _describe(self, request: Request) -> Response:
        metadata = read_metadata((await _body(request)).get("metadata"))
        return _told(await self._shelf.describe(_tenant(request), _id(request), metadata))

    async def _delete(self, request: Request) -> Response:
        await self._shelf.delete_conversation(_tenant(request), _id(request))
        return _told({"id": _id(request), "object": "conversation.deleted", "deleted": True})

    # Items of conversations.

    async def _add(self, request: Request) -> Response:
        body = await _body(request)
        if body.get("items") is None:
            raise missing("items", "an array of items")
        items = _read_items(body["items"])
        bytes_max = self._conversations.settings.bytes_max
        return _told(await self._shelf.add(_tenant(request), _id(request), items, bytes_max))

    async def _items(self, request: Request) -> Response:
        page = read_page(request.query_params)
        return _told(await self._shelf.items(_tenant(request), _id(request), page))

    async def _item(self, request: Request) -> Response:
        item = request.path_params["item"]
        return _told(await self._shelf.item(_tenant(request), _id(request), item))

    async def _delete_item(self, request: Request) -> Response:
        item = request.path_params["item"]
        return _told(await self._shelf.delete_item(_tenant(request), _id(request), item))


def _safely(answer: Answer) -> Answer:
    """The same, where a store that fails is told without saying where it is."""

    async def answered(request: Request) -> Response:
        try:
            return await answer(request)
        except StoreFault:
            raise faults.unreachable("What is kept cannot be reached") from None

    return answered


def _tenant(request: Request) -> str:
    return str(request.state.principal.tenant)


def _id(request: Request) -> str:
    return str(request.path_params["id"])


def _told(document: Json) -> Response:
    return Response(_encode(document), media_type="application/json")


async def _body(request: Request) -> Json:
    """The fields of a request; none where it has no body."""
    body = await request.body()
    if not body:
        return {}
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise InvalidRequest("The body is not one JSON object.", code="invalid_json") from None


def _read_items(value: object) -> list[Item]:
    if type(value) is not list:
        raise wrong("items", value, "an array of items")
    if len(value) > ITEMS_MAX:
        raise InvalidRequest(
            f"`items` has {len(value)} of them: send at most {ITEMS_MAX} at once.",
            param="items",
            code="invalid_value",
        )
    return read_items(value, "items")
