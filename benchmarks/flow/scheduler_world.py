"""Requests of many tenants before a fixed number of slots, on a simulated clock.

The scheduler is the product's. Calls take lognormal times, as answers of very different lengths
do; requests come at random (Poisson), and do not wait for one another.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from random import Random
from typing import Final, Protocol

import msgspec

from headrace.clock import ManualClock
from headrace.errors import HeadraceError, Overloaded
from headrace.flow.scheduler import Priority, Scheduler, SchedulerRules, Waiter
from headrace.flow.scheduler.slots import Slot, Slots

SLOTS: Final = 20
SERVICE_S: Final = 1.0
SERVICE_SIGMA: Final = 0.8
CAPACITY_PER_S: Final = SLOTS / SERVICE_S
SWEEP_S: Final = 0.1


class Request(msgspec.Struct, frozen=True):
    """One request, and how long its call would take."""

    at_s: float
    tenant: str
    service_s: float
    priority: Priority = Priority.NORMAL
    patience_s: float = math.inf


class Outcome(msgspec.Struct):
    """What became of a request.

    Attributes:
        request: which.
        at_s: when it came, or came again.
        wait_s: until its turn, or until it was refused.
        code: why it was refused; empty for one that was served.
        retry_after_s: what it was told.
        is_return: it had been refused before.
    """

    request: Request
    at_s: float
    wait_s: float = 0.0
    code: str = ""
    retry_after_s: float = 0.0
    is_return: bool = False

    @property
    def is_served(self) -> bool:
        return not self.code

    @property
    def latency_s(self) -> float:
        """From coming to the end of the call."""
        return self.wait_s + self.request.service_s


class Turns(Protocol):
    """What decides whose turn it is."""

    def submit(
        self, waiter: Waiter[Slot], *, tenant: str, priority: Priority, deadline_s: float
    ) -> object: ...
    def on_free(self) -> None: ...
    def sweep(self) -> None: ...


MakeTurns = Callable[[Slots, ManualClock], Turns]


def scheduler(slots: Slots, clock: ManualClock) -> Turns:
    """The product's, as it is set out of the box."""
    return Scheduler(slots, clock=clock)


class Fifo:
    """What it is held against: the same slots, one queue with the same bound, first come first."""

    def __init__(self, slots: Slots, clock: ManualClock) -> None:  # noqa: ARG002
        self._slots = slots
        self._waiting: deque[Waiter[Slot]] = deque()
        self._waiting_max = SchedulerRules().waiting_max

    def submit(
        self,
        waiter: Waiter[Slot],
        *,
        tenant: str,  # noqa: ARG002
        priority: Priority,  # noqa: ARG002
        deadline_s: float,  # noqa: ARG002
    ) -> None:
        if len(self._waiting) >= self._waiting_max:
            waiter.refused(Overloaded("full", retry_after_s=1.0))
        else:
            self._waiting.append(waiter)
            self.on_free()

    def on_free(self) -> None:
        while self._waiting and (slot := self._slots.try_acquire()) is not None:
            self._waiting.popleft().granted(slot)

    def sweep(self) -> None:
        """Nobody is ever due."""


class World:
    """One run.

    Args:
        make: what decides whose turn it is.
        returns_s: after how long who is refused comes again, once, given what it was told; where
            it is left out, nobody does.
    """

    def __init__(self, make: MakeTurns, returns_s: Callable[[float], float] | None = None) -> None:
        self.clock = ManualClock()
        self.now_s = self.clock.monotonic_s
        slots = Slots(SLOTS)
        self.turns = make(slots, self.clock)
        slots.on_free = self.turns.on_free
        self.outcomes: list[Outcome] = []
        self._returns_s = returns_s
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    def run(self, requests: Iterable[Request]) -> list[Outcome]:
        """Meet every request, and wait for the last call to end."""
        swept_s = 0.0
        for request in requests:
            while swept_s + SWEEP_S <= request.at_s:
                swept_s += SWEEP_S
                self._pass(swept_s)
                self.turns.sweep()
            self._pass(request.at_s)
            self._come(Outcome(request, request.at_s))
        self._pass(math.inf)
        return self.outcomes

    def at(self, when_s: float, what: Callable[[], None]) -> None:
        self._number += 1
        heappush(self._events, (when_s, self._number, what))

    def come_again(self, outcome: Outcome) -> None:
        """Somebody was refused, and may come again."""
        if self._returns_s is not None and not outcome.is_return:
            when_s = self.now_s() + self._returns_s(outcome.retry_after_s)
            again = Outcome(outcome.request, when_s, is_return=True)
            self.at(when_s, lambda: self._come(again))

    def _come(self, outcome: Outcome) -> None:
        request = outcome.request
        self.outcomes.append(outcome)
        self.turns.submit(
            _Call(self, outcome),
            tenant=request.tenant,
            priority=request.priority,
            deadline_s=outcome.at_s + request.patience_s,
        )

    def _pass(self, until_s: float) -> None:
        while self._events and self._events[0][0] <= until_s:
            when_s, _, what = heappop(self._events)
            self._set(when_s)
            what()
        if until_s < math.inf:
            self._set(until_s)

    def _set(self, when_s: float) -> None:
        self.clock.advance(max(when_s - self.now_s(), 0.0))


class _Call:
    """One request with its world."""

    __slots__ = ("_outcome", "_world")

    def __init__(self, world: World, outcome: Outcome) -> None:
        self._world = world
        self._outcome = outcome

    def granted(self, permit: Slot) -> None:
        now_s = self._world.now_s()
        self._outcome.wait_s = now_s - self._outcome.at_s
        self._world.at(now_s + self._outcome.request.service_s, permit.success)

    def refused(self, error: HeadraceError) -> None:
        outcome = self._outcome
        outcome.wait_s = self._world.now_s() - outcome.at_s
        outcome.code = error.code
        outcome.retry_after_s = error.retry_after_s or 1.0
        self._world.come_again(outcome)


def poisson(
    dice: Random,
    per_s: float,
    until_s: float,
    *,
    tenant: str,
    priority: Priority = Priority.NORMAL,
    from_s: float = 0.0,
    patience_s: float = math.inf,
) -> Iterator[Request]:
    """Requests of one tenant at a steady rate."""
    at_s = from_s + dice.expovariate(per_s)
    mu = math.log(SERVICE_S) - SERVICE_SIGMA**2 / 2
    while at_s < until_s:
        service_s = dice.lognormvariate(mu, SERVICE_SIGMA)
        yield Request(at_s, tenant, service_s, priority, patience_s)
        at_s += dice.expovariate(per_s)


def in_order(*streams: Iterable[Request]) -> Sequence[Request]:
    """All of them by the time they come."""
    return sorted((each for stream in streams for each in stream), key=lambda each: each.at_s)
