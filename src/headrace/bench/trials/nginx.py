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
  access_log {home}/access.log;
  upstream provider {{
    server {upstream};
    keepalive 1024; keepalive_requests 1000000000; keepalive_timeout 300s;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    tcp_nodelay on; keepalive_timeout 300s; keepalive_requests 1000000000;
    client_max_body_size 64m;
    location / {{
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


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
        file = Path(home) / "nginx.conf"
        place = urlsplit(upstream).netloc
        file.write_text(_CONFIGURATION.format(home=home, upstream=place, port=port), "utf-8")
        command = [program, "-p", home, "-c", str(file), "-e", "stderr"]
        async with running("nginx", command) as child:
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
