"""The applications of all rooms as one: what the router says, in the caller's dialect."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from tests.support.connection import Client

from headrace.console.app import make_console
from headrace.store.faults import StoreLost


async def show(request: Request) -> Response:
    return JSONResponse({"id": request.path_params["id"], "tenant": request.state.tenant})


async def stream(request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for each in (b"data: 1\n\n", b"data: 2\n\n"):
            yield each

    return StreamingResponse(parts(), media_type="text/event-stream")


async def take(request: Request) -> Response:
    size = 0
    async for part in request.stream():
        size += len(part)
    return JSONResponse({"bytes": size})


async def fail(request: Request) -> Response:
    raise StoreLost("no connection to db.internal:5432")


ROUTES = (
    Route("/v1/batches", fail, methods=["GET"]),
    Route("/admin/batches", fail, methods=["GET"]),
    Route("/v1/jobs/{id}", show, methods=["GET"]),
    Route("/v1/jobs/{id}", show, methods=["DELETE"]),
    Route("/v1/jobs/{id}/events", stream, methods=["GET"]),
    Route("/v1/files", take, methods=["POST"]),
)


def asked(request: bytes) -> bytes:
    """The whole answer to a request."""

    async def test() -> bytes:
        desks = [cast("Any", None) for _ in range(4)]
        client = Client(app=make_console(*desks, [ROUTES]), file_bytes_max=1 << 20)
        client.connection.data_received(request)
        for _ in range(50):
            await asyncio.sleep(0)
        return client.transport.held

    return asyncio.run(test())


def get(path: str, method: str = "GET") -> tuple[bytes, Any]:
    head, _, body = asked(
        f"{method} {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()
    ).partition(b"\r\n\r\n")
    return head, json.loads(body)


def test_where_the_store_is_administrators_are_told_and_tenants_not() -> None:
    head, body = get("/v1/batches")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 2" in head
    assert body["error"]["code"] == "store_unavailable"
    assert "db.internal" not in body["error"]["message"]
    _, told = get("/admin/batches")
    assert "db.internal" in told["error"]["message"]


def test_rooms_bring_routes() -> None:
    head, body = get("/v1/jobs/a")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == {"id": "a", "tenant": "default"}


def test_what_is_not_there_is_told_in_the_dialect() -> None:
    for path in ("/v1/batches/x", "/admin/nothing", "/v1/jobs/"):
        head, body = get(path)
        assert head.startswith(b"HTTP/1.1 404 ")
        assert body["error"]["code"] == "unknown_route"
        assert path in body["error"]["message"]


def test_a_method_that_is_not_taken_is_told_with_all_that_are() -> None:
    head, body = get("/v1/jobs/a", "PUT")
    assert head.startswith(b"HTTP/1.1 405 ")
    assert b"allow: DELETE, GET, HEAD, OPTIONS" in head
    assert body["error"]["code"] == "method_not_allowed"


def test_events_go_out_one_by_one() -> None:
    answer = asked(b"GET /v1/jobs/a/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert b"content-type: text/event-stream" in answer
    assert answer.endswith(b"9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n")


def test_a_body_is_read_as_it_comes() -> None:
    answer = asked(b"POST /v1/files HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\nabc")
    assert answer.endswith(b'{"bytes":3}')


def test_bodies_of_the_console_are_still_there() -> None:
    head, body = get("/admin/cache?what=1", "DELETE")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert body["error"]["code"] == "bad_scope"
