"""`headrace` commands in processes of their own: started, heard, ended with who started them."""

import asyncio
import collections
import contextlib
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, cast

from headrace.errors import HeadraceError
from headrace.tied import tied

_LAST_WORDS_MAX: Final = 12
_LINE_BYTES_MAX: Final = 1 << 16
_START_TIMEOUT_S: Final = 20.0
_STOP_TIMEOUT_S: Final = 5.0
_LISTENS: Final = re.compile(r"listening.*?(http://[\d.]+:\d+)|(http://[\d.]+:\d+).*listening")


class ChildEnded(HeadraceError):
    """A process that should run is no more."""


class Child(asyncio.SubprocessProtocol):
    """One `headrace` command in a process of its own.

    Args:
        name: what messages call it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        loop = asyncio.get_running_loop()
        self._transport: asyncio.SubprocessTransport | None = None
        self._line = bytearray()
        self._words: collections.deque[str] = collections.deque(maxlen=_LAST_WORDS_MAX)
        self._url: asyncio.Future[str] = loop.create_future()
        self._exited: asyncio.Future[None] = loop.create_future()
        self._fate: asyncio.Future[ChildEnded] = loop.create_future()

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._transport is not None  # noqa: S101  # it was started
        return self._transport.get_pid()

    @property
    def ended(self) -> ChildEnded | None:
        """How it ended, once it has."""
        return self._obituary() if self._exited.done() else None

    async def url(self) -> str:
        """Where it listens, as soon as it does.

        Raises:
            ChildEnded: it ends before that, or does not within 20 seconds.
        """
        await asyncio.wait(
            (self._url, self._fate),
            timeout=_START_TIMEOUT_S,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if self._url.done():
            return self._url.result()
        if self._fate.done():
            raise self._fate.result()
        raise ChildEnded(
            f"the {self.name} did not start within {_START_TIMEOUT_S:g} s; {self._last_words()}"
        )

    async def watch(self) -> None:
        """Wait until it ends.

        Raises:
            ChildEnded: always, since it should not end.
        """
        await asyncio.wait((self._fate,))
        raise self._fate.result()

    async def stop(self) -> None:
        """End it: politely, and after a while by force."""
        assert self._transport is not None  # noqa: S101  # it was started
        with contextlib.suppress(ProcessLookupError):
            self._transport.terminate()
        await asyncio.wait((self._exited,), timeout=_STOP_TIMEOUT_S)
        if not self._exited.done():
            with contextlib.suppress(ProcessLookupError):
                self._transport.kill()
            await asyncio.wait((self._exited,))
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It runs."""
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:  # noqa: ARG002  # both in one pipe
        """It said something."""
        *lines, rest = (self._line + data).split(b"\n")
        for line in lines:
            self._heard(line.decode("utf-8", "replace").rstrip())
        self._line = rest[-_LINE_BYTES_MAX:]

    def process_exited(self) -> None:
        """It is gone; what it said last may still come."""
        if not self._exited.done():
            self._exited.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """It is gone, and has said everything."""
        self._fate.set_result(self._obituary())

    def _heard(self, line: str) -> None:
        self._words.append(line)
        found = _LISTENS.search(line)
        if found and not self._url.done():
            self._url.set_result(found[1] or found[2])

    def _obituary(self) -> ChildEnded:
        assert self._transport is not None  # noqa: S101  # it was started
        status = self._transport.get_returncode()
        return ChildEnded(f"the {self.name} ended with status {status}; {self._last_words()}")

    def _last_words(self) -> str:
        if not self._words:
            return "it said nothing."
        return "it said last:\n  " + "\n  ".join(self._words)


@contextlib.asynccontextmanager
async def started(name: str, *arguments: str, source: Path | None = None) -> AsyncIterator[Child]:
    """Run `headrace` as long as the context is open, or as long as this process lives.

    Args:
        name: what messages call it.
        arguments: of the command.
        source: folder with the package to run; by default the one that runs now.
    """
    command = [*_python(source), "-m", "headrace.cli.main", *arguments]
    async with running(name, command) as child:
        yield child


@contextlib.asynccontextmanager
async def running(name: str, command: Sequence[str]) -> AsyncIterator[Child]:
    """Run a command as long as the context is open, or as long as this process lives.

    Args:
        name: what messages call it.
        command: a program, by its path, and its arguments.
    """
    child = Child(name)
    await asyncio.get_running_loop().subprocess_exec(
        lambda: child,
        *tied(command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        # Ctrl-C is for whoever started it, who then ends its children in order.
        start_new_session=True,
    )
    try:
        yield child
    finally:
        await child.stop()


def _python(source: Path | None) -> list[str]:
    """This interpreter; where another package is to be run, with that in front of everything."""
    if source is None:
        return [sys.executable]
    env = shutil.which("env")
    if env is None:
        raise ChildEnded("there is no program `env`, which running another version needs.")
    places = os.pathsep.join([str(source), *filter(None, sys.path)])
    # What was compiled at the first start is there at the next: all trials begin alike.
    unset = ("-u", "PYTHONDONTWRITEBYTECODE")
    return [env, *unset, f"PYTHONPATH={places}", sys.executable, "-P"]
