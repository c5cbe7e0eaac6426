"""The gateway's own worker: a child that is started when there is something to do.

Jobs need packages that a gateway at rest has no room for, and may take the processor for long. The
child is told what to do by its standard input, whose end tells it that the gateway is gone. One
runs for each data directory: it holds a lock, and lets go of it before it looks a last time whether
it may end for want of work, so that no job is left between the two.
"""

import asyncio
import fcntl
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from headrace.clock import Clock
from headrace.gateway.tasks import Spawn
from headrace.jobs.liveness import is_free
from headrace.jobs.posting import Posting
from headrace.settings.jobs import JobsSettings
from headrace.settings.telemetry import TelemetrySettings
from headrace.settings.values import Secret
from headrace.store.voice import Say

COMMAND: Final = (
    sys.executable,
    "-c",
    "from headrace.cli.jobs_work import run_embedded as jobs_worker; jobs_worker()",
)
# Without anything to do for so long, the child ends.
IDLE_S: Final = 60.0
_LOCK: Final = "embedded.lock"
_LOOK_S: Final = 0.5
_PAUSE_S: Final = 0.2
_PAUSE_S_MAX: Final = 30.0
# A child that ran for so long has not failed at once.
_SOUND_S: Final = 30.0
_KILL_AFTER_S: Final = 40.0
_LAST_LOOK_S: Final = 5.0


class Order(msgspec.Struct, frozen=True):
    """What an embedded worker is told."""

    posting: Posting
    settings: JobsSettings
    telemetry: TelemetrySettings = TelemetrySettings()

    def worded(self) -> bytes:
        """The order as one line; holds secrets."""
        return msgspec.json.encode(self, enc_hook=_revealed) + b"\n"

    @classmethod
    def read(cls, line: bytes) -> "Order":
        """An order from its line."""
        return msgspec.json.decode(line, type=cls, dec_hook=_hidden)


class EmbeddedLock:
    """Held by the one embedded worker of a data directory.

    Args:
        folder: of jobs.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / _LOCK
        self._file: int | None = None

    def take(self) -> bool:
        """Hold it from now on; false where another does."""
        file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._file = file
        return True

    def release(self) -> None:
        """Let another have it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @property
    def is_taken(self) -> bool:
        """Whether anybody holds it."""
        return self._path.exists() and not is_free(self._path)


class EmbeddedWorker:
    """Starts the child, and starts it again where it dies. Belongs to one loop.

    Args:
        order: what it is told, asked for at each start.
        folder: of jobs.
        clock: the time.
        spawn: starts a task.
        say: told what happens.
        command: what is run.
    """

    def __init__(
        self,
        order: Callable[[], Order],
        folder: Path,
        *,
        clock: Clock,
        spawn: Spawn,
        say: Say,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._order = order
        self._folder = folder
        self._clock = clock
        self._spawn = spawn
        self._say = say
        self._command = command
        self._child: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._wanted_s = float("-inf")
        self._is_stopping = False
        self._is_renewing = False

    def want(self) -> None:
        """See that a child runs: there is something to do. Cheap."""
        self._wanted_s = self._clock.monotonic_s()
        if self._task is None and not self._is_stopping:
            self._task = self._spawn(self._keep())

    def renew(self) -> bool:
        """Have the child end, so that the next one is told anew; whether there was one.

        Only whoever wants a child from now on gets one.
        """
        self._wanted_s = float("-inf")
        self._is_renewing = self.is_running
        if self._child is not None and self.is_running:
            self._child.terminate()
        return self._is_renewing

    def stop(self) -> None:
        """Have the child finish, or give back what it does."""
        self._is_stopping = True
        if self._child is not None and self.is_running:
            self._child.terminate()

    async def close(self) -> None:
        """Wait for the child's end, which comes soon after `stop`."""
        self.stop()
        task = self._task
        if task is None:
            return
        await asyncio.wait({task}, timeout=_KILL_AFTER_S)
        if self._child is not None and self.is_running:
            self._child.kill()
        await asyncio.wait({task}, timeout=_LOOK_S)
        task.cancel()

    @property
    def is_running(self) -> bool:
        """Whether the child is there."""
        return self._child is not None and self._child.returncode is None

    @property
    def _is_wanted(self) -> bool:
        return self._clock.monotonic_s() - self._wanted_s < IDLE_S

    async def _keep(self) -> None:
        lock, pause_s = EmbeddedLock(self._folder), _PAUSE_S
        while self._is_wanted and not self._is_stopping:
            if lock.is_taken:
                await asyncio.sleep(_LOOK_S)
                continue
            began_s = self._clock.monotonic_s()
            status = await self._run()
            ended_s = self._clock.monotonic_s()
            if self._is_renewing:
                self._is_renewing = False
                if self._wanted_s >= began_s:  # its end may have taken long
                    self._wanted_s = ended_s
            elif status == 0:
                # Only what came about its end may have been missed by its last look.
                if ended_s - self._wanted_s > _LAST_LOOK_S:
                    break
            elif not self._is_stopping:
                self._say("error", "jobs_worker_died", about=str(status), status=status)
                self._wanted_s = ended_s
                sound = ended_s - began_s > _SOUND_S
                pause_s = _PAUSE_S if sound else min(pause_s * 2, _PAUSE_S_MAX)
                await asyncio.sleep(pause_s)
        self._task = None

    async def _run(self) -> int:
        try:
            self._child = child = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE
            )
        except OSError as error:
            self._say("error", "jobs_worker_not_started", detail=str(error))
            return -1
        pipe = child.stdin
        if pipe is not None:
            with suppress(OSError):
                pipe.write(self._order().worded())
                await pipe.drain()
        if self._is_stopping:
            child.terminate()
        return await child.wait()


def _revealed(secret: object) -> str:
    assert isinstance(secret, Secret)  # noqa: S101  # the rest is plain
    return secret.reveal()


def _hidden(kind: type, text: object) -> object:
    return kind(text)
