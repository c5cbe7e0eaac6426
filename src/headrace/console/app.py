"""The control plane as an ASGI application: what the gateway is and how it does."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headrace.console.purge import read_scope
from headrace.errors import InvalidRequest

Status = Callable[[], dict[str, Any]]


class CacheDesk(Protocol):
    """What the console asks of the cache."""

    def told(self) -> Mapping[str, Any]:
        """How the cache does, as plain data."""
        ...

    async def purge(self, scope: str) -> Mapping[str, Any]:
        """Purge a scope everywhere; says what was done."""
        ...


class FlowDesk(Protocol):
    """What the console asks of the calls to providers."""

    def told(self) -> Mapping[str, Any]:
        """How they flow, as plain data."""
        ...


class SpendDesk(Protocol):
    """What the console asks of money."""

    def told(self) -> Mapping[str, Any]:
        """What was spent, and what is left of budgets, as plain data."""
        ...


def make_console(status: Status, cache: CacheDesk, flow: FlowDesk, spend: SpendDesk) -> Starlette:
    """The console.

    Args:
        status: tells how the worker that answers does, as plain data without secrets.
        cache: tells of the cache, and purges it.
        flow: tells of limits, queues and circuit breakers.
        spend: tells of what was spent, and of budgets.
    """

    async def show_status(request: Request) -> Response:  # noqa: ARG001
        return JSONResponse(status())

    async def show_cache(request: Request) -> Response:  # noqa: ARG001
        return JSONResponse(cache.told())

    async def show_flow(request: Request) -> Response:  # noqa: ARG001
        return JSONResponse(flow.told())

    async def show_spend(request: Request) -> Response:  # noqa: ARG001
        return JSONResponse(spend.told())

    async def purge_cache(request: Request) -> Response:
        try:
            scope = read_scope(request.query_params.multi_items())
        except InvalidRequest as error:
            return JSONResponse(_told(error), status_code=error.status)
        return JSONResponse(await cache.purge(scope))

    return Starlette(
        routes=[
            Route("/admin/status", show_status, methods=["GET"]),
            Route("/admin/cache", show_cache, methods=["GET"]),
            Route("/admin/cache", purge_cache, methods=["DELETE"]),
            Route("/admin/flow", show_flow, methods=["GET"]),
            Route("/admin/spend", show_spend, methods=["GET"]),
        ]
    )


def _told(error: InvalidRequest) -> dict[str, Any]:
    return {
        "error": {
            "message": error.message,
            "type": error.type,
            "code": error.code,
            "param": error.param,
        }
    }
