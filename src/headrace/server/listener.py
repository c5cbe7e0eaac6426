"""The listening socket."""

import asyncio
import socket
import ssl
from collections.abc import Callable

from headrace.errors import SettingsInvalid
from headrace.settings import ListenSettings, TlsSettings

BACKLOG = 2048


def bind(listen: ListenSettings, *, shared: bool, port: int | None = None) -> socket.socket:
    """Bind the address in the settings without listening yet.

    Args:
        listen: where.
        shared: whether other processes bind it too (SO_REUSEPORT).
        port: in place of the one in the settings, for a free one that was found before.

    Raises:
        SettingsInvalid: the address cannot be had.
    """
    wanted = listen.port if port is None else port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            listen.host, wanted, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
    except OSError as error:
        raise SettingsInvalid(
            f"Cannot listen on {listen.host}:{wanted}: {error.strerror or error}; "
            "choose another with --host or --port."
        ) from error
    sock.setblocking(False)
    return sock


def server_tls(settings: TlsSettings | None) -> ssl.SSLContext | None:
    """The server's certificate.

    Raises:
        SettingsInvalid: it cannot be used.
    """
    if settings is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(settings.cert, settings.key)
    except OSError as error:
        raise SettingsInvalid(
            f"listen.tls cannot be used: {settings.cert} and {settings.key} have to be the PEM "
            f"files of a certificate and of the key that belongs to it ({error})"
        ) from error
    return context


class Certificate:
    """The server's certificate, which may be replaced while clients are accepted.

    Args:
        settings: where it is; `None` for plain HTTP, which stays plain.

    Attributes:
        context: what to accept clients with; the same through every replacement.

    Raises:
        SettingsInvalid: it cannot be used.
    """

    def __init__(self, settings: TlsSettings | None) -> None:
        self.context = self._current = server_tls(settings)
        if self.context is not None:
            self.context.sni_callback = self._present

    def replace(self, context: ssl.SSLContext | None) -> None:
        """Present another one, if there is one, from the next handshake on."""
        if context is not None:
            self._current = context

    # OpenSSL asks at each handshake, whether the client names a server or not. Another context as
    # a whole: loaded into the old one, a key of another type would leave the old certificate there.
    def _present(self, connection: ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        if self._current is not None:
            connection.context = self._current


async def listen_on(
    sock: socket.socket,
    make_connection: Callable[[], asyncio.Protocol],
    tls: ssl.SSLContext | None,
) -> asyncio.Server:
    """Accept clients from a bound socket."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(make_connection, sock=sock, backlog=BACKLOG, ssl=tls)


def url_of(sock: socket.socket, *, is_tls: bool, is_local: bool = False) -> str:
    """The URL of a bound socket.

    Args:
        sock: bound.
        is_tls: whether HTTPS is spoken there.
        is_local: as it can be asked from this machine, where it listens on all addresses.
    """
    host, port = sock.getsockname()[:2]
    if is_local:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    scheme = "https" if is_tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
