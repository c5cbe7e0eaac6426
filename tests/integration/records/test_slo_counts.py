"""What service levels count, in a real store: told once whatever the clock does, and bounded."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.support.stores import NOW_S, Place

from headrace.clock import ManualClock
from headrace.observe.cells import Cells
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.observe.slo_kept import STEP_S
from headrace.observe.slo_watch import SloWatch
from headrace.server.slo_clerk import SloClerk
from headrace.settings.slos import WINDOW_DAYS_MAX, Slo
from headrace.store.records.records import Records, Step

pytestmark = pytest.mark.heavy_on_postgresql

UP = Slo(name="up", kind="availability", objective=0.9, window_days=7)
LAYOUT = Layout()
DAY_S = 86_400.0


class Gateway:
    """As much of one as keeps service levels."""

    def __init__(self, records: Records, clock: ManualClock, name: str, *slos: Slo) -> None:
        self.board = Cells(LAYOUT.size)
        declared = slos or (UP,)
        self.board.slo_slots.assign(slo.name for slo in declared)
        self.metrics = Metrics(LAYOUT, self.board.row(), self.board.slots, clock)
        self.events: list[str] = []
        self.watch = SloWatch(
            declared, LAYOUT, self.board, 0, self.metrics, clock, lambda *_, **__: None
        )
        self.clerk = SloClerk(
            self.watch,
            records,
            name,
            clock=clock,
            say=lambda level, event, about="", **_: self.events.append(event),
        )

    async def answer(self, good: int, bad: int = 0) -> None:
        """So many answers, of which the store is told."""
        for status, count in ((200, good), (502, bad)):
            for _ in range(count):
                self.metrics.request_done("chat", status, "miss", 0.01)
        await self.clerk.keep()

    def told(self) -> tuple[int, int]:
        """Answers and bad ones of the window."""
        level = self.watch.told()["data"][0]
        return level["answers"], level["bad"]


def with_store(
    place: Place, work: Callable[[Records, ManualClock], Coroutine[Any, Any, None]]
) -> None:
    async def main() -> None:
        clock = ManualClock(wall_s=NOW_S)
        async with place.records(clock=clock) as records:
            await work(records, clock)

    asyncio.run(main())


def test_a_clock_that_is_put_back_and_ahead_loses_and_doubles_nothing(place: Place) -> None:
    async def work(records: Records, clock: ManualClock) -> None:
        gateway = Gateway(records, clock, "a")
        await gateway.answer(0)
        await gateway.answer(4, 1)
        for jump_s in (-3600.0, 900.0, 900.0, -900.0, 3600.0):
            clock.jump(jump_s)
            await gateway.answer(1)
        clock.jump(3600.0)  # whatever was told ahead of the clock is behind it now
        await gateway.answer(0)
        await gateway.answer(0)
        assert gateway.told() == (10, 1)
        other = Gateway(records, clock, "b")
        await other.answer(0)
        assert other.told() == (10, 1)
        assert gateway.events == other.events == []

    with_store(place, work)


def test_a_window_lets_go_of_what_is_older(place: Place) -> None:
    async def work(records: Records, clock: ManualClock) -> None:
        gateway = Gateway(records, clock, "a")
        await gateway.answer(0)
        await gateway.answer(0, 3)
        for _ in range(7):
            clock.advance(DAY_S)
            await gateway.answer(0)  # what was counted until now is of the last step
            await gateway.answer(1)
        clock.advance(STEP_S)
        await gateway.answer(0)
        await gateway.answer(0)
        assert gateway.told() == (7, 0)

    with_store(place, work)


def test_two_levels_of_one_kind_share_their_counts_and_rows(place: Place) -> None:
    async def work(records: Records, clock: ManualClock) -> None:
        strict = Slo(name="strict", kind="availability", objective=0.99, window_days=1)
        gateway = Gateway(records, clock, "a", UP, strict)
        await gateway.answer(0)
        await gateway.answer(5, 5)
        first, second = gateway.watch.told()["data"]
        assert (first["answers"], second["answers"]) == (10, 10)
        assert (first["stored"], second["stored"]) == (10, 10)
        (row,) = await records.fetch(
            "slos.sums", {"level": "availability", "after": 0, "until": 10**9}
        )
        assert (row["good"], row["answers"]) == (5, 10)

    with_store(place, work)


def test_what_is_answered_while_nothing_is_declared_is_nobodys(place: Place) -> None:
    async def work(records: Records, clock: ManualClock) -> None:
        gateway = Gateway(records, clock, "a")
        await gateway.answer(0)
        await gateway.answer(2)
        gateway.watch.adopt(())
        for _ in range(8):
            await gateway.answer(0, 1)
            clock.advance(3600.0)
        gateway.watch.adopt((UP,))
        await gateway.answer(0)
        await gateway.answer(3)
        assert gateway.told() == (5, 0)

    with_store(place, work)


def test_telling_less_than_was_told_changes_nothing(place: Place) -> None:
    """A worker that was frozen wakes with counts of then."""

    async def work(records: Records, clock: ManualClock) -> None:
        row = {"level": "availability", "step": 5, "holder": "a"}
        for good, answers in ((9, 10), (2, 2), (9, 10)):
            await records.write(Step("slos.tell", [{**row, "good": good, "answers": answers}]))
        (sums,) = await records.fetch(
            "slos.sums", {"level": "availability", "after": 4, "until": 5}
        )
        assert (sums["good"], sums["answers"], sums["first_step"]) == (9, 10, 5)

    with_store(place, work)


def test_what_no_window_reaches_is_forgotten(place: Place) -> None:
    async def work(records: Records, clock: ManualClock) -> None:
        gateway = Gateway(records, clock, "a")
        await gateway.answer(0)
        await gateway.answer(3)
        clock.advance((WINDOW_DAYS_MAX + 1) * DAY_S)
        await gateway.answer(0)
        (sums,) = await records.fetch(
            "slos.sums", {"level": "availability", "after": 0, "until": 10**9}
        )
        assert sums["answers"] == 0

    with_store(place, work)
