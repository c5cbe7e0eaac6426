"""The applications behind the data plane: the control plane, and the routes that rooms bring."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from headrace.console.purge import read_scope
from headrace.errors import (
    HeadraceError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Overloaded,
)
from headrace.store.faults import StoreFault

_RETRY_AFTER_S: Final = 2.0
_ZERO: Final = b"%00"

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


def console_routes(
    status: Status, cache: CacheDesk, flow: FlowDesk, spend: SpendDesk
) -> list[BaseRoute]:
    """The routes below `/admin`, for the same."""

    async def show_status(request: Request) -> Response:  # noqa: ARG001
        return JSONResponse(status())

    async def show_cache(request: Request) -> Response:  # noqa: ARG001
        return JSONResponse(cache.told())

    async def show_flow(request: Request) -> Response:  # noqa: ARG001
        return JSONResponse(flow.told())

    async def show_spend(request: Request) -> Response:  # noqa: ARG001
        return JSONResponse(spend.told())

    async def purge_cache(request: Request) -> Response:
        scope = read_scope(request.query_params.multi_items())
        return JSONResponse(await cache.purge(scope))

    return [
        Route("/admin/status", show_status, methods=["GET"]),
        Route("/admin/cache", show_cache, methods=["GET"]),
        Route("/admin/cache", purge_cache, methods=["DELETE"]),
        Route("/admin/flow", show_flow, methods=["GET"]),
        Route("/admin/spend", show_spend, methods=["GET"]),
    ]


def make_console(
    status: Status,
    cache: CacheDesk,
    flow: FlowDesk,
    spend: SpendDesk,
    rooms: Sequence[Sequence[BaseRoute]] = (),
) -> ASGIApp:
    """One application of the console and of the routes of all rooms.

    What goes wrong in a room is raised, as an error of the tree, to whoever runs the application,
    which tells it in the caller's dialect.

    Args:
        status: tells how the worker that answers does, as plain data without secrets.
        cache: tells of the cache, and purges it.
        flow: tells of limits, queues and circuit breakers.
        spend: tells of what was spent, and of budgets.
        rooms: the routes of each room; `request.state.principal` says who asks.
    """
    routes = [*console_routes(status, cache, flow, spend), *(r for room in rooms for r in room)]
    router = Router(routes, redirect_slashes=False)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app  # then the router raises what it cannot answer
        _check_zeros(scope)
        try:
            await router(scope, receive, send)
        except HTTPException as error:
            raise _told(error, scope, router.routes) from None
        except StoreFault:
            if scope["path"].startswith("/admin"):
                raise
            raise _unreachable() from None  # where the store is, is no tenant's business
        except ClientDisconnect:
            return  # nobody is there to be told

    return app


def _check_zeros(scope: Scope) -> None:
    """No database takes a zero byte in a text, so nothing is called by a name that has one."""
    if "\0" in scope["path"]:
        raise NotFound("There is nothing of a name with a zero byte.", code="not_found")
    if _ZERO in scope["query_string"]:
        raise InvalidRequest("There is a zero byte (%00) in the query.", code="zero_byte")


def _unreachable() -> Overloaded:
    return Overloaded(
        "What is kept cannot be reached: the store cannot be reached now. Try again.",
        code="store_unavailable",
        retry_after_s=_RETRY_AFTER_S,
    )


def _told(error: HTTPException, scope: Scope, routes: Sequence[BaseRoute]) -> HeadraceError:
    """What the router has against a request."""
    method, path = scope["method"], scope["path"]
    shown = path if len(path) <= 100 else path[:100] + "…"
    if error.status_code == 404:
        return NotFound(f"No route '{shown}' with {method}.", code="unknown_route")
    if error.status_code == 405:
        there = [each for each in routes if each.matches(scope)[0] is not Match.NONE]
        allowed = {name for each in there if isinstance(each, Route) for name in each.methods or ()}
        return MethodNotAllowed(
            f"{shown} takes {', '.join(sorted(allowed))}, not {method}.",
            allowed=frozenset(name.encode() for name in allowed),
        )
    return InvalidRequest(error.detail)
