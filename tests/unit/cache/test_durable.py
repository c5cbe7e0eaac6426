"""The durable tier: a store in the shape of a tier, whose faults are a tier's."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.support.stores import NOW_S, PATIENT, key

from headrace.cache.durable import DurableTier
from headrace.cache.tier import Item, Tier, TierFault
from headrace.clock import ManualClock
from headrace.store.open import CACHE_FILE, open_store

Use = Callable[[DurableTier, ManualClock], Awaitable[None]]


def item(number: int, seconds: float = 3600.0, **fields: object) -> Item:
    value = b"value %d" % number
    return Item(key(number), value, NOW_S + seconds, **fields)  # type: ignore[arg-type]


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Use], None]:
    """Uses a tier, and closes it in the end."""

    def run(use: Use) -> None:
        async def body() -> None:
            clock = ManualClock(NOW_S)
            tier = DurableTier(open_store("sqlite", tmp_path, bounds=PATIENT), clock)
            await use(tier, clock)
            await tier.close()

        asyncio.run(body())

    return run


def test_it_is_a_tier(run: Callable[[Use], None]) -> None:
    async def use(tier: Tier, clock: ManualClock) -> None:
        assert tier.name == "l3"
        await tier.put([item(1), item(2, seconds=5.0), item(3)])
        assert await tier.get(key(1)) == b"value 1"
        clock.advance(5.0)
        assert await tier.get(key(2)) is None
        await tier.remove([key(1), key(9)])
        assert await tier.get(key(1)) is None
        assert await tier.get(key(3)) == b"value 3"

    run(use)


def test_scopes_can_be_purged(run: Callable[[Use], None]) -> None:
    async def use(tier: DurableTier, _clock: ManualClock) -> None:
        await tier.put([item(1, scopes=("tenant:a",)), item(2, scopes=("tenant:b",))])
        assert await tier.purge("tenant:a") == 1
        assert await tier.get_many([key(1), key(2)]) == {key(2): b"value 2"}

    run(use)


def test_what_saves_most_is_known_for_warming(run: Callable[[Use], None]) -> None:
    async def use(tier: DurableTier, clock: ManualClock) -> None:
        await tier.put([item(n, worth_usd=0.01 * n) for n in range(1, 5)])
        tier.note_use(key(3), 10)
        tier.note_use(key(4))
        await tier.maintain()
        assert [each.key for each in await tier.top(9)] == [key(3), key(4)]
        clock.advance(4000.0)
        assert await tier.maintain() == 4
        assert (await tier.stats()).entries == 0

    run(use)


def test_uses_that_were_counted_are_written_in_the_end(run: Callable[[Use], None]) -> None:
    async def use(tier: DurableTier, _clock: ManualClock) -> None:
        await tier.put([item(1, worth_usd=0.5)])
        tier.note_use(key(1), 3)

    async def find(tier: DurableTier, _clock: ManualClock) -> None:
        assert [each.saved_usd for each in await tier.top(1)] == [1.5]

    run(use)
    run(find)


def test_a_fault_of_the_store_is_one_of_the_tier(tmp_path: Path) -> None:
    (tmp_path / CACHE_FILE).mkdir()

    async def use() -> None:
        tier = DurableTier(open_store("sqlite", tmp_path, bounds=PATIENT), ManualClock(NOW_S))
        doing: list[Awaitable[object]] = [
            tier.get(key(1)),
            tier.put([item(1)]),
            tier.remove([key(1)]),
            tier.purge("all"),
            tier.top(1),
            tier.get_many([key(1)]),
            tier.stats(),
            tier.maintain(),
        ]
        for attempt in doing:
            with pytest.raises(TierFault, match=CACHE_FILE) as caught:
                await attempt
            assert caught.value.tier == "l3"
        await tier.close()
        with pytest.raises(TierFault, match="closed"):
            await tier.get(key(1))

    asyncio.run(use())
