"""The clients that are measured, each as it comes, behind one shape.

Peers that are not installed are left out, and told: `aiohttp` is no dependency of the project.
"""

import asyncio
import importlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from importlib.util import find_spec
from typing import Final

import msgspec

from headrace import ConnectionPool, SyncConnectionPool

POOL: Final = "headrace pool"
PER_CALL: Final = "headrace, a connection per call"
PEERS: Final = ("aiohttp", "httpx", "httpx2")

# As many connections as calls at once, and all of them kept: no client opens one while measured.
POOL_SIZE: Final = 20

Ask = Callable[[], Awaitable[bytes]]
AskHere = Callable[[], bytes]


class Place(msgspec.Struct, frozen=True):
    """Where to call.

    Attributes:
        url: the whole address.
        ca_file: the authority that vouches for it.
    """

    url: str
    ca_file: str

    def tls(self) -> ssl.SSLContext:
        """How to verify it."""
        return ssl.create_default_context(cafile=self.ca_file)


AsyncClient = Callable[[Place], AbstractAsyncContextManager[Ask]]
SyncClient = Callable[[Place], AbstractContextManager[AskHere]]


def _own(max_keepalive: int = POOL_SIZE) -> AsyncClient:
    @asynccontextmanager
    async def client(place: Place) -> AsyncIterator[Ask]:
        async with ConnectionPool(max_keepalive=max_keepalive, ca_file=place.ca_file) as pool:

            async def ask() -> bytes:
                return (await pool.get(place.url)).content

            yield ask

    return client


def _own_here(max_keepalive: int = POOL_SIZE) -> SyncClient:
    @contextmanager
    def client(place: Place) -> Iterator[AskHere]:
        with SyncConnectionPool(max_keepalive=max_keepalive, ca_file=place.ca_file) as pool:
            yield lambda: pool.get(place.url).content

    return client


@asynccontextmanager
async def _aiohttp(place: Place) -> AsyncIterator[Ask]:
    aiohttp = importlib.import_module("aiohttp")
    connector = aiohttp.TCPConnector(limit=POOL_SIZE, ssl=place.tls())
    async with aiohttp.ClientSession(connector=connector) as session:

        async def ask() -> bytes:
            async with session.get(place.url) as answer:
                body: bytes = await answer.read()
                return body

        yield ask
    await asyncio.sleep(0)


def _httpx(name: str) -> AsyncClient:
    @asynccontextmanager
    async def client(place: Place) -> AsyncIterator[Ask]:
        httpx = importlib.import_module(name)
        limits = httpx.Limits(max_connections=POOL_SIZE, max_keepalive_connections=POOL_SIZE)
        arguments = {"verify": place.tls(), "limits": limits, "trust_env": False}
        async with httpx.AsyncClient(**arguments) as session:

            async def ask() -> bytes:
                body: bytes = (await session.get(place.url)).content
                return body

            yield ask

    return client


def _httpx_here(name: str) -> SyncClient:
    @contextmanager
    def client(place: Place) -> Iterator[AskHere]:
        httpx = importlib.import_module(name)
        limits = httpx.Limits(max_connections=POOL_SIZE, max_keepalive_connections=POOL_SIZE)
        with httpx.Client(verify=place.tls(), limits=limits, trust_env=False) as session:

            def ask() -> bytes:
                body: bytes = session.get(place.url).content
                return body

            yield ask

    return client


def on_loops() -> dict[str, AsyncClient]:
    """Clients for event loops, by their names."""
    clients: dict[str, AsyncClient] = {POOL: _own(), PER_CALL: _own(max_keepalive=0)}
    if find_spec("aiohttp"):
        clients["aiohttp"] = _aiohttp
    return clients | {name: _httpx(name) for name in PEERS[1:] if find_spec(name)}


def on_threads() -> dict[str, SyncClient]:
    """Clients for threads, by their names."""
    clients: dict[str, SyncClient] = {POOL: _own_here(), PER_CALL: _own_here(max_keepalive=0)}
    return clients | {name: _httpx_here(name) for name in PEERS[1:] if find_spec(name)}


def absent() -> list[str]:
    """The peers that are not installed."""
    return [name for name in PEERS if find_spec(name) is None]
