"""`/admin/overview`: what goes on, for whoever watches; worked out once, however many do."""

from collections import deque
from collections.abc import Mapping, Sequence
from math import inf
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from headrace.clock import Clock
from headrace.console.readings import Dials, Snapshot, reading, totals
from headrace.errors import InvalidRequest
from headrace.observe.cells import Board
from headrace.observe.layout import Layout
from headrace.settings import Settings
from headrace.version import __version__

EVERY_S: Final = 2.0
"""How often a page asks."""
FRESH_S: Final = 1.5
"""For how long everybody is told the same."""
KEPT_S: Final = 600.0
"""How long points of the curves are kept, and what tables are of."""
_KEPT_MAX: Final = int(KEPT_S / FRESH_S)
# Percentiles and shares are of ten seconds.
_WINDOW: Final = 5
# Between what tables may be of.
_STEP_S: Final = 30.0
# Whoever comes after so long begins new curves: nobody knows what was in between.
_GAP_S: Final = 60.0
_JSON: Final = "application/json"
_NO_STORE: Final[Mapping[str, str]] = {"cache-control": "no-store"}


class Overview:
    """Looks at the counters while somebody watches, and keeps what it saw. Belongs to one loop.

    Times are told by the monotonic clock, as seconds since the epoch: a wall clock that is set
    bends no curve.

    Args:
        board: the metrics of all workers.
        layout: of its rows.
        clock: the time.
    """

    def __init__(self, board: Board, layout: Layout, clock: Clock) -> None:
        self._board = board
        self._dials = Dials(layout)
        self._cells = layout.size
        self._now_s = clock.monotonic_s
        self._epoch_s = clock.wall_s() - clock.monotonic_s()
        self._began_s = clock.monotonic_s()
        self._looked_s = -inf
        self._looks = 0
        self._seen: deque[Snapshot] = deque(maxlen=_WINDOW)
        self._past: deque[Snapshot] = deque()
        self._readings: deque[tuple[float, msgspec.Raw]] = deque(maxlen=_KEPT_MAX)
        self._totals = msgspec.Raw(b"{}")

    def told(self, after_s: float) -> bytes:
        """How things stand, and the points of the curves that are newer than a time, as JSON."""
        now_s = self._now_s()
        if now_s - self._looked_s >= FRESH_S:
            self._look(now_s)
        return msgspec.json.encode(
            {
                "version": __version__,
                "now": round(self._epoch_s + now_s, 3),
                "every_s": EVERY_S,
                "looks": self._looks,
                "totals": self._totals,
                "series": [told for at_s, told in self._readings if at_s > after_s],
            }
        )

    def _look(self, now_s: float) -> None:
        board, bounds_s = self._board, self._dials.bounds_s
        now = self._read(now_s, board.rows(), board.slots.names())
        if not self._past:
            self._past.append(self._read(self._began_s, [[0.0] * self._cells], ()))
        if now_s - self._looked_s > _GAP_S:
            self._seen.clear()
        if self._seen:
            told = reading(self._seen[-1], self._seen[0], now, bounds_s)
            self._readings.append((told["at"], msgspec.Raw(msgspec.json.encode(told))))
        self._forget(now.at_s)
        self._seen.append(now)
        self._totals = msgspec.Raw(msgspec.json.encode(totals(self._past[0], now, bounds_s)))
        if now.at_s - self._past[-1].at_s >= _STEP_S:
            self._past.append(now)
        self._looked_s = now_s
        self._looks += 1

    def _read(
        self, now_s: float, rows: Sequence[Sequence[float]], providers: Sequence[str]
    ) -> Snapshot:
        return self._dials.read(self._epoch_s + now_s, rows, providers)

    def _forget(self, now_s: float) -> None:
        while self._readings and self._readings[0][0] < now_s - KEPT_S:
            self._readings.popleft()
        # The first is what tables are since: as old as it may be, or as old as there is.
        while len(self._past) > 1 and self._past[1].at_s <= now_s - KEPT_S:
            self._past.popleft()


class OverviewRoom:
    """The route as a room of a worker.

    Args:
        board: the metrics of all workers.
        layout: of its rows.
        clock: the time.

    Attributes:
        routes: see above.
    """

    def __init__(self, board: Board, layout: Layout, clock: Clock) -> None:
        self.routes = overview_routes(Overview(board, layout, clock))

    @property
    def is_busy(self) -> bool:
        """Nothing has to be waited for."""
        return False

    async def start(self) -> None:
        """Nothing has to be done until somebody watches."""

    def adopt(self, settings: Settings) -> None:
        """Nothing of it is set here."""

    def stop(self) -> None:
        """Nothing is under way."""

    async def close(self) -> None:
        """Nothing is left."""


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
