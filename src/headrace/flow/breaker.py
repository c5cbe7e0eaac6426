"""When to leave an upstream alone: a circuit breaker as a state machine. Pure.

Closed, calls pass and their outcomes are counted in a window; too many failures or slow calls open
it. Open, nothing passes until a time has gone by. Half-open, a few probes pass, and what becomes
of them closes it or opens it for longer (Nygard, "Release It!", 2007, ch. 5; rates and windows as
in resilience4j). `toolkit/circuit_breaker.py` is the face for applications.

Each call that passes is given a ticket, the number of the state's term. An outcome with a ticket
of an earlier term says nothing about now, and is not counted: calls that hang for a minute and
fail do not open what has recovered since.
"""

import enum
from collections.abc import Callable
from typing import Final

import msgspec

from headrace.flow.outcomes import FAILED, SLOW, LastCalls, LastSeconds, Outcomes

REFUSED: Final = 0
"""The ticket of a call that may not be made."""

PROBED_S: Final = 1.0
"""What a caller is told to wait for while probes are under way: nobody knows how long they take."""

_INFINITE: Final = float("inf")


class State(enum.StrEnum):
    """Of a breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerTerms(msgspec.Struct, frozen=True):
    """When a breaker opens, and how it closes.

    Attributes:
        failure_rate: the share of calls in the window that failed at which it opens.
        slow_rate: the share that was slow at which it opens.
        slow_s: a call that took longer is slow; infinite: none is.
        calls_min: with fewer calls in the window its shares say nothing.
        row_max: failures in a row at which it opens, whatever the window holds: an upstream that
            is gone is left alone before half a window has passed.
        window_s: the window in seconds; 0 for a window of calls.
        window_calls: the window in calls, where it is not one of seconds.
        probes: calls that pass while it is half-open.
        probe_s_max: probes not heard of for so long are given up, and others pass.
        open_s: how long it stays open at first.
        open_s_max: and at most, as it doubles each time that probes fail, or that it opens again
            before it has been closed for as long as it was open.
        jitter: the part of the time that is drawn by lot, so that workers do not probe at once.

    Raises:
        ValueError: a number makes no sense.
    """

    failure_rate: float = 0.5
    slow_rate: float = 0.8
    slow_s: float = _INFINITE
    calls_min: int = 20
    row_max: int = 10
    window_s: float = 30.0
    window_calls: int = 100
    probes: int = 3
    probe_s_max: float = 60.0
    open_s: float = 5.0
    open_s_max: float = 120.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        for name in ("failure_rate", "slow_rate"):
            rate = getattr(self, name)
            if not 0 < rate <= 1:
                raise ValueError(f"{name} is a share above 0 and up to 1, and not {rate}")
        for name in ("slow_s", "probe_s_max", "open_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is above 0, and not {getattr(self, name)}")
        for name in ("calls_min", "row_max", "window_calls", "probes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is 1 or more, and not {getattr(self, name)}")
        if not 0 <= self.window_s < _INFINITE or not 0 <= self.jitter <= 1:
            raise ValueError("window_s is 0 or more and finite, jitter a share from 0 to 1")
        if self.open_s_max < self.open_s:
            raise ValueError(f"open_s_max is below open_s: {self.open_s_max} and {self.open_s}")
        if not self.window_s and self.window_calls < self.calls_min:
            raise ValueError("window_calls is below calls_min: it would never open")


class Breaker:
    """The state of one upstream, as one worker sees it. One owner, no lock.

    `try_pass` gives a ticket; exactly one of `succeeded`, `failed` and `gave_up` takes it back.

    Args:
        terms: when it opens, and how it closes.
        uniform: draws numbers from 0 to 1.
        on_change: called with the old state and the new one after each change.

    Attributes:
        state: as of the last call of a method; one that is open half-opens when it is asked.
        opened: how often it opened.
        refused: calls that did not pass.
        outcomes: what became of the latest calls while it was closed.
        probed: what became of the probes.
    """

    __slots__ = (
        "_closed_s",
        "_lasted_s",
        "_on_change",
        "_out",
        "_reopens_s",
        "_row",
        "_terms",
        "_ticket",
        "_uniform",
        "opened",
        "outcomes",
        "probed",
        "refused",
        "state",
    )

    def __init__(
        self,
        terms: BreakerTerms,
        *,
        uniform: Callable[[], float],
        on_change: Callable[[State, State], object] | None = None,
    ) -> None:
        self._terms = terms
        self._uniform = uniform
        self._on_change = on_change
        self._ticket = 1
        self._out = 0
        self._row = 0
        self._reopens_s = 0.0
        self._closed_s = -_INFINITE
        self._lasted_s = 0.0
        self.state = State.CLOSED
        self.opened = 0
        self.refused = 0
        self.outcomes: Outcomes = (
            LastSeconds(terms.window_s) if terms.window_s else LastCalls(terms.window_calls)
        )
        self.probed = LastCalls(terms.probes)

    def try_pass(self, now_s: float) -> int:
        """A ticket for a call that begins now, or `REFUSED`, which is false.

        Args:
            now_s: monotonic seconds.
        """
        if self.state is State.CLOSED:
            return self._ticket
        return self._try_probe(now_s)

    def counts(self, ticket: int) -> bool:
        """Whether the outcome of a call with this ticket says something about now."""
        return ticket == self._ticket

    def would_pass(self, now_s: float) -> bool:
        """Whether `try_pass` would give a ticket; changes nothing.

        Args:
            now_s: monotonic seconds.
        """
        if self.state is State.CLOSED:
            return True
        if self._is_due(now_s):
            return True
        return self.state is State.HALF_OPEN and self._has_room()

    def succeeded(self, ticket: int, duration_s: float, now_s: float) -> None:
        """A call was answered.

        Args:
            ticket: of the call.
            duration_s: how long it took, as far as that says something about the upstream: to the
                first token, rather than to the last.
            now_s: monotonic seconds.
        """
        if ticket == self._ticket:
            self._conclude(SLOW if duration_s > self._terms.slow_s else 0, now_s)

    def failed(self, ticket: int, duration_s: float, now_s: float) -> None:
        """A call failed by the upstream's fault. What a limit refused (429) is no such failure.

        Args:
            ticket: of the call.
            duration_s: how long that took.
            now_s: monotonic seconds.
        """
        if ticket == self._ticket:
            is_slow = duration_s > self._terms.slow_s
            self._conclude(FAILED | SLOW if is_slow else FAILED, now_s)

    def gave_up(self, ticket: int) -> None:
        """A call ended in a way that says nothing: cancelled, or refused for what it asked."""
        if ticket == self._ticket and self.state is State.HALF_OPEN:
            self._out -= 1

    def retry_after_s(self, now_s: float) -> float:
        """Seconds until a call may pass: 0 where it may now, a second where probes are under way.

        Args:
            now_s: monotonic seconds.
        """
        if self.state is State.CLOSED:
            return 0.0
        left_s = 0.0 if self._is_due(now_s) else self._reopens_s - now_s
        if self.state is State.OPEN:
            return left_s
        return 0.0 if self._has_room() else min(left_s, PROBED_S)

    def open(self, now_s: float) -> None:
        """Let nothing pass from now on, as when probes fail; nothing where it is open."""
        if self.state is not State.OPEN:
            self._open(now_s)

    def close(self, now_s: float) -> None:
        """Let everything pass from now on, and begin to count anew."""
        self._closed_s = now_s
        self._change(State.CLOSED)

    def _try_probe(self, now_s: float) -> int:
        if self._is_due(now_s):
            # Open for long enough, or half-open with probes that were never heard of.
            self._reopens_s = now_s + self._terms.probe_s_max
            self._change(State.HALF_OPEN)
        if self.state is State.HALF_OPEN and self._has_room():
            self._out += 1
            return self._ticket
        self.refused += 1
        return REFUSED

    def _is_due(self, now_s: float) -> bool:
        # A time that is further away was set by a clock that has gone back since.
        longest_s = max(self._terms.open_s_max, self._terms.probe_s_max)
        return not now_s < self._reopens_s <= now_s + longest_s

    def _has_room(self) -> bool:
        return self._out + self.probed.calls < self._terms.probes

    def _conclude(self, outcome: int, now_s: float) -> None:
        terms = self._terms
        if self.state is State.HALF_OPEN:
            self._out -= 1
            self.probed.add(outcome, now_s)
            self._judge_probes(now_s)
            return
        outcomes = self.outcomes
        outcomes.add(outcome, now_s)
        self._row = self._row + 1 if outcome & FAILED else 0
        if not outcomes.failures and not outcomes.slows:
            return
        calls = outcomes.calls
        is_bad = calls >= terms.calls_min and _is_bad(outcomes, calls, terms)
        if is_bad or self._row >= terms.row_max:
            self._open(now_s)

    def _judge_probes(self, now_s: float) -> None:
        """Open as soon as enough probes were bad, close when all have ended and not enough were."""
        if _is_bad(self.probed, self._terms.probes, self._terms):
            self._open(now_s)
        elif self.probed.calls >= self._terms.probes:
            self.close(now_s)

    def _open(self, now_s: float) -> None:
        terms = self._terms
        was_short = (
            self.state is State.HALF_OPEN or now_s - self._closed_s < self._lasted_s
        ) and self._lasted_s > 0
        self._lasted_s = min(2 * self._lasted_s, terms.open_s_max) if was_short else terms.open_s
        self._reopens_s = now_s + self._lasted_s * (1 - terms.jitter * self._uniform())
        self.opened += 1
        self._change(State.OPEN)

    def _change(self, state: State) -> None:
        old, self.state = self.state, state
        self._ticket += 1
        self._out = self._row = 0
        self.outcomes.clear()
        self.probed.clear()
        if old is not state and self._on_change is not None:
            self._on_change(old, state)


def _is_bad(outcomes: Outcomes, calls: int, terms: BreakerTerms) -> bool:
    """Whether too many of `calls` calls failed or were slow."""
    return (
        outcomes.failures >= terms.failure_rate * calls or outcomes.slows >= terms.slow_rate * calls
    )
