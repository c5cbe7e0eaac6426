"""A breaker does what its description says, held against a plain account of all calls."""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from headrace.flow.breaker import REFUSED, Breaker, BreakerTerms, State

WINDOW_S = 10.0
SLOW_S = 1.0


@dataclass
class Model:
    """The same breaker with every call in a list, and nothing made fast."""

    terms: BreakerTerms
    state: State = State.CLOSED
    term: int = 0
    ended: list[tuple[float, bool, bool]] = field(default_factory=list)
    probes_out: int = 0
    until_s: float = 0.0
    lasted_s: float = 0.0
    closed_s: float = float("-inf")
    row: int = 0

    def move(self, state: State, until_s: float = 0.0) -> None:
        self.state, self.until_s = state, until_s
        self.term += 1
        self.ended = []
        self.probes_out = self.row = 0

    def passes(self, now_s: float) -> bool:
        if self.state is State.CLOSED:
            return True
        if now_s >= self.until_s:
            self.move(State.HALF_OPEN, now_s + self.terms.probe_s_max)
        if self.state is State.HALF_OPEN and self.probes_out + len(self.ended) < self.terms.probes:
            self.probes_out += 1
            return True
        return False

    def wait_s(self, now_s: float) -> float:
        left_s = max(0.0, self.until_s - now_s)
        if self.state is State.OPEN:
            return left_s
        is_full = self.probes_out + len(self.ended) >= self.terms.probes
        return min(1.0, left_s) if self.state is State.HALF_OPEN and is_full else 0.0

    def end(self, now_s: float, *, failed: bool, slow: bool) -> None:
        self.ended.append((now_s, failed, slow))
        if self.state is State.CLOSED:
            counted = self.window(now_s)
            self.row = self.row + 1 if failed else 0
            is_bad = len(counted) >= self.terms.calls_min and self.is_bad(counted, len(counted))
            if is_bad or self.row >= self.terms.row_max:
                self.open(now_s, is_again=now_s - self.closed_s < self.lasted_s)
            return
        self.probes_out -= 1
        if self.is_bad(self.ended, self.terms.probes):
            self.open(now_s, is_again=True)
        elif len(self.ended) == self.terms.probes:
            self.closed_s = now_s
            self.move(State.CLOSED)

    def window(self, now_s: float) -> list[tuple[float, bool, bool]]:
        if not self.terms.window_s:
            return self.ended[-self.terms.window_calls :]
        slice_s = self.terms.window_s / 10
        return [each for each in self.ended if each[0] // slice_s > now_s // slice_s - 10]

    def is_bad(self, ended: list[tuple[float, bool, bool]], calls: int) -> bool:
        failed = sum(failed for _, failed, _ in ended)
        slow = sum(slow for _, _, slow in ended)
        return failed >= self.terms.failure_rate * calls or slow >= self.terms.slow_rate * calls

    def open(self, now_s: float, *, is_again: bool) -> None:
        doubled_s = min(2 * self.lasted_s, self.terms.open_s_max)
        self.lasted_s = doubled_s if is_again and self.lasted_s else self.terms.open_s
        self.move(State.OPEN, now_s + self.lasted_s)


class AnyCalls(RuleBasedStateMachine):
    """Calls that begin, end and get lost in any order."""

    @initialize(
        by_calls=st.booleans(),
        failure_rate=st.sampled_from([0.25, 0.5, 1.0]),
        calls_min=st.integers(1, 6),
        row_max=st.integers(1, 8),
        probes=st.integers(1, 4),
    )
    def begin(
        self, *, by_calls: bool, failure_rate: float, calls_min: int, row_max: int, probes: int
    ) -> None:
        terms = BreakerTerms(
            failure_rate=failure_rate,
            slow_rate=0.75,
            slow_s=SLOW_S,
            calls_min=calls_min,
            row_max=row_max,
            window_s=0.0 if by_calls else WINDOW_S,
            window_calls=6,
            probes=probes,
            probe_s_max=30.0,
            open_s=4.0,
            open_s_max=15.0,
            jitter=0.0,
        )
        self.now_s = 100.0
        self.model = Model(terms)
        self.told: list[tuple[State, State]] = []
        self.breaker = Breaker(
            terms, uniform=lambda: 0.5, on_change=lambda old, new: self.told.append((old, new))
        )
        self.under_way: list[tuple[int, int]] = []

    @rule(quarters=st.integers(0, 80))
    def wait(self, quarters: int) -> None:
        self.now_s += quarters / 4

    @rule(times=st.integers(1, 4))
    def call(self, times: int) -> None:
        for _ in range(times):
            would_pass = self.breaker.would_pass(self.now_s)
            ticket = self.breaker.try_pass(self.now_s)
            assert (ticket != REFUSED) == self.model.passes(self.now_s) == would_pass
            if ticket:
                self.under_way.append((ticket, self.model.term))

    @rule(pick=st.randoms(use_true_random=False), failed=st.booleans(), slow=st.booleans())
    def end(self, pick: object, *, failed: bool, slow: bool) -> None:
        if not self.under_way:
            return
        ticket, term = self.under_way.pop(pick.randrange(len(self.under_way)))  # type: ignore[attr-defined]
        tell = self.breaker.failed if failed else self.breaker.succeeded
        tell(ticket, SLOW_S + 0.1 if slow else SLOW_S, self.now_s)
        if term == self.model.term:
            self.model.end(self.now_s, failed=failed, slow=slow)

    @rule(pick=st.randoms(use_true_random=False))
    def give_up(self, pick: object) -> None:
        if not self.under_way:
            return
        ticket, term = self.under_way.pop(pick.randrange(len(self.under_way)))  # type: ignore[attr-defined]
        self.breaker.gave_up(ticket)
        if term == self.model.term and self.model.state is State.HALF_OPEN:
            self.model.probes_out -= 1

    @rule()
    def lose_all(self) -> None:
        self.under_way.clear()

    @invariant()
    def states_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        assert self.breaker.state is self.model.state
        assert self.breaker.retry_after_s(self.now_s) == self.model.wait_s(self.now_s)
        assert all(old is not new for old, new in self.told)
        assert not self.told or self.told[-1][1] is self.breaker.state


TestAnyCalls = AnyCalls.TestCase
TestAnyCalls.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
