"""As many at once as there is room for, and fewer where there is too much to do."""

import asyncio

from headrace.batches.window import Window
from headrace.clock import ManualClock


def test_no_more_are_let_in_than_there_is_room_for() -> None:
    async def main() -> None:
        window = Window(3, ManualClock().monotonic_s)
        most = 0

        async def one() -> None:
            nonlocal most
            await window.enter()
            most = max(most, window.inside)
            await asyncio.sleep(0)
            window.leave()

        await asyncio.gather(*(one() for _ in range(50)))
        assert (most, window.inside) == (3, 0)

    asyncio.run(asyncio.wait_for(main(), 60))


def test_it_halves_once_for_all_that_was_under_way_and_grows_again() -> None:
    clock = ManualClock()
    window = Window(8, clock.monotonic_s)
    asked_s = clock.monotonic_s()
    clock.advance(1)
    for _ in range(8):
        window.too_much(asked_s)
    assert window.room == 4
    clock.advance(1)
    window.too_much(clock.monotonic_s())
    assert window.room == 2
    for _ in range(200):
        window.went_well()
    assert window.room == 8


def test_there_is_always_room_for_one() -> None:
    clock = ManualClock()
    window = Window(1, clock.monotonic_s)
    for _ in range(20):
        clock.advance(1)
        window.too_much(clock.monotonic_s())
    assert window.room == 1


def test_who_waits_is_let_in_when_there_is_room_again() -> None:
    async def main() -> None:
        clock = ManualClock()
        window = Window(2, clock.monotonic_s)
        await window.enter()
        await window.enter()
        window.too_much(clock.monotonic_s())
        waiting = asyncio.ensure_future(window.enter())
        gone = asyncio.ensure_future(window.enter())
        await asyncio.sleep(0)
        gone.cancel()
        window.leave()
        await asyncio.sleep(0)
        assert not waiting.done()
        window.leave()
        await asyncio.wait_for(waiting, 60)

    asyncio.run(asyncio.wait_for(main(), 60))
