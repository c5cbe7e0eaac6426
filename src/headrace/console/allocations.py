"""`POST /admin/allocations`: what the worker that answers allocates, for some seconds."""

from collections.abc import Sequence
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from headrace.errors import Conflict, InvalidRequest
from headrace.observe.profiling.allocations import SECONDS_MAX, AllocationWatch, AlreadyWatched
from headrace.settings import Settings

_SECONDS: Final = 5.0
_LINES: Final = 40


class AllocationsRoom:
    """Routes that tell of memory.

    Args:
        watch: sees what is allocated.
    """

    def __init__(self, watch: AllocationWatch) -> None:
        self.routes: Sequence[BaseRoute] = allocation_routes(watch)
        self.is_busy = False

    async def start(self) -> None: ...

    def adopt(self, settings: Settings) -> None: ...

    def stop(self) -> None: ...

    async def close(self) -> None: ...


def allocation_routes(watch: AllocationWatch) -> Sequence[BaseRoute]:
    """The routes, for administrators."""

    async def see(request: Request) -> Response:
        seconds = _seconds(request.query_params.get("seconds"))
        try:
            found = await watch.watch(seconds, _LINES)
        except AlreadyWatched:
            raise Conflict(
                "Allocations are being watched already.", code="already_watched"
            ) from None
        return Response(msgspec.json.encode(found), media_type="application/json")

    return [Route("/admin/allocations", see, methods=["POST"])]


def _seconds(text: str | None) -> float:
    if text is None:
        return _SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= SECONDS_MAX:
        raise InvalidRequest(
            f"'seconds' is a number above 0 and at most {SECONDS_MAX:g}.", code="invalid_seconds"
        )
    return seconds
