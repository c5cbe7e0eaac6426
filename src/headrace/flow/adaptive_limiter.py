"""`AdaptiveConcurrencyLimiter`: as many calls at once as the other side takes, for coroutines."""

import asyncio
import inspect
import secrets
from collections import deque
from collections.abc import Callable, Coroutine
from functools import wraps
from math import inf
from types import TracebackType
from typing import Any, Final, Literal, ParamSpec, TypeVar, get_args

from headrace.clock import Clock, SystemClock
from headrace.errors import DeadlineExceeded, Overloaded
from headrace.flow.limit.aimd import AimdLimit
from headrace.flow.limit.base import Limit
from headrace.flow.limit.cubic import CubicLimit
from headrace.flow.limit.fixed import FixedLimit
from headrace.flow.limit.gradient import GradientLimit
from headrace.flow.limit.gradient2 import Gradient2Limit
from headrace.flow.limit.lowest import LowestLimit
from headrace.flow.limit.vegas import VegasLimit
from headrace.flow.limit.windowed import WindowedLimit
from headrace.flow.limiter import (
    PERMIT_S_MAX,
    RETRY_AFTER_S_MAX,
    Limiter,
    LimiterStats,
    Permit,
)

P = ParamSpec("P")
Result = TypeVar("Result")
AlgorithmName = Literal["cubic", "aimd", "gradient", "gradient2", "vegas", "fixed"]
ALGORITHMS: Final = get_args(AlgorithmName)

# The least that was seen by chance is further below what is usual than a least that is known.
TOLERANCE_UNKNOWN: Final = 1.2
TOLERANCE_KNOWN: Final = 1.1
OVERLOAD_STATUSES: Final = frozenset((429, 503, 529))


def is_drop(error: Exception) -> bool:
    """Whether an error says that the other side had no capacity.

    A timeout does, and one whose `status` or `status_code` is 429, 503 or 529, as those of Headrace
    and of the providers' SDKs have it.
    """
    if isinstance(error, TimeoutError):
        return True
    status = getattr(error, "status_code", None) or getattr(error, "status", None)
    return isinstance(status, int) and status in OVERLOAD_STATUSES


class AdaptiveConcurrencyLimiter:
    """Finds out how many calls may run at once, and makes the others wait.

    As a decorator of coroutine functions, `@limiter`; around a block,
    `async with limiter.permit() as permit:`; or by hand, `permit = await limiter.acquire()` and one
    of `permit.success()`, `permit.ignore()`, `permit.drop()`. Who waits is served in turn. For one
    event loop, and not thread-safe.

    Algorithms: `cubic` and `aimd` learn from refusals, and do for providers that say 429;
    `gradient`, `gradient2` and `vegas` learn from the signal given to `permit.success(signal_s)` as
    well, and do for servers that queue: `gradient` first. Without signals they stay where they
    began. `fixed` learns nothing.

    Args:
        limit: the algorithm by name, or one of your own (`headrace.flow.limit.base.Limit`).
        initial: calls at once to begin with: rather too few than too many.
        limit_min: never fewer. Of no account to an algorithm of your own, like the next.
        limit_max: never more.
        signal_least: the signal where nothing queues, for `gradient`; without it, the least of the
            last 5 to 10 minutes.
        waiting_max: calls that may wait; more are refused at once.
        permit_s_max: seconds after which a permit that was not given back is taken for lost.
        retry_after_s_max: the longest `retry-after` that is believed.
        is_drop: whether an error says that there was no capacity; without it, what
            `headrace.flow.adaptive_limiter.is_drop` says. What else is raised teaches nothing.
        clock: where time comes from.

    Attributes:
        on_free: called whenever a permit may be had and nobody here waits for it: for a scheduler.

    Raises:
        ValueError: a number makes no sense, or there is no such algorithm.
    """

    def __init__(
        self,
        limit: AlgorithmName | Limit = "cubic",
        *,
        initial: int = 4,
        limit_min: int = 1,
        limit_max: int = 1000,
        signal_least: float | None = None,
        waiting_max: int = 1000,
        permit_s_max: float = PERMIT_S_MAX,
        retry_after_s_max: float = RETRY_AFTER_S_MAX,
        is_drop: Callable[[Exception], bool] = is_drop,
        clock: Clock | None = None,
    ) -> None:
        if waiting_max < 0:
            raise ValueError(f"waiting_max is {waiting_max}: it has to be 0 or more")
        if isinstance(limit, str):
            limit = make_limit(limit, initial, limit_min, limit_max, signal_least)
        clock = clock or SystemClock()
        self.on_free: Callable[[], None] = _nobody
        self.is_drop = is_drop
        self._limiter = Limiter(
            limit, clock=clock, permit_s_max=permit_s_max, retry_after_s_max=retry_after_s_max
        )
        self._limiter.on_free = self._hand_on
        self._now_s = clock.monotonic_s
        self._waiting_max = waiting_max
        self._waiters: deque[asyncio.Future[Permit]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = inf

    @property
    def limit(self) -> int:
        """Calls that may run at once, now."""
        return self._limiter.limit

    @property
    def inflight(self) -> int:
        """Calls that run."""
        return self._limiter.inflight

    @property
    def waiting(self) -> int:
        """Calls that wait for a permit."""
        return len(self._waiters)

    def try_acquire(self) -> Permit | None:
        """A permit, to be given back by one of its methods; `None` if none is to be had now."""
        permit = None if self._waiters else self._limiter.try_acquire()
        if permit is None:
            self._arm()
        return permit

    async def acquire(self, *, timeout_s: float | None = None) -> Permit:
        """Wait for a permit. Whoever is cancelled meanwhile leaves the line.

        Args:
            timeout_s: seconds to wait at most.

        Returns:
            The permit, to be given back by exactly one of its methods.

        Raises:
            Overloaded: too many wait already.
            DeadlineExceeded: `timeout_s` passed.
        """
        permit = self.try_acquire()
        if permit is not None:
            return permit
        if len(self._waiters) >= self._waiting_max:
            raise Overloaded(f"{self._waiting_max} calls wait already, and no more may.")
        waiter: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                return await waiter
        except TimeoutError:
            self._leave(waiter)
            raise DeadlineExceeded(f"No permit was to be had within {timeout_s} s.") from None
        except asyncio.CancelledError:
            self._leave(waiter)
            raise

    def permit(self, *, timeout_s: float | None = None) -> "PermitBlock":
        """A permit for the time of an `async with`; arguments and errors are those of `acquire`.

        A block that has not said how it went counts as a success without a signal; one that raises
        as a drop where the error says so, with its `retry_after_s` if it has one; else as nothing.
        """
        return PermitBlock(self, timeout_s)

    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, Result]]
    ) -> Callable[P, Coroutine[Any, Any, Result]]:
        """Have each call of a coroutine function wait for its permit.

        Raises:
            TypeError: it is another kind of function.
        """
        if not inspect.iscoroutinefunction(function):
            raise TypeError("only coroutine functions can wait for a permit: use the block form")

        @wraps(function)
        async def limited(*args: P.args, **kwargs: P.kwargs) -> Result:
            async with self.permit():
                return await function(*args, **kwargs)

        return limited

    def stats(self) -> LimiterStats:
        """How it stands, and what it did so far."""
        return self._limiter.stats()

    # The inside.

    def _hand_on(self) -> None:
        waiters = self._waiters
        while waiters:
            if waiters[0].done():  # cancelled, and not yet out of the line
                waiters.popleft()
                continue
            permit = self._limiter.try_acquire()
            if permit is None:
                self._arm()
                return
            waiters.popleft().set_result(permit)
        self.on_free()

    def _leave(self, waiter: "asyncio.Future[Permit]") -> None:
        if waiter.done() and not waiter.cancelled():
            waiter.result().ignore()  # it was granted, and left before it knew
        elif waiter in self._waiters:
            self._waiters.remove(waiter)

    def _arm(self) -> None:
        """See to it that whoever wants a permit hears when one may be had without a return."""
        due_s = self._limiter.due_s
        if due_s >= self._timer_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_s = due_s
        wait_s = max(due_s - self._now_s(), 0.0)
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._on_due)

    def _on_due(self) -> None:
        is_early = self._now_s() < self._timer_s  # the loop's clock is not ours
        self._timer, self._timer_s = None, inf
        self._limiter.reclaim()
        if is_early or self._waiters:
            self._arm()


