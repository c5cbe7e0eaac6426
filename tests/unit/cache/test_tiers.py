"""The stack of tiers against tiers that fail, hang and lie."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from msgspec.structs import replace

from headrace.cache.codec import encode
from headrace.cache.freshness import CLOCK_SKEW_S_MAX
from headrace.cache.purges import PurgeLedger
from headrace.cache.record import Record
from headrace.cache.tier import Item, TierFault
from headrace.cache.tiers import TierStack
from headrace.clock import ManualClock
from headrace.gateway.tasks import Tasks
from headrace.limits import TIER_QUEUE_BYTES_MAX

KEY = b"k" * 20
TIMEOUT_S = 0.3


class Shelf:
    """A tier in a dictionary that does what it is told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.held: dict[bytes, bytes] = {}
        self.fault: BaseException | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_full = False
        self.asked = 0
        self.batches: list[int] = []

    async def get(self, key: bytes) -> bytes | None:
        self.asked += 1
        await self._obey()
        return self.held.get(key)

    async def put(self, items: Sequence[Item]) -> None:
        await self._obey()
        if self.is_full:
            raise TierFault(self.name, "it is full")
        self.batches.append(len(items))
        self.held.update({item.key: item.value for item in items})

    async def remove(self, keys: Sequence[bytes]) -> None:
        await self._obey()
        for key in keys:
            self.held.pop(key, None)

    async def close(self) -> None:
        self.is_closed = True

    async def _obey(self) -> None:
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault


class Meter:
    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str]] = []
        self.writes: list[tuple[str, int, bool]] = []
        self.drops = 0

    def asked(self, tier: str, outcome: str, seconds: float) -> None:
        self.outcomes.append((tier, outcome))

    def written(self, tier: str, records: int, *, faulty: bool) -> None:
        self.writes.append((tier, records, faulty))

    def dropped(self, tier: str) -> None:
        self.drops += 1


class House:
    def __init__(self, tasks: Tasks, *names: str) -> None:
        self.clock = ManualClock()
        self.ledger = PurgeLedger(self.clock)
        self.shelves = [Shelf(name) for name in names]
        self.meter = Meter()
        self.states: list[tuple[str, bool]] = []
        self.stack = TierStack(
            self.shelves,
            ledger=self.ledger,
            clock=self.clock,
            timeout_s=TIMEOUT_S,
            compress_above_bytes=1 << 30,
            spawn=tasks.spawn,
            meter=self.meter,
            on_state=lambda tier, is_up, _why: self.states.append((tier, is_up)),
        )

    def record(self, key: bytes = KEY, *, body: bytes = b"{}", seq: int = 0) -> Record:
        now_s = self.clock.wall_s()
        return Record(
            *(key, "t", "p", "m", ("tag",), 0, 200, (), body, None, 0.5, 1.0),
            *(now_s, now_s + 60, now_s + 60, seq),
        )


def run(test: Callable[[House], Awaitable[None]], *names: str) -> None:
    async def main() -> None:
        bugs: list[BaseException] = []
        tasks = Tasks(bugs.append)
        async with asyncio.timeout(100):
            await test(House(tasks, *(names or ("l2", "l3"))))
        await tasks.close()
        assert bugs == []

    asyncio.run(main())


def test_the_nearest_tier_answers_and_lower_ones_are_not_asked():
    async def test(house: House) -> None:
        house.stack.put(house.record())
        await house.stack.flush()
        found = await house.stack.find(KEY)
        assert found is not None
        assert (found.tier, found.record) == ("l2", house.record())
        assert [shelf.asked for shelf in house.shelves] == [1, 0]

    run(test)


def test_what_a_lower_tier_has_is_put_into_those_above():
    async def test(house: House) -> None:
        upper, lower = house.shelves
        lower.held[KEY] = encode(house.record(), compress_above_bytes=1 << 30)
        found = await house.stack.find(KEY)
        assert found is not None
        assert found.tier == "l3"
        await house.stack.flush()
        assert upper.held == lower.held

    run(test)


@pytest.mark.parametrize("value", [b"", b"garbage", b"\x00" * 100])
def test_what_makes_no_sense_is_a_miss(value: bytes):
    async def test(house: House) -> None:
        house.shelves[0].held[KEY] = value
        assert await house.stack.find(KEY) is None
        assert house.meter.outcomes == [("l2", "invalid"), ("l3", "miss")]

    run(test)


def test_the_answer_to_another_question_is_a_miss():
    async def test(house: House) -> None:
        other = encode(house.record(b"another"), compress_above_bytes=1 << 30)
        house.shelves[0].held[KEY] = other
        assert await house.stack.find(KEY) is None

    run(test)


def test_what_was_purged_or_has_expired_is_a_miss():
    async def test(house: House) -> None:
        house.stack.put(house.record())
        await house.stack.flush()
        house.ledger.apply("tag:tag", 1000)
        assert await house.stack.find(KEY) is None
        house.stack.put(house.record(seq=house.ledger.latest))
        await house.stack.flush()
        assert await house.stack.find(KEY) is not None
        house.clock.advance(61)
        assert await house.stack.find(KEY) is None

    run(test)


@pytest.mark.parametrize(("ahead_s", "counts"), [(CLOCK_SKEW_S_MAX, True), (3600.0, False)])
def test_what_was_stored_before_the_clock_went_back_is_a_miss(ahead_s: float, counts: bool):
    """How old it is, and so how long it may be given, is not known."""

    async def test(house: House) -> None:
        now_s = house.clock.wall_s() + ahead_s
        times = {"stored_s": now_s, "fresh_until_s": now_s + 60, "expires_s": now_s + 60}
        house.stack.put(replace(house.record(), **times))
        await house.stack.flush()
        assert (await house.stack.find(KEY) is not None) is counts

    run(test)


