"""Large records through the stack of tiers: coded in threads, bounded while they wait."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.cache.test_tiers import KEY, House, run

from headrace.cache import tiers
from headrace.cache.codec import decode
from headrace.limits import TIER_QUEUE_BYTES_MAX


def test_large_answers_go_down_and_come_up_without_the_loop_being_held_up(
    monkeypatch: pytest.MonkeyPatch,
):
    here, threads = threading.get_ident(), []

    def noted(work: Callable[..., Any]) -> Callable[..., Any]:
        def do(*args: Any, **options: Any) -> Any:
            threads.append(threading.get_ident())
            return work(*args, **options)

        return do

    monkeypatch.setattr(tiers, "encode", noted(tiers.encode))
    monkeypatch.setattr(tiers, "decode", noted(tiers.decode))

    async def test(house: House) -> None:
        large = house.record(body=bytes(1 << 20))
        house.stack.put(house.record())
        house.stack.put(large)  # of one key the later one counts, whoever is done first
        await house.stack.flush()
        for shelf in house.shelves:
            assert decode(shelf.held[KEY]) == large
        assert threads[0] == here
        assert here not in threads[1:]
        threads.clear()
        found = await house.stack.find(KEY)
        assert found is not None
        assert found.record == large
        assert threads
        assert here not in threads

    run(test)


def test_a_large_answer_that_waits_counts_and_can_be_removed():
    async def test(house: House) -> None:
        shelf = house.shelves[0]
        shelf.gate.clear()
        house.stack.put(house.record(b"first" * 4))
        await asyncio.sleep(0)  # it sets out alone
        house.stack.put(house.record(body=bytes(1 << 20)))
        house.stack.put(house.record(b"later" * 4, body=bytes(TIER_QUEUE_BYTES_MAX)))
        assert house.meter.drops == 1
        shelf.gate.set()
        await house.stack.remove([b"later" * 4])
        await house.stack.flush()
        assert list(shelf.held) == [b"first" * 4]

    run(test, "l2")
