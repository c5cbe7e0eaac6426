"""Connections to Valkey or Redis, for whoever keeps something there.

They are redis-py's, and how they are used is decided here: no client, no pool and no retries of
that package stand between a question and its socket. Everything that goes wrong leaves as a
`TierFault` whose words hold no part of the URL but host and port, or the path of the socket.
"""

import asyncio
import errno
import os
import re
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from headrace.cache.tier import TierFault
from headrace.errors import HeadraceError, SettingsInvalid

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

Argument = bytes | str | int
Command = tuple[Argument, ...]

_PREFIX: Final = re.compile(r"[A-Za-z0-9_.\-]{1,64}")

_SCHEMES: Final[Mapping[str, str]] = {
    "valkey": "redis",
    "redis": "redis",
    "valkeys": "rediss",
    "rediss": "rediss",
    "unix": "unix",
    "valkey+unix": "unix",
    "redis+unix": "unix",
}

_URL_FIELDS: Final = frozenset({"host", "port", "path", "db", "username", "password"})
_URL_TLS_FIELDS: Final = frozenset(
    {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"}
)

# What a server that speaks another protocol, or none, brings the parser to.
_GARBAGE: Final = (ValueError, EOFError, RecursionError, AttributeError, TypeError, IndexError)

# How the lists begin that come without having been asked for.
_PUSHES: Final = (b"message", b"subscribe", b"unsubscribe")


class Refused(TierFault):
    """Nobody listens there: whatever a server there had in memory is gone."""


class Connection(Protocol):
    """What is used of a connection of redis-py."""

    async def connect(self) -> None: ...
    def pack_commands(self, commands: Iterable[Command]) -> list[bytes]: ...
    async def send_packed_command(self, command: Iterable[bytes]) -> None: ...
    async def read_response(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
        push_request: bool | None = False,
    ) -> Any: ...
    async def disconnect(self, nowait: bool = False) -> None: ...


class Line:
    """One open connection.

    Args:
        connection: redis-py's.
    """

    __slots__ = ("_connection", "_transport")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        writer: asyncio.StreamWriter = getattr(connection, "_writer")  # noqa: B009
        self._transport = writer.transport

    async def send(self, commands: Iterable[Command]) -> None:
        """Send commands together."""
        connection = self._connection
        await connection.send_packed_command(connection.pack_commands(commands))

    async def read(self) -> Any:
        """The next answer."""
        return await self._connection.read_response()

    async def read_any(self, *, timeout_s: float | None = None) -> Any:
        """Whatever is said next, asked for or not; `None` where nothing is in time."""
        return await self._connection.read_response(timeout=timeout_s, push_request=True)

    async def drop(self) -> None:
        """Close it at once; redis-py alone would wait for the server to take what was sent."""
        self._transport.abort()
        await self._connection.disconnect(nowait=True)


class Lines:
    """Connections to one server: a bounded number, kept open, each asked by one at a time.

    Args:
        url: `valkey://`, `redis://`, with TLS `valkeys://` or `rediss://`, or `unix://PATH`;
            with user name, password and number of the database as usual, and for TLS the options
            `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile`, `ssl_cert_reqs`, `ssl_check_hostname`.
        tier: whose faults they have.
        connections_max: how many are open at once.
        connect_timeout_s: how long opening one may take, TLS and password included.

    Raises:
        SettingsInvalid: the URL cannot be used.
        HeadraceError: the package redis is not installed.
    """

    def __init__(
        self, url: str, *, tier: str, connections_max: int, connect_timeout_s: float
    ) -> None:
        try:
            from redis import exceptions
        except ImportError:
            raise HeadraceError(
                "A shared cache needs the package redis: pip install 'headrace[shared]'"
            ) from None
        self._make, self.address = _maker(url)
        self._tier = tier
        self._connect_timeout_s = connect_timeout_s
        self._free = asyncio.Semaphore(connections_max)
        self._idle: list[Line] = []
        self._is_closed = False
        self._lost = exceptions.ConnectionError
        self._refusal = exceptions.ResponseError
        self.errors: tuple[type[Exception], ...] = (exceptions.RedisError, OSError, *_GARBAGE)
        """What a connection may raise; `fault` says it in words."""

    async def ask(self, *commands: Command, timeout_s: float) -> list[Any]:
        """Send commands on one connection and read their answers, in order.

        A connection that was open before and turns out to be dead is replaced once, so that a
        server that has restarted costs nobody an answer. So a command may arrive twice.

        Args:
            commands: what to send, together.
            timeout_s: how long a free connection may take, and then the answers.

        Raises:
            TierFault: also where one of the answers is an error.
        """
        await self._acquire(timeout_s)
        try:
            if self._idle:
                try:
                    return await self._exchange(self._idle.pop(), commands, timeout_s)
                except self._lost:
                    await self._drop_idle()
            return await self._exchange(await self.dial(), commands, timeout_s)
        except self.errors as error:
            raise self.fault(error) from None
        finally:
            self._free.release()

    async def dial(self) -> Line:
        """A new connection; whoever asks for it closes it.

        Raises:
            TierFault: it could not be opened.
        """
        connection = self._make()
        line = None
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await connection.connect()
            line = Line(connection)
        except self.errors as error:
            raise self.fault(error) from None
        finally:
            if line is None:
                await connection.disconnect(nowait=True)
        return line

    def fault(self, error: BaseException) -> TierFault:
        """What went wrong, in words that hold no secret."""
        if isinstance(error, TierFault):
            return error
        cause = error.__context__ if isinstance(error.__context__, OSError) else error
        code = cause.errno if isinstance(cause, OSError) else None
        is_socket_file = self.address.startswith("/")
        if code == errno.ECONNREFUSED or (code == errno.ENOENT and is_socket_file):
            return Refused(self._tier, f"nobody listens at {self.address}")
        return TierFault(self._tier, f"{self.address} {_told(error)}")

    async def close(self) -> None:
        """Let go of every connection; one that is in use, as soon as it is not."""
        self._is_closed = True
        await self._drop_idle()

    async def _acquire(self, timeout_s: float) -> None:
        if not self._free.locked():
            await self._free.acquire()  # at once, so that no timer is needed
            return
        try:
            async with asyncio.timeout(timeout_s):
                await self._free.acquire()
        except TimeoutError:
            raise TierFault(self._tier, f"all connections to {self.address} are busy") from None

    async def _exchange(
        self, line: Line, commands: Sequence[Command], timeout_s: float
    ) -> list[Any]:
        is_answered = False
        try:
            async with asyncio.timeout(timeout_s):
                await line.send(commands)
                answers = [await self._answer(line) for _ in commands]
            is_answered = True
        finally:
            if is_answered and not self._is_closed:
                self._idle.append(line)
            else:
                # Answers may still come on it, and would be taken for those of the next question.
                await line.drop()
        for answer in answers:
            if isinstance(answer, self._refusal):
                raise self.fault(answer)
        return answers

    async def _answer(self, line: Line) -> Any:
        try:
            return await line.read()
        except self._refusal as refusal:
            return refusal  # the answers to the other commands are read all the same

    async def _drop_idle(self) -> None:
        idle, self._idle = self._idle, []
        for line in idle:
            await line.drop()


class Feed:
    """One connection that hears a channel, and can be asked as well (RESP3).

    What is heard and what is answered come in the order in which the server did things: who is
    told a number has heard everything that was said before it.

    Args:
        line: an open connection; belongs to the feed from now on.
        lines: who opened it.
    """

    def __init__(self, line: Line, lines: Lines) -> None:
        self._line = line
        self._lines = lines
        self._heard: deque[bytes] = deque()

    async def subscribe(self, channel: str, *, timeout_s: float) -> None:
        """Hear a channel from now on.

        Raises:
            TierFault: as does every method.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._line.send([("SUBSCRIBE", channel)])
                while (await self._line.read_any())[0] != b"subscribe":
                    pass
        except self._lines.errors as error:
            raise self._lines.fault(error) from None

    async def ask(self, command: Command, *, timeout_s: float) -> Any:
        """Send a command that is answered by a list, and read that."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._line.send([command])
                while self._is_push(answer := await self._line.read_any()):
                    pass
        except self._lines.errors as error:
            raise self._lines.fault(error) from None
        return answer

    async def hear(self, *, timeout_s: float) -> bytes | None:
        """The next message, or `None` where none has come in time."""
        try:
            while not self._heard:
                said = await self._line.read_any(timeout_s=timeout_s)
                if said is None:
                    return None
                self._is_push(said)
        except self._lines.errors as error:
            raise self._lines.fault(error) from None
        return self._heard.popleft()

    async def close(self) -> None:
        """Let go of the connection."""
        await self._line.drop()

    def _is_push(self, said: Any) -> bool:
        """Whether that was said unasked; a message is kept."""
        if not isinstance(said, list) or not said or said[0] not in _PUSHES:
            return False
        if said[0] == b"message":
            self._heard.append(said[2])
        return True


def check_prefix(prefix: str) -> None:
    """Refuse what the names of keys cannot begin with.

    Raises:
        SettingsInvalid: it would not keep them apart from those of others.
    """
    if not _PREFIX.fullmatch(prefix):
        raise SettingsInvalid(
            f"The prefix of the shared cache is {prefix!r}; use 1 to 64 letters, digits and _.-"
        )


def _maker(url: str) -> tuple[Callable[[], Connection], str]:
    """What makes connections to `url`, and where they lead, to be told."""
    from redis.asyncio import connection as spoken_by

    scheme, separator, rest = url.partition("://")
    spoken = _SCHEMES.get(scheme.lower())
    if not separator or spoken is None:
        raise SettingsInvalid(
            "The URL of the shared cache begins with none of "
            + ", ".join(f"{known}://" for known in _SCHEMES)
        )
    try:
        fields = dict(spoken_by.parse_url(f"{spoken}://{rest}"))
    except ValueError:
        raise SettingsInvalid(
            "The URL of the shared cache cannot be read; write special characters in its password "
            "as %XX"
        ) from None
    # A type of connection, and where to: whatever else there may be is redis-py's, not ours.
    found = fields.pop("connection_class", spoken_by.Connection)
    kind = cast("Callable[..., AbstractConnection]", found)
    allowed = _URL_FIELDS | (_URL_TLS_FIELDS if spoken == "rediss" else frozenset())
    if not allowed.issuperset(fields) or (spoken == "unix") != ("path" in fields):
        raise SettingsInvalid(
            "The URL of the shared cache has an option that it cannot have; with TLS it may be one "
            "of " + ", ".join(sorted(_URL_TLS_FIELDS))
        )
    address = str(fields.get("path") or f"{fields.get('host', 'localhost')}:{_port(fields)}")

    def make() -> Connection:
        # Time limits are set around what is done, not around each read and write.
        return cast("Connection", kind(**fields, protocol=3, socket_timeout=None))

    return make, address


def _port(fields: Mapping[str, Any]) -> int:
    return int(fields.get("port", 6379))


def _told(error: BaseException) -> str:
    """What a server did, by the error it left."""
    from redis import exceptions

    if isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError):
        return "does not accept the user name or password, or lets this user do too little"
    if isinstance(error, exceptions.OutOfMemoryError):
        return "is full"
    if isinstance(error, exceptions.BusyLoadingError):
        return "is still loading its data"
    if isinstance(error, exceptions.ReadOnlyError):
        return "is a replica, which takes nothing in"
    if isinstance(error, exceptions.ResponseError):
        code = str(error).partition(" ")[0]
        return f"refused a command ({code if re.fullmatch('[A-Z]{2,20}', code) else 'ERR'})"
    if isinstance(error, TimeoutError | exceptions.TimeoutError):
        return "did not answer in time"
    if isinstance(error, exceptions.ConnectionError | OSError):
        return f"could not be reached, or closed the connection{_reason(error)}"
    return "does not speak the protocol of Valkey"


def _reason(error: BaseException) -> str:
    """The system's words for it, which know of no URL."""
    cause = error.__context__ if isinstance(error.__context__, OSError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f" ({cause.verify_message.rstrip('.')})"
    if isinstance(cause, socket.gaierror):
        return f" ({cause.strerror})"
    if isinstance(cause, ssl.SSLError):
        return f" ({(cause.reason or 'TLS').replace('_', ' ').lower()})"
    if isinstance(cause, OSError) and cause.errno:
        return f" ({os.strerror(cause.errno)})"
    return ""
