"""A client of Valkey or Redis, for whoever keeps something there.

Everything that goes wrong leaves as a `TierFault` whose words hold no part of the URL but host and
port, or the path of the socket.
"""

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from headrace.cache import valkey_address
from headrace.cache.resp import Command, NotSpoken, Refusal
from headrace.cache.tier import TierFault
from headrace.cache.valkey_line import Ear, Line, LineLost

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]

# Questions that wait for their answers, beyond which another one would wait in vain.
_WAITING_MAX: Final = 4096

# Messages that nobody has taken in yet, beyond which their connection is given up.
_UNHEARD_MAX: Final = 10_000
_MESSAGE_PARTS: Final = 3

_TOLD_BY_CODE: Final[Mapping[str, str]] = {
    "WRONGPASS": "does not accept the user name or password, or lets this user do too little",
    "NOAUTH": "does not accept the user name or password, or lets this user do too little",
    "NOPERM": "does not accept the user name or password, or lets this user do too little",
    "OOM": "is full",
    "LOADING": "is still loading its data",
    "READONLY": "is a replica, which takes nothing in",
}


class Refused(TierFault):
    """Nobody listens there: whatever a server there had in memory is gone."""


class Client:
    """Asks one server, over one connection that is kept open and replaced where it breaks.

    Args:
        url: see `valkey_address.parse`.
        tier: whose faults they have.
        connect_timeout_s: how long opening one may take, TLS and password included.
        spawn: starts the task that opens one.

    Raises:
        SettingsInvalid: the URL cannot be used.
    """

    def __init__(self, url: str, *, tier: str, connect_timeout_s: float, spawn: Spawn) -> None:
        self.address = valkey_address.parse(url)
        self._tier = tier
        self._connect_timeout_s = connect_timeout_s
        self._spawn = spawn
        self._tls: ssl.SSLContext | None = None
        self._line: Line | None = None
        self._dialling: asyncio.Future[Line] | None = None
        self._is_closed = False

    async def ask(self, *commands: Command, timeout_s: float) -> list[Any]:
        """Send commands together and read their answers, in order.

        A connection that was open before and turns out to be dead is replaced once, so that a
        server that has restarted costs nobody an answer. So a command may arrive twice.

        Args:
            commands: what to send.
            timeout_s: how long the answers may take, once there is a connection.

        Raises:
            TierFault: also where one of the answers is an error.
        """
        line = self._line
        if line is not None and line.is_usable:
            if line.waiting >= _WAITING_MAX:
                raise TierFault(self._tier, f"{self.address} has {_WAITING_MAX} questions waiting")
            with contextlib.suppress(LineLost):
                return await self._exchange(line, commands, timeout_s)
        return await self.asked(await self._connected(), commands, timeout_s)

    async def asked(self, line: Line, commands: Sequence[Command], timeout_s: float) -> list[Any]:
        """What a connection answers, as `ask`; it is not replaced."""
        try:
            return await self._exchange(line, commands, timeout_s)
        except LineLost as error:
            raise self.fault(error) from None

    async def dial(self, ear: Ear | None = None) -> Line:
        """A connection of one's own; whoever asks for it closes it.

        Raises:
            TierFault: it could not be opened.
        """
        line, is_ready = None, False
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                line = await self._open(ear)
                await self._introduce(line)
            is_ready = True
        except (LineLost, OSError) as error:  # a timeout is one
            raise self.fault(error) from None
        finally:
            if line is not None and not is_ready:
                line.close()
        return line

    def fault(self, error: BaseException) -> TierFault:
        """What went wrong, in words that hold no secret."""
        cause = error.__cause__ if isinstance(error, LineLost) else error
        code = cause.errno if isinstance(cause, OSError) else None
        if code == errno.ECONNREFUSED or (code == errno.ENOENT and self.address.path):
            return Refused(self._tier, f"nobody listens at {self.address}")
        return TierFault(self._tier, f"{self.address} {_told(cause)}")

    def close(self) -> None:
        """Let go of the connection; whoever waits for an answer gets none."""
        self._is_closed = True
        if self._line is not None:
            self._line.close()

    async def _exchange(
        self, line: Line, commands: Sequence[Command], timeout_s: float
    ) -> list[Any]:
        try:
            answers = await line.ask(commands, timeout_s)
        except TimeoutError as error:
            raise self.fault(error) from None
        for answer in answers:
            if isinstance(answer, Refusal):
                raise TierFault(self._tier, f"{self.address} {_told_by_refusal(answer)}")
        return answers

    async def _connected(self) -> Line:
        """The connection, opened by the first who wants it; the others wait with it."""
        while self._line is None or not self._line.is_usable:
            if self._is_closed:
                raise TierFault(self._tier, "the gateway is closing")
            if self._dialling is None:
                self._dialling = asyncio.get_running_loop().create_future()
                task = self._spawn(self._connect(self._dialling))
                # Also where it is cancelled before its first step: nobody is left waiting.
                task.add_done_callback(self._dialled)
            await asyncio.shield(self._dialling)
        return self._line

    async def _connect(self, dialling: "asyncio.Future[Line]") -> None:
        try:
            self._line = await self.dial()
        except TierFault as fault:
            dialling.set_exception(fault)
            dialling.exception()  # whoever wanted it may have gone
        else:
            dialling.set_result(self._line)

    def _dialled(self, _: "asyncio.Task[None]") -> None:
        dialling, self._dialling = self._dialling, None
        if dialling is not None and not dialling.done():
            dialling.set_exception(TierFault(self._tier, "the gateway is closing"))
            dialling.exception()
        if self._is_closed and self._line is not None:
            self._line.close()

    async def _open(self, ear: Ear | None) -> Line:
        address, loop = self.address, asyncio.get_running_loop()
        if address.path:
            _, line = await loop.create_unix_connection(lambda: Line(ear), address.path)
            return line
        if address.tls is not None and self._tls is None:
            self._tls = await asyncio.to_thread(address.tls.context)
        _, line = await loop.create_connection(
            lambda: Line(ear), address.host, address.port, ssl=self._tls
        )
        return line

    async def _introduce(self, line: Line) -> None:
        address = self.address
        hello: Command = ("HELLO", 3)
        if address.username or address.password:
            hello += ("AUTH", address.username or "default", address.password)
        commands = [hello]
        if address.database:
            commands.append(("SELECT", address.database))
        await self._exchange(line, commands, self._connect_timeout_s)


