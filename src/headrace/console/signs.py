"""What alarms are told by: the cells of all workers that they look at, and how those have changed.
Pure."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from operator import add
from typing import Final

import msgspec

from headrace.observe.cells import OTHER_NAME
from headrace.observe.layout import Layout, Place

Labels = tuple[str, ...]
Series = Mapping[Labels, float]

# Alarms look back for a quarter of an hour.
LOOKS_BACK_S: Final = 900.0
EVERY_S: Final = 30.0
"""How far looks are apart while nobody asks."""

_NOTHING: Final[Mapping[Labels, float]] = {}
_ABOVE: Final = "inf"

FAMILIES: Final = (
    *("headrace_answer_seconds", "headrace_connections_refused_total", "headrace_shed_calls_total"),
    *("headrace_loop_lag_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes"),
    *("headrace_workers", "headrace_worker_restarts_total", "headrace_upstream_requests_total"),
    *("headrace_upstream_errors_total", "headrace_providers_out", "headrace_circuits_open"),
    *("headrace_waiting_calls", "headrace_quota_used_ratio", "headrace_tiers_out"),
    *("headrace_standby_lag_seconds", "headrace_standby_out", "headrace_store_connections"),
    *("headrace_store_errors_total", "headrace_keys_unseen_seconds"),
    *("headrace_budgets_unshared_seconds", "headrace_budget_refusals_total"),
    *("headrace_ledger_rows_total", "headrace_ledger_pending_bytes"),
    *("headrace_jobs_oldest_seconds", "headrace_jobs_ended_total"),
    *("headrace_log_lines_dropped_total", "headrace_requests_total", "headrace_spent_usd_total"),
)


class Signs(msgspec.Struct, frozen=True):
    """How things stood at one time.

    Attributes:
        at_s: when, monotonic seconds.
        values: what is not zero, by the name of its metric and its labels. Of a histogram the
            buckets, with their upper bound as a further label.
    """

    at_s: float
    values: Mapping[str, Series]

    def of(self, family: str) -> Series:
        """All series of a metric that are not zero."""
        return self.values.get(family, _NOTHING)

    def total(self, family: str) -> float:
        """Their sum."""
        return sum(self.of(family).values())


class SignReader:
    """Reads signs of the rows of all workers: quickly, for it is done on the loop, and nearly all
    that there might be is zero.

    Args:
        layout: of a row.
    """

    def __init__(self, layout: Layout) -> None:
        self._places = [_Watched(layout.place(name)) for name in FAMILIES]

    def read(self, at_s: float, rows: Sequence[Sequence[float]], providers: Sequence[str]) -> Signs:
        """How things stand.

        Args:
            at_s: the time, monotonic seconds.
            rows: of each worker.
            providers: their names by slot.
        """
        return Signs(at_s, {each.name: each.read(rows, providers) for each in self._places})


class _Watched:
    """One metric in a row."""

    def __init__(self, place: Place) -> None:
        family = place.family
        self.name = family.name
        self._base, self._end = place.base, place.end
        self._stride = place.stride
        self._bounds = tuple(map(str, (*family.buckets, _ABOVE))) if family.buckets else ()
        self._merge: Callable[[float, float], float] = max if family.merge == "max" else add
        self._labels = [labels for _, labels in place.each()]
        self._slotted = [at for at, label in enumerate(family.labels) if label.slotted]

    def read(self, rows: Sequence[Sequence[float]], providers: Sequence[str]) -> Series:
        """What is not zero."""
        cells: dict[int, float] = {}
        for row in rows:
            part = row[self._base : self._end]
            if any(part):
                for at, value in enumerate(part):
                    if value:
                        cells[at] = self._merge(cells[at], value) if at in cells else value
        return {
            labels: value
            for at, value in cells.items()
            if (labels := self._named(at, providers)) is not None
        }

    def _named(self, at: int, providers: Sequence[str]) -> Labels | None:
        """The labels of a cell; None for the sum of a histogram, which is in no bucket."""
        series, offset = divmod(at, self._stride)
        labels = self._labels[series]
        for position in self._slotted:
            name = _provider(labels[position], providers)
            labels = (*labels[:position], name, *labels[position + 1 :])
        if not self._bounds:
            return labels
        return (*labels, self._bounds[offset]) if offset < len(self._bounds) else None


class History:
    """What was seen in the last quarter of an hour, and how it began."""

    def __init__(self, first: Signs) -> None:
        self._seen = deque((first,))

    @property
    def last(self) -> Signs:
        """The latest."""
        return self._seen[-1]

    def add(self, signs: Signs) -> None:
        """Take note of how things stand now."""
        seen = self._seen
        # While somebody asks, looks are closer: of those only some are kept.
        if len(seen) > 1 and signs.at_s - seen[-2].at_s < EVERY_S:
            seen.pop()
        seen.append(signs)
        while len(seen) > 1 and seen[1].at_s <= signs.at_s - LOOKS_BACK_S:
            seen.popleft()

    def before(self, window_s: float) -> Signs:
        """How things stood so long ago, or when this began."""
        begin_s = self.last.at_s - window_s
        return next((each for each in reversed(self._seen) if each.at_s <= begin_s), self._seen[0])

    def grown(self, family: str, window_s: float) -> Series:
        """By how much each series of a metric has grown in a time, where it has."""
        before = self.before(window_s).of(family)
        grown = {
            labels: value - before.get(labels, 0.0)
            for labels, value in self.last.of(family).items()
        }
        return {labels: value for labels, value in grown.items() if value > 0}

    def span_s(self, window_s: float) -> float:
        """How long that time really is, in seconds."""
        return max(self.last.at_s - self.before(window_s).at_s, 1e-3)

    def is_long(self, window_s: float) -> bool:
        """Whether it goes back so far: who has just started is busy and late, and that is all."""
        return self._seen[0].at_s <= self.last.at_s - window_s

    def least(self, family: str, window_s: float) -> Series:
        """What each series of a metric was at the least, where it was never zero in a time."""
        begin_s = self.last.at_s - window_s
        if not self.is_long(window_s):
            return _NOTHING
        within = [each.of(family) for each in self._seen if each.at_s >= begin_s]
        return {
            labels: min(each.get(labels, 0.0) for each in within)
            for labels in self.last.of(family)
            if all(each.get(labels) for each in within)
        }


def _provider(slot: str, providers: Sequence[str]) -> str:
    return providers[int(slot)] if int(slot) < len(providers) else OTHER_NAME
