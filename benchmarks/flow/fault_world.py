"""A simulated clock, providers that fail, and a caller that goes down its chain of them.

The parts that decide are the shipped ones: breaker, retry budget, hedging. What is made up is the
providers, the time, and the way from one target to the next.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from math import inf
from random import Random
from typing import Final, Literal

import msgspec

from headrace.flow.breaker import Breaker, BreakerTerms, State
from headrace.flow.budget import ShareBudget
from headrace.flow.hedging import HedgeTerms, Hedging
from headrace.flow.retry import Again, Backoff, after_fault, after_status, decide

FIRST_BYTE_S_MAX: Final = 10.0
DEADLINE_S: Final = 60.0

Fault = Literal["500", "reset", "timeout_first_byte", "connect"]


class Clock:
    """Runs what is due in the order of its time."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count()

    def at(self, at_s: float, run: Callable[[], object]) -> None:
        """Have `run` called at a time."""
        heapq.heappush(self._due, (max(at_s, self.now_s), next(self._numbers), run))

    def run(self) -> None:
        """Until nothing is due any more."""
        while self._due:
            self.now_s, _, run = heapq.heappop(self._due)
            run()


class Nature(msgspec.Struct, frozen=True):
    """How a provider is.

    Attributes:
        ttft_s: median of the time to the first token, which is lognormal.
        spread: sigma of its logarithm.
        slow_share: calls that take `slow_factor` as long.
        slow_factor: how much longer.
        errors: share of calls answered with 500, after a tenth of the time.
        resets: share whose connection breaks, after half of it.
        stalls: share that never gets an answer.
        down_s: from when on all fail.
        down: whether connections are refused then, or nothing comes.
    """

    ttft_s: float = 0.4
    spread: float = 0.3
    slow_share: float = 0.0
    slow_factor: float = 20.0
    errors: float = 0.0
    resets: float = 0.0
    stalls: float = 0.0
    down_s: float = inf
    down: Literal["refuses", "hangs"] = "refuses"


def fate(nature: Nature, dice: Random, now_s: float) -> tuple[Fault | None, float]:
    """What becomes of a call that is sent now, and after how many seconds."""
    lot, length_s = dice.random(), nature.ttft_s * dice.lognormvariate(0.0, nature.spread)
    is_slow = dice.random() < nature.slow_share
    if now_s >= nature.down_s:
        return ("connect", 0.001) if nature.down == "refuses" else _STALL
    if lot < nature.errors:
        return "500", length_s / 10
    if lot < nature.errors + nature.resets:
        return "reset", length_s / 2
    if lot < nature.errors + nature.resets + nature.stalls:
        return _STALL
    return None, length_s * (nature.slow_factor if is_slow else 1.0)


_STALL: Final[tuple[Fault, float]] = ("timeout_first_byte", FIRST_BYTE_S_MAX)


class Way(msgspec.Struct, frozen=True):
    """What a caller does about faults.

    Attributes:
        targets: whom it asks, in order.
        retries: whether it tries again within the budget.
        breaks: whether it has breakers.
        hedges: whether it asks a second time what has no first token.
    """

    targets: tuple[str, ...] = ("primary",)
    retries: bool = False
    breaks: bool = False
    hedges: bool = False


class Provider:
    """One that is asked, and what the caller keeps of it."""

    def __init__(self, name: str, nature: Nature, way: Way, seed: str, clock: Clock) -> None:
        self.name = name
        self.nature = nature
        self.dice = Random(f"{seed} {name}")
        self.budget = ShareBudget()
        self.hedging = Hedging(HedgeTerms()) if way.hedges else None
        self.opened_s: list[float] = []
        self.retried_s: list[float] = []
        self.asked_s: list[float] = []
        self.hedged = 0
        # Without a breaker: one that never opens.
        terms = BreakerTerms() if way.breaks else BreakerTerms(calls_min=10**9, row_max=10**9)
        self.breaker = Breaker(
            terms, uniform=self.dice.random, on_change=lambda _, new: self._note(new, clock.now_s)
        )

    def _note(self, state: State, now_s: float) -> None:
        if state is State.OPEN:
            self.opened_s.append(now_s)


class Answer(msgspec.Struct, frozen=True):
    """What became of a request.

    Attributes:
        asked_s: when it came.
        latency_s: to its first token, or to its failure.
        by: who answered; `None` for nobody.
        sent: calls that were made for it.
    """

    asked_s: float
    latency_s: float
    by: str | None
    sent: int


