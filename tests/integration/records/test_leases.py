"""One holds a lease at a time; the token tells who held it last."""

import asyncio

from tests.support.stores import NOW_S, Place

from headrace.clock import ManualClock
from headrace.store.records.leases import RecordLeases


def test_one_holds_it_until_it_is_given_back(place: Place) -> None:
    async def main() -> None:
        clock = ManualClock(wall_s=NOW_S)
        async with place.records(clock=clock) as records:
            one, other = (RecordLeases(records, clock, holder) for holder in ("one", "other"))
            assert await one.take("work", 60.0) == 1
            assert await one.take("work", 60.0) == 1
            assert await other.take("work", 60.0) is None
            await other.give_back("work")
            assert await other.take("work", 60.0) is None
            await one.give_back("work")
            assert await other.take("work", 60.0) == 2
            assert await one.take("other work", 60.0) == 1

    asyncio.run(main())


def test_it_expires(place: Place) -> None:
    async def main() -> None:
        clock = ManualClock(wall_s=NOW_S)
        async with place.records(clock=clock) as records:
            one, other = (RecordLeases(records, clock, holder) for holder in ("one", "other"))
            ttl_s = 10.0 if place.dialect == "sqlite" else 0.0  # there the server has the time
            assert await one.take("work", ttl_s) == 1
            clock.advance(10.5)
            assert await other.take("work", 60.0) == 2
            assert await one.take("work", 60.0) is None

    asyncio.run(main())


def test_one_of_many_who_come_at_once_gets_it(place: Place) -> None:
    async def main() -> None:
        clock = ManualClock(wall_s=NOW_S)
        async with place.records(clock=clock) as records:
            crowd = [RecordLeases(records, clock, f"holder {number}") for number in range(20)]
            tokens = await asyncio.gather(*(each.take("work", 60.0) for each in crowd))
            assert sorted(token for token in tokens if token is not None) == [1]

    asyncio.run(main())


def test_one_that_was_taken_while_the_clock_was_ahead_is_over_once_nobody_renews_it(
    place: Place,
) -> None:
    async def main() -> None:
        clock = ManualClock(wall_s=NOW_S)
        async with place.records(clock=clock) as records:
            one, dead, other = (RecordLeases(records, clock, each) for each in ("one", "dead", "o"))
            # As a clock that is a day ahead has it.
            assert await dead.take("work", 86_400.0) == 1
            assert await one.take("more work", 86_400.0) == 1
            for _ in range(2):
                assert await other.take("work", 10.0) is None
                assert await other.take("more work", 10.0) is None
                clock.advance(6.0)
                assert await one.take("more work", 86_400.0) == 1  # it lives
            assert await other.take("work", 10.0) == 2
            assert await other.take("more work", 10.0) is None
            assert await dead.take("work", 10.0) is None

    asyncio.run(main())
