"""Late timers are counted by how late they are."""

import asyncio

import pytest

from headrace.clock import ManualClock
from headrace.observe.cells import Cells
from headrace.observe.exposition import render
from headrace.observe.layout import Layout
from headrace.observe.loop_lag import LagMeter, LoopLag
from headrace.observe.metrics import Metrics


def test_the_lag_is_what_a_tick_comes_late() -> None:
    meter = LagMeter(period_s=0.25)
    meter.start(10.0)
    assert meter.tick(10.25) == 0.0
    assert meter.tick(11.0) == pytest.approx(0.5)
    # One late tick does not make the next one late.
    assert meter.tick(11.25) == 0.0


def test_a_tick_that_comes_early_is_not_late() -> None:
    meter = LagMeter(period_s=0.25)
    meter.start(0.0)
    assert meter.tick(0.1) == 0.0


def test_the_driver_counts_and_tells_each_tick() -> None:
    layout = Layout()
    cells = Cells(layout.size)
    clock = ManualClock()
    metrics = Metrics(layout, cells.row(), cells.slots, clock)

    async def measure() -> list[float]:
        lags: list[float] = []
        done = asyncio.Event()

        def on_tick(lag_s: float) -> None:
            lags.append(lag_s)
            clock.advance(0.001)
            if len(lags) == 2:
                done.set()

        driver = LoopLag(metrics.loop_lag, clock, on_tick, period_s=0.001)
        driver.start()
        with pytest.raises(RuntimeError, match="already"):
            driver.start()
        clock.advance(0.301)
        await asyncio.wait_for(done.wait(), 60.0)
        driver.stop()
        driver.stop()
        return lags

    assert asyncio.run(measure()) == pytest.approx([0.3, 0.0])
    lines = render(layout, cells.rows()).decode().splitlines()
    assert 'headrace_loop_lag_seconds_bucket{le="0.25"} 1' in lines
    assert 'headrace_loop_lag_seconds_bucket{le="0.5"} 2' in lines


def test_nothing_is_left_on_the_loop_after_stop() -> None:
    layout = Layout()
    cells = Cells(layout.size)
    metrics = Metrics(layout, cells.row(), cells.slots, ManualClock())
    ticks: list[float] = []

    async def measure() -> None:
        driver = LoopLag(metrics.loop_lag, ManualClock(), ticks.append, period_s=0.0)
        driver.start()
        driver.stop()
        for _ in range(5):
            await asyncio.sleep(0)

    asyncio.run(measure())
    assert ticks == []
