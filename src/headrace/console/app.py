"""The control plane as an ASGI application: what the gateway is and how it does."""

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

Status = Callable[[], dict[str, Any]]


def make_console(status: Status) -> Starlette:
    """The console.

    Args:
        status: tells how the worker that answers does, as plain data without secrets.
    """

    def show_status(request: Request) -> JSONResponse:  # noqa: ARG001
        return JSONResponse(status())

    return Starlette(routes=[Route("/admin/status", _in_loop(show_status), methods=["GET"])])


def _in_loop(answer: Callable[[Request], JSONResponse]) -> Callable[[Request], Any]:
    """Run a quick function on the loop: Starlette would give a plain one to a thread."""

    async def endpoint(request: Request) -> JSONResponse:
        return answer(request)

    return endpoint
