"""`/v1/files` and `/v1/batches`, as OpenAI's SDKs speak them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from headrace.batches.desk import BatchDesk
from headrace.batches.files import Files, Taking
from headrace.batches.tables import Page
from headrace.batches.wishes import read_page, read_wish

_PIECE_BYTES: Final = 256 * 1024


def file_routes(files: Files) -> Sequence[BaseRoute]:
    """`/v1/files`."""

    async def create(request: Request) -> Response:
        length = request.headers.get("content-length")
        taking = Taking(
            request.state.tenant,
            request.headers.get("content-type", ""),
            None if length is None else int(length),
        )
        file = await files.take(taking, request.stream())
        return _json(file.told())

    async def page(request: Request) -> Response:
        wanted = read_page(request.query_params)
        purpose = request.query_params.get("purpose", "")
        found = await files.table.page(request.state.tenant, wanted, purpose)
        return _page([file.told() for file in found], wanted)

    async def show(request: Request) -> Response:
        file = await files.find(request.path_params["id"], request.state.tenant)
        return _json(file.told())

    async def content(request: Request) -> Response:
        file, path = await files.here(request.path_params["id"], request.state.tenant)
        return StreamingResponse(_pieces(path, file.bytes), media_type="application/octet-stream")

    async def delete(request: Request) -> Response:
        file_id = request.path_params["id"]
        await files.delete(file_id, request.state.tenant)
        return _json({"id": file_id, "object": "file", "deleted": True})

    return [
        Route("/v1/files", create, methods=["POST"]),
        Route("/v1/files", page, methods=["GET"]),
        Route("/v1/files/{id}", show, methods=["GET"]),
        Route("/v1/files/{id}", delete, methods=["DELETE"]),
        Route("/v1/files/{id}/content", content, methods=["GET"]),
    ]


def batch_routes(desk: BatchDesk) -> Sequence[BaseRoute]:
    """`/v1/batches`, and `/admin/batches`."""

    async def create(request: Request) -> Response:
        wish = read_wish(await request.body())
        batch = await desk.create(wish, request.state.principal, request.state.trace)
        return _json(batch.told())

    async def page(request: Request) -> Response:
        wanted = read_page(request.query_params)
        found = await desk.table.page(request.state.tenant, wanted)
        return _page([batch.told() for batch in found], wanted)

    async def show(request: Request) -> Response:
        batch = await desk.find(request.path_params["id"], request.state.tenant)
        return _json(batch.told())

    async def cancel(request: Request) -> Response:
        batch = await desk.cancel(request.path_params["id"], request.state.tenant)
        return _json(batch.told())

    async def page_of_all(request: Request) -> Response:
        wanted = read_page(request.query_params)
        found = await desk.table.page_of_all(wanted, request.query_params.get("tenant", ""))
        told = [{**batch.told(), "tenant": batch.tenant, "key": batch.key_name} for batch in found]
        return _page(told, wanted)

    return [
        Route("/admin/batches", page_of_all, methods=["GET"]),
        Route("/v1/batches", create, methods=["POST"]),
        Route("/v1/batches", page, methods=["GET"]),
        Route("/v1/batches/{id}", show, methods=["GET"]),
        Route("/v1/batches/{id}/cancel", cancel, methods=["POST"]),
    ]


async def _pieces(path: Path, size: int) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    with file:
        while size and (piece := await asyncio.to_thread(file.read, min(size, _PIECE_BYTES))):
            size -= len(piece)
            yield piece


def _json(document: Any) -> Response:
    return Response(msgspec.json.encode(document), media_type="application/json")


def _page(found: Sequence[dict[str, Any]], wanted: Page) -> Response:
    shown = found[: wanted.limit]
    return _json(
        {
            "object": "list",
            "data": shown,
            "first_id": shown[0]["id"] if shown else None,
            "last_id": shown[-1]["id"] if shown else None,
            "has_more": len(found) > wanted.limit,
        }
    )
