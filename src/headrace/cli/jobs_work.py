"""`headrace jobs work`: a worker in this process."""

import asyncio
import os
import sys
import threading
from pathlib import Path
from typing import Final

import uvloop

from headrace.clock import SystemClock
from headrace.errors import SettingsInvalid
from headrace.jobs.built_in import built_in_kinds
from headrace.jobs.embedded import IDLE_S, EmbeddedLock, Order
from headrace.jobs.last_resort import END_S, LastResort
from headrace.jobs.posting import JOBS_FOLDER, Posting
from headrace.jobs.process import WorkerProcess
from headrace.observe.logs import open_direct_log
from headrace.settings import from_environment, load_settings
from headrace.settings.log import LogSettings
from headrace.settings.places import data_dir as data_dir_of

_LOOPBACK: Final = "127.0.0.1"
_PORT_MAX: Final = 65535


def run_worker(
    config: Path | None,
    queues: tuple[str, ...],
    *,
    gateway: str,
    key: str | None,
    data_dir: Path | None,
    metrics: str | None,
) -> None:
    """Work apart from a gateway, until told to stop.

    Raises:
        SettingsInvalid: it cannot work like this.
    """
    settings = from_environment(os.environ) if config is None else load_settings(config)
    posting = Posting(
        store_url=settings.store.url.reveal(),
        data_dir=str((data_dir or data_dir_of(settings)).absolute()),
        gateway=gateway,
        queues=queues,
        key=key,
        metrics_at=None if metrics is None else _address(metrics),
    )
    _run(Order(posting, settings.jobs, settings.telemetry), settings.log)


def run_embedded() -> None:
    """Work for the gateway that started this process, whose orders come by standard input."""
    told = sys.stdin.buffer.readline()
    if not told:  # the gateway has died meanwhile
        return
    order = Order.read(told)
    lock = EmbeddedLock(Path(order.posting.data_dir) / JOBS_FOLDER)
    if lock.take():
        _run(order, LogSettings(), lock)


def _run(order: Order, log: LogSettings, lock: EmbeddedLock | None = None) -> None:
    settings = order.settings
    clock = SystemClock()
    say = open_direct_log(log, clock).say

    async def work() -> None:
        last_resort = LastResort(settings.grace_s + END_S, say)
        process = WorkerProcess(
            settings,
            built_in_kinds(),
            order.posting,
            clock=clock,
            say=say,
            last_resort=last_resort,
            telemetry=order.telemetry,
        )
        if lock is not None:
            process.end_when_idle(IDLE_S, lock.release, lock.take)
            _watch_parent(asyncio.get_running_loop(), process)
        await process.run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())


def _address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, or a port of loopback."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) <= _PORT_MAX):
        raise SettingsInvalid(f"--metrics: expected HOST:PORT such as 127.0.0.1:9465, not '{text}'")
    return host.strip("[]") or _LOOPBACK, int(port)


def _watch_parent(loop: asyncio.AbstractEventLoop, process: WorkerProcess) -> None:
    def wait() -> None:
        # Not the buffered reader: its lock, held at the end, is a fatal error of the interpreter.
        while os.read(sys.stdin.fileno(), 4096):
            pass
        loop.call_soon_threadsafe(process.stop)

    threading.Thread(target=wait, daemon=True).start()
