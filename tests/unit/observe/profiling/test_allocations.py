"""What is allocated while it is watched is told by its line, to one who asks at a time."""

import asyncio
import threading
import tracemalloc

import pytest

from headrace.clock import SystemClock
from headrace.observe.profiling.allocations import AllocationWatch, AlreadyWatched

pytestmark = pytest.mark.skipif(
    tracemalloc.is_tracing(), reason="somebody traces allocations already: PYTHONTRACEMALLOC"
)


def test_lines_that_keep_most_come_first() -> None:
    kept: list[bytearray] = []

    async def main() -> None:
        watch = AllocationWatch(7, SystemClock())
        asyncio.get_running_loop().call_later(0.01, lambda: kept.append(bytearray(3_000_000)))
        found = await watch.watch(0.2, 5)
        assert found.pid == 7
        assert found.top[0].kept_bytes >= 3_000_000
        assert "test_allocations.py:" in found.top[0].place
        assert found.peak_bytes >= found.kept_bytes >= 3_000_000

    asyncio.run(main())
    assert not tracemalloc.is_tracing()


def test_one_watches_at_a_time() -> None:
    async def main() -> None:
        watch = AllocationWatch(7, SystemClock())
        first = asyncio.ensure_future(watch.watch(60.0, 5))
        await asyncio.sleep(0)
        with pytest.raises(AlreadyWatched):
            await watch.watch(1.0, 5)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert not tracemalloc.is_tracing()

    asyncio.run(main())


def test_the_loop_goes_on_while_it_is_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    take = tracemalloc.take_snapshot

    def noted() -> tracemalloc.Snapshot:
        threads.append(threading.get_ident())
        return take()

    monkeypatch.setattr(tracemalloc, "take_snapshot", noted)
    asyncio.run(AllocationWatch(7, SystemClock()).watch(0.01, 5))
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


def test_what_would_take_long_to_put_together_ends_early() -> None:
    kept: list[bytearray] = []

    async def main() -> None:
        watch = AllocationWatch(7, SystemClock(), bytes_max=1_000_000)
        asyncio.get_running_loop().call_later(0.01, lambda: kept.append(bytearray(3_000_000)))
        found = await watch.watch(60.0, 5)
        assert found.kept_bytes >= 3_000_000
        assert found.seconds < 60.0

    asyncio.run(main())
