"""One connection to Valkey or Redis, which carries any number of questions at once.

They are answered in the order in which they were sent. Of those that are asked in one turn of the
loop the first is sent at once, and the others together.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, cast

from headrace.cache.resp import NOTHING, Command, NotSpoken, Push, Reader, pack


class LineLost(Exception):  # of a connection that is no more
    """The connection ended; the cause is why, where that is known."""


class Ear(Protocol):
    """Hears what comes over a connection without having been asked for."""

    def pushed(self, parts: list[Any]) -> None: ...
    def ended(self) -> None:
        """The connection is no more."""
        ...


class _Asked(NamedTuple):
    """Commands that were sent together, until they are answered."""

    commands: int
    answers: list[Any]
    future: "asyncio.Future[list[Any]]"


class Line(asyncio.Protocol):
    """One open connection.

    Args:
        ear: told what nobody asked for.
    """

    def __init__(self, ear: Ear | None = None) -> None:
        self._ear = ear
        self._reader = Reader()
        self._asked: deque[_Asked] = deque()
        self._unsent: list[bytes] = []
        self._is_gathering = False
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._is_late = False
        self.lost: LineLost | None = None
        """Why nothing can be asked here any more."""

    @property
    def is_usable(self) -> bool:
        """Whether another question may be asked here."""
        return self.lost is None and not self._is_late

    @property
    def waiting(self) -> int:
        """Questions that have not been answered."""
        return len(self._asked)

    async def ask(self, commands: Sequence[Command], timeout_s: float) -> list[Any]:
        """Send commands and wait for their answers, in order.

        Args:
            commands: at least one.
            timeout_s: how long the answers may take.

        Raises:
            TimeoutError: they took longer.
            LineLost: there will be none.
        """
        if self.lost is not None:
            raise _lost(self.lost.__cause__)
        asked = _Asked(len(commands), [], self._loop.create_future())
        self._send(commands)
        self._asked.append(asked)
        deadline = self._loop.call_later(timeout_s, self._give_up, asked)
        try:
            return await asked.future
        finally:
            deadline.cancel()
            self._end_if_forsaken()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (said := self._reader.next()) is not NOTHING:
                self._take(said)
        except NotSpoken as error:
            self._lose(error)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._lose(error)

    def close(self) -> None:
        """End it at once; whoever waits hears of it."""
        self._lose(None)

    def _send(self, commands: Sequence[Command]) -> None:
        """The first of a turn of the loop goes at once; what else is asked in it goes together."""
        if self._is_gathering:
            self._unsent += map(pack, commands)
            return
        self._is_gathering = True
        self._loop.call_soon(self._send_rest)
        assert self._transport is not None  # noqa: S101  # nobody asks before it is open
        self._transport.write(b"".join(map(pack, commands)))

    def _send_rest(self) -> None:
        self._is_gathering = False
        unsent, self._unsent = self._unsent, []
        if unsent and self.lost is None and self._transport is not None:
            self._transport.write(b"".join(unsent))

    def _take(self, said: Any) -> None:
        # That kind is how SUBSCRIBE is answered.
        if isinstance(said, Push) and said.parts[:1] != [b"subscribe"]:
            if self._ear is not None:
                self._ear.pushed(said.parts)
            return
        if not self._asked:
            raise NotSpoken("an answer to nothing")
        first = self._asked[0]
        first.answers.append(said)
        if len(first.answers) == first.commands:
            self._asked.popleft()
            if not first.future.done():  # who asked may have gone
                first.future.set_result(first.answers)

    def _give_up(self, asked: _Asked) -> None:
        # Whatever is asked next would wait behind what already takes too long.
        self._is_late = True
        if not asked.future.done():
            asked.future.set_exception(TimeoutError())

    def _end_if_forsaken(self) -> None:
        if self._is_late and all(asked.future.done() for asked in self._asked):
            self._lose(TimeoutError())

    def _lose(self, error: Exception | None) -> None:
        if self.lost is not None:
            return
        self.lost = _lost(error)
        if self._transport is not None:
            self._transport.abort()  # `close` would wait until the server has taken what was sent
        asked, self._asked = self._asked, deque()
        for each in asked:
            if not each.future.done():
                each.future.set_exception(_lost(error))
        if self._ear is not None:
            self._ear.ended()


def _lost(cause: BaseException | None) -> LineLost:
    lost = LineLost()
    lost.__cause__ = cause
    return lost
