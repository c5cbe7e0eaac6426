"""A provider that falls behind, on a simulated clock: who is answered in time, by who gives way."""

import heapq
from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from typing import Final, NamedTuple, Protocol

from headrace.flow.scheduler import Priority
from headrace.observe.slo_history import SloHistory, Totals
from headrace.observe.slo_reaction import Looked, shares
from headrace.settings.slos import Slo

SLOTS: Final = 25
SERVICE_S: Final = 0.5
CAPACITY_PER_S: Final = SLOTS / SERVICE_S
PATIENCE_S: Final = 10.0
SAMPLE_S: Final = 1.0
MIX: Final[Mapping[Priority, float]] = {
    Priority.HIGH: 0.2,
    Priority.NORMAL: 0.5,
    Priority.LOW: 0.3,
}


class Decider(Protocol):
    """Decides how much gives way."""

    share: float

    def look(self, looked: Looked) -> object: ...


class Ended(NamedTuple):
    """One call at its end.

    Attributes:
        came_s: when it came.
        is_refused: whether it gave way.
        is_good: whether it was answered in time.
    """

    came_s: float
    priority: Priority
    is_refused: bool
    is_good: bool


class Call(NamedTuple):
    """One call under way."""

    came_s: float
    priority: Priority


class World:
    """Calls come by lot and wait in one line for a slot; who has waited too long goes away.

    Args:
        slo: the service level, of `latency` or `availability`.
        decider: decides how much gives way.
        look_s: how often it looks.
        windows_s: over which the burn rates are told.
        load: offered load as a share of the capacity, by time.
        fails: the share of answers that are errors whatever the load, by time.
        seed: decides the lots.
    """

    def __init__(
        self,
        slo: Slo,
        decider: Decider,
        *,
        look_s: float,
        windows_s: tuple[float, float],
        load: Callable[[float], float],
        fails: Callable[[float], float],
        seed: int,
    ) -> None:
        self._slo = slo
        self._decider = decider
        self._look_s = look_s
        self._windows_s = windows_s
        self._load = load
        self._fails = fails
        self._lots = Random(seed)
        self._line: deque[Call] = deque()
        self._busy: list[tuple[float, float, int, Call]] = []
        self._numbers = 0
        self._good = self._every = 0.0
        self._came = dict.fromkeys(Priority, 0.0)
        self._shares = (0.0, 0.0)
        self.ended: list[Ended] = []
        self.levels: list[tuple[float, float]] = []

    def run(self, end_s: float) -> None:
        """Until then."""
        now_s, sample_s, look_s = 0.0, SAMPLE_S, self._look_s
        history = SloHistory(Totals(0.0, 0.0, 0.0), max(self._windows_s))
        mark = Totals(0.0, 0.0, 0.0)
        came_s = self._gap_s(0.0)
        while now_s < end_s:
            now_s = min(came_s, sample_s, self._busy[0][0] if self._busy else end_s)
            if self._busy and self._busy[0][0] <= now_s:
                self._end(now_s)
            elif came_s <= now_s:
                self._come(now_s)
                came_s = now_s + self._gap_s(now_s)
            else:
                sample_s += SAMPLE_S
                now = Totals(now_s, self._good, self._every)
                history.add(now)
                if now_s >= look_s:
                    look_s = now_s + self._look_s
                    self._look(history, mark, now)
                    mark = now

    def _gap_s(self, now_s: float) -> float:
        return self._lots.expovariate(self._load(now_s) * CAPACITY_PER_S)

    def _come(self, now_s: float) -> None:
        priority = self._lots.choices(list(MIX), list(MIX.values()))[0]
        self._came[priority] += 1
        if priority is not Priority.HIGH:
            share = self._shares[0 if priority is Priority.LOW else 1]
            if self._lots.random() < share:
                self.ended.append(Ended(now_s, priority, True, False))
                return
        self._line.append(Call(now_s, priority))
        self._begin(now_s)

    def _begin(self, now_s: float) -> None:
        while self._line and len(self._busy) < SLOTS:
            call = self._line.popleft()
            if now_s - call.came_s >= PATIENCE_S:
                self._count(call, is_good=False)
                continue
            self._numbers += 1
            end_s = now_s + self._lots.expovariate(1 / SERVICE_S)
            heapq.heappush(self._busy, (end_s, now_s, self._numbers, call))

    def _end(self, now_s: float) -> None:
        _, _, _, call = heapq.heappop(self._busy)
        is_late = self._slo.threshold_ms is not None and (
            now_s - call.came_s > self._slo.threshold_ms / 1000
        )
        self._count(call, is_good=not is_late and self._lots.random() >= self._fails(now_s))
        self._begin(now_s)

    def _count(self, call: Call, *, is_good: bool) -> None:
        self._every += 1
        self._good += is_good
        self.ended.append(Ended(call.came_s, call.priority, False, is_good))

    def _look(self, history: SloHistory, mark: Totals, now: Totals) -> None:
        every = now.every - mark.every
        since = Totals(mark.at_s, now.good - mark.good, every)
        fast, slow = (history.over(window_s, now) for window_s in self._windows_s)
        self._decider.look(
            Looked(
                every,
                self._burn(since),
                self._burn(fast),
                self._burn(slow),
                fast.every - fast.good,
            )
        )
        low, normal = self._came[Priority.LOW], self._came[Priority.NORMAL]
        self._came = dict.fromkeys(Priority, 0.0)
        self._shares = shares(self._decider.share, low, normal)
        self.levels.append((now.at_s, self._decider.share))

    def _burn(self, counted: Totals) -> float:
        if counted.every <= 0:
            return 0.0
        return (1 - counted.good / counted.every) / self._slo.budget
