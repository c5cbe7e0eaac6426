"""Leases that come late, fail or hang: nobody waits for them for long."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import pytest

from headrace.cache import turns
from headrace.cache.breaker import FAILURES_MAX
from headrace.cache.purges import PurgeLedger
from headrace.cache.tier import TierFault
from headrace.cache.tiers import TierStack
from headrace.cache.turns import LEASE_S, RENEW_S, Turns
from headrace.clock import ManualClock
from headrace.gateway.tasks import Tasks

KEY = b"k" * 20
TOKEN = b"token"
CALL_S_MAX = 100.0


class Meter:
    def asked(self, tier: str, outcome: str, seconds: float) -> None: ...
    def written(self, tier: str, records: int, *, faulty: bool) -> None: ...
    def dropped(self, tier: str) -> None: ...


class Counter:
    """Hands out leases as it is told."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.fault: TierFault | None = None
        self.token: bytes | None = TOKEN
        self.asked = 0
        self.released: list[bytes] = []
        self.deaf_times = 0
        self.wanted: list[bytes] = []
        self.renewed: list[dict[bytes, bytes]] = []

    async def try_lease(self, key: bytes, ttl_s: float, token: bytes = b"") -> bytes | None:
        self.asked += 1
        self.wanted.append(token)
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return self.token

    async def release(self, key: bytes, token: bytes) -> bool:
        if self.deaf_times:
            self.deaf_times -= 1
            raise TierFault("l2", "it is not there")
        self.released.append(token)
        return True

    async def renew(self, tokens: Mapping[bytes, bytes], ttl_s: float) -> None:
        assert ttl_s == LEASE_S
        if self.fault is not None:
            raise self.fault
        self.renewed.append(dict(tokens))


class House:
    def __init__(self, tasks: Tasks) -> None:
        self.clock = ManualClock()
        self.counter = Counter()
        self.tasks = tasks
        stack = TierStack(
            [],
            ledger=PurgeLedger(self.clock),
            clock=self.clock,
            timeout_s=1.0,
            compress_above_bytes=1,
            spawn=tasks.spawn,
            meter=Meter(),
            on_state=lambda *_: None,
        )
        self.turns = Turns(
            self.counter,
            stack,
            self.clock,
            timeout_s=0.2,
            spawn=tasks.spawn,
            call_s_max=CALL_S_MAX,
        )

    async def wait(self) -> object:
        return await self.turns.wait(KEY, lambda: True)

    async def pass_time(self, seconds: float) -> None:
        """Let time go by, and whoever keeps time do its work once."""
        self.clock.advance(seconds)
        self.turns.renew()
        await self.settle()

    async def asked(self, times: int) -> None:
        """Wait until so many leases were asked for."""
        while self.counter.asked < times:  # noqa: ASYNC110
            await asyncio.sleep(0)

    async def settle(self) -> None:
        while len(self.tasks):  # noqa: ASYNC110
            await asyncio.sleep(0)


def run(test: Callable[[House], Awaitable[None]]) -> None:
    async def main() -> None:
        bugs: list[BaseException] = []
        tasks = Tasks(bugs.append)
        async with asyncio.timeout(100):
            await test(House(tasks))
        await tasks.close()
        assert bugs == []

    asyncio.run(main())


def test_a_lease_that_can_be_had_is_had():
    async def test(house: House) -> None:
        assert await house.wait() == TOKEN
        assert await house.turns.take(KEY) == TOKEN
        await house.turns.give_back(KEY, TOKEN)
        assert house.counter.released == [TOKEN]

    run(test)


def test_a_claim_is_kept_and_where_nobody_knows_each_has_it(monkeypatch: pytest.MonkeyPatch):
    async def test(house: House) -> None:
        assert await house.turns.claim(KEY)
        assert house.counter.released == []
        house.counter.token = None
        assert not await house.turns.claim(KEY)
        house.counter.fault = TierFault("l2", "it is not there")
        assert await house.turns.claim(KEY)
        monkeypatch.setattr(turns, "CLAIM_S_MAX", 0.01)
        house.counter.gate.clear()
        assert await house.turns.claim(KEY)

    run(test)


def test_whoever_fails_is_left_alone_for_a_while():
    async def test(house: House) -> None:
        house.counter.fault = TierFault("l2", "it is not there")
        for _ in range(20):
            assert await house.wait() is None
            assert await house.turns.take(KEY) == b""
        assert house.counter.asked == FAILURES_MAX
        house.counter.fault = None
        house.clock.advance(60)
        assert await house.wait() == TOKEN

    run(test)


