"""Threads, their queue and its bounds."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.support.crews import LONG_S, Gate, begun, make_crew

from headrace.store.crew import Crew
from headrace.store.database import Link
from headrace.store.faults import StoreBusy, StoreClosed, StoreFault, StoreTimeout


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., None]:
    """Runs a test with a crew, which is sent home in the end."""

    def run(test: Callable[[Crew], Coroutine[Any, Any, None]], **options: int) -> None:
        async def body() -> None:
            crew = make_crew(tmp_path, **options)
            await test(crew)
            assert await crew.close(LONG_S)

        asyncio.run(body())

    return run


def test_work_is_done_in_a_thread_and_its_result_comes_back(run: Callable[..., None]) -> None:
    async def test(crew: Crew) -> None:
        name = await crew.run(lambda _: threading.current_thread().name, LONG_S)
        assert name == "headrace-store-test-0"
        assert crew.waiting == 0

    run(test)


def test_a_fault_comes_back(run: Callable[..., None]) -> None:
    def fail(_link: Link) -> None:
        raise StoreFault("broken")

    async def test(crew: Crew) -> None:
        with pytest.raises(StoreFault, match="broken"):
            await crew.run(fail, LONG_S)
        assert await crew.run(lambda _: 1, LONG_S) == 1

    run(test)


def test_more_than_may_wait_is_refused_at_once(run: Callable[..., None]) -> None:
    async def test(crew: Crew) -> None:
        gate = Gate()
        waiting = [crew.submit(gate) for _ in range(3)]
        await begun(gate)
        with pytest.raises(StoreBusy, match="3 calls wait"):
            crew.submit(gate)
        gate.open.set()
        assert await asyncio.gather(*waiting) == ["done"] * 3
        assert await crew.run(gate, LONG_S) == "done"

    run(test, waiting_max=3)


def test_nobody_waits_beyond_the_limit_and_the_thread_finishes_alone(
    run: Callable[..., None],
) -> None:
    async def test(crew: Crew) -> None:
        gate = Gate()
        with pytest.raises(StoreTimeout, match=r"0\.01 s"):
            await crew.run(gate, 0.01)
        assert crew.waiting == 1
        gate.open.set()
        assert await crew.run(lambda _: "next", LONG_S) == "next"
        assert crew.waiting == 0

    run(test)


def test_what_nobody_waits_for_any_more_is_not_begun(run: Callable[..., None]) -> None:
    async def test(crew: Crew) -> None:
        gate, done = Gate(), list[str]()
        first = crew.submit(gate)
        await begun(gate)
        with pytest.raises(StoreTimeout):
            await crew.run(lambda _: done.append("late"), 0.01)
        cancelled = crew.submit(lambda _: done.append("cancelled"))
        cancelled.cancel()
        gate.open.set()
        await first
        await crew.run(lambda _: done.append("last"), LONG_S)
        assert done == ["last"]

    run(test)


def test_what_is_urgent_goes_first(run: Callable[..., None]) -> None:
    async def test(crew: Crew) -> None:
        gate, order = Gate(), list[int]()
        first = crew.submit(gate)
        await begun(gate)
        rest = [crew.submit(lambda _, n=n: order.append(n), urgent=n >= 2) for n in range(4)]
        gate.open.set()
        await asyncio.gather(first, *rest)
        assert order == [2, 3, 0, 1]

    run(test)


def test_several_threads_work_at_once(run: Callable[..., None]) -> None:
    async def test(crew: Crew) -> None:
        gates = [Gate(), Gate()]
        waiting = [crew.submit(gate) for gate in gates]
        for gate in gates:
            await begun(gate)
        for gate in gates:
            gate.open.set()
        await asyncio.gather(*waiting)

    run(test, size=2)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mistake_of_ours_ends_one_thread_and_nothing_else(run: Callable[..., None]) -> None:
    async def test(crew: Crew) -> None:
        thread = await crew.run(lambda _: threading.current_thread(), LONG_S)
        waiting = [crew.submit(work) for work in (lambda link: link.no_such_method(), lambda _: 1)]
        with pytest.raises(StoreFault, match="of its own"):
            await waiting[0]
        assert await waiting[1] == 1
        thread.join(LONG_S)
        assert await crew.run(lambda _: threading.current_thread(), LONG_S) is not thread
        assert crew.waiting == 0

    run(test)


def test_closing_does_what_waits_and_takes_no_more(run: Callable[..., None]) -> None:
    async def test(crew: Crew) -> None:
        waiting = [crew.submit(lambda _, n=n: n) for n in range(10)]
        assert await crew.close(LONG_S)
        assert [future.result() for future in waiting] == list(range(10))
        with pytest.raises(StoreClosed):
            crew.submit(lambda _: None)

    run(test)


def test_closing_leaves_a_thread_behind_that_is_stuck(tmp_path: Path) -> None:
    gate = Gate()

    async def test() -> None:
        crew = make_crew(tmp_path)
        future = crew.submit(gate)
        await begun(gate)
        assert not await crew.close(0.01)
        future.cancel()

    asyncio.run(test())
    # The loop is closed by now: the thread has nobody to tell, and ends.
    gate.open.set()
    for thread in threading.enumerate():
        if thread.name == "headrace-store-test-0":
            thread.join(LONG_S)
            assert not thread.is_alive()
