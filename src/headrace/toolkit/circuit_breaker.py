"""`CircuitBreaker`: what fails is left alone for a while, for functions and blocks of code."""

import inspect
import secrets
from collections.abc import Callable, Iterable
from functools import wraps
from threading import Lock
from types import TracebackType
from typing import Any, Final, TypeVar, cast

import msgspec

from headrace.clock import Clock, SystemClock
from headrace.errors import HeadraceError
from headrace.flow.breaker import REFUSED, Breaker, BreakerTerms, State
from headrace.toolkit.containment import Containment

Function = TypeVar("Function", bound=Callable[..., Any])
Listener = Callable[[State, State], object]

_NEVER_S: Final = float("inf")


class CircuitOpen(HeadraceError):
    """A call was not made, since calls like it fail; `retry_after_s` says when to try again."""

    status = 503
    type = "overloaded_error"
    default_code = "circuit_open"


class BreakerStats(msgspec.Struct, frozen=True):
    """A circuit breaker at one moment.

    Attributes:
        state: `closed`, `open` or `half_open`.
        calls: calls in the window, as of the last one.
        failures: those that failed.
        slow: those that were slow.
        opened: how often it opened.
        refused: calls that it did not let pass.
        listener_errors: how often listeners raised something.
        last_listener_error: the last one's type and place; empty before.
        retry_after_s: seconds until a probe passes; 0 where calls pass.
    """

    state: State
    calls: int
    failures: int
    slow: int
    opened: int
    refused: int
    listener_errors: int
    last_listener_error: str
    retry_after_s: float


