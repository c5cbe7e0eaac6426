"""Who of all processes asks again for what is stale: one, if anybody knows who; else each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.unit.cache.test_tiers import Meter, Shelf
from tests.unit.cache.test_turns import CALL_S_MAX, TOKEN, Counter
from tests.unit.gateway.stock.test_answers import KEY, LIFE_S, House, housed

from headrace.cache.codec import encode
from headrace.cache.entry import Shape
from headrace.cache.purges import PurgeLedger
from headrace.cache.tier import TierFault
from headrace.cache.tiers import Found, TierStack
from headrace.cache.turns import Turns
from headrace.gateway.order import Order
from headrace.gateway.stock.answers import REFRESH, REVALIDATE
from headrace.gateway.stock.prefetcher import PREFETCH
from headrace.gateway.stock.seeker import Seeker, Sought
from headrace.gateway.tasks import Tasks


class Relay:
    """A call that somebody waits for."""

    is_over = False


class Process:
    """One that shares a tier and leases with others.

    Attributes:
        shelf: the tier.
        leases: who hands them out.
        order: asks for what memory holds, since its time is over.
    """

    def __init__(self, house: House, tasks: Tasks) -> None:
        self.house = house
        self.shelf, self.leases = Shelf("l2"), Counter()
        self._tasks = tasks
        tiers = TierStack(
            [self.shelf],
            ledger=PurgeLedger(house.clock),
            clock=house.clock,
            timeout_s=1.0,
            compress_above_bytes=1 << 30,
            spawn=tasks.spawn,
            meter=Meter(),
            on_state=lambda *_: None,
        )
        answers = house.answers
        answers.tiers = tiers
        answers.turns = Turns(
            self.leases,
            tiers,
            house.clock,
            timeout_s=1.0,
            spawn=tasks.spawn,
            call_s_max=CALL_S_MAX,
        )
        self.seeker = Seeker(answers, None, tasks.spawn)
        self.order: Order = house.order(Shape.WHOLE)
        self.order.purpose = REFRESH
        old = house.found("old")
        answers.take_in(self.order, old)
        self.keep(old)
        house.clock.advance(LIFE_S + 1)

    def keep(self, found: Found) -> None:
        """Another process has stored this."""
        self.shelf.held[KEY] = encode(found.record, compress_above_bytes=1 << 30)

    async def takes_turn(self) -> bool:
        is_ours = await self.seeker.take_turn(self.order)
        while len(self._tasks):  # noqa: ASYNC110
            await asyncio.sleep(0)
        return is_ours

    async def seeks(self) -> Sought | None:
        """What is found for a caller, who goes on to ask where nothing is."""
        self.order.purpose = ""
        return await self.seeker.seek(self.order, Relay())  # type: ignore[arg-type]

    @property
    def text(self) -> str:
        entry = self.house.answers.memory.peek(KEY, self.house.clock.monotonic_s())
        assert entry is not None
        assert entry.whole is not None
        return entry.whole.body.decode()


@asynccontextmanager
async def process() -> AsyncIterator[Process]:
    bugs: list[BaseException] = []
    tasks = Tasks(bugs.append)
    async with asyncio.timeout(100), housed() as house:
        yield Process(house, tasks)
        await tasks.close()
    assert bugs == []


def test_one_process_asks_for_what_is_stale():
    async def test() -> None:
        async with process() as one:
            assert await one.takes_turn()
            assert one.order.lease == TOKEN
            one.leases.token = None
            assert not await one.takes_turn()
            assert one.order.lease == b""

    asyncio.run(test())


@pytest.mark.parametrize("purpose", [REFRESH, PREFETCH])
def test_what_another_process_was_told_meanwhile_is_not_asked_for_again(purpose: str):
    async def test() -> None:
        async with process() as one:
            one.order.purpose = purpose
            one.keep(one.house.found("new"))
            assert not await one.takes_turn()
            assert "new" in one.text
            assert (one.leases.released, one.order.lease) == ([TOKEN], b"")
            # Ahead of its end: what is there is what is here.
            assert await one.takes_turn()
            assert one.order.lease == TOKEN

    asyncio.run(test())


def test_nor_is_it_asked_for_ahead_of_its_end():
    async def test() -> None:
        async with process() as one:
            one.order.purpose = PREFETCH
            one.keep(one.house.found("new"))
            assert not await one.takes_turn()
            assert "new" in one.text

    asyncio.run(test())


def test_what_is_to_be_compared_is_asked_for_whatever_others_were_told():
    async def test() -> None:
        async with process() as one:
            one.keep(one.house.found("new"))
            one.order.purpose = REVALIDATE
            assert await one.takes_turn()

    asyncio.run(test())


def test_where_nobody_knows_whose_turn_it_is_each_asks():
    """Or what is stale would stay so for as long as there is nobody to hand out leases."""

    async def test() -> None:
        async with process() as one:
            one.leases.fault = TierFault("l2", "it is not there")
            assert await one.takes_turn()
            assert one.order.lease == b""

    asyncio.run(test())


def test_what_is_kept_for_failures_keeps_nobody_from_waiting_for_the_turn():
    async def test() -> None:
        async with process() as one:
            assert await one.seeks() is None
            assert one.order.stale is not None
            assert one.order.lease == TOKEN
            one.leases.token = None
            seeking = asyncio.ensure_future(one.seeks())
            while one.leases.asked < 3:  # noqa: ASYNC110
                await asyncio.sleep(0)
            one.keep(one.house.found("new"))
            sought = await seeking
            assert sought is not None
            assert b"new" in sought.held.answer.body

    asyncio.run(test())
