"""`/admin/alerts`: what is the matter now, for administrators; worked out once for all who ask."""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from headrace.clock import Clock
from headrace.console.alarm_words import ELSEWHERE
from headrace.console.alarms import Place, alarms
from headrace.console.chronicle import Chronicle, sums_of
from headrace.console.chronicle_file import chronicle_bytes, read_chronicle, write_chronicle
from headrace.console.signs import EVERY_S, History, Series, SignReader, Signs
from headrace.gateway.tasks import Spawn
from headrace.observe.cells import Board
from headrace.observe.layout import Layout
from headrace.settings import Settings
from headrace.settings.places import data_dir
from headrace.store.ledger.refused import LEDGER_FOLDER, look_aside
from headrace.store.voice import Say

FRESH_S: Final = 2.0
_PLACE_FRESH_S: Final = 10.0
# A disk that hangs holds up no page.
_PATIENCE_S: Final = 1.0
_RESTARTS: Final = "headrace_worker_restarts_total"
_NO_STORE: Final[Mapping[str, str]] = {"cache-control": "no-store"}

Told = Callable[[], Mapping[str, Any]]


class AlarmRoom:
    """The route as a room of a worker.

    What counters have grown by in a quarter of an hour, and in a week, is told by looks that are
    half a minute apart while nobody asks: all else is looked at when somebody does.

    Args:
        settings: say where data is.
        board: the metrics of all workers.
        layout: of its rows.
        worker: number of this one.
        slos: tells of service levels.
        spend: tells of budgets.
        clock: the time.
        spawn: starts the task that looks.
        say: told when what was seen cannot be kept.

    Attributes:
        routes: the route.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        board: Board,
        layout: Layout,
        worker: int,
        slos: Told,
        spend: Told,
        clock: Clock,
        spawn: Spawn,
        say: Say,
    ) -> None:
        self._folder = data_dir(settings)
        self._board = board
        self._reader = SignReader(layout)
        self._restarts_at = layout.place(_RESTARTS).base
        self._worker = worker
        self._slos = slos
        self._spend = spend
        self._now_s = clock.monotonic_s
        # A wall clock that is set bends nothing.
        self._epoch_s = clock.wall_s() - clock.monotonic_s()
        self._spawn = spawn
        self._say = say
        first = self._read()
        self._history = History(self._first(first))
        self._chronicle = Chronicle(sums_of(first), self._epoch_s + first.at_s)
        self._kept = self._chronicle.step
        self._lock = asyncio.Lock()
        self._told = b""
        self._told_s = -inf
        self._place: asyncio.Future[Place | None] | None = None
        self._place_s = -inf
        self.routes: list[BaseRoute] = [Route("/admin/alerts", self._show, methods=["GET"])]

    @property
    def is_busy(self) -> bool:
        """Nothing has to be waited for."""
        return False

    async def start(self) -> None:
        """Go on from what was seen before this process began, and begin to look."""
        signs = self._history.last
        self._chronicle = await asyncio.to_thread(
            read_chronicle, self._folder, sums_of(signs), self._epoch_s + signs.at_s
        )
        self._spawn(self._look_on())

    def adopt(self, settings: Settings) -> None:
        """Where data is, is settled at the start."""

    def stop(self) -> None:
        """The worker's end ends it."""

    async def close(self) -> None:
        """Keep what was seen."""
        await self._keep()

    async def _show(self, request: Request) -> Response:  # noqa: ARG002
        async with self._lock:
            if self._now_s() - self._told_s >= FRESH_S:
                self._told = await self._look()
                self._told_s = self._now_s()
        return Response(self._told, media_type="application/json", headers=_NO_STORE)

    async def _look(self) -> bytes:
        place = await self._place_now()
        self._see()
        budgets = self._spend().get("budgets", ())
        found = alarms(self._history, self._chronicle, self._slos()["data"], budgets, place)
        return msgspec.json.encode(
            {
                "object": "list",
                "data": found,
                "elsewhere": ELSEWHERE,
                "seen_s": round(self._chronicle.seen_s),
            }
        )

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            self._see()
            if self._chronicle.step != self._kept:
                await self._keep()

    def _see(self) -> None:
        signs = self._read()
        self._history.add(signs)
        self._chronicle.add(sums_of(signs), self._epoch_s + signs.at_s)

    async def _keep(self) -> None:
        """Have the gateway after this one know what was seen; one worker does it for all."""
        self._kept = self._chronicle.step
        if self._worker != 0 or not self._chronicle.steps:
            return
        try:
            await asyncio.to_thread(write_chronicle, self._folder, chronicle_bytes(self._chronicle))
        except OSError as error:
            self._say("warning", "chronicle_not_kept", detail=str(error))

    def _read(self) -> Signs:
        board = self._board
        return self._reader.read(self._now_s(), board.rows(), board.slots.names())

    def _first(self, signs: Signs) -> Signs:
        """How things stand at the start: what was before is no news, but this start itself is,
        where the worker takes the place of a dead one."""
        if not self._board.rows()[self._worker][self._restarts_at]:
            return signs
        before: Series = {(): signs.total(_RESTARTS) - 1}
        return Signs(signs.at_s, {**signs.values, _RESTARTS: before})

    async def _place_now(self) -> Place | None:
        asked = self._place
        now_s = self._now_s()
        if asked is None or (asked.done() and now_s - self._place_s >= _PLACE_FRESH_S):
            loop = asyncio.get_running_loop()
            self._place = asked = loop.run_in_executor(None, _look_at, self._folder)
            self._place_s = now_s
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await asyncio.shield(asked)
        except TimeoutError:
            return None


def _look_at(folder: Path) -> Place | None:
    try:
        disk = shutil.disk_usage(folder)
        aside = look_aside(folder / LEDGER_FOLDER)
    except OSError:
        return None
    return Place(disk.free, disk.total, aside.rows, aside.unreadable)
