"""Calls that may be made twice, where the first one fails while it is being sent."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from tests.support.engine import StillEngine, run
from tests.unit.gateway.test_relay import Reader

from headrace.errors import HeadraceError
from headrace.settings import parse_settings
from headrace.upstream.faults import UpstreamFault, too_many_wait
from headrace.upstream.h1 import Sink
from headrace.upstream.pool import UpstreamCall

Test = Callable[[StillEngine, Reader], Coroutine[Any, Any, None]]


def asked(test: Test, error: Callable[[], HeadraceError], tries: int) -> StillEngine:
    """Ask a provider whose first call fails at once, as an eager task can."""

    async def whole(still: StillEngine) -> None:
        lane = {"dialect": "openai", "base_url": "http://127.0.0.1:1/v1"}
        lane |= {"retry": {"tries_max": tries, "wait_s_max": 0.01, "budget_floor": 10}}
        lane |= {"hedge": {"enabled": True, "same_target": True}}
        document = {"providers": {"p": lane}, "models": {"m": {"targets": ["p/m"]}}}
        still.engine.reload(parse_settings(json.dumps(document), {}, "test.yaml"))
        pool = still.engine.pipeline.plan.lanes["p"].endpoint.pool

        def send(request: bytes, sink: Sink) -> UpstreamCall:
            pool.send = still._send  # type: ignore[method-assign]
            sink.on_fault(error())
            return UpstreamCall(request, sink)

        pool.send = send  # type: ignore[method-assign, assignment]
        order = still.order("Why?")
        reader = order.reader
        assert isinstance(reader, Reader)
        still.engine.pipeline.handle_all([order])
        await test(still, reader)
        assert still.engine.calls == 0

    return run(whole)


def test_who_waits_is_told() -> None:
    async def test(_: StillEngine, reader: Reader) -> None:
        assert reader.said[-1] == "fail pool_exhausted"

    asked(test, lambda: too_many_wait("p"), tries=1)


def test_it_is_tried_again() -> None:
    async def test(still: StillEngine, reader: Reader) -> None:
        async with asyncio.timeout(60):
            while not still.sent:  # noqa: ASYNC110  # what it asks has no event
                await asyncio.sleep(0)
        await still.answer()
        assert reader.said[-1] == "answer"

    asked(test, lambda: UpstreamFault("connect", "p"), tries=2)


def test_who_leaves_meanwhile_ends_it() -> None:
    async def test(still: StillEngine, reader: Reader) -> None:
        reader.seat.leave()
        assert still.sent == []

    asked(test, lambda: UpstreamFault("connect", "p"), tries=2)
