"""What is known of each model of a provider, and decides whether and when it is asked."""

from collections.abc import Callable, Iterable, Iterator
from math import inf

from headrace.clock import Clock
from headrace.errors import Overloaded
from headrace.flow.breaker import Breaker, BreakerTerms, State
from headrace.flow.budget import ShareBudget
from headrace.flow.hedging import Hedges, HedgeTerms
from headrace.flow.limit.base import Limit
from headrace.flow.limiter import Limiter, Permit
from headrace.flow.retry import Backoff
from headrace.flow.scheduler import Scheduler, SchedulerRules
from headrace.flow.signals import TtftSignal
from headrace.flow.usual import UsualTime
from headrace.gateway.gates.quotas import Allowance, Keys
from headrace.gateway.gates.watch import Watch
from headrace.limits import GATES_MAX

OnChange = Callable[[str, State], object]

# What a token takes of a request, about: sizes are told apart by powers of two only.
_BYTES_PER_TOKEN = 4


class Turns:
    """How many calls run at once, and whose turn it is.

    Args:
        limiter: the number.
        rules: of the queue.
        clock: the time.
        allowance: what calls may use of the provider's keys, where that is counted.

    Attributes:
        took: how long calls take that had their turn.
    """

    __slots__ = ("allowance", "limiter", "rules", "scheduler", "took")

    def __init__(
        self,
        limiter: Limiter,
        rules: SchedulerRules,
        clock: Clock,
        allowance: Allowance | None,
    ) -> None:
        self.limiter = limiter
        self.took = UsualTime()
        self.rules = rules
        self.allowance = allowance
        self.scheduler: Scheduler[Permit] = Scheduler(
            limiter if allowance is None else allowance,
            clock=clock,
            rules=rules,
            turns_s=None if allowance is None else allowance.turns_s,
            paused_s=lambda: limiter.closed_s,
        )
        limiter.on_free = self.scheduler.on_free
        if allowance is not None:
            allowance.bind(limiter, self.scheduler.on_free)

    def begin_by_s(self, began_s: float, deadline_s: float | None, now_s: float) -> float:
        """Until when a turn is of use; infinite without a deadline.

        Args:
            began_s: when the request came.
            deadline_s: seconds after that by which it has to be answered.
            now_s: monotonic seconds.
        """
        return inf if deadline_s is None else self.took.begin_by_s(began_s + deadline_s, now_s)

    @property
    def waiting(self) -> int:
        """Calls that wait."""
        waiting = self.scheduler.waiting
        return waiting if self.allowance is None else waiting + self.allowance.waiting

    def sweep(self) -> None:
        """See to what happens by time alone."""
        if self.allowance is not None:
            self.allowance.sweep()
        if self.scheduler.waiting:
            self.limiter.reclaim()
            self.scheduler.sweep()

    def close(self) -> None:
        """Refuse everybody who waits."""
        self.scheduler.close()
        if self.allowance is not None:
            self.allowance.close()


