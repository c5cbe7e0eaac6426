"""`headrace demo`: a simulated provider, the gateway, and a workload to look at."""

import asyncio
import json
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.live import Live
from rich.table import Table

from headrace.bench.children import ChildEnded, started
from headrace.cli import demo_view as view
from headrace.cli.demo_books import disagreements, keep_books, overruns
from headrace.cli.demo_http import BrokenAnswer, Client
from headrace.cli.demo_phases import Tally, perform, workload
from headrace.cli.stop_signals import heed_stop
from headrace.errors import HeadraceError, SettingsInvalid
from headrace.model import Price
from headrace.routing.prices import PriceTable
from headrace.scratch import Scratch

_WORKLOAD_TIMEOUT_S: Final = 60.0
_OBITUARY_S: Final = 1.0
_INTERRUPTED: Final = 130
_SETTINGS: Final = """\
data_dir: {folder}
listen: {{host: 127.0.0.1, port: {port}}}
providers:
  openai: {{dialect: openai, base_url: "{sim}/v1"}}
  anthropic: {{dialect: anthropic, base_url: "{sim}"}}
stages:
  {{authenticate_ms: 50, validate_ms: 20, route_ms: 20, look_up_ms: 20, join_ms: 20,
    prepare_ms: 20, send_ms: 1000, stream_start_ms: 500}}
log: {{format: "off"}}
"""


class _Stopped(Exception):
    """A signal wants the demo to end."""


class _SimStats(msgspec.Struct):
    requests_total: int


def run(*, once: bool, port: int) -> None:
    """Run the demo.

    Args:
        once: end after the workload instead of staying up.
        port: of the gateway; 0 takes a free one.

    Raises:
        HeadraceError: the port is taken, or a process ended that should not.
        typer.Exit: always in the end; the status is 1 when the workload did not behave, and 130
            when a signal came in the middle of it.
    """
    _check_free(port)
    raise typer.Exit(uvloop.run(_Demo(view.make_console(), once=once).run(port)))


class _Demo:
    def __init__(self, console: Console, *, once: bool) -> None:
        self._console = console
        self._once = once
        self._status = _INTERRUPTED

    async def run(self, port: int) -> int:
        """The whole demo; returns the exit status."""
        stopped = asyncio.Event()
        heed_stop(asyncio.get_running_loop(), stopped.set)
        with Scratch("demo") as folder:
            async with AsyncExitStack() as children:
                try:
                    await self._watched(port, folder, children, stopped)
                except ExceptionGroup as failures:
                    cause = _chief(failures)
                    if not isinstance(cause, _Stopped):
                        raise cause from None
                    self._console.print("\nStopped.")
        return self._status

    async def _watched(
        self, port: int, folder: Path, children: AsyncExitStack, stopped: asyncio.Event
    ) -> None:
        """Start both processes and show them, until a signal comes or one of them dies."""
        async with asyncio.TaskGroup() as group:
            watchers = [group.create_task(_raise_once(stopped))]
            sim = await children.enter_async_context(
                started("simulator", "sim", "--port", "0", "--profile", "fast")
            )
            watchers.append(group.create_task(sim.watch()))
            settings = folder / "headrace.yaml"
            settings.write_text(
                _SETTINGS.format(port=port, sim=await sim.url(), folder=json.dumps(str(folder)))
            )
            gateway = await children.enter_async_context(
                started("gateway", "serve", "--config", str(settings))
            )
            watchers.append(group.create_task(gateway.watch()))
            await self._show(await sim.url(), await gateway.url())
            for watcher in watchers:
                watcher.cancel()

    async def _show(self, sim_url: str, url: str) -> None:
        view.heading(self._console)
        async with Client(sim_url) as sim, Client(url) as gateway:
            try:
                async with asyncio.timeout(_WORKLOAD_TIMEOUT_S):
                    tallies = await self._work(sim, gateway)
                    metrics = (await gateway.get("/metrics")).body.decode()
            except TimeoutError:
                raise HeadraceError(
                    f"the workload was not done within {_WORKLOAD_TIMEOUT_S:g} s."
                ) from None
            except BrokenAnswer:
                # When a process has died, its watcher says so in a moment, and says why.
                await asyncio.sleep(_OBITUARY_S)
                raise
        is_good = self._tell(metrics, tallies)
        self._status = 0 if is_good else 1
        if is_good and not self._once:
            view.next_steps(self._console, url)
            await asyncio.Event().wait()

    async def _work(self, sim: Client, gateway: Client) -> list[Tally]:
        phases = workload()
        tallies: list[Tally] = []

        def table() -> Table:
            return view.phases_table(phases, tallies, self._console.width)

        with Live(console=self._console, get_renderable=table, refresh_per_second=10):
            for phase in phases:
                before = await _calls_seen(sim)
                tally = Tally(phase)
                tallies.append(tally)
                await perform(gateway, tally)
                tally.upstream = await _calls_seen(sim) - before
        if not self._console.is_terminal:
            self._console.print()  # the last line of a table that is not live has no end
        return tallies

    def _tell(self, metrics: str, tallies: list[Tally]) -> bool:
        """Show what was saved, and whether everything was as it should be."""
        books = keep_books(metrics, tallies)
        prices = PriceTable.load()

        def price_of(model: str) -> Price | None:
            return prices.find("", "anthropic" if model.startswith("claude") else "openai", model)

        problems = [f"{t.phase.name}: {problem}" for t in tallies for problem in t.problems()]
        problems += disagreements(books, tallies, price_of)
        view.saved(self._console, books, prices.date, is_agreed=not problems)
        view.stages(self._console, overruns(metrics))
        if problems:
            view.complaints(self._console, problems)
        return not problems


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise SettingsInvalid(
                f"port {port} cannot be had: {error.strerror}; leave --port away, "
                "and the demo finds a free one."
            ) from None


async def _raise_once(stopped: asyncio.Event) -> None:
    await stopped.wait()
    raise _Stopped


async def _calls_seen(sim: Client) -> int:
    stats = await sim.get("/_sim/stats")
    return msgspec.json.decode(stats.body, type=_SimStats).requests_total


def _chief(failures: ExceptionGroup) -> Exception:
    """The one failure that explains the others."""
    for kind in (_Stopped, ChildEnded, HeadraceError):
        found: Exception | None = failures.subgroup(kind)
        while isinstance(found, ExceptionGroup):
            found = found.exceptions[0]
        if found is not None:
            return found
    return failures
