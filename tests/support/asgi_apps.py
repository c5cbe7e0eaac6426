"""Applications that do what a test tells them, step by step."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from headrace.server.asgi import Message

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def turns() -> None:
    """Let everything run that can."""
    for _ in range(30):
        await asyncio.sleep(0)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))


async def start(send: Send, kind: bytes = b"application/octet-stream", status: int = 200) -> None:
    headers = [(b"Content-Type", kind), (b"Content-Length", b"1"), (b"X-Own", b"1")]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def part(send: Send, body: bytes, *, more: bool) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


class Reading:
    """Reads a body part by part, when it is told to, and then answers."""

    def __init__(self) -> None:
        self.may_read = asyncio.Event()
        self.got: list[Message] = []
        self.scope: Message = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.scope = scope
        while True:
            await self.may_read.wait()
            self.got.append(await receive())
            if not self.got[-1].get("more_body"):
                break
        if self.got[-1]["type"] == "http.request":
            await start(send)
            await part(send, b"%d" % len(self.body), more=False)

    @property
    def body(self) -> bytes:
        return b"".join(each.get("body", b"") for each in self.got)


class Steps:
    """Answers as it is told: what is put in goes out; `None` is the end."""

    def __init__(self, kind: bytes = b"text/event-stream") -> None:
        self.put: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.kind = kind
        self.sent = 0
        self.left: Message = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        watching = asyncio.ensure_future(receive())
        await start(send, self.kind)
        while True:
            stepping = asyncio.ensure_future(self.put.get())
            await asyncio.wait((watching, stepping), return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                stepping.cancel()
                self.left = watching.result()
                return
            step = stepping.result()
            if isinstance(step, Exception):
                raise step
            await part(send, step or b"", more=step is not None)
            self.sent += 1
            if step is None:
                return
