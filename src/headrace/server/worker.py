"""One worker: a loop, a listening socket, an engine, and what keeps them going until the end."""

import asyncio
import gc
import os
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from headrace.clock import Clock
from headrace.conversations.conversations import Conversations
from headrace.errors import HeadraceError
from headrace.gateway.asking import Asker
from headrace.gateway.calls.flow_desk import FlowDesk
from headrace.gateway.engine import Engine
from headrace.gateway.spend.treasury import Treasury
from headrace.gateway.stock.cache_desk import CacheDesk
from headrace.gateway.tasks import Tasks
from headrace.gateway.warming.warming import Warming
from headrace.ids import Ids
from headrace.limits import SWEEP_INTERVAL_S
from headrace.observe.event_log import Level, Value
from headrace.observe.exposition import render
from headrace.observe.logs import Logs, open_logs
from headrace.observe.loop_lag import LoopLag
from headrace.observe.process import ProcessReading, ProcessSampler
from headrace.server.allowances import Allowances
from headrace.server.asgi import App, AsgiBridge
from headrace.server.books import open_books
from headrace.server.engine_tells import EngineTells
from headrace.server.heads import Desk, forwarded_names
from headrace.server.http import HttpConnection
from headrace.server.kept import open_kept
from headrace.server.lane_told import lane_told
from headrace.server.ledger_keeper import open_keeper
from headrace.server.listener import Certificate, listen_on, server_tls, url_of
from headrace.server.operations import Handler, Operations
from headrace.server.places import Route
from headrace.server.post import Post
from headrace.server.responses import Responses
from headrace.server.rooms import MakeRooms, Means, Rooms, no_rooms
from headrace.server.service import Service
from headrace.server.slo_desk import SloDesk
from headrace.server.stage_watch import StageWatch, make_stage_watch
from headrace.server.stopping import Stopping
from headrace.server.telemetry import keep_telemetry, open_telemetry
from headrace.settings import Settings
from headrace.settings.schema import WarmSettings
from headrace.version import __version__

# A loop that is this late is worth a line in the log.
SLOW_LOOP_S = 0.25
CATCH_UP_S_MAX = 1.0
DRAIN_POLL_S = 0.02

# Requests leave nothing to the collector, so its passes find little; one of 5,000 live objects
# takes half a millisecond, one of 50,000 held every stream up for ten times that.
GC_THRESHOLDS = (5_000, 10, 20)

Load = Callable[[], Settings]
Status = Callable[[], dict[str, Any]]
MakeConsole = Callable[[Status, CacheDesk, FlowDesk, Treasury, Sequence[Sequence[Any]]], App]