class PermitBlock:
    """A permit for the time of an `async with`; entered once.

    Args:
        limiter: gives the permit.
        timeout_s: seconds to wait for it at most.
    """

    __slots__ = ("_limiter", "_permit", "_timeout_s")

    def __init__(self, limiter: AdaptiveConcurrencyLimiter, timeout_s: float | None) -> None:
        self._limiter = limiter
        self._timeout_s = timeout_s
        self._permit: Permit | None = None

    async def __aenter__(self) -> Permit:
        self._permit = await self._limiter.acquire(timeout_s=self._timeout_s)
        return self._permit

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._permit is not None  # noqa: S101 - it was entered
        if error is None:
            self._permit.success()
        elif isinstance(error, Exception) and self._limiter.is_drop(error):
            self._permit.drop(getattr(error, "retry_after_s", None))
        else:
            self._permit.ignore()


def make_limit(
    name: AlgorithmName,
    initial: int,
    limit_min: int,
    limit_max: int,
    signal_least: float | None = None,
) -> Limit:
    """An algorithm by its name; those that learn from signals mind refusals as well.

    Args:
        name: which one.
        initial: the limit to begin with.
        limit_min: never below.
        limit_max: never above.
        signal_least: the signal where nothing queues, for `gradient`, if it is known.

    Raises:
        ValueError: there is none of that name, or a number makes no sense.
    """
    if name == "cubic":
        return CubicLimit(initial=initial, limit_min=limit_min, limit_max=limit_max)
    if name == "aimd":
        return AimdLimit(initial=initial, limit_min=limit_min, limit_max=limit_max)
    if name in ("gradient", "gradient2"):
        signals: Limit = (
            Gradient2Limit(initial=initial, limit_min=limit_min, limit_max=limit_max)
            if name == "gradient2"
            else GradientLimit(
                initial=initial,
                limit_min=limit_min,
                limit_max=limit_max,
                tolerance=TOLERANCE_UNKNOWN if signal_least is None else TOLERANCE_KNOWN,
                least=signal_least,
            )
        )
        refusals = CubicLimit(initial=initial, limit_min=limit_min, limit_max=limit_max)
        return LowestLimit((WindowedLimit(signals), refusals))
    if name == "vegas":
        uniform = secrets.SystemRandom().random
        vegas = VegasLimit(
            uniform=uniform, initial=initial, limit_min=limit_min, limit_max=limit_max
        )
        return WindowedLimit(vegas)
    if name == "fixed":
        return FixedLimit(initial)
    raise ValueError(f"there is no algorithm '{name}': it is one of {', '.join(ALGORITHMS)}")


def _nobody() -> None:
    """Hears that a permit may be had, where nobody waits for one."""
