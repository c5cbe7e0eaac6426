"""Reads of one turn become one."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.support.crews import LONG_S, Gate, begun, make_crew

from headrace.store.crew import Crew
from headrace.store.database import Link
from headrace.store.faults import StoreBusy, StoreFault, StoreTimeout
from headrace.store.gathering import BATCH_KEYS_MAX, Gathering

HELD = {b"%d" % n: b"value %d" % n for n in range(0, 1000, 2)}


class Shelf:
    """Finds keys, and notes which were asked for together."""

    def __init__(self) -> None:
        self.asked: list[list[bytes]] = []

    def __call__(self, _link: Link, keys: list[bytes], _now_s: float) -> dict[bytes, bytes]:
        self.asked.append(keys)
        return {key: HELD[key] for key in keys if key in HELD}


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., None]:
    def run(test: Callable[[Crew], Coroutine[Any, Any, None]], **options: int) -> None:
        async def body() -> None:
            crew = make_crew(tmp_path, **options)
            await test(crew)
            assert await crew.close(LONG_S)

        asyncio.run(body())

    return run


def test_keys_of_one_turn_are_read_together(run: Callable[..., None]) -> None:
    async def test(crew: Crew) -> None:
        shelf = Shelf()
        gathering = Gathering(crew, shelf, LONG_S)
        keys = [b"2", b"3", b"2", b"4"]
        found = await asyncio.gather(*(gathering.get(key, 0.0) for key in keys))
        assert found == [b"value 2", None, b"value 2", b"value 4"]
        assert shelf.asked == [[b"2", b"3", b"4"]]
        assert await gathering.get(b"6", 0.0) == b"value 6"
        assert shelf.asked[1:] == [[b"6"]]

    run(test)


def test_more_keys_than_a_batch_holds_make_several(run: Callable[..., None]) -> None:
    async def test(crew: Crew) -> None:
        shelf = Shelf()
        gathering = Gathering(crew, shelf, LONG_S)
        keys = [b"%d" % n for n in range(BATCH_KEYS_MAX + 6)]
        found = await asyncio.gather(*(gathering.get(key, 0.0) for key in keys))
        assert found == [HELD.get(key) for key in keys]
        assert [len(asked) for asked in shelf.asked] == [BATCH_KEYS_MAX, 6]

    run(test)


def test_a_fault_is_told_to_everyone(run: Callable[..., None]) -> None:
    def fail(_link: Link, _keys: list[bytes], _now_s: float) -> dict[bytes, bytes]:
        raise StoreFault("broken")

    async def test(crew: Crew) -> None:
        gathering = Gathering(crew, fail, LONG_S)
        getting = [gathering.get(b"%d" % n, 0.0) for n in range(3)]
        outcomes = await asyncio.gather(*getting, return_exceptions=True)
        assert [str(outcome) for outcome in outcomes] == ["broken"] * 3

    run(test)


def test_one_who_leaves_leaves_the_others_alone(run: Callable[..., None]) -> None:
    async def test(crew: Crew) -> None:
        gathering = Gathering(crew, Shelf(), LONG_S)
        staying, leaving = (asyncio.ensure_future(gathering.get(key, 0.0)) for key in (b"2", b"4"))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await staying == b"value 2"

    run(test)


def test_nobody_waits_beyond_the_limit(run: Callable[..., None]) -> None:
    async def test(crew: Crew) -> None:
        gate, shelf = Gate(), Shelf()
        crew.submit(gate)
        await begun(gate)
        gathering = Gathering(crew, shelf, 0.01)
        with pytest.raises(StoreTimeout):
            await gathering.get(b"2", 0.0)
        gate.open.set()
        assert await crew.run(lambda _: 1, LONG_S) == 1
        assert shelf.asked == []

    run(test)


def test_when_too_much_waits_everyone_is_told_at_once(run: Callable[..., None]) -> None:
    async def test(crew: Crew) -> None:
        gate = Gate()
        crew.submit(gate)
        await begun(gate)
        gathering = Gathering(crew, Shelf(), LONG_S)
        outcomes = await asyncio.gather(
            gathering.get(b"2", 0.0), gathering.get(b"4", 0.0), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [StoreBusy] * 2
        gate.open.set()

    run(test, waiting_max=1)