def test_whoever_hangs_costs_its_time_limit_and_then_nothing():
    async def test(house: House) -> None:
        house.counter.gate.clear()
        for _ in range(20):
            assert await house.wait() is None
        assert house.counter.asked == FAILURES_MAX

    run(test)


def test_a_lease_that_comes_too_late_is_given_back():
    async def test(house: House) -> None:
        house.counter.gate.clear()
        assert await house.wait() is None
        house.counter.gate.set()
        await house.settle()
        assert house.counter.released == [TOKEN]
        house.counter.gate.clear()
        assert await house.turns.take(KEY) == b""
        house.counter.fault = TierFault("l2", "it is gone")
        house.counter.gate.set()
        await house.settle()  # nobody is there any more to be told
        assert house.counter.released == [TOKEN, house.counter.wanted[-1]]

    run(test)


def test_who_stops_waiting_leaves_no_lease_behind():
    async def test(house: House) -> None:
        house.counter.gate.clear()
        waiting = asyncio.ensure_future(house.wait())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        house.counter.gate.set()
        await house.settle()
        assert house.counter.released == [TOKEN]

    run(test)


def test_a_lease_that_cannot_be_given_back_is_given_back_later():
    async def test(house: House) -> None:
        house.counter.deaf_times = 1
        await house.turns.give_back(KEY, TOKEN)
        assert house.counter.released == [TOKEN]

    run(test)


def test_a_lease_is_renewed_for_as_long_as_its_call_takes_and_no_longer():
    async def test(house: House) -> None:
        assert await house.turns.take(KEY) == TOKEN
        await house.pass_time(RENEW_S - 1)
        assert house.counter.renewed == []
        await house.pass_time(1)
        await house.pass_time(RENEW_S - 1)
        assert house.counter.renewed == [{KEY: TOKEN}]
        await house.pass_time(1)
        assert len(house.counter.renewed) == 2
        await house.turns.give_back(KEY, TOKEN)
        await house.pass_time(RENEW_S)
        assert len(house.counter.renewed) == 2

    run(test)


def test_no_lease_is_renewed_for_longer_than_a_call_can_take():
    async def test(house: House) -> None:
        await house.turns.take(KEY)
        for _ in range(20):
            await house.pass_time(RENEW_S)
        assert len(house.counter.renewed) == CALL_S_MAX / RENEW_S

    run(test)


def test_only_those_that_are_due_are_renewed_and_all_of_them_at_once():
    async def test(house: House) -> None:
        for number in range(3):
            await house.turns.take(b"early %d" % number)
        await house.pass_time(RENEW_S / 2)
        await house.turns.take(b"late")
        await house.pass_time(RENEW_S / 2)
        assert [sorted(some) for some in house.counter.renewed] == [
            [b"early 0", b"early 1", b"early 2"]
        ]
        await house.pass_time(RENEW_S / 2)
        assert list(house.counter.renewed[-1]) == [b"late"]

    run(test)


def test_a_renewal_that_fails_is_tried_again_while_the_lease_lasts():
    async def test(house: House) -> None:
        await house.turns.take(KEY)
        house.counter.fault = TierFault("l2", "it is not there")
        await house.pass_time(RENEW_S)
        house.counter.fault = None
        await house.pass_time(1)
        assert house.counter.renewed == [{KEY: TOKEN}]

    run(test)


def test_whoever_waits_does_so_for_as_long_as_a_call_may_take():
    async def test(house: House) -> None:
        house.counter.token = None
        waiting = asyncio.ensure_future(house.wait())
        await house.asked(1)
        house.clock.advance(CALL_S_MAX - 1)
        await house.asked(4)
        assert not waiting.done()
        house.clock.advance(1)
        assert await waiting is None

    run(test)


def test_a_lease_that_was_taken_though_the_answer_was_lost_is_given_back():
    async def test(house: House) -> None:
        house.counter.fault = TierFault("l3", "the connection is gone")
        house.counter.deaf_times = 1
        assert await house.wait() is None
        await house.settle()
        assert house.counter.released == house.counter.wanted
        assert len(set(house.counter.wanted)) == 1
        assert len(house.counter.wanted[0]) == 16

    run(test)
