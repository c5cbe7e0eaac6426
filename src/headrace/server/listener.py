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


async def listen_on(
    sock: socket.socket,
    make_connection: Callable[[], asyncio.Protocol],
    tls: ssl.SSLContext | None,
) -> asyncio.Server:
    """Accept clients from a bound socket."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(make_connection, sock=sock, backlog=BACKLOG, ssl=tls)
