"""`/admin/slos`: how service levels stand, for administrators."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from headrace.settings import Settings
from headrace.settings.slos import Slo


class SloRoom:
    """The route as a room of a worker.

    Args:
        told: tells of all of them, as plain data.
        adopt: told of other ones.

    Attributes:
        routes: the route.
    """

    def __init__(
        self, told: Callable[[], dict[str, Any]], adopt: Callable[[tuple[Slo, ...]], None]
    ) -> None:
        self._adopt = adopt

        async def show(request: Request) -> Response:  # noqa: ARG001
            return JSONResponse(told())

        self.routes: list[BaseRoute] = [Route("/admin/slos", show, methods=["GET"])]

    @property
    def is_busy(self) -> bool:
        """Nothing has to be waited for."""
        return False

    async def start(self) -> None:
        """Nothing has to be done."""

    def adopt(self, settings: Settings) -> None:
        """Watch what these declare."""
        self._adopt(settings.slos)

    def stop(self) -> None:
        """Nothing is under way."""

    async def close(self) -> None:
        """Nothing is left."""
