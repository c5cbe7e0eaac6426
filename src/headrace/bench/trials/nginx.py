"""nginx in the place of a gateway: it passes everything on and does nothing else, a yardstick."""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from headrace.bench.children import Child, ChildEnded, running

_READY_TIMEOUT_S: Final = 10.0
_LOOK_S: Final = 0.02
# One process without a master, so that nothing of it can be left over.
_CONFIGURATION: Final = """\
daemon off; master_process off; worker_processes 1;
pid {home}/pid;
error_log stderr error;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  access_log {log};
  {outside}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    tcp_nodelay on; keepalive_timeout 300s; keepalive_requests 1000000000;
    client_max_body_size 64m;
    {inside}
  }}
}}
"""
_UPSTREAM: Final = """\
  upstream provider {{
    server {place};
    keepalive 1024; keepalive_requests 1000000000; keepalive_timeout 300s;
  }}
"""
_PASSING: Final = """\
    location / {{
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering {buffering};
    }}
"""


class Site(msgspec.Struct, frozen=True):
    """What one nginx does, in the words of its configuration.

    Attributes:
        inside: of its server.
        outside: beside its server.
        log: file that tells each request; `off` for none.
    """

    inside: str
    outside: str = ""
    log: str = "off"


def passing(place: str, log: Path, *, buffering: bool = False) -> Site:
    """Everything is passed on, over connections that are kept.

    Args:
        place: host and port of who is asked.
        log: file that tells each request.
        buffering: whether answers are collected before they are passed on.
    """
    inside = _PASSING.format(buffering="on" if buffering else "off")
    return Site(inside, _UPSTREAM.format(place=place), str(log))


def command(program: str, home: Path, port: int, site: Site) -> list[str]:
    """How an nginx is started, as one process that ends as it is ended.

    Args:
        program: its name, or its path.
        home: folder for its files, which has to be there; its configuration is written there.
        port: where it listens, on loopback.
        site: what it does.
    """
    file = home / "nginx.conf"
    text = _CONFIGURATION.format(
        home=home, port=port, inside=site.inside, outside=site.outside, log=site.log
    )
    file.write_text(text, "utf-8")
    return [program, "-p", str(home), "-c", str(file), "-e", "stderr"]


def is_installed() -> bool:
    """Whether there is one."""
    return shutil.which("nginx") is not None


@asynccontextmanager
async def proxy(upstream: str, folder: Path) -> AsyncIterator[tuple[str, Child]]:
    """nginx before a provider, as long as the context is open.

    Args:
        upstream: URL of the provider.
        folder: where it keeps its files, which go with it.

    Yields:
        Where it listens, and its process.

    Raises:
        ChildEnded: it is not installed, or does not listen.
    """
    program = shutil.which("nginx")
    if program is None:
        raise ChildEnded("nginx is not installed: apt-get install nginx-light")
    with tempfile.TemporaryDirectory(prefix="nginx-", dir=folder) as home:
        port = _free_port()
        site = passing(urlsplit(upstream).netloc, Path(home) / "access.log")
        async with running("nginx", command(program, Path(home), port, site)) as child:
            await _listening(child, port)
            yield f"http://127.0.0.1:{port}", child


async def _listening(child: Child, port: int) -> None:
    try:
        async with asyncio.timeout(_READY_TIMEOUT_S):
            while not await _is_open(port):
                if child.ended is not None:
                    raise child.ended
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        raise ChildEnded(f"nginx did not listen within {_READY_TIMEOUT_S:g} s.") from None


async def _is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
