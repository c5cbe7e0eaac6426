"""A provider whose name leads elsewhere from now on."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from headrace import Adapter, ConnectionPool, UpstreamBroken

_BODY = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"%b"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}'
)
_NAME = "provider.test"


class Place:
    """A server at one address; answers each request with its name, until it moves away."""

    def __init__(self, name: bytes) -> None:
        body = _BODY % name
        self._answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        self._answer += b"content-length: %d\r\n\r\n%b" % (len(body), body)
        self._writers: list[asyncio.StreamWriter] = []
        self.server: asyncio.Server

    async def open(self, address: str, port: int = 0) -> int:
        self.server = await asyncio.start_server(self._talk, address, port)
        opened: int = self.server.sockets[0].getsockname()[1]
        return opened

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.lower().split(b"\r\n")
            sizes = [int(line[15:]) for line in lines if line.startswith(b"content-length:")]
            await reader.readexactly(sum(sizes))
            writer.write(self._answer)

    def leave(self) -> None:
        self.server.close()
        for writer in self._writers:
            writer.transport.abort()


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where the name leads, to be changed."""
    leads = ["127.0.0.1"]
    find = socket.getaddrinfo

    def found(host: Any, *args: Any, **more: Any) -> Any:
        return find(leads[0] if host == _NAME else host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", found)
    return leads


async def moved(address: list[str], ask: Callable[[int], Awaitable[str]], old: Place) -> None:
    """The provider goes to another address, and its old place is closed."""
    old_port = old.server.sockets[0].getsockname()[1]
    assert await ask(1) == "old"
    new = Place(b"new")
    await new.open("127.0.0.2", old_port)
    address[0] = "127.0.0.2"
    old.leave()
    assert await ask(2) == "new"
    new.leave()


def test_the_gateway_follows(address: list[str]) -> None:
    async def test() -> None:
        old = Place(b"old")
        base_url = f"http://{_NAME}:{await old.open('127.0.0.1')}/v1"
        provider = {"dialect": "openai", "base_url": base_url}
        async with Adapter({"providers": {"p": provider}}) as adapter:

            async def ask(number: int) -> str:
                return (await adapter.generate(f"question {number}", model="p/m")).text

            await moved(address, ask, old)

    asyncio.run(asyncio.wait_for(test(), 30))


def test_a_pool_of_ones_own_follows(address: list[str]) -> None:
    async def test() -> None:
        old = Place(b"old")
        url = f"http://{_NAME}:{await old.open('127.0.0.1')}/"
        async with ConnectionPool() as pool:

            async def ask(_: int) -> str:
                told = (await pool.get(url)).json()
                return str(told["choices"][0]["message"]["content"])

            await moved(address, ask, old)

    asyncio.run(asyncio.wait_for(test(), 30))


@pytest.mark.parametrize("http", ["1.1", "2"])
@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example"], ids=["empty", "long"])
def test_a_name_that_there_cannot_be_is_told(host: str, http: str) -> None:
    async def test() -> None:
        base_url = f"http://{host}/v1"
        provider = {"dialect": "openai", "base_url": base_url, "http": http, "warm_connections": 0}
        async with Adapter({"providers": {"p": provider | {"retry": {"tries_max": 1}}}}) as adapter:
            with pytest.raises(UpstreamBroken) as told:
                await adapter.generate("question", model="p/m")
            assert told.value.code == "upstream_connect"

    asyncio.run(asyncio.wait_for(test(), 30))