def test_a_tier_that_hangs_costs_its_time_limit_and_then_nothing():
    async def test(house: House) -> None:
        slow, lower = house.shelves
        lower.held[KEY] = encode(house.record(), compress_above_bytes=1 << 30)
        slow.gate.clear()
        for _ in range(20):
            found = await house.stack.find(KEY)
            assert found is not None
            assert found.tier == "l3"
        assert slow.asked == 5  # then it was left alone
        assert house.states == [("l2", False)]
        assert house.stack.states == {"l2": "down", "l3": "up"}

    run(test)


def test_a_tier_that_is_back_is_asked_again_and_it_is_told_once():
    async def test(house: House) -> None:
        shelf = house.shelves[0]
        shelf.fault = TierFault("l2", "it is not there")
        for _ in range(10):
            assert await house.stack.find(KEY) is None
        shelf.fault = None
        house.clock.advance(60)
        for _ in range(10):
            await house.stack.find(KEY)
        assert house.states == [("l2", False), ("l2", True)]

    run(test, "l2")


def test_a_tier_that_proves_to_be_of_no_use_is_left_alone_at_once():
    async def test(house: House) -> None:
        shelf = house.shelves[1]

        async def ask() -> None:
            await shelf.get(KEY)

        shelf.fault = TierFault("l3", "there is no such folder")
        assert not await house.stack.check("l3", ask)
        assert not await house.stack.check("l3", ask)
        assert house.stack.states == {"l2": "up", "l3": "down"}
        await house.stack.find(KEY)
        assert shelf.asked == 2
        shelf.fault = None
        assert await house.stack.check("l3", ask)
        assert house.stack.states == {"l2": "up", "l3": "up"}
        assert house.states == [("l3", False), ("l3", True)]

    run(test)


def test_a_tier_that_is_full_still_gives_what_it_has():
    async def test(house: House) -> None:
        shelf = house.shelves[0]
        house.stack.put(house.record())
        await house.stack.flush()
        shelf.is_full = True
        for number in range(20):
            house.stack.put(house.record(b"%020d" % number))
            await house.stack.flush()
            assert await house.stack.find(KEY) is not None
        assert house.stack.states == {"l2": "read-only"}
        shelf.is_full = False
        house.clock.advance(60)
        house.stack.put(house.record(b"%020d" % 99))
        await house.stack.flush()
        assert house.stack.states == {"l2": "up"}
        assert house.states == [("l2 writes", False), ("l2 writes", True)]

    run(test, "l2")


def test_a_tier_too_slow_for_look_ups_is_left_alone_however_well_it_writes():
    async def test(house: House) -> None:
        shelf = house.shelves[0]
        for number in range(20):
            shelf.gate.clear()
            await house.stack.find(KEY)
            shelf.gate.set()
            house.stack.put(house.record(b"%020d" % number))
            await house.stack.flush()
        assert shelf.asked == 5
        assert house.states == [("l2", False)]
        assert len(shelf.held) == 4  # of what came while it was still asked

    run(test, "l2")


def test_what_waits_to_be_written_is_bounded():
    async def test(house: House) -> None:
        shelf = house.shelves[0]
        shelf.gate.clear()
        body = bytes(TIER_QUEUE_BYTES_MAX // 8)
        for number in range(40):
            house.stack.put(house.record(b"%020d" % number, body=body))
            await asyncio.sleep(0)
        assert house.meter.drops > 0
        assert house.stack.waiting["l2"] * len(body) <= TIER_QUEUE_BYTES_MAX
        shelf.gate.set()
        await house.stack.flush()
        assert b"%020d" % 39 in shelf.held  # the newest were kept

    run(test, "l2")


def test_what_waits_is_told_of_each_tier():
    async def test(house: House) -> None:
        house.shelves[1].gate.clear()
        house.stack.put(house.record())
        await asyncio.sleep(0)  # the first is under way
        house.stack.put(house.record(b"another"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert house.stack.waiting == {"l2": 0, "l3": 1}
        house.shelves[1].gate.set()
        await house.stack.flush()
        assert house.stack.waiting == {"l2": 0, "l3": 0}

    run(test)


def test_writes_go_in_batches():
    async def test(house: House) -> None:
        for number in range(50):
            house.stack.put(house.record(b"%020d" % number))
        await house.stack.flush()
        assert house.shelves[0].batches == [50]
        assert house.meter.writes == [("l2", 50, False)]

    run(test, "l2")


def test_what_is_removed_does_not_come_back_from_the_queue():
    async def test(house: House) -> None:
        house.stack.put(house.record())
        await house.stack.remove([KEY])
        await house.stack.flush()
        assert house.shelves[0].held == {}

    run(test, "l2")


def test_who_waits_for_the_writing_does_not_wait_for_what_comes_later(
    monkeypatch: pytest.MonkeyPatch,
):
    async def test(house: House) -> None:
        (tier,) = house.shelves
        put, numbers = tier.put, iter(range(10_000))

        async def put_while_more_comes(items: Sequence[Item]) -> None:
            await put(items)
            if (number := next(numbers, None)) is not None:
                house.stack.put(house.record(b"%d" % number))
            await asyncio.sleep(0)

        monkeypatch.setattr(tier, "put", put_while_more_comes)
        house.stack.put(house.record())
        await house.stack.flush()
        assert KEY in tier.held
        assert len(tier.held) < 100

    run(test, "l2")


def test_the_end_writes_what_waits():
    async def test(house: House) -> None:
        house.stack.put(house.record())
        await house.stack.close()
        assert KEY in house.shelves[0].held
        assert house.shelves[0].is_closed

    run(test, "l2")
