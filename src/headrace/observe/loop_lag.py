"""How late the event loop runs: a timer that notes by how much it missed its time."""

import asyncio
from collections.abc import Callable

from headrace.clock import Clock
from headrace.observe.handles import Histogram

PERIOD_S = 0.25


class LagMeter:
    """The pure part: when the next tick is due, and how late one came.

    Args:
        period_s: seconds between ticks.
    """

    def __init__(self, period_s: float = PERIOD_S) -> None:
        self.period_s = period_s
        self._due_s = 0.0

    def start(self, now_s: float) -> None:
        """A tick is asked for at `now_s`, one period away."""
        self._due_s = now_s + self.period_s

    def tick(self, now_s: float) -> float:
        """The seconds by which a tick at `now_s` is late, never negative; the next is asked for."""
        late_s = max(0.0, now_s - self._due_s)
        self.start(now_s)
        return late_s


class LoopLag:
    """The driver: ticks on the running loop until it is stopped.

    Args:
        histogram: where lags are counted; a family without labels.
        clock: the time.
        on_tick: called with each lag in seconds, after it was counted: for what has to be done
            every period, and to tell of a slow loop.
        period_s: seconds between ticks.
    """

    def __init__(
        self,
        histogram: Histogram,
        clock: Clock,
        on_tick: Callable[[float], None] | None = None,
        period_s: float = PERIOD_S,
    ) -> None:
        self._histogram = histogram
        self._series = histogram.at()
        self._clock = clock
        self._on_tick = on_tick
        self._meter = LagMeter(period_s)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin ticking on the running loop.

        Raises:
            RuntimeError: no loop runs, or it ticks already.
        """
        if self._timer is not None:
            raise RuntimeError("the loop's lag is being measured already")
        self._meter.start(self._clock.monotonic_s())
        self._wait(asyncio.get_running_loop())

    def stop(self) -> None:
        """Tick no more; stopping twice is harmless."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(self._meter.period_s, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._wait(loop)
        lag_s = self._meter.tick(self._clock.monotonic_s())
        self._histogram.observe(self._series, lag_s)
        if self._on_tick is not None:
            self._on_tick(lag_s)
