"""Requests that go through the stages together: what goes wrong with one is no other's trouble."""

import asyncio

import pytest
from tests.unit.gateway.test_relay import Reader

from headrace.clock import ManualClock
from headrace.dialects.base import Operation
from headrace.errors import HeadraceError
from headrace.gateway.call import Hints, Stopwatch, make_call
from headrace.gateway.engine import Engine
from headrace.gateway.order import Order
from headrace.observe.cells import Cells
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.settings import ProviderSettings, Settings
from headrace.upstream.h1 import Sink
from headrace.upstream.pool import UpstreamCall

LANE = ProviderSettings(dialect="openai", base_url="http://127.0.0.1:1/v1")
BODY = b'{"model":"p/m","messages":[{"role":"user","content":"%b"}]}'


def test_a_bug_fails_its_own_request_and_who_joined_it(monkeypatch: pytest.MonkeyPatch):
    bugs: list[BaseException] = []

    async def test() -> None:
        clock, layout = ManualClock(), Layout()
        cells = Cells(layout.size)
        engine = Engine(
            Settings(providers={"p": LANE}),
            clock=clock,
            metrics=Metrics(layout, cells.row(), cells.slots, clock),
            on_bug=bugs.append,
            on_unreachable=lambda _provider, _error: None,
            on_tier=lambda _tier, _is_up, _why: None,
            say=lambda *_words, **_fields: None,
        )
        pipeline = engine.pipeline
        sent: list[bytes] = []

        def send(request: bytes, sink: Sink) -> UpstreamCall:
            if b"bad" in request:
                raise ZeroDivisionError
            sent.append(request)
            return UpstreamCall(request, sink)

        monkeypatch.setattr(pipeline.plan.lanes["p"].endpoint.pool, "send", send)
        call = make_call(engine.dialects["openai"], Operation.CHAT, "t", Hints(), ())

        def order(text: bytes) -> Order:
            return Order(call, BODY % text, Reader(), Stopwatch(clock.monotonic_s, 0.0))

        orders = [order(b"bad"), order(b"bad"), order(b"good")]
        readers = [each.reader for each in orders]
        pipeline.handle_all(orders)
        assert [reader.said[-1] for reader in readers[:2]] == ["fail internal_error"] * 2  # type: ignore[attr-defined]
        assert isinstance(orders[0].error, HeadraceError)
        assert (len(sent), orders[2].error) == (1, None)
        # Nobody joins the call that never was.
        again = order(b"bad")
        pipeline.handle_all([again])
        assert again.error is not None
        await engine.close()

    asyncio.run(test())
    assert [type(bug) for bug in bugs] == [ZeroDivisionError] * 2
