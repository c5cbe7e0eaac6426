"""A timer that is set anew with everything that changes when something is due."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from headrace.flow.batch.alarm import NEVER_S, Alarm


def run(test: Callable[[Alarm, list[str]], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        rung: list[str] = []
        await test(Alarm(lambda: rung.append("now")), rung)

    asyncio.run(whole())


def test_what_is_due_comes_at_the_end_of_the_turn_and_once() -> None:
    async def test(alarm: Alarm, rung: list[str]) -> None:
        alarm.set(1.0, 1.0)
        alarm.set(0.5, 2.0)
        assert rung == []
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert rung == ["now"]

    run(test)


def test_what_becomes_due_does_not_wait_for_the_time_that_was_set() -> None:
    async def test(alarm: Alarm, rung: list[str]) -> None:
        alarm.set(100.0, 1.0)
        alarm.set(200.0, 200.0)
        await asyncio.sleep(0)
        assert rung == ["now"]

    run(test)


def test_what_is_due_no_more_is_forgotten() -> None:
    async def test(alarm: Alarm, rung: list[str]) -> None:
        alarm.set(1.0, 1.0)
        alarm.set(NEVER_S, 1.0)
        alarm.set(1.0, 1.0)
        alarm.cancel()
        await asyncio.sleep(0)
        assert rung == []
        alarm.set(1.0, 1.0)
        await asyncio.sleep(0)
        assert rung == ["now"]

    run(test)


def test_it_rings_again_only_when_it_is_set_again() -> None:
    async def test(alarm: Alarm, rung: list[str]) -> None:
        for _ in range(2):
            alarm.set(1.0, 1.0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert rung == ["now", "now"]

    run(test)


def test_later_is_later() -> None:
    async def test(alarm: Alarm, rung: list[str]) -> None:
        alarm.set(1.001, 1.0)
        await asyncio.sleep(0)
        assert rung == []
        async with asyncio.timeout(10):
            while not rung:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    run(test)
