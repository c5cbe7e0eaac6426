"""Starting and stopping a simulated provider."""

import asyncio
import signal
import ssl
from collections.abc import Callable

from headrace.clock import SystemClock
from headrace.sim.batch_api import BatchTerms
from headrace.sim.faults import Fault, FaultKind
from headrace.sim.http import Connection, Hub
from headrace.sim.options import Limits, SimOptions
from headrace.sim.pace import Profile
from headrace.sim.prefixes import ClockShift
from headrace.sim.service import Service
from headrace.sim.stats import StatsReport

__all__ = ("Fault", "FaultKind", "Profile", "SimOptions", "SimServer", "run", "serve", "start")

_BACKLOG = 2048


class SimServer:
    """A running provider; lives on the loop that started it.

    Attributes:
        port: the port it listens on.
        url: its base without a path, such as `http://127.0.0.1:9100`.
    """

    def __init__(self, options: SimOptions, hub: Hub, listener: asyncio.Server) -> None:
        self._hub = hub
        self._listener = listener
        self.port: int = listener.sockets[0].getsockname()[1]
        scheme = "http" if options.tls_cert_file is None else "https"
        host = f"[{options.host}]" if ":" in options.host else options.host
        self.url = f"{scheme}://{host}:{self.port}"

    def stats(self) -> StatsReport:
        """What it has seen so far."""
        return self._hub.stats.report()

    def script(self, faults: list[Fault]) -> None:
        """Replace the faults still to come."""
        self._hub.service.script.load(faults)

    def limit(self, limits: Limits) -> None:
        """Go by other limits from now on.

        Raises:
            ValueError: one is below 1.
        """
        self._hub.service.limit(limits)

    def batch_by(self, terms: BatchTerms) -> None:
        """Have batches go by other terms."""
        self._hub.service.batch_by(terms)

    def leap(self, shift: ClockShift) -> None:
        """Let the prompt cache's time leap ahead, where there is one."""
        self._hub.service.leap(shift)

    def reset(self) -> None:
        """Forget script and counts, and start the drawn numbers afresh."""
        self._hub.service.reset()

    async def close(self) -> None:
        """Stop listening and close every connection at once."""
        self._listener.close()
        for connection in list(self._hub.connections):
            connection.abort()
        await self._listener.wait_closed()


async def start(options: SimOptions) -> SimServer:
    """Start a provider on the running loop.

    Raises:
        OSError: the address cannot be listened on, or a TLS file cannot be read.
    """
    loop = asyncio.get_running_loop()
    hub = Hub(Service(options, SystemClock()), loop)
    listener = await loop.create_server(
        lambda: Connection(hub), options.host, options.port, ssl=_tls(options), backlog=_BACKLOG
    )
    return SimServer(options, hub, listener)


async def serve(options: SimOptions, on_ready: Callable[[SimServer], None] | None = None) -> None:
    """Run a provider until SIGTERM or SIGINT.

    Args:
        options: what to start it with.
        on_ready: called once it listens.

    Raises:
        OSError: the address cannot be listened on, or a TLS file cannot be read.
    """
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stopped.set)
    try:
        server = await start(options)
        if on_ready is not None:
            on_ready(server)
        await stopped.wait()
        await server.close()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def run(options: SimOptions, on_ready: Callable[[SimServer], None] | None = None) -> None:
    """`serve` on a loop of its own: uvloop's where it is installed."""
    with asyncio.Runner(loop_factory=fast_loop_factory()) as runner:
        runner.run(serve(options, on_ready))


def fast_loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's loop where it is installed, else `None` for asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _tls(options: SimOptions) -> ssl.SSLContext | None:
    if options.tls_cert_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.tls_cert_file, options.tls_key_file)
    return context