class CircuitBreaker:
    """Lets calls pass while they succeed, and refuses them at once while they fail.

    As a decorator, of functions and coroutines, `@breaker`; around a block, `with breaker.call():`
    or `async with breaker.call():`. Thread-safe; one object serves threads and event loops alike.
    How it decides is in `headrace.flow.breaker`.

    Args:
        failure_rate: the share of calls that failed at which it opens.
        slow_rate: the share of slow calls at which it opens.
        slow_s: seconds above which a call is slow; without it, none is.
        calls_min: with fewer calls in the window its shares say nothing.
        row_max: failures in a row at which it opens, whatever the window holds.
        window_s: seconds that a call counts for.
        window_calls: count the last so many calls instead.
        probes: calls that pass after it was open, to see whether it may close.
        open_s: seconds that it stays open at first; a fifth less by lot.
        open_s_max: and at most, as that doubles while probes fail.
        failures: what counts as a failure when it is raised: types, or a function that says so.
            Whatever else is raised counts as an answer; what is no `Exception`, a cancellation or
            an interrupt, counts for nothing.
        listeners: called with the old state and the new one, on the thread of the call that made
            the change. What they raise is counted and goes no further.
        clock: where time comes from.
        uniform: draws numbers from 0 to 1.

    Raises:
        ValueError: a number makes no sense.
    """

    def __init__(
        self,
        *,
        failure_rate: float = 0.5,
        slow_rate: float = 0.8,
        slow_s: float = _NEVER_S,
        calls_min: int = 20,
        row_max: int = 10,
        window_s: float = 30.0,
        window_calls: int | None = None,
        probes: int = 3,
        open_s: float = 5.0,
        open_s_max: float = 120.0,
        failures: type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool] = (
            Exception
        ),
        listeners: Iterable[Listener] = (),
        clock: Clock | None = None,
        uniform: Callable[[], float] | None = None,
    ) -> None:
        terms = BreakerTerms(
            failure_rate=failure_rate,
            slow_rate=slow_rate,
            slow_s=slow_s,
            calls_min=calls_min,
            row_max=row_max,
            window_s=window_s if window_calls is None else 0.0,
            window_calls=100 if window_calls is None else window_calls,
            probes=probes,
            open_s=open_s,
            open_s_max=open_s_max,
        )
        self.now_s = (clock or SystemClock()).monotonic_s
        self._failures = failures
        self._listeners = tuple(listeners)
        self._untold: list[tuple[State, State]] = []
        self._contained = Containment()
        self._lock = Lock()
        self._breaker = Breaker(
            terms,
            uniform=uniform or secrets.SystemRandom().random,
            on_change=self._note if self._listeners else None,
        )

    @property
    def state(self) -> State:
        """`closed`, `open` or `half_open`; one that is open half-opens with the next call."""
        return self._breaker.state

    def call(self) -> "GuardedCall":
        """One call, as a context manager; begins, and may be refused, where the block begins."""
        return GuardedCall(self)

    def __call__(self, function: Function) -> Function:
        """Guard a function or a coroutine function.

        Raises:
            TypeError: a generator, whose call does not say whether it will fail.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("a generator's call does nothing yet: guard the block that reads it")
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def guarded_coroutine(*args: Any, **kwargs: Any) -> Any:
                with GuardedCall(self):
                    return await function(*args, **kwargs)

            return cast("Function", guarded_coroutine)

        @wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            with GuardedCall(self):
                return function(*args, **kwargs)

        return cast("Function", guarded)

    def open(self) -> None:
        """Refuse calls from now on, until probes pass."""
        with self._lock:
            self._breaker.open(self.now_s())
        self._tell()

    def close(self) -> None:
        """Let calls pass from now on, and begin to count anew."""
        with self._lock:
            self._breaker.close(self.now_s())
        self._tell()

    def stats(self) -> BreakerStats:
        """What it has seen, and where it stands."""
        with self._lock:
            breaker = self._breaker
            return BreakerStats(
                state=breaker.state,
                calls=breaker.outcomes.calls,
                failures=breaker.outcomes.failures,
                slow=breaker.outcomes.slows,
                opened=breaker.opened,
                refused=breaker.refused,
                listener_errors=self._contained.errors,
                last_listener_error=self._contained.last,
                retry_after_s=breaker.retry_after_s(self.now_s()),
            )

    def begin(self) -> int:
        """The ticket of a call that begins now, for `end`. What `call` does, without the block.

        Raises:
            CircuitOpen: it may not be made.
        """
        with self._lock:
            now_s = self.now_s()
            ticket = self._breaker.try_pass(now_s)
            retry_after_s = self._breaker.retry_after_s(now_s)
        self._tell()
        if ticket == REFUSED:
            raise CircuitOpen(
                "The circuit breaker is open, since calls like this one fail; try again "
                f"in {retry_after_s:.1f} s.",
                retry_after_s=retry_after_s,
            )
        return ticket

    def end(self, ticket: int, began_s: float, error: BaseException | None) -> None:
        """Take back a ticket.

        Args:
            ticket: of the call.
            began_s: when it began, by `now_s`.
            error: what it raised.
        """
        is_failure = error is not None and self._is_failure(error)
        with self._lock:
            now_s = self.now_s()
            if is_failure:
                self._breaker.failed(ticket, now_s - began_s, now_s)
            elif error is None or isinstance(error, Exception):
                self._breaker.succeeded(ticket, now_s - began_s, now_s)
            else:
                self._breaker.gave_up(ticket)
        self._tell()

    def _is_failure(self, error: BaseException) -> bool:
        if not isinstance(error, Exception):
            return False
        if isinstance(self._failures, type | tuple):
            return isinstance(error, self._failures)
        return self._failures(error)

    def _note(self, old: State, new: State) -> None:
        """Remember a change until the lock is given back."""
        self._untold.append((old, new))

    def _tell(self) -> None:
        if not self._untold:
            return
        with self._lock:
            changes, self._untold = self._untold, []
        for change in changes:
            for listener in self._listeners:
                with self._contained:
                    listener(*change)


class GuardedCall:
    """A call that a breaker let pass; entered once.

    Args:
        breaker: asked when the block begins.
    """

    __slots__ = ("_began_s", "_breaker", "_ticket")

    def __init__(self, breaker: CircuitBreaker) -> None:
        self._breaker = breaker
        self._ticket = REFUSED
        self._began_s = 0.0

    def __enter__(self) -> None:
        """Begin.

        Raises:
            CircuitOpen: the call may not be made.
        """
        self._ticket = self._breaker.begin()
        self._began_s = self._breaker.now_s()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._breaker.end(self._ticket, self._began_s, error)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)
