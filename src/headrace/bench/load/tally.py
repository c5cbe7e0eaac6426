"""Counting what became of requests, phase by phase and window by window."""

from collections import Counter
from typing import Final

import msgspec

from headrace.bench.load.call import OUTCOMES, Call
from headrace.bench.load.histogram import Histogram, class_of
from headrace.bench.load.plan import WINDOWS, Good, Phase
from headrace.bench.load.samples import NONE, Samples, Table

DOWN_LEAST_S: Final = 1.0
_UNREACHED: Final = frozenset({"connect", "closed", "timeout"})
_DETAILS_MAX: Final = 8
_CACHES_MAX: Final = 16


class Window(msgspec.Struct):
    """Requests that were intended in one part of a phase.

    Attributes:
        requests: how many.
        failed: how many of them failed.
        e2e: of those that succeeded, counts by class of a `Histogram` of seconds.
    """

    requests: int = 0
    failed: int = 0
    e2e: dict[int, int] = {}


class Outage(msgspec.Struct, frozen=True):
    """A time, from the start of the phase, in which nothing reached the target."""

    from_s: float
    to_s: float


class Count(msgspec.Struct, kw_only=True):
    """What a worker counted in a phase.

    Attributes:
        outcomes: requests by how they ended.
        kinds: requests by what was asked, places in `KINDS`.
        caches: answers by where the target says they are from.
        good: requests that succeeded and kept what a good one keeps.
        details: failures in words, the first kinds of them.
        gaps: between tokens of streams, by class of a `Histogram` of seconds.
        gap_s_max: the longest of them.
        windows: equal parts of the phase.
        outages: when the target was down.
        answered_s: when the last request that succeeded was over, from the phase's start.
        table: of requests.
    """

    outcomes: dict[str, int]
    kinds: dict[int, int]
    caches: dict[str, int]
    good: int
    details: dict[str, int]
    gaps: dict[int, int]
    gap_s_max: float
    windows: list[Window]
    outages: list[Outage]
    answered_s: float
    table: Table


class Tally:
    """Counts the requests of one phase.

    Args:
        phase: the phase.
        start_s: when it begins, on the monotonic clock.
        good: what a good request is.
        rows_max: requests that are kept one by one; of more, a fair draw.
        seed: of that draw.
    """

    def __init__(
        self, phase: Phase, start_s: float, good: Good, *, rows_max: int, seed: int
    ) -> None:
        self._start_s = start_s
        self._window_s = phase.seconds / WINDOWS
        self._good_limits = good
        self._outcomes: Counter[str] = Counter()
        self._kinds: Counter[int] = Counter()
        self._caches: Counter[str] = Counter()
        self._details: Counter[str] = Counter()
        self._good = 0
        self._gaps = Histogram()
        self._gap_s_max = 0.0
        self._windows = [Window(e2e={}) for _ in range(WINDOWS)]
        self._samples = Samples(rows_max, seed)
        self._last_s = self._answered_s = 0.0
        self._outages: list[Outage] = []
        self._down_from_s: float | None = None

    @property
    def down_s(self) -> float:
        """How long nothing has reached the target, as far as is known."""
        return 0.0 if self._down_from_s is None else self._last_s - self._down_from_s

    def gap(self, seconds: float) -> None:
        """Count the time between two tokens of a stream."""
        self._gaps.add(seconds)
        self._gap_s_max = max(self._gap_s_max, seconds)

    def book(self, call: Call) -> None:
        """Count a request that is over."""
        e2e_s = call.ended_s - call.intended_s
        ttft_s = NONE if call.first_s is None else call.first_s - call.intended_s
        tpot_s = (e2e_s - ttft_s) / (call.tokens - 1) if call.tokens > 1 else NONE
        is_ok = call.outcome == "ok"
        self._outcomes[call.outcome] += 1
        self._kinds[call.kind] += 1
        if call.cache and (call.cache in self._caches or len(self._caches) < _CACHES_MAX):
            self._caches[call.cache] += 1
        self._good += is_ok and self._is_good(e2e_s, ttft_s, tpot_s)
        at_s = call.intended_s - self._start_s
        self._last_s = max(self._last_s, call.ended_s - self._start_s)
        if is_ok:
            self._answered_s = max(self._answered_s, call.ended_s - self._start_s)
        self._samples.add(
            (
                at_s,
                call.begun_s - call.intended_s,
                e2e_s,
                ttft_s,
                tpot_s,
                OUTCOMES.index(call.outcome),
                call.kind,
            )
        )
        self._book_window(at_s, class_of(e2e_s) if is_ok else None)
        self._watch_reach(call)
        if not is_ok:
            words = f"{call.outcome}: {call.detail}"
            if words in self._details or len(self._details) < _DETAILS_MAX:
                self._details[words] += 1

    def count(self) -> Count:
        """Everything so far."""
        outages = list(self._outages)
        if self._down_from_s is not None and self.down_s >= DOWN_LEAST_S:
            outages.append(Outage(self._down_from_s, self._last_s))
        return Count(
            outcomes=dict(self._outcomes),
            kinds=dict(self._kinds),
            caches=dict(self._caches),
            good=self._good,
            details=dict(self._details),
            gaps=self._gaps.counts,
            gap_s_max=self._gap_s_max,
            windows=self._windows,
            outages=outages,
            answered_s=self._answered_s,
            table=Table.of(self._samples),
        )

    def _is_good(self, e2e_s: float, ttft_s: float, tpot_s: float) -> bool:
        limits = self._good_limits
        return (
            (limits.e2e_ms is None or e2e_s * 1000 <= limits.e2e_ms)
            and (limits.ttft_ms is None or ttft_s * 1000 <= limits.ttft_ms)
            and (limits.tpot_ms is None or tpot_s * 1000 <= limits.tpot_ms)
        )

    def _book_window(self, at_s: float, place: int | None) -> None:
        """Count a request by the class of how long it took; one without failed."""
        window = self._windows[min(max(0, int(at_s / self._window_s)), WINDOWS - 1)]
        window.requests += 1
        if place is None:
            window.failed += 1
        else:
            window.e2e[place] = window.e2e.get(place, 0) + 1

    def _watch_reach(self, call: Call) -> None:
        """Note when the target goes, and when it is back."""
        if call.outcome in _UNREACHED:
            if self._down_from_s is None:
                self._down_from_s = call.ended_s - self._start_s
        elif call.outcome != "interrupted" and self._down_from_s is not None:
            if self.down_s >= DOWN_LEAST_S:
                self._outages.append(Outage(self._down_from_s, self._last_s))
            self._down_from_s = None