class Feed:
    """One connection that hears a channel, and can be asked as well.

    What is heard and what is answered come in the order in which the server did things: who is
    told a number has heard everything that was said before it.

    Args:
        client: opens it.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._line: Line | None = None
        self._unheard: deque[bytes] = deque()
        self._has_news = asyncio.Event()

    async def open(self, channel: str, *, timeout_s: float) -> None:
        """Hear a channel from now on.

        Raises:
            TierFault: as does every method.
        """
        self._line = await self._client.dial(self)
        await self.ask(("SUBSCRIBE", channel), timeout_s=timeout_s)

    async def ask(self, command: Command, *, timeout_s: float) -> Any:
        """Send a command and read its answer."""
        assert self._line is not None  # noqa: S101  # opened first
        (answer,) = await self._client.asked(self._line, (command,), timeout_s)
        return answer

    async def hear(self, *, timeout_s: float) -> bytes | None:
        """The next message, or `None` where none has come in time."""
        assert self._line is not None  # noqa: S101  # opened first
        if not self._unheard:
            self._has_news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._has_news.wait()
        if self._unheard:
            return self._unheard.popleft()
        if self._line.lost is not None:
            raise self._client.fault(self._line.lost)
        return None

    def close(self) -> None:
        """Let go of the connection."""
        if self._line is not None:
            self._line.close()

    def pushed(self, parts: list[Any]) -> None:
        if len(parts) != _MESSAGE_PARTS or parts[0] != b"message":
            return
        self._unheard.append(parts[2])
        self._has_news.set()
        if len(self._unheard) > _UNHEARD_MAX:
            self.close()  # whoever opens another asks for all there is

    def ended(self) -> None:
        self._has_news.set()


def _told_by_refusal(refusal: Refusal) -> str:
    """What a server did, by the error it answered."""
    return _TOLD_BY_CODE.get(refusal.code, f"refused a command ({refusal.code})")


def _told(cause: BaseException | None) -> str:
    """What a server did, by what became of the connection."""
    if isinstance(cause, TimeoutError):
        return "did not answer in time"
    if isinstance(cause, NotSpoken):
        return "does not speak the protocol of Valkey"
    return f"could not be reached, or closed the connection{_reason(cause)}"


def _reason(cause: BaseException | None) -> str:
    """The system's words for it, which know of no URL."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f" ({cause.verify_message.rstrip('.')})"
    if isinstance(cause, socket.gaierror):
        return f" ({cause.strerror})"
    if isinstance(cause, ssl.SSLError):
        return f" ({(cause.reason or 'TLS').replace('_', ' ').lower()})"
    if isinstance(cause, OSError) and cause.errno:
        return f" ({os.strerror(cause.errno)})"
    return ""
