"""Who may join a call under way: not whoever wants a younger answer than may come of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from tests.support.engine import TTL_S, StillEngine, run
from tests.unit.cache.test_tiers import Meter, Shelf
from tests.unit.gateway.stock.test_answers import House, housed
from tests.unit.gateway.test_relay import Reader

from headrace.cache.codec import encode
from headrace.cache.purges import PurgeLedger
from headrace.cache.tiers import TierStack
from headrace.dialects.base import Operation
from headrace.gateway.call import Hints, Stopwatch, make_call
from headrace.gateway.order import Order
from headrace.gateway.reader import Source
from headrace.gateway.tasks import Tasks
from headrace.settings import parse_settings
from headrace.upstream.h1 import Sink
from headrace.upstream.pool import UpstreamCall

BODY = b'{"model":"p/m","messages":[{"role":"user","content":"hi"}]}'
AGE_S = 50.0


class Asking:
    """Callers of an engine whose tier has an old answer; calls to the provider are only noted."""

    def __init__(self, house: House, tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
        self._house, self._pipeline = house, house.engine.pipeline
        self._shelf = Shelf("l2")
        self.sent: list[bytes] = []

        def send(request: bytes, sink: Sink) -> UpstreamCall:
            self.sent.append(request)
            return UpstreamCall(request, sink)

        lane = self._pipeline.plan.lanes["p"]
        monkeypatch.setattr(lane.endpoint.pool, "send", send)
        house.answers.tiers = TierStack(
            [self._shelf],
            ledger=PurgeLedger(house.clock),
            clock=house.clock,
            timeout_s=1.0,
            compress_above_bytes=1 << 30,
            spawn=tasks.spawn,
            meter=Meter(),
            on_state=lambda *_: None,
        )

    def ask(self, *ages_s_max: float | None) -> list[Reader]:
        """What callers are told who ask for the same in one turn of the loop."""
        orders = [self._order(Hints(age_s_max=age_s_max)) for age_s_max in ages_s_max]
        readers = [order.reader for order in orders]
        self._pipeline.handle_all(orders)
        assert [order.error for order in orders] == [None] * len(orders)
        return readers  # type: ignore[return-value]

    def keep_old(self) -> None:
        """The tier has had an answer for a while."""
        nobody = self._order(Hints(looks_up=False, stores=False))
        self._pipeline.handle_all([nobody])
        self.sent.clear()
        record = msgspec.structs.replace(self._house.found("old").record, key=nobody.key)
        self._shelf.held[nobody.key] = encode(record, compress_above_bytes=1 << 30)
        self._house.clock.advance(AGE_S)

    def _order(self, hints: Hints) -> Order:
        dialect = self._house.engine.dialects["openai"]
        call = make_call(dialect, Operation.CHAT, "t", hints, ())
        return Order(call, BODY, Reader(), Stopwatch(self._house.clock.monotonic_s, 0.0))


@asynccontextmanager
async def asking(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Asking]:
    bugs: list[BaseException] = []
    tasks = Tasks(bugs.append)
    async with asyncio.timeout(100), housed() as house:
        yield Asking(house, tasks, monkeypatch)
        await tasks.close()
    assert bugs == []


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("ages_s_max", "given", "sent"),
    [
        ((None, None), [True, True], 0),
        ((None, AGE_S - 1), [True, False], 1),
        ((None, AGE_S + 1), [True, True], 0),
        ((AGE_S - 1, None), [False, False], 1),
        ((AGE_S - 1, AGE_S - 1), [False, False], 1),
        ((AGE_S + 1, AGE_S - 1), [True, False], 1),
    ],
)
def test_nobody_gets_an_older_answer_than_will_do_by_joining(
    monkeypatch: pytest.MonkeyPatch,
    ages_s_max: tuple[float | None, ...],
    given: list[bool],
    sent: int,
):
    async def test() -> None:
        async with asking(monkeypatch) as callers:
            callers.keep_old()
            readers = callers.ask(*ages_s_max)
            await settle()
            assert [bool(reader.got) for reader in readers] == given
            assert len(callers.sent) == sent

    asyncio.run(test())


def test_whoever_wants_a_young_answer_joins_a_call_that_was_sent(monkeypatch: pytest.MonkeyPatch):
    async def test() -> None:
        async with asking(monkeypatch) as callers:
            callers.ask(None)
            await settle()
            callers.ask(1.0)
            await settle()
            assert len(callers.sent) == 1

    asyncio.run(test())


class Placed(Reader):
    """Remembers what it was told of where its answer comes from."""

    def placed(self, source: Source) -> None:
        self.source = source


def test_who_joins_a_refresh_is_told_once() -> None:
    """By each caller the same stages said something: what they said of others is not repeated."""
    whole = {
        "providers": {"p": {"dialect": "openai", "base_url": "http://127.0.0.1:1/v1"}},
        "models": {"fast": {"targets": ["p/fast"]}, "smart": {"targets": ["p/smart"]}},
        "tiers": {
            "auto": {"cheap": {"model": "fast"}, "strong": {"model": "smart"}, "cheap_below": 0.3}
        },
        "cache": {"ttl_s": TTL_S, "stale_s": TTL_S / 2},
    }

    def asked(still: StillEngine) -> Source:
        order, reader = still.order("hi", "auto"), Placed()
        order.reader = reader
        still.engine.pipeline.handle_all([order])
        return reader.source

    async def test(still: StillEngine) -> None:
        still.engine.reload(parse_settings(json.dumps(whole), {}))
        pool = still.engine.pipeline.plan.lanes["p"].endpoint.pool
        pool.send = still._send  # type: ignore[method-assign]
        asked(still)
        await still.answer()
        still.clock.advance(TTL_S + 1)
        stale = asked(still)
        assert len(still.sent) == 1  # the refresh
        still.clock.advance(TTL_S)
        joined = asked(still)
        assert (stale.cache, joined.cache, len(still.sent)) == ("l1", "joined", 1)
        assert stale.remarks == joined.remarks == (("tier", "cheap;why=score"),)
        await still.answer()

    run(test)
