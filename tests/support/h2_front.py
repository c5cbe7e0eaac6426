"""A server that speaks HTTP/2, in a thread, and asks another one that does not."""

import asyncio
import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from tests.support.h2_provider import H2Provider, Stream, h2_provider

_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "host"}


class H2Front:
    """Where it is, and what came by it."""

    def __init__(self, provider: H2Provider) -> None:
        self.url = f"http://127.0.0.1:{provider.port}"
        self._provider = provider

    @property
    def paths(self) -> list[str]:
        """Of the calls that came whole."""
        return [dict(stream.headers)[":path"] for stream in list(self._provider.streams)]


@contextmanager
def h2_front(url: str) -> Iterator[H2Front]:
    """One that asks the server at `url`."""
    begun: list[H2Front] = []
    is_up, loop = threading.Event(), asyncio.new_event_loop()
    is_over = asyncio.Event()

    async def serve() -> None:
        async with h2_provider() as provider:

            async def pass_on(stream: Stream) -> None:
                status, headers, body = await asyncio.to_thread(_asked, url, stream)
                stream.head(status, headers)
                await stream.send(body)
                stream.end()

            provider.play = pass_on
            begun.append(H2Front(provider))
            is_up.set()
            await is_over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    is_up.wait(30)
    try:
        yield begun[0]
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join()
        loop.close()


def _asked(url: str, stream: Stream) -> tuple[int, Any, bytes]:
    """What the other server says to a call."""
    told = dict(stream.headers)
    place = urlsplit(url)
    line = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    try:
        plain = {name: value for name, value in told.items() if name[0] != ":"}
        sent = {name: value for name, value in plain.items() if name not in _OF_ONE_CONNECTION}
        line.request(told[":method"], told[":path"], stream.body or None, sent)
        answer = line.getresponse()
        headers = tuple(
            (name.lower(), value)
            for name, value in answer.getheaders()
            if name.lower() not in _OF_ONE_CONNECTION
        )
        return answer.status, headers, answer.read()
    finally:
        line.close()