class Worker:
    """Serves until it is told to stop.

    Args:
        settings: what to go by.
        load: reads the settings again, for SIGHUP.
        post: where it stands.
        sock: bound, not yet listening.
        make_console: makes the ASGI app of the console, from what tells the worker's status, and
            of the routes of all rooms.
        clock: the time.
        make_rooms: makes what runs beside the data plane.

    Raises:
        SettingsInvalid: a file named in the settings cannot be used.
    """

    _reloads = 0

    def __init__(
        self,
        settings: Settings,
        load: Load,
        *,
        post: Post,
        sock: socket.socket,
        make_console: MakeConsole,
        clock: Clock,
        make_rooms: MakeRooms = no_rooms,
    ) -> None:
        self._load = load
        self._post = post
        self._sock = sock
        self._clock = clock
        self._settings = settings
        self._certificate = Certificate(settings.listen.tls)
        self._stopping = Stopping(clock, post.supervisor_pid)
        self._started_s = clock.monotonic_s()
        if post.supervisor_pid is None:
            post.assign(settings)
        self._metrics = metrics = post.metrics(clock)
        self._sampler = ProcessSampler(metrics)
        self._logs: Logs = open_logs(settings.log, metrics, clock)
        self._tells = EngineTells(self._logs.events)
        tag = f"{post.index:x}{secrets.token_hex(4)}"
        say = self._logs.events.say
        self._records, self._tell_kept = open_kept(settings, post, metrics, clock, say)
        self._keeper = open_keeper(settings, self._records, clock, metrics, say, tag)
        self._engine = self._make_engine(settings)
        self._slos = SloDesk(settings.slos, post, self._engine.pipeline, metrics, clock, say)
        self._room_tasks = Tasks(self._tells.bug)
        self._ids = Ids(clock.wall_s)
        self._conversations = Conversations(
            self._records, settings.conversations, self._ids.new, clock, say
        )
        self._books = open_books(settings, metrics, self._logs, clock)
        self._allowances = Allowances(
            settings, post, self._engine, self._records, self._books, clock=clock, say=say
        )
        self._callers = self._allowances.callers
        self._rooms = Rooms(make_rooms(self._means()))
        self._service = Service(
            bounds=settings.listen,
            desk=self._desk(settings),
            callers=self._callers,
            pipeline=self._engine.pipeline,
            handlers=self._handlers(make_console),
            clock=clock,
            metrics=metrics,
            books=self._books,
            events=self._logs.events,
            worker_tag=tag,
        )
        self._keeper.attach(self._engine, self._service, self._room_tasks.keep)
        self._telemetry = open_telemetry(settings.telemetry, post, clock, metrics, say, tag)
        self._warming = self._make_warming(settings)
        self._allowances.attach(self._renew_desk)
        self._lag = LoopLag(metrics.loop_lag, clock, on_tick=self._tick)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then finish what runs and close everything."""
        loop = asyncio.get_running_loop()
        self._stopping.listen(loop, self._reload)
        async with AsyncExitStack() as ends:
            self._plan_end(ends)
            await self._serve(loop, ends)

    async def _serve(self, loop: asyncio.AbstractEventLoop, ends: AsyncExitStack) -> None:
        self._engine.start()
        self._allowances.start(self._room_tasks.keep)
        self._slos.start(self._records, self._room_tasks.keep)
        await self._engine.catch_up(CATCH_UP_S_MAX)
        await self._allowances.catch_up(CATCH_UP_S_MAX)
        await self._rooms.start()
        self._telemetry.attach(self._service, self._books, self._engine.pipeline.landing)
        self._telemetry.start()
        server = await listen_on(
            self._sock, lambda: HttpConnection(self._service), self._certificate.context
        )
        self._lag.start()
        ends.callback(self._lag.stop)
        ends.callback(loop.call_soon(self._sweep, loop).cancel)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        self._logs.events.say(
            "info", "listening", url=self._url(), pid=os.getpid(), version=__version__
        )
        await self._stopping.wait()
        server.close()
        self._warming.stop()
        self._rooms.stop()
        await self._drain()

    def _plan_end(self, ends: AsyncExitStack) -> None:
        """What is closed at the end, the last first; each is, whatever goes wrong in another."""
        ends.callback(self._logs.close, "stopped", pid=os.getpid())
        ends.push_async_callback(self._records.close)
        ends.push_async_callback(self._slos.close)
        ends.push_async_callback(self._telemetry.close)
        ends.callback(self._books.balance)
        ends.push_async_callback(self._keeper.close)
        ends.push_async_callback(self._allowances.close)
        ends.push_async_callback(self._engine.close)
        ends.push_async_callback(self._room_tasks.close)
        ends.push_async_callback(self._rooms.close)

    def status(self) -> dict[str, Any]:
        """How this worker does, as plain data without secrets."""
        service, engine = self._service, self._engine
        plan = engine.pipeline.plan
        return {
            "version": __version__,
            "worker": self._post.index,
            "pid": os.getpid(),
            "uptime_s": round(self._clock.monotonic_s() - self._started_s, 3),
            "is_draining": service.is_draining,
            "connections": len(service.connections),
            "requests_in_flight": service.inflight,
            "upstream_calls": engine.calls,
            "tasks": engine.tasks,
            "callers": self._callers.told(),
            "templates": engine.templates.told(),
            "cache": {"entries": len(engine.cache), "bytes": engine.cache.bytes_held},
            "providers": {name: lane_told(lane) for name, lane in plan.lanes.items()},
            "retired_providers": [
                {"name": lane.endpoint.name, **lane_told(lane)} for lane in engine.retired
            ],
        }

    def _make_engine(self, settings: Settings) -> Engine:
        return Engine(
            settings,
            clock=self._clock,
            metrics=self._metrics,
            on_bug=self._tells.bug,
            on_unreachable=self._tells.unreachable,
            on_tier=self._tells.tier,
            say=self._logs.events.say,
            tallies=self._post.tallies,
        )

    def _handlers(self, make_console: MakeConsole) -> Mapping[Route, Handler]:
        engine = self._engine
        operations = Operations(
            is_ready=lambda: not self._service.is_draining,
            expose=self._exposition,
            models=lambda: engine.catalogue,
            spawn=engine.spawn,
            tiers=lambda: engine.tiers,
        )
        desks = (engine.desk, engine.flow, engine.treasury)
        app = make_console(self.status, *desks, self._rooms.routes)
        self._apps = apps = AsgiBridge(app, engine.spawn, self._records)
        responses = Responses(engine, self._conversations, self._ids, self._clock, self._tells.bug)
        apart = {Route.ADMIN: apps, Route.API: apps}
        return {**operations.handlers, **apart, Route.RESPONSES: responses}

    def _means(self) -> Means:
        engine, clock = self._engine, self._clock
        return Means(
            settings=self._settings,
            worker=self._post.index,
            clock=clock,
            ids=self._ids,
            conversations=self._conversations,
            asker=Asker(engine.pipeline, engine.dialects, clock.monotonic_s),
            metrics=self._metrics,
            slos=self._slos,
            spend=engine.treasury.told,
            records=self._records,
            keys=self._allowances.keys,
            spawn=self._room_tasks.spawn,
            say=self._logs.events.say,
            url=self._url(is_local=True),
            post=self._post,
        )

    def _make_warming(self, settings: Settings) -> Warming:
        engine = self._engine
        return Warming(
            self._prompts_to_warm(settings),
            pipeline=engine.pipeline,
            dialects=engine.dialects,
            turns=engine.stock.cellar.turns,
            clock=self._clock,
            spawn=engine.spawn,
            say=self._logs.events.say,
        )

    def _prompts_to_warm(self, settings: Settings) -> WarmSettings | None:
        return settings.cache.warm if self._post.index == 0 else None  # one of all workers does it

    def _desk(self, settings: Settings) -> Desk:
        return Desk(
            keys=self._allowances.keys.ring(settings),
            dialects=self._engine.dialects,
            cors_origins=frozenset(o.encode() for o in settings.listen.cors_origins),
            body_bytes_max=settings.listen.body_bytes_max,
            callers=self._callers.limited,
            file_bytes_max=settings.files.bytes_max,
            by_session=bool(settings.tiers or settings.experiments),
            has_templates=settings.templates.path is not None,
            deputy=self._post.make_deputy(),
            sessions=self._post.make_sessions(self._clock),
            forwarded=forwarded_names(settings.telemetry),
        )

    def _stage_watch(self, settings: Settings) -> StageWatch | None:
        return make_stage_watch(settings.stages, self._metrics, self._logs.events)

    def _exposition(self) -> Callable[[], bytes]:
        """Copy the numbers on the loop, and render them wherever the caller likes."""
        self._refresh()
        board = self._post.board
        rows, names, slos = board.rows(), board.slots.names(), self._slos.names
        return lambda: render(self._post.layout, rows, names, slos)

    def _refresh(self) -> ProcessReading:
        self._books.balance()
        self._engine.refresh_gauges()
        self._allowances.refresh_gauges(self._metrics)
        self._tell_kept()
        return self._sampler.sample()

    def _tick(self, lag_s: float) -> None:
        if lag_s > SLOW_LOOP_S:
            self._logs.events.say("warning", "slow_loop", lag_ms=round(lag_s * 1000))
        self._engine.shedding.update(lag_s, self._refresh())
        self._logs.flush()
        self._slos.tick()
        self._warming.tick()
        self._keeper.tick()
        self._telemetry.tick()
        self._stopping.look_for_supervisor()

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        # First, so that nothing that goes wrong below ends the keeping of time.
        if not self._stopping.is_due or self._service.connections:
            loop.call_later(SWEEP_INTERVAL_S, self._sweep, loop)
        if self._allowances.keys.has_ended():
            self._service.forget_heads()
        self._service.sweep(self._clock.monotonic_s())

    async def _drain(self) -> None:
        """Finish what runs, up to the limit; a second signal ends it at once."""
        self._service.drain()
        self._apps.drain()
        end_s = self._clock.monotonic_s() + self._settings.listen.drain_timeout_s
        self._stopping.heed_another()
        while self._service.connections or self._rooms.is_busy:
            if self._stopping.is_due or self._clock.monotonic_s() >= end_s:
                break
            await asyncio.sleep(DRAIN_POLL_S)
        self._engine.end_calls()
        await asyncio.sleep(0)  # who waits is told before it is cut off
        for connection in list(self._service.connections):
            connection.abort()
        await asyncio.sleep(0)

    def _reload(self) -> None:
        self._logs.reopen()
        try:
            settings = keep_telemetry(self._settings, self._load())
            self._desk(settings)  # first: what is refused changes nothing
            certificate = server_tls(settings.listen.tls)
            if self._post.supervisor_pid is None:
                self._post.assign(settings)
            self._engine.reload(settings)
            self._books.watch = self._stage_watch(settings)
        except HeadraceError as error:
            self._say_reload("error", "reload_refused", detail=error.message)
            return
        self._certificate.replace(certificate)
        self._settings = settings
        self._allowances.adopt(settings)
        self._rooms.adopt(settings)
        self._warming.adopt(self._prompts_to_warm(settings))
        self._say_reload("info", "reloaded")

    def _renew_desk(self) -> None:
        self._service.adopt(self._settings.listen, self._desk(self._settings))

    def _say_reload(self, level: Level, event: str, **fields: Value) -> None:
        # Each one is news: told apart by its number, none is taken for a repetition.
        self._reloads += 1
        about = f"reload {self._reloads}"
        self._logs.events.say(level, event, about=about, pid=os.getpid(), **fields)

    def _url(self, *, is_local: bool = False) -> str:
        return url_of(self._sock, is_tls=bool(self._settings.listen.tls), is_local=is_local)
