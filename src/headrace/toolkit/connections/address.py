"""Where a call goes, read out of its URL."""

import re
from ipaddress import IPv6Address
from typing import Final, NamedTuple
from urllib.parse import SplitResult, quote, urlsplit

from headrace.errors import InvalidRequest

_PORTS: Final = (("http", 80), ("https", 443))
_HOST: Final = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_.])?")
_NEVER_IN_URL: Final = re.compile(r"[\x00-\x20\x7f]")
# What a path and a query hold as it is (RFC 3986, 2.2 and 2.3); the rest is quoted.
_AS_IT_IS: Final = "/?:@!$&'()*+,;=-._~%[]"
# One head of each address; a program that asks more than these renders them again.
_MEMO_ENTRIES_MAX: Final = 1024


class Origin(NamedTuple):
    """What a connection leads to.

    Attributes:
        scheme: `http` or `https`.
        host: name or address, in lower case, without brackets.
        port: the port.
    """

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """As the `host` header names it: without the port that the scheme stands for."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if (self.scheme, self.port) in _PORTS else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class Target(NamedTuple):
    """An address that was read.

    Attributes:
        origin: what to connect to.
        path: path and query as the request line says them.
        host: the value of the `host` header.
    """

    origin: Origin
    path: bytes
    host: bytes


class Addresses:
    """Reads URLs, and remembers what it read."""

    __slots__ = ("_targets",)

    def __init__(self) -> None:
        self._targets: dict[str, Target] = {}

    def read(self, url: str) -> Target:
        """Where `url` leads.

        Raises:
            InvalidRequest: it cannot be used; says why without repeating it, for it may hold a
                secret.
        """
        target = self._targets.get(url)
        if target is None:
            target = _parse(url)
            if len(self._targets) >= _MEMO_ENTRIES_MAX:
                self._targets.clear()
            self._targets[url] = target
        return target


def _parse(url: str) -> Target:
    if not isinstance(url, str):
        raise TypeError(f"url has to be a string, and is {type(url).__name__}")
    if _NEVER_IN_URL.search(url):
        raise _unusable("holds a space or a control character: quote it")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _unusable("cannot be read: check its host and port") from None
    default = dict(_PORTS).get(parts.scheme)
    if default is None:
        raise _unusable("has to begin with http:// or https://")
    if "@" in parts.netloc:
        raise _unusable("holds a user name: send an authorization header instead")
    if port == 0:
        raise _unusable("names port 0, which nothing listens at")
    origin = Origin(parts.scheme, _host(parts), port or default)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(origin, quote(path, safe=_AS_IT_IS).encode(), origin.authority.encode())


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    try:
        if ":" in host:
            return str(IPv6Address(host))
        host = host.encode("idna").decode()
    except ValueError:
        host = ""
    if _HOST.fullmatch(host) is None:
        raise _unusable("names no host that there could be")
    return host


def _unusable(why: str) -> InvalidRequest:
    return InvalidRequest(f"The URL {why}.", param="url")
