"""The scheduler for coroutines."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from headrace.errors import DeadlineExceeded, Overloaded
from headrace.flow.scheduler.priority_scheduler import PriorityName, PriorityScheduler
from headrace.flow.scheduler.rules import ClassRules, Priority, SchedulerRules
from headrace.flow.scheduler.slots import Slot, Slots


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10):
            await test()

    asyncio.run(bounded())


async def turns(count: int = 5) -> None:
    """Let everybody else have a turn of the loop."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_no_more_run_at_once_than_may() -> None:
    async def test() -> None:
        scheduler = PriorityScheduler(3)
        running = most = 0

        async def call() -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await turns(3)
            running -= 1

        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(scheduler.run(call))
        assert most == 3
        assert running == 0

    run(test)


def test_higher_priorities_go_first() -> None:
    async def test() -> None:
        scheduler = PriorityScheduler(1)
        order: list[str] = []

        async def call(name: PriorityName) -> None:
            async with scheduler.turn(priority=name):
                order.append(name)
                await turns()

        held = await scheduler.acquire()
        async with asyncio.TaskGroup() as group:
            names: tuple[PriorityName, ...] = ("batch", "low", "normal", "high")
            for name in names:
                group.create_task(call(name))
            await turns()
            held.success()
        assert order == ["high", "normal", "low", "batch"]

    run(test)


def test_a_result_is_given_back_and_an_error_raised() -> None:
    async def test() -> None:
        scheduler = PriorityScheduler(1)

        async def answer() -> str:
            return "yes"

        async def fail() -> str:
            raise LookupError("no")

        assert await scheduler.run(answer, priority=Priority.HIGH) == "yes"
        with pytest.raises(LookupError):
            await scheduler.run(fail)
        assert await scheduler.run(answer) == "yes"

    run(test)


def test_whoever_is_cancelled_leaves_the_queue() -> None:
    async def test() -> None:
        scheduler = PriorityScheduler(1)
        held = await scheduler.acquire()
        async with asyncio.TaskGroup() as group:
            first = group.create_task(scheduler.acquire())
            second = group.create_task(scheduler.acquire())
            await turns()
            first.cancel()
            await turns()
            assert scheduler.waiting == 1
            held.success()
            (await second).success()
        assert first.cancelled()

    run(test)


def test_a_turn_that_comes_together_with_the_cancellation_is_given_back() -> None:
    async def test() -> None:
        scheduler = PriorityScheduler(1)
        held = await scheduler.acquire()
        async with asyncio.TaskGroup() as group:
            waits = group.create_task(scheduler.acquire())
            await turns()
            held.success()  # granted now, and cancelled before it can know
            waits.cancel()
            await turns()
        (await scheduler.acquire()).success()

    run(test)


def test_a_timeout_ends_the_wait() -> None:
    async def test() -> None:
        scheduler = PriorityScheduler(1)
        held = await scheduler.acquire()
        with pytest.raises(DeadlineExceeded):
            await scheduler.acquire(timeout_s=0.01)
        assert scheduler.waiting == 0
        held.success()

    run(test)


def test_the_nearest_of_several_timeouts_comes_first() -> None:
    async def test() -> None:
        scheduler = PriorityScheduler(1)
        await scheduler.acquire()
        ended: list[float] = []

        async def call(timeout_s: float) -> None:
            with pytest.raises(DeadlineExceeded):
                await scheduler.acquire(timeout_s=timeout_s)
            ended.append(timeout_s)

        async with asyncio.TaskGroup() as group:
            for timeout_s in (0.06, 0.02, 0.04):
                group.create_task(call(timeout_s))
        assert ended == [0.02, 0.04, 0.06]

    run(test)


def test_nobody_waits_for_longer_than_the_rules_say() -> None:
    async def test() -> None:
        short = ClassRules(turns_share=0.1, target_s=0.001, interval_s=0.005, wait_s_max=0.01)
        scheduler = PriorityScheduler(1, rules=SchedulerRules(normal=short))
        await scheduler.acquire()
        with pytest.raises(Overloaded) as caught:
            await scheduler.acquire()
        assert caught.value.code == "queue_timeout"

    run(test)


def test_closing_refuses_those_who_wait_and_those_who_come() -> None:
    async def test() -> None:
        scheduler = PriorityScheduler(1)
        held = await scheduler.acquire()
        async with asyncio.TaskGroup() as group:
            waits = [group.create_task(_refused(scheduler)) for _ in range(50)]
            await turns()
            scheduler.close()
        assert {task.result() for task in waits} == {"shutting_down"}
        assert await _refused(scheduler) == "shutting_down"
        held.success()

    run(test)


async def _refused(scheduler: PriorityScheduler) -> str:
    with pytest.raises(Overloaded) as caught:
        await scheduler.acquire()
    return caught.value.code


def test_one_scheduler_serves_one_loop_after_the_other() -> None:
    scheduler = PriorityScheduler(1)

    async def test() -> None:
        held = await scheduler.acquire()
        with pytest.raises(DeadlineExceeded):
            await scheduler.acquire(timeout_s=0.01)
        held.success()

    run(test)
    run(test)


def test_a_limiter_decides_how_many() -> None:
    async def test() -> None:
        limiter = Slots(2)
        scheduler = PriorityScheduler(limiter)
        first, second = await scheduler.acquire(), await scheduler.acquire()
        assert limiter.free == 0
        first.ignore()
        second.drop()
        assert limiter.free == 2

    run(test)


class Gated(Slots):
    """A limiter whose gate opens with time, and that tells nobody."""

    is_open = False

    def try_acquire(self) -> Slot | None:
        return super().try_acquire() if self.is_open else None


def test_the_gate_of_a_limiter_opens_for_those_who_wait() -> None:
    async def test() -> None:
        limiter = Gated(1)
        scheduler = PriorityScheduler(limiter)
        asyncio.get_running_loop().call_later(0.01, setattr, limiter, "is_open", True)
        (await scheduler.acquire()).success()
        assert limiter.free == 1

    run(test)


def test_an_unknown_priority_is_refused_by_name() -> None:
    async def test() -> None:
        with pytest.raises(ValueError, match=r"'urgent'.*high, normal, low, batch"):
            await PriorityScheduler(1).acquire(priority="urgent")  # type: ignore[arg-type]

    run(test)


def test_state_is_told() -> None:
    async def test() -> None:
        scheduler = PriorityScheduler(1)
        (await scheduler.acquire(priority="high")).success()
        assert scheduler.snapshot().classes[0].granted_at_once == 1

    run(test)
