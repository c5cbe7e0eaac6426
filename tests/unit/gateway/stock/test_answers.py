"""What a tier has is brought up into memory: every caller in its own shape, nothing newer lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
from tests.unit.gateway.test_relay import Reader

from headrace.cache.entry import Answer, Shape
from headrace.cache.record import Record
from headrace.cache.tiers import Found
from headrace.clock import ManualClock
from headrace.dialects.base import Operation
from headrace.gateway.call import Hints, Stopwatch, make_call
from headrace.gateway.engine import Engine
from headrace.gateway.order import Order
from headrace.gateway.stock.answers import Answers
from headrace.observe.cells import Cells
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.settings import ProviderSettings, Settings
from headrace.settings.schema import CacheSettings

LANE = ProviderSettings(dialect="openai", base_url="http://127.0.0.1:1/v1")
KEY, DIGEST = b"k" * 20, b"d" * 20
LIFE_S = 100.0


class House:
    """The answers of an engine without tiers."""

    def __init__(self, engine: Engine, clock: ManualClock) -> None:
        self.clock = clock
        self.engine = engine
        self.answers: Answers = engine.stock.answers
        self._dialect = engine.dialects["openai"]

    def order(self, shape: Shape) -> Order:
        call = make_call(self._dialect, Operation.CHAT, "t", Hints(), ())
        watch = Stopwatch(self.clock.monotonic_s, 0.0)
        plan = self.engine.pipeline.plan
        return Order(call, b"", Reader(), watch, digest=DIGEST, plan=plan, key=KEY, shape=shape)

    def found(self, text: str) -> Found:
        """What a tier has: a whole answer of this moment, of use for twice as long as fresh."""
        now_s = self.clock.wall_s()
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = msgspec.json.encode(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1,
                "model": "m",
                "choices": [choice],
            }
        )
        headers = ((b"content-type", b"application/json"),)
        times_s = (0.1, now_s, now_s + LIFE_S, now_s + 2 * LIFE_S)
        record = Record(
            KEY, "t", "p", "m", (), Shape.WHOLE, 200, headers, body, None, None, *times_s, 0
        )
        return Found(record, "l2")

    def repeat(self, order: Order) -> Answer:
        """The answer to the same body once more."""
        answer = self.answers.repeat(order.call, DIGEST, self.clock.monotonic_s())
        assert answer is not None
        return answer


@asynccontextmanager
async def housed() -> AsyncIterator[House]:
    """A house that is closed in the end."""
    clock, layout = ManualClock(), Layout()
    cells = Cells(layout.size)
    engine = Engine(
        Settings(providers={"p": LANE}, cache=CacheSettings(stale_if_error_s=LIFE_S)),
        clock=clock,
        metrics=Metrics(layout, cells.row(), cells.slots, clock),
        on_bug=lambda _error: None,
        on_unreachable=lambda _provider, _error: None,
        on_tier=lambda _tier, _is_up, _why: None,
        say=lambda *_words, **_fields: None,
    )
    try:
        yield House(engine, clock)
    finally:
        await engine.close()


def run(test: Callable[[House], None]) -> None:
    async def body() -> None:
        async with housed() as house:
            test(house)

    asyncio.run(body())


def test_a_repeat_gets_the_shape_it_asks_for_whatever_shape_the_tier_had():
    def test(house: House) -> None:
        order = house.order(Shape.EVENTS)
        held = house.answers.take_in(order, house.found("hi"))
        assert held is not None
        assert held.answer.shape is Shape.EVENTS
        again = house.repeat(order)
        assert (again.shape, again.body) == (Shape.EVENTS, held.answer.body)

    run(test)


def test_what_came_from_a_provider_meanwhile_is_not_replaced_by_what_a_tier_had():
    def test(house: House) -> None:
        order = house.order(Shape.WHOLE)
        old = house.found("old")
        house.clock.advance(1.0)
        assert house.answers.take_in(order, house.found("new")) is not None
        held = house.answers.take_in(order, old)
        assert held is not None
        assert b"new" in held.answer.body
        assert b"new" in house.repeat(order).body

    run(test)