class Gate:
    """One model of one provider, as one worker sees it.

    As long as nothing was refused, and no other bound is set, nothing is held back: calls are only
    counted. `limit` changes that for good.

    Args:
        breaker: whether it is asked at all.
        make_turns: makes the limit, for so many calls at first.
        is_limited: whether there is one from the beginning.
        hedges: when a call is made twice, where that may be.

    Attributes:
        hedges: see above.
        is_plain: whether nothing but the breaker is in the way of calls.
        turns: how many run at once and whose turn it is, where that is limited.
        inflight: calls that run without a permit, since there was no limit when they began.
        watch: told how calls went, where somebody wants to know.
    """

    __slots__ = (
        "_make_turns",
        "_ttft",
        "breaker",
        "hedges",
        "inflight",
        "is_plain",
        "turns",
        "watch",
    )

    def __init__(
        self,
        breaker: Breaker,
        make_turns: Callable[[int | None], Turns],
        *,
        is_limited: bool,
        hedges: Hedges | None,
    ) -> None:
        self.breaker = breaker
        self.inflight = 0
        self.watch: Watch | None = None
        self.turns: Turns | None = make_turns(None) if is_limited else None
        self.hedges = hedges
        self.is_plain = self.turns is None and hedges is None
        self._make_turns = make_turns
        self._ttft = TtftSignal()

    def took(self, seconds: float) -> None:
        """A call that had a permit was answered after so long."""
        if self.turns is not None:
            self.turns.took.took(seconds)

    @property
    def calls(self) -> int:
        """Calls that run, or wait for their turn."""
        turns = self.turns
        if turns is None:
            return self.inflight
        return turns.limiter.inflight + turns.scheduler.waiting

    @property
    def quota_left(self) -> float:
        """What share of its quota the model has left; all of it where none is counted."""
        turns = self.turns
        return 1.0 if turns is None or turns.allowance is None else turns.allowance.room

    @property
    def closed_s(self) -> float:
        """Seconds for which the provider asked to be left alone, or has no quota left."""
        turns = self.turns
        if turns is None:
            return 0.0
        closed_s = turns.limiter.closed_s
        return closed_s if turns.allowance is None else max(closed_s, turns.allowance.closed_s)

    def limit(self, began_s: float, wait_s: float | None) -> None:
        """The provider has refused a call that ran without a permit: go by a limit from now on.

        Args:
            began_s: when the call began, monotonic seconds.
            wait_s: how long the provider asked to be left alone.
        """
        if self.turns is None:
            # It counts until it is told of.
            self.turns = self._make_turns(max(self.inflight - 1, 0))
            self.turns.limiter.adopt(self.inflight)
            self.is_plain = False
        self.turns.limiter.refused(began_s, wait_s)

    def left(self) -> None:
        """A call that ran without a permit is over."""
        self.inflight -= 1
        if self.turns is not None:
            self.turns.limiter.left()

    def signal(self, first_s: float, request_bytes: int, now_s: float) -> float | None:
        """What a limit may learn from a call: how much longer its first token took than it takes.

        Args:
            first_s: seconds from sending to the first byte of a stream; 0 of other answers, whose
                first byte comes with the last.
            request_bytes: size of the request.
            now_s: monotonic seconds.
        """
        if not first_s:
            return None
        return self._ttft.multiple(first_s, request_bytes // _BYTES_PER_TOKEN, now_s)


class GateTerms:
    """What the gates of a provider go by.

    Args:
        breaker: of the circuit breakers.
        make_limit: makes the algorithm of a limit, which begins with so many calls, or with its own
            number.
        is_limited: whether there is a limit before anything was refused.
        queue: of those who wait.
        permit_s_max: seconds that no call takes.
        hedge: when calls are made twice; `None` for never.
        hedges_same: whether at the one target there is, too.
    """

    def __init__(
        self,
        *,
        breaker: BreakerTerms,
        make_limit: Callable[[int | None], Limit],
        is_limited: bool,
        queue: SchedulerRules,
        permit_s_max: float,
        hedge: HedgeTerms | None = None,
        hedges_same: bool = False,
    ) -> None:
        self.breaker = breaker
        self.make_limit = make_limit
        self.is_limited = is_limited
        self.queue = queue
        self.permit_s_max = permit_s_max
        self.hedge = hedge
        self.hedges_same = hedges_same


class Gates:
    """All gates of one provider, and what they have in common.

    Args:
        terms: of the gates.
        backoff: how often, and after what time, a call is tried again.
        budget: extra calls that the provider is asked for.
        clock: the time.
        uniform: draws numbers from 0 to 1.
        on_change: told the model whose breaker changed, and how it is now.
        keys: the provider's, where there are several or they have quotas.

    Attributes:
        keys: see above.
        backoff: see above.
        budget: see above.
    """

    def __init__(
        self,
        terms: GateTerms,
        *,
        backoff: Backoff,
        budget: ShareBudget,
        clock: Clock,
        uniform: Callable[[], float],
        on_change: OnChange,
        keys: Keys | None = None,
    ) -> None:
        self.keys = keys
        self.backoff = backoff
        self.budget = budget
        self._terms = terms
        self._clock = clock
        self._uniform = uniform
        self._on_change = on_change
        self._gates: dict[str, Gate] = {}
        self._watch_of: Callable[[str], Watch | None] = _nobody

    def __iter__(self) -> Iterator[tuple[str, Gate]]:
        return iter(self._gates.items())

    def watch(self, watch_of: Callable[[str], Watch | None]) -> None:
        """Have calls of each model told to whom `watch_of` names."""
        self._watch_of = watch_of
        for model, gate in self:
            gate.watch = watch_of(model)

    def of(self, model: str) -> Gate:
        """The gate of a model, as the provider calls it.

        Callers may make names up: beyond a number of them, all further ones share a gate.
        """
        gate = self._gates.get(model)
        return gate if gate is not None else self._make(model)

    @property
    def not_closed(self) -> int:
        """Models that are not asked, or on probation."""
        return sum(gate.breaker.state is not State.CLOSED for gate in self._gates.values())

    @property
    def limited(self) -> int:
        """Models of which only so many calls run at once."""
        return sum(1 for _ in self._turns())

    @property
    def waiting(self) -> int:
        """Calls that wait for their turn."""
        return sum(turns.waiting for turns in self._turns())

    def sweep(self) -> None:
        """See to what happens by time alone."""
        for turns in self._turns():
            turns.sweep()

    def close(self) -> None:
        """Refuse everybody who waits."""
        for turns in self._turns():
            turns.close()

    def _turns(self) -> Iterator[Turns]:
        return (gate.turns for gate in self._gates.values() if gate.turns is not None)

    def _make(self, model: str) -> Gate:
        name = model if len(self._gates) < GATES_MAX else ""
        gate = self._gates.get(name)
        if gate is None:
            terms = self._terms
            breaker = Breaker(
                terms.breaker,
                uniform=self._uniform,
                on_change=lambda _, new: self._on_change(name, new),
            )
            keys = self.keys
            allowance = None if keys is None else keys.allowance(name)
            hedges = None
            if terms.hedge is not None:
                hedges = Hedges(terms.hedge, same_target=terms.hedges_same)
            gate = self._gates[name] = Gate(
                breaker,
                lambda initial: self._make_turns(initial, allowance),
                is_limited=terms.is_limited or keys is not None,
                hedges=hedges,
            )
            gate.watch = self._watch_of(name)
        return gate

    def _make_turns(self, initial: int | None, allowance: Allowance | None) -> Turns:
        terms, clock = self._terms, self._clock
        limiter = Limiter(terms.make_limit(initial), clock=clock, permit_s_max=terms.permit_s_max)
        return Turns(limiter, terms.queue, clock, allowance)


def circuit_open(providers: Iterable[str], waits_s: Iterable[float]) -> Overloaded:
    """What callers are told where all who could be asked are left alone.

    Args:
        providers: who they are.
        waits_s: for how long each is left alone; 0 of those who are not asked for other reasons.
    """
    names = ", ".join(dict.fromkeys(f"'{name}'" for name in providers))
    return Overloaded(
        f"Provider {names} has failed too often of late and is not asked; try again later.",
        code="circuit_open",
        retry_after_s=min(filter(None, waits_s), default=0.0),
    )


def _nobody(model: str) -> None:
    """Nobody wants to know."""
