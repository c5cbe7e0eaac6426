"""The demo's client against servers that say exactly what they are told."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from headrace.cli.demo_http import BrokenAnswer, Client

Result = TypeVar("Result")
SIZED = b"HTTP/1.1 200 OK\r\nX-One: a: b\r\ncontent-length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"


def talk(answer: bytes, use: Callable[[Client, list[bytes]], Awaitable[Result]]) -> Result:
    """What `use` gives with a client of a server that says `answer` to every request."""

    async def main() -> Result:
        heard: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(b"connected")
            while head := await reader.read(65536):
                heard.append(head)
                writer.write(answer)
                if not answer.endswith((b"hi", b"0\r\n\r\n")):
                    break
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, Client(f"http://127.0.0.1:{port}") as client:
            return await use(client, heard)

    return asyncio.run(main())


def test_sized_bodies_over_one_connection() -> None:
    async def use(client: Client, heard: list[bytes]) -> None:
        first = await client.post("/v1/x", b"{}")
        second = await client.get("/metrics")
        assert (first.status, first.body, first.headers["x-one"]) == (200, b"hi", "a: b")
        assert second.body == b"hi"
        assert heard[0] == b"connected"
        assert heard[1].startswith(b"POST /v1/x HTTP/1.1\r\nhost: 127.0.0.1\r\n")
        assert heard[1].endswith(b"content-length: 2\r\n\r\n{}")
        assert heard[2].startswith(b"GET /metrics")
        assert heard.count(b"connected") == 1

    talk(SIZED, use)


def test_chunked_bodies_and_their_times() -> None:
    async def use(client: Client, heard: list[bytes]) -> None:
        reply = await client.get("/")
        assert reply.body == b"hello"
        assert len(reply.pieces_s) == 2
        assert 0 < reply.pieces_s[0] <= reply.pieces_s[1] <= reply.took_s

    talk(CHUNKED, use)


@pytest.mark.parametrize("answer", [b"", SIZED[:-1], CHUNKED[:-9], b"no HTTP\r\n\r\n"])
def test_a_broken_answer_is_an_error_and_its_connection_is_not_used_again(answer: bytes) -> None:
    async def use(client: Client, heard: list[bytes]) -> None:
        for _ in range(2):
            with pytest.raises(BrokenAnswer, match="/v1/x"):
                await client.post("/v1/x", b"{}")
        assert heard.count(b"connected") == 2

    talk(answer, use)


def test_nobody_there() -> None:
    async def main() -> None:
        server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        with pytest.raises(BrokenAnswer):
            await Client(f"http://127.0.0.1:{port}").get("/")

    asyncio.run(main())
