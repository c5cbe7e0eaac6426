"""The processes the demo runs: started, watched, and ended with it."""

import asyncio
import collections
import contextlib
import re
import sys
from collections.abc import AsyncIterator

from headrace.errors import HeadraceError

_LAST_WORDS_MAX = 12
_LINE_BYTES_MAX = 1 << 20
_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 5.0
_LISTENS = re.compile(r"listening.*?(http://[\d.]+:\d+)|(http://[\d.]+:\d+).*listening")


class ChildEnded(HeadraceError):
    """A process that should run is no more."""


class Child:
    """One `headrace` command in a process of its own.

    Args:
        name: what messages call it.
        process: with both of its outputs in one pipe.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self._process = process
        self._words: collections.deque[str] = collections.deque(maxlen=_LAST_WORDS_MAX)
        self._url: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    async def url(self) -> str:
        """Where it listens, as soon as it does.

        Raises:
            ChildEnded: it does not within 20 seconds.
        """
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                return await self._url
        except TimeoutError:
            raise ChildEnded(
                f"the {self.name} did not start within {_START_TIMEOUT_S:g} s; {self._last_words()}"
            ) from None

    async def watch(self) -> None:
        """Read what it says until it ends.

        Raises:
            ChildEnded: always, since it should not end.
        """
        output = self._process.stdout
        assert output is not None  # noqa: S101  # it was started with a pipe
        async for line in output:
            self._heard(line.decode("utf-8", "replace").rstrip())
        status = await self._process.wait()
        raise ChildEnded(f"the {self.name} ended with status {status}; {self._last_words()}")

    async def stop(self) -> None:
        """End it: politely, and after a while by force."""
        if self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def _heard(self, line: str) -> None:
        self._words.append(line)
        found = _LISTENS.search(line)
        if found and not self._url.done():
            self._url.set_result(found[1] or found[2])

    def _last_words(self) -> str:
        if not self._words:
            return "it said nothing."
        return "it said last:\n  " + "\n  ".join(self._words)


@contextlib.asynccontextmanager
async def started(name: str, *arguments: str) -> AsyncIterator[Child]:
    """Run `headrace` with `arguments` as long as the context is open."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "headrace.cli.main", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        # Ctrl-C is for the demo, which then ends its children in order.
        start_new_session=True,
        limit=_LINE_BYTES_MAX,
    )
    child = Child(name, process)
    try:
        yield child
    finally:
        await child.stop()
