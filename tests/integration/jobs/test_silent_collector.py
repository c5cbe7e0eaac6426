"""A collector that never answers holds the end of a worker up no longer than that may take."""

import asyncio
import socket
from pathlib import Path
from typing import Any

from tests.support.jobs import JobHouse
from tests.support.jobs_worker import KINDS

from headrace.clock import SystemClock
from headrace.jobs.last_resort import LastResort
from headrace.jobs.posting import Posting
from headrace.jobs.process import WorkerProcess
from headrace.settings.jobs import JobsSettings
from headrace.settings.telemetry import TelemetrySettings

LONG_S = 600.0
SHORT_S = 120.0


def test_a_worker_does_not_wait_for_it_beyond_its_own_end(tmp_path: Path) -> None:
    said: list[str] = []

    def say(level: str, event: str, about: str = "", **fields: Any) -> None:
        said.append(event)

    async def main(collector: socket.socket) -> None:
        process = WorkerProcess(
            JobsSettings(poll_ms=20, grace_s=0),
            KINDS,
            Posting("sqlite", str(tmp_path), "http://127.0.0.1:9"),
            clock=SystemClock(),
            say=say,
            last_resort=LastResort(1.0, say, lambda status: None),
            telemetry=TelemetrySettings(
                traces=True,
                sample=1.0,
                endpoint=f"http://127.0.0.1:{collector.getsockname()[1]}",
                timeout_s=LONG_S,
                flush_s=LONG_S,
            ),
        )
        async with asyncio.timeout(SHORT_S):
            working = asyncio.create_task(process.run())
            connection, _ = await asyncio.get_running_loop().sock_accept(collector)
            with connection:
                process.stop()
                await working

    with JobHouse("sqlite", tmp_path) as house:
        house.submit("nothing", input={"number": 1})
    with socket.create_server(("127.0.0.1", 0)) as collector:
        collector.setblocking(False)
        asyncio.run(main(collector))
    assert "jobs_worker_stopped" in said
