"""Service levels as the gateway itself keeps them: from what all workers have counted anyway."""

from collections.abc import Iterable, Sequence
from math import inf
from typing import Any, Final

from headrace.clock import Clock
from headrace.observe.cells import Board
from headrace.observe.families import CACHE, SLO_WINDOW, STATUS
from headrace.observe.layout import Layout, Place
from headrace.observe.metrics import Metrics
from headrace.observe.slo_history import SloHistory, Totals
from headrace.settings.slos import MODEL_ROUTES, SLOS_MAX, Slo, edge_s

SAMPLE_S: Final = 5.0
_DAY_S: Final = 86400.0
_WINDOWS_S: Final = dict(zip(SLO_WINDOW.values, (300.0, 3600.0, 21600.0), strict=True)).items()


class SloWatch:
    """Keeps the history of each service level, and tells how its budget stands.

    Nothing is counted for it: it reads the counters and histograms of all workers every few
    seconds. What it knows begins with its worker.

    Args:
        slos: those declared.
        layout: of a worker's row.
        board: the rows of all workers.
        metrics: those of this worker, which tells of it.
        clock: the time.
    """

    def __init__(
        self, slos: tuple[Slo, ...], layout: Layout, board: Board, metrics: Metrics, clock: Clock
    ) -> None:
        self._layout = layout
        self._board = board
        self._metrics = metrics
        self._clock = clock
        self._next_s = -inf
        self._watched: tuple[_Watched, ...] = ()
        self.adopt(slos)

    def adopt(self, slos: tuple[Slo, ...]) -> None:
        """Watch these from now on; what is known of one that stays as it was is kept."""
        known = {each.slo: each for each in self._watched}
        rows = self._board.rows() if slos else []
        now_s = self._clock.monotonic_s()
        self._watched = tuple(
            known.get(slo) or _Watched(slo, self._layout, rows, now_s) for slo in slos
        )
        self._next_s = now_s
        self._silence(len(slos))

    def tick(self) -> None:
        """Look at the counters, where it is time to."""
        now_s = self._clock.monotonic_s()
        if not self._watched or now_s < self._next_s:
            return
        self._next_s = now_s + SAMPLE_S
        rows = self._board.rows()
        burn, used = self._metrics.slo_burn, self._metrics.slo_budget_used
        for number, each in enumerate(self._watched, 1):
            now = each.totals(rows, now_s)
            each.history.add(now)
            used.set_at(used.at(number), each.burn_rate(each.window_s, now) or 0.0)
            for window, window_s in _WINDOWS_S:
                rate = each.burn_rate(window_s, now) or 0.0
                burn.set_at(burn.at(number, window), rate)

    def told(self) -> dict[str, Any]:
        """How every service level stands, as plain data."""
        rows, now_s = self._board.rows(), self._clock.monotonic_s()
        return {"data": [each.told(rows, now_s) for each in self._watched]}

    def _silence(self, count: int) -> None:
        """Take back what was told of levels that there are no more."""
        burn, used = self._metrics.slo_burn, self._metrics.slo_budget_used
        for number in range(count + 1, SLOS_MAX + 1):
            used.set_at(used.at(number), 0.0)
            for window in SLO_WINDOW.values:
                burn.set_at(burn.at(number, window), 0.0)


class _Watched:
    """One service level with its history."""

    def __init__(
        self, slo: Slo, layout: Layout, rows: Sequence[Sequence[float]], now_s: float
    ) -> None:
        self.slo = slo
        self.window_s = slo.window_days * _DAY_S
        self._good, self._every = _cells(slo, layout)
        longest_s = max(self.window_s, *(window_s for _, window_s in _WINDOWS_S))
        self.history = SloHistory(self.totals(rows, now_s), longest_s)

    def totals(self, rows: Sequence[Sequence[float]], now_s: float) -> Totals:
        """What all workers have counted."""
        return Totals(now_s, _sum(rows, self._good), _sum(rows, self._every))

    def burn_rate(self, window_s: float, now: Totals) -> float | None:
        """In multiples of the rate at which the budget lasts; `None` where nothing was answered."""
        counted = self.history.over(window_s, now)
        if counted.every <= 0:
            return None
        return (1.0 - counted.good / counted.every) / self.slo.budget

    def told(self, rows: Sequence[Sequence[float]], now_s: float) -> dict[str, Any]:
        slo, now = self.slo, self.totals(rows, now_s)
        counted = self.history.over(self.window_s, now)
        used = self.burn_rate(self.window_s, now) or 0.0
        return {
            "name": slo.name,
            "kind": slo.kind,
            "threshold_ms": slo.threshold_ms,
            "objective": slo.objective,
            "window_days": slo.window_days,
            "seen_s": round(now_s - counted.at_s, 1),
            "answers": round(counted.every),
            "bad": round(counted.every - counted.good),
            "budget_left": round(1.0 - used, 6),
            "burn_rates": {
                window: None if rate is None else round(rate, 4)
                for window, window_s in _WINDOWS_S
                for rate in (self.burn_rate(window_s, now),)
            },
        }


def _cells(slo: Slo, layout: Layout) -> tuple[Sequence[int], Sequence[int]]:
    """Which cells count good answers, and which count all."""
    if slo.kind == "availability":
        requests = layout.place("headrace_requests_total")
        judged = [status for status in STATUS.values if not status.startswith("4")]
        every = {
            requests.at(route, status, cache): status
            for route in MODEL_ROUTES
            for status in judged
            for cache in CACHE.values
        }
        return [at for at, status in every.items() if not status.startswith("5")], list(every)
    if slo.kind == "latency":
        place = layout.place("headrace_request_duration_seconds")
        bases = [place.at(route, cache) for route in MODEL_ROUTES for cache in CACHE.values]
    else:
        place = layout.place("headrace_stream_start_seconds")
        bases = [place.at(route) for route in MODEL_ROUTES]
    return _buckets(place, bases, edge_s(slo))


def _buckets(place: Place, bases: Iterable[int], edge: float) -> tuple[list[int], list[int]]:
    """The cells of the buckets up to `edge`, and those of all."""
    bounds = place.family.buckets
    good, every = bounds.index(edge) + 1, len(bounds) + 1
    starts = list(bases)
    return (
        [base + at for base in starts for at in range(good)],
        [base + at for base in starts for at in range(every)],
    )


def _sum(rows: Sequence[Sequence[float]], cells: Sequence[int]) -> float:
    return sum(row[at] for row in rows for at in cells)
