"""An engine whose clock stands still, before a provider that answers when it is told to."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from tests.unit.gateway.test_relay import Flow, Reader

from headrace.cache.key import repeat_key
from headrace.clock import ManualClock
from headrace.dialects.base import Operation
from headrace.gateway.call import Hints, Stopwatch, make_call
from headrace.gateway.engine import Engine
from headrace.gateway.order import Order
from headrace.gateway.stock.foresight import Foresight
from headrace.observe.cells import Cells
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.settings import Settings, parse_settings
from headrace.upstream.h1 import Sink
from headrace.upstream.pool import UpstreamCall

TTL_S = 100.0
CALL_S = 2.0
CALL_USD = 0.01
JSON = [(b"content-type", b"application/json")]


def settings_of(
    *, workers: int = 1, templates: dict[str, Any] | None = None, **cache: Any
) -> Settings:
    """Settings with a provider that is never reached, dear, free and unpriced models."""
    cheap = {"input": 0, "output": 0}
    return parse_settings(
        json.dumps(
            {
                "providers": {"p": {"dialect": "openai", "base_url": "http://127.0.0.1:1/v1"}},
                "models": {
                    "m": {"targets": ["p/m"], "price": {"input": 10, "output": 10}},
                    "cheap": {"targets": ["p/cheap"], "price": cheap},
                    "unpriced": {"targets": ["p/unpriced"]},
                },
                "listen": {"workers": workers},
                "cache": {"ttl_s": TTL_S, "second_usd": 1.0, **cache},
                "templates": templates or {},
            }
        ),
        {},
        "test.yaml",
    )


class StillEngine:
    """The engine, and what a test wants of it.

    Args:
        templates: settings of templates.
        cache: settings of the cache besides the lifetime and what a second is worth.
    """

    def __init__(self, *, templates: dict[str, Any] | None = None, **cache: Any) -> None:
        self.bugs: list[BaseException] = []
        self.clock = ManualClock()
        self.layout = Layout()
        cells = Cells(self.layout.size)
        self.metrics = Metrics(self.layout, cells.row(), cells.slots, self.clock)
        self.engine = Engine(
            settings_of(templates=templates, **cache),
            clock=self.clock,
            metrics=self.metrics,
            on_bug=self.bugs.append,
            on_unreachable=lambda _provider, _error: None,
            on_tier=lambda _tier, _is_up, _why: None,
            say=lambda *_said, **_fields: None,
        )
        self.pool = self.engine.pipeline.plan.lanes["p"].endpoint.pool
        self.sent: list[tuple[bytes, Sink]] = []
        self.pool.send = self._send  # type: ignore[method-assign]

    def _send(self, request: bytes, sink: Sink) -> UpstreamCall:
        self.sent.append((request, sink))
        return UpstreamCall(request, sink)

    @property
    def foresight(self) -> Foresight:
        assert self.engine.stock.foresight is not None
        return self.engine.stock.foresight

    @property
    def prefetch(self) -> dict[str, Any]:
        told: dict[str, Any] = self.engine.desk.told()["prefetch"]
        return told

    def count(self, family: str, *labels: str | int) -> float:
        """A counter as `/metrics` would tell it."""
        self.engine.refresh_gauges()
        counter = getattr(self.metrics, family)
        cells: Any = counter._cells
        return float(cells[counter.at(*labels)])

    def order(self, text: str, model: str = "m", **hints: Any) -> Order:
        """What a caller asks."""
        call = make_call(self.engine.dialects["openai"], Operation.CHAT, "t", Hints(**hints), ())
        messages = [{"role": "user", "content": text}]
        body = json.dumps({"model": model, "messages": messages}).encode()
        watch = Stopwatch(self.clock.monotonic_s, self.clock.monotonic_s())
        return Order(call, body, Reader(), watch)

    async def ask(self, text: str, model: str = "m", **hints: Any) -> str:
        """Ask as a caller does; returns `l1`, or `miss` once the provider has answered."""
        order, pipeline = self.order(text, model, **hints), self.engine.pipeline
        call, reader, before = order.call, order.reader, len(self.sent)
        digest = repeat_key(call.scope, order.body)
        if pipeline.repeat(call, digest, self.clock.monotonic_s()) is not None:
            return "l1"
        pipeline.handle_all([order])
        if len(self.sent) == before:
            return "l1"
        await self.answer()
        assert isinstance(reader, Reader)
        assert reader.said[-1] == "answer"
        return "miss"

    async def answer(self, status: int = 200, text: str = "Water.") -> None:
        """The provider answers every call that waits."""
        self.clock.advance(CALL_S)
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1000}
        document = {"object": "chat.completion", "choices": [choice], "usage": usage}
        sent, self.sent = self.sent, []
        for _, sink in sent:
            sink.on_attempt(Flow())
            sink.on_head(status, JSON)
            sink.on_body(json.dumps(document).encode())
            sink.on_end()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def pass_time(self, seconds: float, step_s: float = 1.0) -> None:
        """Let time pass, with the engine keeping it."""
        end_s = self.clock.monotonic_s() + seconds
        while self.clock.monotonic_s() < end_s:
            self.clock.advance(min(step_s, end_s - self.clock.monotonic_s()))
            self.engine.stock.sweep()


Test = Callable[[StillEngine], Coroutine[Any, Any, None]]


def run(test: Test, **cache: Any) -> StillEngine:
    """Run a test in a loop and a still of its own, in which nothing unexpected may happen."""

    async def whole() -> StillEngine:
        still = StillEngine(**cache)
        try:
            await test(still)
        finally:
            await still.engine.close()
        assert still.bugs == []
        return still

    return asyncio.run(whole())
