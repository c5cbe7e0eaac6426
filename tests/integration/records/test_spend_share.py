"""Gateways on one store: together they spend no more than there is, and what was spent is kept."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.support.stores import NOW_S, Place

from headrace.clock import ManualClock
from headrace.identity.budgets import Leasing, Payer, Shortage, Terms
from headrace.identity.leases import DEAD_S, LAPSE_S, LENT_S
from headrace.identity.periods import UTC
from headrace.identity.purse import Purse, Reservation
from headrace.identity.spend_share import UNTOLD_S_MAX, SpendShare
from headrace.identity.tallies import NANO, TallyTable
from headrace.store.records.open import open_records
from headrace.store.records.records import Records, Step

pytestmark = pytest.mark.heavy_on_postgresql

LIMIT_USD = 10.0
SHARE = 0.1
PAYER = Payer("app", "acme")


class Gateway:
    """As much of one as spends money."""

    def __init__(self, records: Records, clock: ManualClock, name: str, **terms: Any) -> None:
        cells = memoryview(bytearray(TallyTable.cells_for(1, 64) * 8)).cast("q")
        self.table = TallyTable(cells)
        self.purse = Purse(self.table, clock.wall_s)
        self.purse.leasing = lambda: Leasing(clock.monotonic_s() < self.table.lent_until_s)
        self.purse.adopt([Terms("all", **(terms or {"day_usd": LIMIT_USD}))], {}, UTC)
        self.events: list[str] = []
        self.share = SpendShare(
            records,
            self.table,
            lambda: self.purse.budgets,
            name,
            SHARE,
            clock=clock,
            say=lambda level, event, about="", **fields: self.events.append(event),
        )

    def spend(self, usd: float) -> Reservation | Shortage:
        """Spend at once."""
        taken = self.purse.reserve(PAYER, "sim/model", usd)
        if isinstance(taken, Reservation):
            taken.settle(usd, 3, 4, "sim/model", has_answered=True)
        return taken

    def spend_all(self, call_usd: float = 0.1) -> float:
        """Spend until it is refused; gives how much it was."""
        calls = 0
        while isinstance(self.spend(call_usd), Reservation):
            calls += 1
        return calls * call_usd

    def told(self, dimension: str = "tenant") -> float:
        books = self.purse.books()
        return sum(each.day.spent for each in books if each.dimension == dimension) / NANO


def with_store(
    place: Place, work: Callable[[Records, ManualClock], Coroutine[Any, Any, None]]
) -> None:
    async def main() -> None:
        clock = ManualClock(wall_s=NOW_S)
        async with place.records(clock=clock) as records:
            await work(records, clock)

    asyncio.run(main())


def test_who_is_alone_may_spend_all_of_it_and_no_more(place: Place) -> None:
    async def work(records: Records, clock: ManualClock) -> None:
        one = Gateway(records, clock, "one")
        assert isinstance(one.spend(0.1), Shortage)  # nothing was asked yet
        await one.share.share()
        assert one.spend_all() >= LIMIT_USD - 0.1
        await one.share.share()
        refused = one.spend(0.1)
        assert isinstance(refused, Shortage)
        assert not refused.is_unknown

    with_store(place, work)


def test_two_share_what_there_is(place: Place) -> None:
    async def work(records: Records, clock: ManualClock) -> None:
        gateways = [Gateway(records, clock, name) for name in ("one", "two")]
        total = 0.0
        for _ in range(40):
            for gateway in gateways:
                await gateway.share.share()
            total += sum(gateway.spend_all(0.3) for gateway in gateways)
            clock.advance(0.25)
        assert LIMIT_USD - 2 * SHARE * LIMIT_USD - 0.6 <= total <= LIMIT_USD + 1e-6
        refused = [gateway.spend(0.3) for gateway in gateways]
        assert all(isinstance(each, Shortage) and not each.is_unknown for each in refused)

    with_store(place, work)


def test_one_alone_leaves_room_for_who_comes_after(place: Place) -> None:
    async def work(records: Records, clock: ManualClock) -> None:
        one = Gateway(records, clock, "one")
        await one.share.share()
        one.spend(2.0)
        two = Gateway(records, clock, "two")
        await two.share.share()
        refused = two.spend(1.5)
        assert isinstance(refused, Shortage)
        assert (refused.is_held, refused.reset_s) == (True, 1.0)
        for _ in range(3):
            clock.advance(0.25)
            await one.share.share()
            await two.share.share()
        assert isinstance(two.spend(1.5), Reservation)
        assert two.purse.budgets[0].tally.sums(*window_of(two)).spent == 3.5 * NANO

    with_store(place, work)


def window_of(gateway: Gateway) -> Any:
    budget = gateway.purse.budgets[0]
    period, _, window = next(budget.windows(NOW_S))
    return period, window.number


def test_books_are_those_of_all_and_outlive_each(place: Place) -> None:
    async def work(records: Records, clock: ManualClock) -> None:
        one, two = (Gateway(records, clock, name) for name in ("one", "two"))
        for _ in range(3):
            for gateway in (one, two):
                await gateway.share.share()
                clock.advance(0.25)
        for gateway in (one, two, one, two):
            assert isinstance(gateway.spend(0.25), Reservation)
            await gateway.share.share()
        await one.share.share()
        await two.share.leave()
        three = Gateway(records, clock, "three")
        await three.share.share()
        for dimension in ("key", "tenant", "model"):
            assert three.told(dimension) == 1.0
        (entry,) = (each for each in three.purse.books() if each.name == "sim/model")
        assert (entry.day.calls, entry.day.input_tokens, entry.day.output_tokens) == (4, 12, 16)
        assert (entry.month.calls, entry.dimension) == (4, "model")

    with_store(place, work)


def test_what_is_left_when_a_gateway_ends_is_had_by_others_at_once(place: Place) -> None:
    async def work(records: Records, clock: ManualClock) -> None:
        one = Gateway(records, clock, "one")
        await one.share.share()
        one.spend(4.0)
        await one.share.leave()
        assert isinstance(one.spend(0.1), Shortage)
        two = Gateway(records, clock, "two")
        await two.share.share()
        assert 5.5 <= two.spend_all() <= 6.0 + 1e-6

    with_store(place, work)


def test_the_lease_of_one_that_dies_comes_back_but_what_it_told(place: Place) -> None:
    async def work(records: Records, clock: ManualClock) -> None:
        one, two = (Gateway(records, clock, name) for name in ("one", "two"))
        await one.share.share()
        one.spend(3.0)
        await one.share.share()
        one.spend(0.5)  # is told to nobody: it dies
        await two.share.share()
        assert two.spend_all() == 0.0
        for elapsed_s, least in ((LAPSE_S, 5.5), (DEAD_S, 0.9)):
            for _ in range(int(elapsed_s / 0.5) + 3):
                clock.advance(0.5)
                await two.share.share()
            spent = (
                two.spend_all()
            )  # what it keeps; that it is refused then says that it wants more
            await two.share.share()
            assert least <= spent + two.spend_all() <= least + 0.6
        total = 3.5 + sum(each.day.spent for each in two.purse.books()[:1]) / NANO
        assert total <= 3.0 + LIMIT_USD + SHARE * LIMIT_USD

    with_store(place, work)


def test_the_lease_of_one_that_is_known_to_be_dead_comes_back_at_once(place: Place) -> None:
    async def work(records: Records, clock: ManualClock) -> None:
        one, two = (Gateway(records, clock, name) for name in ("one", "two"))
        await one.share.share()
        one.spend(3.0)
        await one.share.share()
        two.share._known_dead = lambda holders: {"one"} & set(holders)
        await two.share.share()
        await two.share.share()
        assert 6.5 <= two.spend_all() <= 7.0 + 1e-6

    with_store(place, work)


def test_one_that_was_thought_dead_spends_no_more_than_its_share(place: Place) -> None:
    async def work(records: Records, clock: ManualClock) -> None:
        one, two = (Gateway(records, clock, name) for name in ("one", "two"))
        await one.share.share()
        one.spend(2.0)
        await one.share.share()
        await two.share.share()
        for _ in range(int(DEAD_S / 0.5) + 3):
            clock.advance(0.5)
            await two.share.share()
        two.spend_all()
        beyond = one.spend_all(0.1)
        assert beyond <= SHARE * LIMIT_USD + 1e-6
        await one.share.share()
        assert one.spend_all(0.1) == 0.0
        await two.share.share()
        assert two.told() <= LIMIT_USD + SHARE * LIMIT_USD + 1e-6

    with_store(place, work)


def test_cut_off_it_spends_what_is_granted_and_then_says_that_it_cannot_know(
    place: Place,
) -> None:
    async def work(records: Records, clock: ManualClock) -> None:
        one = Gateway(records, clock, "one")
        await one.share.share()
        clock.advance(LENT_S)
        assert 0.8 <= one.spend_all(0.1) <= SHARE * LIMIT_USD + 1e-6
        refused = one.spend(0.1)
        assert isinstance(refused, Shortage)
        assert refused.is_unknown
        one.purse.leasing = lambda: Leasing(is_fresh=False, allows=True)
        assert one.spend_all(0.1) >= 8.9  # as far as is known

    with_store(place, work)


@pytest.mark.heavy
def test_who_is_alone_goes_on_while_its_disk_is_slow_to_write(place: Place) -> None:
    async def work(records: Records, clock: ManualClock) -> None:
        one = Gateway(records, clock, "one")
        await one.share.share()
        one.spend(1.0)
        write, may_end = records.write, asyncio.Event()

        async def slow_write(*steps: Step) -> Any:
            await may_end.wait()
            return await write(*steps)

        records.write = slow_write  # type: ignore[method-assign, assignment]
        looks = 0

        async def pass_time() -> None:
            nonlocal looks
            heard_s = one.table.lent_until_s
            while looks < 3:
                clock.advance(LENT_S / 2)
                while one.table.lent_until_s == heard_s:
                    await records.fetch("spend.holders")
                heard_s, looks = one.table.lent_until_s, looks + 1
            assert isinstance(one.spend(5.0), Reservation)
            clock.advance(UNTOLD_S_MAX)
            assert isinstance(one.spend(2.0), Shortage)  # that would be too much to forget
            may_end.set()

        await asyncio.gather(one.share.share(), pass_time())
        records.write = write  # type: ignore[method-assign]
        await one.share.share()
        assert isinstance(one.spend(2.0), Reservation)

    with_store(place, work)


def test_the_next_day_is_leased_before_it_begins(place: Place) -> None:
    async def work(records: Records, clock: ManualClock) -> None:
        one, two = (Gateway(records, clock, name) for name in ("one", "two"))
        budget = one.purse.budgets[0]
        _, _, window = next(budget.windows(clock.wall_s()))
        clock.advance(window.end_s - clock.wall_s() - 1.0)
        for gateway in (one, two, one, two):
            await gateway.share.share()
        clock.advance(1.5)
        period, _, tomorrow = next(budget.windows(clock.wall_s()))
        leases = [
            each.purse.budgets[0].tally.elsewhere.lease(period, tomorrow.number)
            for each in (one, two)
        ]
        assert all(lease is not None and sum(lease) > 0 for lease in leases)
        assert sum(sum(lease) for lease in leases if lease is not None) <= LIMIT_USD * NANO

    with_store(place, work)


def test_a_clock_that_is_put_back_opens_no_budget_again(place: Place) -> None:
    async def work(records: Records, clock: ManualClock) -> None:
        one = Gateway(records, clock, "one")
        await one.share.share()
        one.spend_all(0.5)
        await one.share.share()
        clock._wall_s += 86_400
        await one.share.share()
        assert isinstance(one.spend(1.0), Reservation)  # another day
        await one.share.share()
        clock._wall_s -= 86_400
        await one.share.share()
        assert isinstance(one.spend(0.5), Shortage)
        assert one.told() == LIMIT_USD

    with_store(place, work)


def test_telling_twice_is_telling_once(place: Place) -> None:
    async def work(records: Records, clock: ManualClock) -> None:
        one = Gateway(records, clock, "one")
        await one.share.share()
        one.spend(1.0)
        await one.share.share()
        one.share._told.clear()  # as by another worker, or when an answer was lost
        await one.share.share()
        two = Gateway(records, clock, "two")
        await two.share.share()
        assert two.told() == 1.0

    with_store(place, work)


def test_days_of_long_ago_are_forgotten(place: Place) -> None:
    async def work(records: Records, clock: ManualClock) -> None:
        one = Gateway(records, clock, "one")
        await one.share.share()
        one.spend(1.0)
        await one.share.share()
        clock.advance(70 * 86_400)
        await one.share.forget()
        kept = await records.fetch("spend.sums", {"period": 0, "number": 0, "holder": ""})
        months = await records.fetch("spend.sums", {"period": 1, "number": 0, "holder": ""})
        assert kept == []
        assert months != []

    with_store(place, work)


def test_a_store_that_cannot_be_asked_is_told_of_once(tmp_path: Any) -> None:
    async def main() -> None:
        clock = ManualClock(wall_s=NOW_S)
        (tmp_path / "file").write_text("no folder")
        records = open_records("sqlite", tmp_path / "file", clock=clock)
        one = Gateway(records, clock, "one")
        for _ in range(3):
            await one.share.run()
        assert one.events == ["spend_not_shared"]
        await records.close()

    asyncio.run(main())
