"""The processes of a run: started, told to begin at one time, heard, and ended with it."""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import msgspec

from headrace.bench.load import messages, worker
from headrace.bench.load.faults import PlanInvalid
from headrace.bench.load.messages import Progress, Result, packed
from headrace.bench.load.plan import Plan
from headrace.clock import Clock
from headrace.errors import HeadraceError

WORKERS_MAX: Final = 64
_BEGIN_AFTER_S: Final = 0.3
_END_TIMEOUT_S: Final = 10.0


class WorkerLost(HeadraceError):
    """A process that loads ended before its time."""


class Target(msgspec.Struct, frozen=True):
    """What is loaded.

    Attributes:
        host: name or address.
        port: its port.
        credential: a key of it, or none; never written down.
    """

    host: str
    port: int
    credential: str | None = None

    @classmethod
    def of(cls, url: str, credential: str | None = None, *, is_consented: bool = False) -> "Target":
        """Read a URL.

        Args:
            url: `http://HOST:PORT`; a path `/v1` is allowed, and known anyway.
            credential: a key.
            is_consented: whether it may be another machine than this.

        Raises:
            PlanInvalid: it cannot be loaded, or must not be.
        """
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme != "http" or not parts.hostname or port == -1:
            raise PlanInvalid(f"{url}: give http://HOST:PORT; TLS is not spoken by the client.")
        if parts.path not in {"", "/", "/v1", "/v1/"} or parts.query or parts.username:
            raise PlanInvalid(f"{url}: give http://HOST:PORT, without a path of its own.")
        is_here = is_loopback(parts.hostname)
        if not (is_here or is_consented):
            raise PlanInvalid(
                f"{parts.hostname} is not this machine: load is sent elsewhere only with "
                "--i-may-load-this-host, by whoever may."
            )
        return cls(parts.hostname, port or 80, credential)


class Crew:
    """Runs a plan in processes of their own.

    Args:
        plan: what to do.
        target: what is loaded.
        workers: how many processes.
        rows_max: requests kept one by one in each phase.
        spins: whether clients wait on their feet.
        nonce: stands in every prompt.
        on_progress: told how it goes: which worker, and what it says.
        clock: the time.
    """

    def __init__(
        self,
        plan: Plan,
        target: Target,
        *,
        workers: int,
        rows_max: int,
        spins: bool,
        nonce: str,
        on_progress: Callable[[int, Progress], None],
        clock: Clock,
    ) -> None:
        self._plan, self._target = plan, target
        self._workers, self._rows_max, self._spins = workers, rows_max, spins
        self._nonce = nonce
        self._on_progress = on_progress
        self._clock = clock
        self._processes: list[asyncio.subprocess.Process] = []
        self._is_stopped = False

    async def run(self, on_start: Callable[[float], None]) -> list[Result]:
        """Run it.

        Args:
            on_start: told when the first phase begins, on the monotonic clock.

        Returns:
            What each worker counted; nothing where it was stopped before it began.

        Raises:
            PlanInvalid: a schedule cannot be made.
            WorkerLost: a process ended before its time.
        """
        try:
            for number in range(self._workers):
                self._processes.append(await self._start(number))
            for process in self._processes:
                await self._ready(process)
            start_s = self._clock.monotonic_s() + _BEGIN_AFTER_S
            on_start(start_s)
            if self._is_stopped:
                self.stop()  # again, for those that were started since
            else:
                self._tell(packed(messages.Go(start_s)))
            return list(await asyncio.gather(*map(self._heard, range(self._workers))))
        finally:
            for process in self._processes:
                await _end(process)

    def stop(self) -> None:
        """End before the end; the run then tells what there is."""
        self._is_stopped = True
        self._tell(packed(messages.Stop()))

    def _tell(self, message: bytes) -> None:
        for process in self._processes:
            if process.stdin is not None and not process.stdin.is_closing():
                process.stdin.write(message)

    async def _start(self, number: int) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", worker.__name__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Ctrl-C is for whoever started them, who then asks them for what there is.
            start_new_session=True,
        )
        job = messages.Job(
            plan=self._plan,
            host=self._target.host,
            port=self._target.port,
            credential=self._target.credential,
            worker=number,
            workers=self._workers,
            rows_max=self._rows_max,
            spins=self._spins,
            nonce=self._nonce,
        )
        assert process.stdin is not None  # noqa: S101  # it was started with a pipe
        process.stdin.write(packed(job))
        return process

    async def _ready(self, process: asyncio.subprocess.Process) -> None:
        message = await _receive(process)
        if isinstance(message, messages.Refused):
            raise PlanInvalid(message.message)
        if not isinstance(message, messages.Ready):
            raise WorkerLost(f"a process that loads began with {type(message).__name__}.")

    async def _heard(self, number: int) -> Result:
        """Everything a worker says, to its result."""
        while True:
            message = await _receive(self._processes[number])
            if isinstance(message, Result):
                return message
            if isinstance(message, Progress):
                self._on_progress(number, message)


def is_loopback(host: str) -> bool:
    """Whether a name or an address can be no other machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def _receive(process: asyncio.subprocess.Process) -> messages.FromWorker:
    output = process.stdout
    assert output is not None  # noqa: S101  # it was started with a pipe
    try:
        message: messages.FromWorker = await messages.received(output, messages.FromWorker)
    except asyncio.IncompleteReadError:
        status = await process.wait()
        raise WorkerLost(f"a process that loads ended with status {status}.") from None
    return message


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_END_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
