"""An open-loop client: calls at times fixed beforehand, and what became of each."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Coroutine, Iterator, Sequence
from random import Random
from typing import Any, TypeVar, cast

import httptools
import msgspec
import uvloop

from benchmarks.flow.system.house import key_of

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
# Whoever is not answered by then is a mistake of the experiment, and counts as failed.
ANSWER_S_MAX = 60.0
DONE = b"data: [DONE]"
TAIL_BYTES = 256
CODE = re.compile(rb'"code":"(\w+)"')

Result = TypeVar("Result")


class Shot(msgspec.Struct, frozen=True, kw_only=True):
    """One call.

    Attributes:
        at_s: when it is due, from the start of the run.
        model: what is asked.
        text: what for; to be another one each time.
        tokens: length of the answer.
        stream: whether it is to come in pieces.
        path: where; for embeddings the text is the input.
        tenant: who asks.
        priority: as in `x-headrace-priority`.
        deadline_ms: as in `x-headrace-deadline-ms`; 0 is none.
    """

    at_s: float
    model: str
    text: str
    tokens: int = 1
    stream: bool = True
    path: str = CHAT
    tenant: str = "default"
    priority: str = "normal"
    deadline_ms: int = 0

    def request(self) -> bytes:
        """The bytes of it."""
        body = json.dumps(self._document(), separators=(",", ":"))
        lines = [
            f"POST {self.path} HTTP/1.1",
            "host: 127.0.0.1",
            f"authorization: Bearer {key_of(self.tenant)}",
            f"x-headrace-priority: {self.priority}",
            *([f"x-headrace-deadline-ms: {self.deadline_ms}"] if self.deadline_ms else []),
            "content-type: application/json",
            f"content-length: {len(body)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def _document(self) -> dict[str, Any]:
        if self.path == EMBEDDINGS:
            return {"model": self.model, "input": self.text, "dimensions": 16}
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": self.text}],
            "max_tokens": self.tokens,
            "stream": self.stream,
        }


class Outcome(msgspec.Struct):
    """What became of a call.

    Attributes:
        shot: which.
        late_s: how long after its time it was sent.
        first_s: from its time to the first byte of the answer's body.
        total_s: from its time to the end of the answer.
        end_s: when it ended, from the start of the run.
        status: of the answer; 0 where there was none.
        provider: who answered, as the gateway says.
        attempts: calls that were made for it, as the gateway says.
        code: why it was refused, as the gateway says.
        whole: whether all of the answer came.
    """

    shot: Shot
    late_s: float = 0.0
    first_s: float = 0.0
    total_s: float = 0.0
    end_s: float = 0.0
    status: int = 0
    provider: str = ""
    attempts: int = 0
    code: str = ""
    whole: bool = False

    @property
    def good(self) -> bool:
        """Whether the caller has what it asked for."""
        return self.status == 200 and self.whole

    def within(self, seconds: float) -> bool:
        """Whether it has it within so many seconds."""
        return self.good and self.total_s <= seconds


class _Answer(asyncio.Protocol):
    """One kept connection; carries one call at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._done: asyncio.Future[None] | None = None
        self._tail = b""
        self._headers: dict[bytes, bytes] = {}
        self.transport: asyncio.Transport | None = None
        self.first_at_s = 0.0
        self.is_whole = False
        self.is_open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.is_open = False
        self._finish()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self.first_at_s = self.first_at_s or time.perf_counter()
        self._tail = (self._tail + body)[-TAIL_BYTES:]

    def on_message_complete(self) -> None:
        self.is_whole = True
        self._finish()

    async def call(self, request: bytes) -> None:
        """Send a request and wait for the end of its answer, or of the connection."""
        self._parser = httptools.HttpResponseParser(self)
        self._headers, self._tail = {}, b""
        self.first_at_s, self.is_whole = 0.0, False
        self._done = asyncio.get_running_loop().create_future()
        assert self.transport is not None  # connected
        self.transport.write(request)
        async with asyncio.timeout(ANSWER_S_MAX):
            await self._done

    def abort(self) -> None:
        """Close the connection at once."""
        if self.is_open and self.transport is not None:
            self.transport.abort()

    def tell(self, outcome: Outcome) -> None:
        """Write down what came."""
        if self._headers:
            outcome.status = self._parser.get_status_code()
        outcome.provider = self._headers.get(b"x-headrace-provider", b"").decode()
        outcome.attempts = int(self._headers.get(b"x-headrace-attempts", b"0"))
        if outcome.status != 200 and (found := CODE.search(self._tail)):
            outcome.code = found.group(1).decode()
        is_stream = self._headers.get(b"content-type", b"").startswith(b"text/event-stream")
        outcome.whole = self.is_whole and (not is_stream or DONE in self._tail)

    def _finish(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)


class Client:
    """Keeps connections to one gateway. Belongs to one event loop."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[_Answer] = []
        self._opened: list[_Answer] = []

    async def run(self, shots: Sequence[Shot]) -> list[Outcome]:
        """Send every call at its time; whoever is slow holds nobody up.

        Returns:
            What became of each, in the order they were due.
        """
        loop = asyncio.get_running_loop()
        requests = [shot.request() for shot in shots]
        begin_s = time.perf_counter() + 0.05
        tasks: list[asyncio.Task[Outcome]] = []
        for shot, request in zip(shots, requests, strict=True):
            wait_s = begin_s + shot.at_s - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            tasks.append(loop.create_task(self.call(shot, request, begin_s)))
        return await asyncio.gather(*tasks)

    async def call(self, shot: Shot, request: bytes, begin_s: float) -> Outcome:
        """One call, which was due at `shot.at_s` after `begin_s`."""
        due_s = begin_s + shot.at_s
        outcome = Outcome(shot, late_s=time.perf_counter() - due_s)
        with contextlib.suppress(OSError, TimeoutError, httptools.HttpParserError):
            connection = await self._connection()
            await connection.call(request)
            connection.tell(outcome)
            outcome.first_s = (connection.first_at_s or time.perf_counter()) - due_s
            if connection.is_open and connection.is_whole:
                self._idle.append(connection)
            else:
                connection.abort()
        now_s = time.perf_counter()
        outcome.total_s, outcome.end_s = now_s - due_s, now_s - begin_s
        return outcome

    def close(self) -> None:
        """Close every connection."""
        for connection in self._opened:
            connection.abort()

    async def _connection(self) -> _Answer:
        while self._idle:
            kept = self._idle.pop()
            if kept.is_open:
                return kept
        loop = asyncio.get_running_loop()
        _, opened = await loop.create_connection(_Answer, "127.0.0.1", self._port)
        self._opened.append(opened)
        return opened


def poisson_s(dice: Random, rate_per_s: float, seconds: float) -> Iterator[float]:
    """Times of a Poisson process, in seconds from its start."""
    now_s = dice.expovariate(rate_per_s)
    while now_s < seconds:
        yield now_s
        now_s += dice.expovariate(rate_per_s)


def on_loop(work: Coroutine[Any, Any, Result]) -> Result:
    """Run something to its end on a loop of its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
