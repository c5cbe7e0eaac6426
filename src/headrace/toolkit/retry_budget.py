"""`RetryBudget`: tries again what may be, and never more than an upstream can take."""

import inspect
import secrets
from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Any, TypeVar, cast

import msgspec

from headrace.clock import Clock, SystemClock
from headrace.flow.budget import FLOOR, SHARE, WINDOW_S, ShareBudget
from headrace.flow.retry import (
    BACKOFF_S_BASE,
    BACKOFF_S_MAX,
    TRIES_MAX,
    Again,
    Backoff,
    Decision,
    after_error,
    decide,
)
from headrace.toolkit.attempts import Attempts, MayRetry, Retrying

Function = TypeVar("Function", bound=Callable[..., Any])


class RetryStats(msgspec.Struct, frozen=True):
    """A retry budget at one moment.

    Attributes:
        requests: calls that were begun.
        retries: tries beyond the first.
        refused: tries that there was no budget for.
        left: tries that there is room for now.
    """

    requests: int
    retries: int
    refused: int
    left: float


class RetryBudget:
    """What may be tried again at one upstream, by all that call it: a share of the requests.

    One object for each upstream. `@budget.retrying(...)` decorates functions and coroutines;
    `for attempt in budget.attempts(...): with attempt: ...` (or `async for`) goes around a block;
    `deposit` and `try_spend` are for retries of your own. Thread-safe.

    In any `window_s` that end with a retry there are no more retries than `share` of the requests
    in it, and `floor` (Finagle's retry budget). Where the upstream is down, it is asked a tenth
    more, not three times as much.

    Args:
        share: retries for each request.
        floor: retries in a window that need no requests.
        window_s: seconds that requests and retries count for.
        clock: where time comes from.
        uniform: draws numbers from 0 to 1.

    Raises:
        ValueError: a number makes no sense.
    """

    def __init__(
        self,
        share: float = SHARE,
        *,
        floor: int = FLOOR,
        window_s: float = WINDOW_S,
        clock: Clock | None = None,
        uniform: Callable[[], float] | None = None,
    ) -> None:
        self._budget = ShareBudget(share=share, floor=floor, window_s=window_s)
        self._now_s = (clock or SystemClock()).monotonic_s
        self._uniform = uniform or secrets.SystemRandom().random
        self._lock = Lock()

    def deposit(self) -> None:
        """Count a request. `attempts` and `retrying` do it themselves."""
        with self._lock:
            self._budget.deposit(self._now_s())

    def try_spend(self) -> bool:
        """Take a retry out of the budget; where it says no, the request has failed for good."""
        with self._lock:
            return self._budget.try_spend(self._now_s())

    def stats(self) -> RetryStats:
        """What was asked and what is left."""
        with self._lock:
            budget = self._budget
            left = max(0.0, budget.left(self._now_s()))
            return RetryStats(budget.requests, budget.spent, budget.refused, left)

    def attempts(
        self,
        *,
        tries: int = TRIES_MAX,
        base_s: float = BACKOFF_S_BASE,
        max_s: float = BACKOFF_S_MAX,
        deadline_s: float | None = None,
        on: MayRetry = after_error,
    ) -> Attempts:
        """The tries of one call: a block is run again where what it raised may be tried again.

        Args:
            tries: at most so many, the first one included.
            base_s: seconds that the first wait may last; each of them is drawn from 0 to a bound
                that doubles. `retry_after_s` of an error comes on top.
            max_s: bound of the bound.
            deadline_s: seconds from now after which no try begins.
            on: what may be tried again when it is raised: types, or a function that says so. By
                itself: statuses 408, 409, 429 and 5xx, connections that broke, timeouts.

        Raises:
            ValueError: a number makes no sense.
        """
        if tries < 1 or base_s < 0 or max_s < base_s:
            raise ValueError("tries is 1 or more, base_s 0 or more, and max_s no less")
        backoff = Backoff(tries_max=tries, base_s=base_s, max_s=max_s)
        end_s = None if deadline_s is None else self._now_s() + deadline_s

        def again(error: Exception, tries: int) -> Decision:
            return self._decide(error, tries, backoff, end_s, on)

        return Attempts(Retrying(self.deposit, again))

    def retrying(
        self,
        *,
        tries: int = TRIES_MAX,
        base_s: float = BACKOFF_S_BASE,
        max_s: float = BACKOFF_S_MAX,
        deadline_s: float | None = None,
        on: MayRetry = after_error,
    ) -> Callable[[Function], Function]:
        """Decorates a function or a coroutine function, with the arguments of `attempts`.

        Raises:
            ValueError: a number makes no sense.
            TypeError: what is decorated is a generator, which cannot begin again.
        """

        def attempts() -> Attempts:
            return self.attempts(
                tries=tries, base_s=base_s, max_s=max_s, deadline_s=deadline_s, on=on
            )

        attempts()  # so that bad numbers are told of here

        def decorate(function: Function) -> Function:
            if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
                raise TypeError("what a generator gave cannot be taken back: retry what reads it")
            return _decorated(function, attempts)

        return decorate

    def _decide(
        self,
        error: Exception,
        tries: int,
        backoff: Backoff,
        deadline_s: float | None,
        on: MayRetry,
    ) -> Decision:
        told_s = getattr(error, "retry_after_s", None)
        again = _judge(error, on)
        with self._lock:
            return decide(
                again,
                backoff=backoff,
                budget=self._budget,
                tries=tries,
                now_s=self._now_s(),
                uniform=self._uniform(),
                retry_after_s=told_s if isinstance(told_s, int | float) else None,
                deadline_s=deadline_s,
            )


def _judge(error: Exception, on: MayRetry) -> Again:
    if isinstance(on, type | tuple):
        return Again.HERE if isinstance(error, on) else Again.NEVER
    said = on(error)
    if isinstance(said, Again):
        return said
    return Again.HERE if said else Again.NEVER


def _decorated(function: Function, attempts: Callable[[], Attempts]) -> Function:
    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def tried_coroutine(*args: Any, **kwargs: Any) -> Any:
            async for attempt in attempts():
                with attempt:
                    return await function(*args, **kwargs)
            raise AssertionError("the last attempt raises or returns")

        return cast("Function", tried_coroutine)

    @wraps(function)
    def tried(*args: Any, **kwargs: Any) -> Any:
        for attempt in attempts():
            with attempt:
                return function(*args, **kwargs)
        raise AssertionError("the last attempt raises or returns")

    return cast("Function", tried)
