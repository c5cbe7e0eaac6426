"""Callers who want embeddings, one provider, and a queue between them, on a simulated clock.

The queue is the product's, with the settings of the gateway. Each caller asks again a moment after
it was answered. What a call takes is a line in its inputs with a lognormal factor, as those of
hosted models are.
"""

import itertools
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Final

import msgspec

from headrace.flow.batch.queue import BatchQueue
from headrace.gateway.embeds.habits import ADDED_S_MAX, Habit
from headrace.gateway.embeds.merging import WAIT_SHARE, WAITING_MAX

ITEMS_MAX: Final = 100
WAIT_S_MAX: Final = min(0.05, ADDED_S_MAX)
JITTER_SIGMA: Final = 0.2
# Between an answer and the same caller's next question.
PAUSE_S_MEAN: Final = 0.002


class Provider(msgspec.Struct, frozen=True):
    """What calls take: so many seconds, and so many for each input."""

    call_s: float
    item_s: float


class Outcome(msgspec.Struct, frozen=True):
    """What a run saw after its warm-up: how long each request took, and how many calls went out."""

    latencies_s: list[float]
    calls: int


class World:
    """One run.

    Args:
        provider: what calls take.
        callers: how many ask at once.
        seed: of all that is random.
        merges: whether calls are merged.
    """

    def __init__(self, provider: Provider, callers: int, seed: int, *, merges: bool) -> None:
        self._provider = provider
        self._callers = callers
        self._random = Random(seed)
        self._merges = merges
        self._habit = Habit(ITEMS_MAX)
        self._queue: BatchQueue[float] = BatchQueue(
            self._habit,
            wait_s_max=WAIT_S_MAX,
            wait_share=WAIT_SHARE,
            waiting_max=WAITING_MAX,
        )
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._now_s = 0.0
        self._warm_s = 0.0
        self._latencies_s: list[float] = []
        self._calls = 0

    def run(self, warm_s: float, run_s: float) -> Outcome:
        """Let them ask for so long; what begins during the warm-up does not count."""
        self._warm_s = warm_s
        for _ in range(self._callers):
            self._after(self._random.random() * warm_s / 2, self._ask)
        while self._events and self._events[0][0] < warm_s + run_s:
            self._now_s, _, happen = heappop(self._events)
            happen()
        return Outcome(self._latencies_s, self._calls)

    def _after(self, seconds: float, happen: Callable[[], None]) -> None:
        heappush(self._events, (self._now_s + seconds, next(self._numbers), happen))

    def _ask(self) -> None:
        if self._merges:
            self._queue.offer(self._now_s, self._now_s)
            self._set_alarm()
        else:
            self._call([self._now_s])

    def _set_alarm(self) -> None:
        due_s = self._queue.due_s(self._now_s)
        if due_s < float("inf"):  # one too many finds nothing due
            self._after(due_s - self._now_s, self._go)

    def _go(self) -> None:
        while self._queue.due_s(self._now_s) <= self._now_s:
            self._call([entry.item for entry in self._queue.take(self._now_s)])
        if self._queue.waiting:
            self._set_alarm()

    def _call(self, since_s: list[float]) -> None:
        items, began_s = len(since_s), self._now_s
        if began_s >= self._warm_s:
            self._calls += 1
        provider = self._provider
        factor = self._random.lognormvariate(0.0, JITTER_SIGMA)

        def end() -> None:
            if self._merges:
                self._queue.ended(items, self._now_s - began_s)
                self._set_alarm()
            for each_s in since_s:
                if each_s >= self._warm_s:
                    self._latencies_s.append(self._now_s - each_s)
                self._after(self._random.expovariate(1 / PAUSE_S_MEAN), self._ask)

        self._after((provider.call_s + provider.item_s * items) * factor, end)
