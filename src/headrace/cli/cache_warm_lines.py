"""How `headrace cache warm` speaks with a gateway: one kept-alive connection at a time."""

import contextlib
import http.client
import socket
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from headrace.errors import HeadraceError

# Longer than a provider may take by default.
TIMEOUT_S: Final = 900.0

_CLOSED_JUST_THEN: Final = (
    http.client.RemoteDisconnected,
    BrokenPipeError,
    ConnectionResetError,
)


class Address(msgspec.Struct, frozen=True):
    """Where a gateway listens.

    Attributes:
        prefix: path before every route's, without a trailing slash; usually empty.
    """

    is_tls: bool
    host: str
    port: int | None
    prefix: str


class Reply(msgspec.Struct, frozen=True):
    """An answer; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Unreachable(HeadraceError):
    """There was no whole answer.

    Args:
        message: why.
        is_absent: whether nobody listens there at all.
    """

    def __init__(self, message: str, *, is_absent: bool) -> None:
        super().__init__(message)
        self.is_absent = is_absent


def parse_address(url: str) -> Address:
    """Where a URL leads; the `/v1` that SDKs want may be there.

    Raises:
        ValueError: it cannot be used; the message says why.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected an address such as http://127.0.0.1:8080")
    prefix = parts.path.rstrip("/").removesuffix("/v1")
    return Address(parts.scheme == "https", parts.hostname, parts.port, prefix)


class Line:
    """One connection, opened when it is needed. Belongs to one thread, but for `cut`.

    Args:
        address: where to.
        key: of the gateway, if it wants one.
    """

    def __init__(self, address: Address, key: str | None) -> None:
        kind = http.client.HTTPSConnection if address.is_tls else http.client.HTTPConnection
        self._connection = kind(address.host, address.port, timeout=TIMEOUT_S)
        self._prefix = address.prefix
        self._is_cut = False
        self._own = {} if key is None else {"authorization": f"Bearer {key}"}

    def get(self, path: str) -> Reply:
        """Ask for a path.

        Raises:
            Unreachable: there was no whole answer.
        """
        return self._ask("GET", path, None, {})

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send JSON; raises as `get` does."""
        return self._ask("POST", path, body, {"content-type": "application/json", **headers})

    def cut(self) -> None:
        """Give up what is asked at the moment, and ask no more; for other threads too."""
        self._is_cut = True
        sock = self._connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):  # it is closed already
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ask no more."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        was_open = self._connection.sock is not None
        try:
            return self._exchange(method, path, body, headers)
        except _CLOSED_JUST_THEN as error:
            if self._is_cut or not was_open:
                raise _broken(error) from error
        except (OSError, http.client.HTTPException) as error:
            raise _broken(error) from error
        try:  # an idle connection that was closed meanwhile: nothing was asked yet
            return self._exchange(method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            raise _broken(error) from error

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Reply:
        connection = self._connection
        is_whole = False
        try:
            if connection.sock is None:
                self._open()
            if self._is_cut:
                raise Unreachable("it was given up", is_absent=False)
            connection.request(method, self._prefix + path, body, {**self._own, **headers})
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            reply = Reply(answer.status, named, answer.read())
            is_whole = True
            return reply
        finally:
            if not is_whole:
                connection.close()

    def _open(self) -> None:
        try:
            self._connection.connect()
        except OSError as error:
            raise Unreachable(_reason(error), is_absent=True) from error


def _broken(error: Exception) -> Unreachable:
    return Unreachable(f"the connection broke: {_reason(error)}", is_absent=False)


def _reason(error: Exception) -> str:
    told = error.strerror if isinstance(error, OSError) else None
    return told or str(error) or type(error).__name__
