"""A simulated provider on a thread of its own, for tests and code without a loop."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from headrace.sim.batch_api import BatchTerms
from headrace.sim.faults import Fault
from headrace.sim.options import Limits, SimOptions
from headrace.sim.prefixes import ClockShift
from headrace.sim.server import SimServer, fast_loop_factory, start
from headrace.sim.stats import StatsReport

_START_TIMEOUT_S = 60.0

Result = TypeVar("Result")


class ThreadedSim:
    """A `SimServer` that any thread may ask.

    Attributes:
        port: the port it listens on.
        url: its base without a path.
    """

    def __init__(self, server: SimServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self.port = server.port
        self.url = server.url

    def stats(self) -> StatsReport:
        """What it has seen so far."""
        return self._ask(self._server.stats)

    def script(self, *faults: Fault) -> None:
        """Replace the faults still to come."""
        self._ask(lambda: self._server.script(list(faults)))

    def limit(self, limits: Limits) -> None:
        """Go by other limits from now on.

        Raises:
            ValueError: one is below 1.
        """
        self._ask(lambda: self._server.limit(limits))

    def batch_by(self, terms: BatchTerms) -> None:
        """Have batches go by other terms."""
        self._ask(lambda: self._server.batch_by(terms))

    def leap(self, ahead_s: float) -> None:
        """Let the prompt cache's time leap so many seconds ahead."""
        self._ask(lambda: self._server.leap(ClockShift(ahead_s)))

    def reset(self) -> None:
        """Forget script and counts, and start the drawn numbers afresh."""
        self._ask(self._server.reset)

    def _ask(self, question: Callable[[], Result]) -> Result:
        async def asked() -> Result:
            return question()

        return asyncio.run_coroutine_threadsafe(asked(), self._loop).result(_START_TIMEOUT_S)


@contextlib.contextmanager
def running(options: SimOptions) -> Iterator[ThreadedSim]:
    """A provider that runs on a daemon thread as long as the context is open.

    Raises:
        OSError: the address cannot be listened on, or a TLS file cannot be read.
    """
    started: Future[tuple[SimServer, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    thread = threading.Thread(target=_run, args=(options, started), daemon=True)
    thread.start()
    server, loop, stopped = started.result(_START_TIMEOUT_S)
    try:
        yield ThreadedSim(server, loop)
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(_START_TIMEOUT_S)


def _run(
    options: SimOptions,
    started: "Future[tuple[SimServer, asyncio.AbstractEventLoop, asyncio.Event]]",
) -> None:
    async def main() -> None:
        try:
            server = await start(options)
        except OSError as error:
            started.set_exception(error)
            return
        stopped = asyncio.Event()
        started.set_result((server, asyncio.get_running_loop(), stopped))
        await stopped.wait()
        await server.close()

    with asyncio.Runner(loop_factory=fast_loop_factory()) as runner:
        runner.run(main())
