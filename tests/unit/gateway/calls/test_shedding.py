"""A process that has too much to do: who is refused, who is not, and what is learnt meanwhile."""

import asyncio
import json

import msgspec
import pytest
from tests.support.engine import StillEngine
from tests.support.replies import delta
from tests.unit.gateway.test_relay import EVENTS, Flow, Reader

from headrace.errors import HeadraceError, Overloaded
from headrace.flow.scheduler import Priority
from headrace.gateway.order import Order
from headrace.observe.process import ProcessReading
from headrace.settings.flow import LimitSettings, ProcessSettings
from headrace.upstream.faults import UpstreamFault

MIB = 1 << 20


class Strained(StillEngine):
    """An engine whose process may hold 100 MiB."""

    def __init__(self, **cache: object) -> None:
        super().__init__(**cache)
        self.said: list[tuple[str, str]] = []
        self.engine.shedding._say = lambda _level, event, about="", **_: self.said.append(
            (event, about)
        )
        self.engine.shedding.adopt(ProcessSettings(memory_mb_max=100))

    def holds(self, memory_mb: int) -> None:
        self.engine.shedding.update(0.0, ProcessReading(0.0, memory_mb * MIB))

    def handle(self, *orders: Order) -> None:
        self.engine.pipeline.handle_all(list(orders))

    def pressure(self, signal: str) -> float:
        return self.count("process_pressure", signal)


@pytest.mark.parametrize("priority", list(Priority))
def test_what_can_wait_is_refused_and_nothing_else(priority: Priority) -> None:
    async def main() -> None:
        engine = Strained()
        engine.holds(101)
        order = engine.order("Why?", priority=priority)
        engine.handle(order)
        if priority < Priority.LOW:
            assert order.error is None
            assert len(engine.sent) == 1
            return
        assert isinstance(order.error, Overloaded)
        assert order.error.code == "process_overloaded"
        assert order.error.retry_after_s == 5
        assert "101 MiB" in order.error.message
        assert engine.sent == []
        assert engine.count("shed_calls", priority.name.lower()) == 1
        engine.holds(95)  # not well below yet
        engine.handle(engine.order("Why?", priority=priority))
        assert engine.sent == []
        engine.holds(89)
        engine.handle(engine.order("Why?", priority=priority))
        assert len(engine.sent) == 1

    asyncio.run(main())


def test_what_is_stored_is_given_to_everybody() -> None:
    async def main() -> None:
        engine = Strained()
        assert await engine.ask("Why?") == "miss"
        engine.holds(101)
        assert await engine.ask("Why?", priority=Priority.BATCH) == "l1"

    asyncio.run(main())


def test_a_stale_answer_is_better_than_a_refusal() -> None:
    async def main() -> None:
        engine = Strained(stale_if_error_s=1000)
        await engine.ask("Why?")
        engine.clock.advance(150)
        engine.holds(101)
        order = engine.order("Why?", priority=Priority.BATCH)
        reader = order.reader
        assert isinstance(reader, Reader)
        engine.handle(order)
        assert reader.said[-1] == "answer"
        assert engine.sent == []

    asyncio.run(main())


def test_who_waits_for_the_same_with_a_higher_priority_is_not_refused() -> None:
    async def main() -> None:
        engine = Strained()
        engine.holds(101)
        first = engine.order("Why?", priority=Priority.BATCH)
        second = engine.order("Why?", priority=Priority.HIGH)
        reader = second.reader
        engine.handle(first, second)
        await engine.answer()
        assert isinstance(reader, Reader)
        assert reader.said[-1] == "answer"

    asyncio.run(main())


def test_what_the_cache_asks_by_itself_can_wait() -> None:
    async def main() -> None:
        engine = Strained()
        engine.holds(101)
        order = engine.order("Why?", priority=Priority.HIGH)
        failed: list[HeadraceError] = []
        reader = Reader()
        reader.fail = failed.append  # type: ignore[assignment, method-assign]
        engine.engine.pipeline.ask_again(order.call, order.body, "refresh", reader)
        assert [error.code for error in failed] == ["process_overloaded"]
        assert engine.count("shed_calls", "batch") == 1

    asyncio.run(main())


def test_a_stream_that_would_go_on_ends_where_it_broke_off() -> None:
    async def main() -> None:
        engine = Strained()
        settings = engine.engine.settings
        model = msgspec.structs.replace(settings.models["m"], continue_streams=True)
        engine.engine.reload(msgspec.structs.replace(settings, models={"m": model}))
        engine.engine.shedding.adopt(ProcessSettings(memory_mb_max=100))
        order = engine.order("Why?", priority=Priority.BATCH)
        order.body = json.dumps({**json.loads(order.body), "stream": True}).encode()
        reader = order.reader
        engine.handle(order)
        (_, sink), *_ = engine.sent
        sink.on_attempt(Flow())
        sink.on_head(200, EVENTS)
        sink.on_body(delta("Water", role="assistant") + b"\n\n")
        engine.holds(101)
        sink.on_fault(UpstreamFault("cut", "p", received=True))
        assert isinstance(reader, Reader)
        assert reader.said[-1] == "fail upstream_cut"
        assert len(engine.sent) == 1
        assert engine.count("shed_calls", "batch") == 1
        assert engine.count("streams_continued", "failed") == 1
        assert engine.bugs == []

    asyncio.run(main())


def test_limits_do_not_grow_meanwhile() -> None:
    async def main() -> None:
        engine = Strained()
        settings = engine.engine.settings
        limited = msgspec.structs.replace(
            settings.providers["p"], limit=LimitSettings(inflight_max=4)
        )
        engine.engine.reload(msgspec.structs.replace(settings, providers={"p": limited}))
        engine.engine.shedding.adopt(ProcessSettings(memory_mb_max=100))
        lane = engine.engine.pipeline.plan.lanes["p"]
        lane.endpoint.pool.send = engine._send  # type: ignore[method-assign]
        engine.holds(101)
        await engine.ask("Why?")
        turns = lane.gates.of("m").turns
        assert turns is not None
        assert turns.limiter.stats().successes == 0
        assert turns.limiter.stats().ignored == 1
        engine.holds(50)
        await engine.ask("How?")
        assert turns.limiter.stats().successes == 1
        assert turns.limiter.inflight == 0

    asyncio.run(main())


def test_a_change_is_said_once_and_shown() -> None:
    engine = Strained()
    for memory_mb in (50, 101, 120, 95, 80, 80):
        engine.holds(memory_mb)
        told = engine.engine.flow.told()["process"]
        is_high = memory_mb > 90
        assert told["pressure"] == ("memory" if is_high else None)
        assert told["memory_mb"] == memory_mb
        assert engine.pressure("memory") == is_high
        assert engine.pressure("lag") == engine.pressure("cpu") == 0
    assert engine.said == [("pressure", "memory"), ("pressure_over", "memory")]
    json.dumps(engine.engine.flow.told())


def test_a_loop_that_is_late_is_told_apart_from_one_that_is_late_for_it_is_busy() -> None:
    for cpu_share, lag_s, signal in ((0.1, 1.5, "lag"), (1.0, 0.7, "cpu"), (0.1, 0.7, None)):
        engine = Strained()
        for second in range(20):
            engine.clock.advance(1.0)
            engine.engine.shedding.update(lag_s, ProcessReading(second * cpu_share, 0))
        assert engine.engine.flow.told()["process"]["pressure"] == signal
        order = engine.order("Why?", priority=Priority.LOW)
        if signal is not None:
            engine.handle(order)
            assert isinstance(order.error, Overloaded)
            assert "lag" in order.error.message
