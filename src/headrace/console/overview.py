"""`/admin/overview`: what goes on, for whoever watches; worked out once, however many do."""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from headrace.clock import Clock
from headrace.console.readings import Dials, Snapshot, reading, totals
from headrace.errors import InvalidRequest
from headrace.gateway.tasks import Spawn
from headrace.observe.cells import Board
from headrace.observe.layout import Layout
from headrace.settings import Settings
from headrace.version import __version__

EVERY_S: Final = 2.0
# Ten minutes to look back on.
KEPT_MAX: Final = 300
# Percentiles and shares are of ten seconds.
_WINDOW: Final = 5
_JSON: Final = "application/json"
_NO_STORE: Final[Mapping[str, str]] = {"cache-control": "no-store"}


class Overview:
    """Keeps what was seen of late. Belongs to one event loop.

    Args:
        board: the metrics of all workers.
        layout: of its rows.
        clock: the time.
    """

    def __init__(self, board: Board, layout: Layout, clock: Clock) -> None:
        self._board = board
        self._clock = clock
        self._dials = Dials(layout)
        self._seen: deque[Snapshot] = deque(maxlen=_WINDOW)
        self._first: Snapshot | None = None
        self._readings: deque[tuple[float, msgspec.Raw]] = deque(maxlen=KEPT_MAX)
        self._totals = msgspec.Raw(b"{}")

    def look(self) -> None:
        """Take note of how things stand."""
        board, dials = self._board, self._dials
        now = dials.read(self._clock.wall_s(), board.rows(), board.slots.names())
        if self._first is None:
            self._first = now
        if self._seen:
            told = reading(self._seen[-1], self._seen[0], now, dials.bounds_s)
            self._readings.append((told["at"], msgspec.Raw(msgspec.json.encode(told))))
        self._seen.append(now)
        self._totals = msgspec.Raw(msgspec.json.encode(totals(self._first, now, dials.bounds_s)))

    def told(self, after_s: float) -> bytes:
        """How things stand, and the points of the curves that are newer than a time, as JSON."""
        return msgspec.json.encode(
            {
                "version": __version__,
                "now": self._clock.wall_s(),
                "every_s": EVERY_S,
                "totals": self._totals,
                "series": [told for at_s, told in self._readings if at_s > after_s],
            }
        )


class OverviewRoom:
    """The route as a room of a worker.

    Args:
        board: the metrics of all workers.
        layout: of its rows.
        clock: the time.
        spawn: starts the task that looks.

    Attributes:
        routes: see above.
    """

    def __init__(self, board: Board, layout: Layout, clock: Clock, spawn: Spawn) -> None:
        self._overview = Overview(board, layout, clock)
        self._spawn = spawn
        self.routes = overview_routes(self._overview)

    @property
    def is_busy(self) -> bool:
        """Nothing has to be waited for."""
        return False

    async def start(self) -> None:
        """Begin to look."""
        self._overview.look()
        self._spawn(self._look_on())

    def adopt(self, settings: Settings) -> None:
        """Nothing of it is set here."""

    def stop(self) -> None:
        """The worker's end ends it."""

    async def close(self) -> None:
        """Nothing is left."""

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            self._overview.look()


def overview_routes(overview: Overview) -> list[BaseRoute]:
    """The route.

    Args:
        overview: what it tells.
    """

    async def show(request: Request) -> Response:
        after = request.query_params.get("after", "0")
        try:
            after_s = float(after)
        except ValueError:
            raise InvalidRequest(
                "after is a time in seconds since the epoch.", param="after"
            ) from None
        return Response(overview.told(after_s), media_type=_JSON, headers=_NO_STORE)

    return [Route("/admin/overview", show, methods=["GET"])]
