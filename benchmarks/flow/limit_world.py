"""Calls that arrive at a limiter in front of a simulated server, on a simulated clock."""

from collections import deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from math import inf
from random import Random

import msgspec

from benchmarks.flow.simulated_server import Job, ServerTerms, SharedServer
from headrace.clock import ManualClock
from headrace.flow.limit.base import Limit
from headrace.flow.limiter import Limiter, Permit
from headrace.flow.signals import TtftSignal


class Plan(msgspec.Struct, frozen=True):
    """One experiment.

    Attributes:
        terms: the kind of server.
        capacities: its capacity from when on, `(seconds, calls)`, the first from 0.
        rate_per_s: calls that arrive, as a Poisson process.
        seconds: how long.
        call_s: mean of what a call takes at full speed.
        patience_s: how long a call waits for a permit; then it is turned away here.
        deadline_s: after its arrival, an answer is of no use.
        refusal_s: how long the server takes to refuse.
        retry_after_s: what it asks for when it refuses.
        counted_from_s: calls that arrived before are not counted.
    """

    terms: ServerTerms
    capacities: tuple[tuple[float, int], ...]
    rate_per_s: float
    seconds: float
    call_s: float = 0.5
    patience_s: float = 0.5
    deadline_s: float = 2.0
    refusal_s: float = 0.02
    retry_after_s: float | None = None
    counted_from_s: float = 0.0


class Outcome(msgspec.Struct, frozen=True):
    """What became of the calls.

    Attributes:
        arrived: calls that came.
        sent: those that were sent to the server.
        good: those that were answered in time.
        refused: those that the server refused.
        late: those that were sent and not answered in time.
        turned_away: those that had no permit in time.
        latencies_s: of the good ones, from arrival to end.
        limits: the limit at each tenth of a second.
    """

    arrived: int
    sent: int
    good: int
    refused: int
    late: int
    turned_away: int
    latencies_s: Sequence[float]
    limits: Sequence[int]


class _Call:
    __slots__ = ("arrived_s", "first_s", "is_over", "job", "permit", "sent_s", "tokens", "ttft_s")

    def __init__(self, number: int, dice: Random, call_s: float, arrived_s: float) -> None:
        size = dice.randrange(4)
        self.tokens = 256 << size
        # A quarter of the time on average goes to the first token, more for longer inputs.
        first_s = call_s * 0.25 * (1 << size) / 3.75 * dice.lognormvariate(0.0, 0.15)
        total_s = first_s + dice.gammavariate(4.0, call_s * 0.75 / 4)
        self.job = Job(number, first_s, total_s)
        self.arrived_s = arrived_s
        self.sent_s = 0.0
        self.ttft_s = 0.0
        self.permit: Permit | None = None
        self.is_over = False


class World:
    """The experiment under way.

    Args:
        plan: what is tried.
        limit: the algorithm.
        seed: of arrivals and sizes; the same for every algorithm.
    """

    def __init__(self, plan: Plan, limit: Limit, seed: int) -> None:
        self._plan = plan
        self._dice = Random(f"calls {seed}")
        self._clock = ManualClock()
        self._now_s = 0.0
        self._limiter = Limiter(limit, clock=self._clock)
        self._limiter.on_free = self._hand_on
        self._server = SharedServer(plan.terms, plan.capacities[0][1])
        self._signal = TtftSignal()
        self._waiting: deque[_Call] = deque()
        self._calls: dict[int, _Call] = {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._event_count = 0
        self._number = 0
        self._counts = dict.fromkeys(
            ("arrived", "sent", "good", "refused", "late", "turned_away"), 0
        )
        self._latencies_s: list[float] = []
        self._limits: list[int] = []

    def run(self) -> Outcome:
        """Let the time of the experiment pass."""
        for at_s, capacity in self._plan.capacities[1:]:
            self._at(at_s, lambda capacity=capacity: self._server.change(capacity, self._now_s))  # type: ignore[misc]
        for tenth in range(round(self._plan.seconds * 10)):
            self._at(tenth / 10, lambda: self._limits.append(self._limiter.limit))
        self._at(0.0, self._arrive)
        while True:
            event_s = self._events[0][0] if self._events else inf
            server_s = self._server.next_s()
            if min(event_s, server_s) > self._plan.seconds:
                return Outcome(**self._counts, latencies_s=self._latencies_s, limits=self._limits)
            if server_s < event_s:
                self._move_to(server_s)
                self._served(*self._server.take(self._now_s))
            else:
                self._move_to(event_s)
                heappop(self._events)[2]()

    def _at(self, at_s: float, event: Callable[[], None]) -> None:
        self._event_count += 1
        heappush(self._events, (at_s, self._event_count, event))

    def _move_to(self, now_s: float) -> None:
        self._clock.advance(max(now_s - self._now_s, 0.0))
        self._now_s = max(now_s, self._now_s)

    def _count(self, call: _Call, what: str) -> None:
        if call.arrived_s >= self._plan.counted_from_s:
            self._counts[what] += 1

    def _arrive(self) -> None:
        plan = self._plan
        self._at(self._now_s + self._dice.expovariate(plan.rate_per_s), self._arrive)
        self._number += 1
        call = _Call(self._number, self._dice, plan.call_s, self._now_s)
        self._count(call, "arrived")
        self._waiting.append(call)
        self._at(self._now_s + plan.patience_s, lambda: self._lose_patience(call))
        self._hand_on()

    def _hand_on(self) -> None:
        while self._waiting:
            if self._waiting[0].is_over:
                self._waiting.popleft()
                continue
            permit = self._limiter.try_acquire()
            if permit is None:
                due_s = self._limiter.due_s
                if self._now_s < due_s < self._now_s + self._plan.seconds:
                    self._at(due_s, self._hand_on)
                return
            self._send(self._waiting.popleft(), permit)

    def _send(self, call: _Call, permit: Permit) -> None:
        call.permit, call.sent_s = permit, self._now_s
        self._count(call, "sent")
        if self._server.offer(call.job, self._now_s):
            self._calls[call.job.number] = call
            self._at(call.arrived_s + self._plan.deadline_s, lambda: self._give_up(call))
        else:
            self._at(self._now_s + self._plan.refusal_s, lambda: self._refuse(call))

    def _refuse(self, call: _Call) -> None:
        call.is_over = True
        self._count(call, "refused")
        assert call.permit is not None
        call.permit.drop(self._plan.retry_after_s)

    def _lose_patience(self, call: _Call) -> None:
        if call.permit is None:
            call.is_over = True
            self._count(call, "turned_away")

    def _give_up(self, call: _Call) -> None:
        if call.is_over:
            return
        call.is_over = True
        self._count(call, "late")
        del self._calls[call.job.number]
        self._server.withdraw(call.job, self._now_s)
        assert call.permit is not None
        call.permit.drop()

    def _served(self, job: Job, is_first: bool) -> None:
        call = self._calls[job.number]
        if is_first:
            call.ttft_s = self._now_s - call.sent_s
            return
        del self._calls[job.number]
        call.is_over = True
        self._count(call, "good")
        if call.arrived_s >= self._plan.counted_from_s:
            self._latencies_s.append(self._now_s - call.arrived_s)
        assert call.permit is not None
        call.permit.success(self._signal.multiple(call.ttft_s, call.tokens, self._now_s))