class World:
    """Providers and one caller.

    Args:
        natures: of the providers, by name.
        way: what the caller does about faults.
        seed: of all that is drawn.
    """

    def __init__(self, natures: Mapping[str, Nature], way: Way, seed: str) -> None:
        self.clock = Clock()
        self.way = way
        self.dice = Random(f"{seed} caller")
        self.backoff = Backoff() if way.retries else Backoff(tries_max=1)
        self.providers = {
            name: Provider(name, nature, way, seed, self.clock) for name, nature in natures.items()
        }
        self.answers: list[Answer] = []

    def run(self, rate_per_s: float, length_s: float) -> Sequence[Answer]:
        """Requests at random times (Poisson), until the last one has its answer."""
        at_s, arrivals = 0.0, Random(f"arrivals {self.dice.random()}")
        while (at_s := at_s + arrivals.expovariate(rate_per_s)) < length_s:
            self.clock.at(at_s, Call(self).begin)
        self.clock.run()
        return self.answers

    def blocked(self, name: str) -> Literal["open"] | None:
        """Why a provider cannot be asked now."""
        is_free = self.providers[name].breaker.would_pass(self.clock.now_s)
        return None if is_free else "open"


class Call:
    """One request on its way down the chain.

    Args:
        world: that it is made in.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._left = list(world.way.targets)
        self._asked_s = 0.0
        self._sent = 0
        self._tries = 0
        self._target = ""
        self._tickets: list[tuple[Provider, int, float]] = []

    def begin(self) -> None:
        """It has come."""
        self._asked_s = self._world.clock.now_s
        self._move_on()

    def _move_on(self) -> None:
        """To the next target that may be asked."""
        while self._left and self._world.blocked(self._left[0]):
            del self._left[0]
        if self._left:
            self._ask(self._left.pop(0))
        else:
            self._answer(None)

    def _ask(self, target: str) -> None:
        provider = self._world.providers[target]
        if target != self._target:
            self._target, self._tries = target, 0
            provider.budget.deposit(self._world.clock.now_s)
            provider.asked_s.append(self._world.clock.now_s)
        self._tries += 1
        self._send(provider)
        if provider.hedging is not None:
            delay_s = provider.hedging.begin(self._world.clock.now_s)
            if delay_s is not None:
                number = self._sent
                self._world.clock.at(
                    self._world.clock.now_s + delay_s, lambda: self._hedge(provider, number)
                )

    def _send(self, provider: Provider) -> None:
        clock = self._world.clock
        ticket = provider.breaker.try_pass(clock.now_s)
        fault, after_s = fate(provider.nature, provider.dice, clock.now_s)
        self._sent += 1
        flight = (provider, ticket, clock.now_s)
        self._tickets.append(flight)
        clock.at(clock.now_s + after_s, lambda: self._end(flight, fault))

    def _hedge(self, provider: Provider, number: int) -> None:
        """Ask another target a second time, unless the first has answered or failed meanwhile."""
        if provider.hedging is None or not self._tickets or self._sent != number:
            return
        others = [name for name in self._world.way.targets if name != provider.name]
        other = self._world.providers[others[0] if others else provider.name]
        if self._world.blocked(other.name):
            return
        if provider.hedging.try_hedge(self._world.clock.now_s, has_begun=False):
            provider.hedged += 1
            self._send(other)

    def _end(self, flight: tuple[Provider, int, float], fault: Fault | None) -> None:
        if flight not in self._tickets:
            return
        self._tickets.remove(flight)
        provider, ticket, sent_s = flight
        now_s = self._world.clock.now_s
        if fault is None:
            provider.breaker.succeeded(ticket, now_s - sent_s, now_s)
            if provider.hedging is not None:
                provider.hedging.observe(now_s - sent_s)
            self._cancel_others(now_s)
            self._answer(provider.name)
            return
        provider.breaker.failed(ticket, now_s - sent_s, now_s)
        # While another call is under way for it, nothing is lost.
        if not self._tickets:
            self._go_on(fault, now_s)

    def _cancel_others(self, now_s: float) -> None:
        for provider, ticket, sent_s in self._tickets:
            provider.breaker.gave_up(ticket)
            if provider.hedging is not None:
                provider.hedging.observe(now_s - sent_s)
        self._tickets.clear()

    def _go_on(self, fault: Fault, now_s: float) -> None:
        world, provider = self._world, self._world.providers[self._target]
        again = after_status(500) if fault == "500" else after_fault(fault)
        # Whoever let all the time go by is not asked twice where there is another.
        if fault == "timeout_first_byte" and world.way.targets[-1] != provider.name:
            again = Again.ELSEWHERE
        decision = decide(
            again,
            backoff=world.backoff,
            budget=provider.budget,
            tries=self._tries,
            now_s=now_s,
            uniform=world.dice.random(),
            deadline_s=self._asked_s + DEADLINE_S,
        )
        if not decision.is_again:
            self._move_on()
            return
        provider.retried_s.append(now_s)
        world.clock.at(now_s + decision.delay_s, lambda: self._again(provider))

    def _again(self, provider: Provider) -> None:
        if self._world.blocked(provider.name) is None:
            self._ask(provider.name)
        else:
            self._move_on()

    def _answer(self, by: str | None) -> None:
        latency_s = self._world.clock.now_s - self._asked_s
        self._world.answers.append(Answer(self._asked_s, latency_s, by, self._sent))
