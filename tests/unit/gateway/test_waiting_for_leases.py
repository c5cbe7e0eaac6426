"""Calls that nothing is leased for yet: they wait for a moment, and no longer."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest
from tests.support.engine import StillEngine, run
from tests.unit.gateway.test_relay import Reader

from headrace.gateway.spend.waiting import WAIT_S_MAX, WAITING_MAX
from headrace.identity.budgets import Leasing
from headrace.settings.spend import BudgetSettings, SpendSettings

LIMIT_S = 60.0


def with_budget(still: StillEngine, leasing: Callable[[], Leasing]) -> None:
    budget = BudgetSettings(tenant="t", day_usd=1_000)
    settings = msgspec.structs.replace(
        still.engine.settings, budgets=(budget,), spend=SpendSettings(enabled=True)
    )
    still.engine.treasury.lease_by(leasing)
    still.engine.reload(settings)
    still.engine.pipeline.plan.lanes["p"].endpoint.pool.send = still._send  # type: ignore[method-assign]


def hear(still: StillEngine) -> None:
    """The store has said something."""
    still.engine.treasury.table.lent_until_s += 1.0


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def test_a_call_goes_as_soon_as_the_store_has_said_that_it_may() -> None:
    async def test(still: StillEngine) -> None:
        is_fresh = False
        with_budget(still, lambda: Leasing(is_fresh, is_awaited=True))
        orders = [still.order("Hello?"), still.order("And you?"), still.order("Hello?")]
        still.engine.pipeline.handle_all(orders)
        assert still.sent == []
        hear(still)  # but not that
        await until(lambda: orders[0].waits_until_s)
        assert [order.error for order in orders] == [None, None, None]
        is_fresh = True
        hear(still)
        await until(lambda: len(still.sent) == 2)  # one was joined
        readers = [order.reader for order in orders if hasattr(order, "reader")]
        assert readers == []
        await still.answer()

    run(test)


@pytest.mark.parametrize("is_awaited", [True, False])
def test_who_hears_nothing_is_told_to_come_again(is_awaited: bool) -> None:
    async def test(still: StillEngine) -> None:
        with_budget(still, lambda: Leasing(is_fresh=False, is_awaited=is_awaited))
        order = still.order("Hello?")
        still.engine.pipeline.handle_all([order])
        if is_awaited:
            assert order.error is None
            still.clock.advance(WAIT_S_MAX)
            await until(lambda: order.error)
        assert order.error is not None
        assert order.error.code == "budget_unavailable"
        assert still.sent == []

    run(test)


def test_no_more_than_so_many_wait() -> None:
    async def test(still: StillEngine) -> None:
        with_budget(still, lambda: Leasing(is_fresh=False, is_awaited=True))
        orders = [still.order(f"Question {number}") for number in range(WAITING_MAX + 10)]
        still.engine.pipeline.handle_all(orders)
        assert sum(order.error is not None for order in orders) == 10

    run(test)


def test_who_left_meanwhile_is_not_asked_for() -> None:
    async def test(still: StillEngine) -> None:
        is_fresh = False
        with_budget(still, lambda: Leasing(is_fresh, is_awaited=True))
        order, leaver = still.order("Hello?"), Leaver()
        order.reader = leaver
        still.engine.pipeline.handle_all([order, still.order("And you?")])
        assert leaver.seat is not None
        leaver.seat.leave()  # type: ignore[attr-defined]
        is_fresh = True
        hear(still)
        await until(lambda: still.sent)
        assert len(still.sent) == 1
        await still.answer()

    run(test)


class Leaver(Reader):
    """Someone who does not wait for the end."""

    seat: object = None

    def seated(self, seat: object) -> None:
        self.seat = seat
