"""Where a Valkey or Redis is, from its URL: host and port or a socket's path, who asks, and TLS."""

import re
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec

from headrace.errors import SettingsInvalid

_SCHEMES: Final[Mapping[str, str]] = {
    "valkey": "tcp",
    "redis": "tcp",
    "valkeys": "tls",
    "rediss": "tls",
    "unix": "unix",
    "valkey+unix": "unix",
    "redis+unix": "unix",
}

_PORT: Final = 6379
_PREFIX: Final = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_DATABASE: Final = re.compile(r"[0-9]{1,5}")
_IDENTITY_OPTIONS: Final = frozenset({"db", "username", "password"})
_TLS_OPTIONS: Final = (
    "ssl_ca_certs",
    "ssl_certfile",
    "ssl_keyfile",
    "ssl_cert_reqs",
    "ssl_check_hostname",
)
_VERIFY_MODES: Final[Mapping[str, ssl.VerifyMode]] = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}
_TRUTHS: Final[Mapping[str, bool]] = {
    "true": True,
    "yes": True,
    "1": True,
    "false": False,
    "no": False,
    "0": False,
}


class TlsOptions(msgspec.Struct, frozen=True):
    """How a server proves who it is, and this side to it.

    Attributes:
        ca_file: certificates of authorities, PEM; those of the system where there is none.
        cert_file: certificate of this side, PEM.
        key_file: its key, where that is not in the same file.
        verify_mode: whether the server has to present a certificate that is known.
        checks_host: whether that has to be of the host's name.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify_mode: ssl.VerifyMode = ssl.CERT_REQUIRED
    checks_host: bool = True

    def context(self) -> ssl.SSLContext:
        """What connections are opened with; reads files.

        Raises:
            OSError: a file cannot be read, or is none of the kind.
        """
        context = ssl.create_default_context(cafile=self.ca_file)
        context.check_hostname = self.checks_host and self.verify_mode is not ssl.CERT_NONE
        context.verify_mode = self.verify_mode
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


class Address(msgspec.Struct, frozen=True):
    """Where a server is, and as whom it is asked.

    Attributes:
        host: its name or number; empty for a socket in the file system.
        port: with a host.
        path: of the socket.
        username: empty for the server's default user.
        password: empty where none is asked for.
        database: number.
        tls: `None` where what is said is not encrypted.
    """

    host: str = ""
    port: int = _PORT
    path: str = ""
    username: str = ""
    password: str = ""
    database: int = 0
    tls: TlsOptions | None = None

    def __str__(self) -> str:
        """Host and port, or the path: the parts that may be told."""
        return self.path or f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"<Address {self}>"


def parse(url: str) -> Address:
    """What a URL says.

    Args:
        url: `valkey://`, `redis://`, with TLS `valkeys://` or `rediss://`, or `unix://PATH`; with
            user name, password and number of the database as usual.

    Raises:
        SettingsInvalid: it cannot be used; the message holds no part of it.
    """
    scheme, separator, _ = url.partition("://")
    kind = _SCHEMES.get(scheme.lower())
    if not separator or kind is None:
        known = ", ".join(f"{each}://" for each in _SCHEMES)
        raise SettingsInvalid(f"The URL of the shared cache begins with none of {known}")
    try:
        address = _address(urlsplit(url), kind)
    except ValueError:
        address = None
    if address is None:  # outside of the handler: the cause would hold what the URL holds
        raise SettingsInvalid(
            "The URL of the shared cache cannot be read; write special characters in its password "
            "as %XX"
        )
    return address


def check_prefix(prefix: str) -> None:
    """Refuse what the names of keys cannot begin with.

    Raises:
        SettingsInvalid: it would not keep them apart from those of others.
    """
    if not _PREFIX.fullmatch(prefix):
        raise SettingsInvalid(
            f"The prefix of the shared cache is {prefix!r}; use 1 to 64 letters, digits and _.-"
        )


def _address(parts: SplitResult, kind: str) -> Address:
    options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    allowed = _IDENTITY_OPTIONS | (set(_TLS_OPTIONS) if kind == "tls" else set())
    if not allowed.issuperset(options):
        raise SettingsInvalid(
            "The URL of the shared cache has an option that it cannot have; with TLS it may be one "
            "of " + ", ".join(sorted(_TLS_OPTIONS))
        )
    path = unquote(parts.path)
    username = options.get("username", unquote(parts.username or ""))
    password = options.get("password", unquote(parts.password or ""))
    if parts.fragment:
        raise ValueError("fragment")
    if kind == "unix":
        if not path or parts.hostname:
            raise ValueError("path")
        database = _database(options.get("db", ""))
        return Address(path=path, username=username, password=password, database=database)
    return Address(
        host=parts.hostname or "localhost",
        port=_PORT if parts.port is None else parts.port,
        username=username,
        password=password,
        database=_database(options.get("db", path.removeprefix("/"))),
        tls=_tls(options) if kind == "tls" else None,
    )


def _database(text: str) -> int:
    if text and not _DATABASE.fullmatch(text):
        raise ValueError("database")
    return int(text or 0)


def _tls(options: Mapping[str, str]) -> TlsOptions:
    try:
        verify_mode = _VERIFY_MODES[options.get("ssl_cert_reqs", "required").lower()]
        checks_host = _TRUTHS[options.get("ssl_check_hostname", "true").lower()]
    except KeyError:
        raise ValueError("option") from None
    return TlsOptions(
        ca_file=options.get("ssl_ca_certs"),
        cert_file=options.get("ssl_certfile"),
        key_file=options.get("ssl_keyfile"),
        verify_mode=verify_mode,
        checks_host=checks_host,
    )
