"""An engine that merges embeddings, before a provider that answers when it is told to."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from tests.support.engine import JSON, StillEngine
from tests.unit.gateway.test_relay import Flow as Connection
from tests.unit.gateway.test_relay import Reader

from headrace.dialects.base import Operation
from headrace.gateway.call import Hints, Stopwatch, make_call
from headrace.gateway.calls.attempt import worded
from headrace.gateway.embeds.merging import EmbedBatcher
from headrace.gateway.flight import Flight
from headrace.gateway.order import Order
from headrace.upstream.h1 import Sink


class Terms(msgspec.Struct):
    """What the settings say."""

    enabled: bool = True
    items_max: int = 100
    tokens_max: int = 50_000
    wait_ms_max: float = 50.0


class Caller(Reader):
    """Waits for its vectors."""

    @property
    def document(self) -> dict[str, Any]:
        """Its whole answer."""
        assert self.said[-1] == "answer", self.said
        answered: dict[str, Any] = json.loads(self.got[-1])
        return answered

    @property
    def vectors(self) -> list[Any]:
        """Its vectors, which the provider of these tests makes of the inputs themselves."""
        data = self.document["data"]
        assert [item["index"] for item in data] == list(range(len(data)))
        return [item["embedding"] for item in data]

    @property
    def tokens(self) -> int:
        """Its share of the usage."""
        total: int = self.document["usage"]["total_tokens"]
        return total


class EmbedEngine(StillEngine):
    """A pipeline whose calls for embeddings are merged, and what a test wants of it."""

    def __init__(self, **terms: Any) -> None:
        super().__init__()
        self.terms = Terms(**terms)
        self.batcher = EmbedBatcher(lambda: self.terms, self.clock, self.bugs.append, self)
        pipeline = self.engine.pipeline
        pipeline._prepare = self._hand_over  # type: ignore[method-assign]
        self.left: list[Order] = []
        self.tenants: list[str] = []  # as whose calls they were sent

    def _hand_over(self, order: Order) -> bool:
        flight, order.relay = order.relay, None
        assert isinstance(flight, Flight)
        if not self.batcher.submit(order, flight):
            self.leave(order, flight)
        return False

    def leave(self, order: Order, flight: Flight) -> None:
        """What is not merged is for others to send."""
        self.left.append(order)

    def prepare(self, order: Order) -> None:
        order.request = worded(order, order.way, order.model)

    def send(self, order: Order, flight: Flight) -> None:
        """Send an order straight to the provider."""
        self.tenants.append(order.call.tenant)
        flight.call = self.pool.send(order.request, flight)

    def ask(  # type: ignore[override]
        self, given: Any, model: str = "m", tenant: str = "t", **fields: Any
    ) -> Caller:
        """Ask for vectors, as one of those who ask in this turn."""
        headers = fields.pop("headers", ())
        dialect = self.engine.dialects["openai"]
        call = make_call(dialect, Operation.EMBEDDINGS, tenant, Hints(), headers)
        body = json.dumps({"model": model, "input": given, **fields}).encode()
        caller = Caller()
        watch = Stopwatch(self.clock.monotonic_s, self.clock.monotonic_s())
        self.engine.pipeline.handle_all([Order(call, body, caller, watch)])
        return caller

    @property
    def asked(self) -> list[list[Any]]:
        """The inputs of the calls that wait for the provider."""
        return [self.inputs(request) for request, _ in self.sent]

    @staticmethod
    def inputs(request: bytes) -> list[Any]:
        given = json.loads(request.partition(b"\r\n\r\n")[2])["input"]
        return given if isinstance(given, list) else [given]

    async def turns(self, count: int = 4) -> None:
        """Let the loop do what is due."""
        for _ in range(count):
            await asyncio.sleep(0)

    async def serve(self, took_s: float = 0.0) -> list[int]:
        """The provider answers until nothing waits; says how many inputs each call had."""
        sizes = []
        await self.turns()
        while self.sent:
            self.clock.advance(took_s)
            request, sink = self.sent.pop(0)
            inputs = self.inputs(request)
            sizes.append(len(inputs))
            if "poison" in inputs:
                refuse(sink, f"'input[{inputs.index('poison')}]' is poison.")
            else:
                embed(sink, inputs)
            await self.turns()
        return sizes


def embed(
    sink: Sink,
    inputs: list[Any],
    count: int | None = None,
    headers: list[Any] | None = None,
    **fields: Any,
) -> None:
    """Answer with a vector for each input, or for so many; every input is ten tokens."""
    data = [
        {"object": "embedding", "index": at, "embedding": [given]}
        for at, given in enumerate(inputs[:count])
    ]
    tokens = 10 * len(inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    whole = {"object": "list", "data": data, "model": "m", "usage": usage, **fields}
    reply(sink, 200, whole, headers)


def refuse(sink: Sink, message: str, status: int = 400) -> None:
    """Answer with an error."""
    reply(sink, status, {"error": {"message": message, "type": "x", "param": None, "code": None}})


def reply(sink: Sink, status: int, document: Any, headers: list[Any] | None = None) -> None:
    """Answer with a document."""
    body = json.dumps(document).encode()
    sink.on_attempt(Connection())
    sink.on_head(status, JSON if headers is None else headers)
    sink.on_body(body[:9])
    sink.on_body(body[9:])
    sink.on_end()


Test = Callable[[EmbedEngine], Coroutine[Any, Any, None]]


def run(test: Test, **terms: Any) -> None:
    """Run a test in a loop and an engine of its own, in which nothing unexpected may happen."""

    async def whole() -> None:
        engine = EmbedEngine(**terms)
        try:
            async with asyncio.timeout(10):
                await test(engine)
            assert engine.batcher._groups == {}
        finally:
            await engine.engine.close()
        assert engine.bugs == []

    asyncio.run(whole())
