"""`RateLimiter`: requests and tokens per minute, and calls at once, of each of many callers."""

import asyncio
from collections.abc import Awaitable, Callable
from math import ceil, inf, isfinite
from threading import Lock
from types import TracebackType
from typing import NoReturn, Self

from headrace.clock import Clock, SystemClock
from headrace.errors import RateLimited
from headrace.flow.rate import BUSY_RETRY_AFTER_S, LimitName, RateLimits, Refusal
from headrace.toolkit.rate_caller import RateCaller


class RateAdmission:
    """Whether one call may go: true where it may. Then its end has to be told.

    It ends by `settle`, by `release`, or with a `with` block; only the first of them counts.

    Attributes:
        retry_after_s: seconds until it would be admitted if nothing else is: 0 where it is, `inf`
            where it never is, since it asks for more than the limit gives at once.
        limit: what refused it: `requests`, `tokens` or `concurrent`; None where nothing did.
    """

    __slots__ = ("_caller", "_is_open", "_lock", "_tokens", "limit", "retry_after_s")

    def __init__(self, caller: RateCaller, tokens: float, refusal: Refusal | None) -> None:
        self._caller = caller
        self._tokens = tokens
        self._lock = Lock()
        self._is_open = refusal is None
        self.retry_after_s = refusal.retry_after_s if refusal else 0.0
        self.limit: LimitName | None = refusal.limit if refusal else None

    def __bool__(self) -> bool:
        return self.limit is None

    @property
    def headers(self) -> dict[str, str]:
        """How the caller's limits stand, as OpenAI says it, and `retry-after` where refused.

        That is `x-ratelimit-limit-requests`, `x-ratelimit-remaining-requests`,
        `x-ratelimit-reset-requests` (the time until all is there again: `1s`, `6m0s`), and the
        same for tokens.
        """
        told = dict(self._caller.headers())
        if 0 < self.retry_after_s < inf:
            told["retry-after"] = str(ceil(self.retry_after_s))
        return told

    def settle(self, tokens: float) -> None:
        """The call has ended, and used so many tokens: what it did not use is given back.

        Raises:
            ValueError: `tokens` is negative or not finite.
        """
        self._end(_count(tokens))

    def release(self) -> None:
        """The call has ended, and used what it was admitted with."""
        self._end(self._tokens)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _end(self, used: float) -> None:
        with self._lock:
            is_open, self._is_open = self._is_open, False
        if is_open:
            self._caller.end(self._tokens, used)


class RateLimiter:
    """Limits how much each caller asks. Threads and event loops may share one.

    Never more than the burst and what the rate adds is admitted, in any span of time (GCRA).

    Args:
        requests_per_minute: calls of one caller; None for no limit.
        tokens_per_minute: tokens of one caller, in and out together; None for no limit.
        concurrent: calls of one caller at once; None for no limit.
        burst_s: how many seconds' worth of a minute's limits may come at once, up to 60.
        callers_max: how many callers are remembered; the one not heard of for longest that has no
            call under way is forgotten first.
        clock: where time comes from.
        sleep: how `wait` waits, in seconds of that clock.

    Raises:
        ValueError: a limit is not positive, or another argument makes no sense.
    """

    def __init__(
        self,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        concurrent: int | None = None,
        burst_s: float = 60.0,
        callers_max: int = 10_000,
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if callers_max < 1:
            raise ValueError(f"callers_max is {callers_max}: it has to be 1 or more")
        self._limits = RateLimits(
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            concurrent=concurrent,
            burst_s=burst_s,
        )
        self._callers_max = callers_max
        self._now_s = (clock or SystemClock()).monotonic_s
        self._sleep = sleep
        self._lock = Lock()
        self._callers: dict[str, RateCaller] = {}

    def check(self, caller: str = "", *, tokens: float = 0) -> RateAdmission:
        """Admit a call now, or say how long it would have to wait. Never waits.

        Args:
            caller: whose limits count: a name of your choice.
            tokens: what the call will probably use; `RateAdmission.settle` puts that right.

        Raises:
            ValueError: `tokens` is negative or not finite.
        """
        tokens = _count(tokens)
        found = self._caller(caller)
        return RateAdmission(found, tokens, found.admit(tokens))

    async def wait(
        self, caller: str = "", *, tokens: float = 0, timeout_s: float = inf
    ) -> RateAdmission:
        """Admit a call as soon as the limits allow, in the order of asking.

        Args:
            caller: whose limits count: a name of your choice.
            tokens: what the call will probably use; `RateAdmission.settle` puts that right.
            timeout_s: how long to wait at most. Where the limits per minute need longer, that is
                said at once, and nothing is counted.

        Raises:
            RateLimited: it would have to wait longer than `timeout_s`, or asks for more than the
                limits ever give at once; `retry_after_s` says how long, None for never.
            ValueError: `tokens` is negative or not finite.
        """
        tokens = _count(tokens)
        until_s = self._now_s() + timeout_s
        found = self._caller(caller)
        try:
            await found.enter(None if timeout_s == inf else timeout_s)
        except TimeoutError:
            _refuse(Refusal("concurrent", BUSY_RETRY_AFTER_S), tokens)
        refusal = await found.book(tokens, until_s)
        if refusal is not None:
            _refuse(refusal, tokens)
        return RateAdmission(found, tokens, None)

    def _caller(self, name: str) -> RateCaller:
        with self._lock:
            found = self._callers.pop(name, None)
            if found is None:
                if len(self._callers) >= self._callers_max:
                    self._forget_one()
                found = RateCaller(self._limits, self._now_s, self._sleep)
            self._callers[name] = found
            return found

    def _forget_one(self) -> None:
        idle = next((name for name, caller in self._callers.items() if caller.is_idle), None)
        if idle is not None:
            del self._callers[idle]


def _count(tokens: float) -> float:
    if not (isfinite(tokens) and tokens >= 0):
        raise ValueError(f"tokens is {tokens}: it has to be 0 or more")
    return tokens


def _refuse(refusal: Refusal, tokens: float) -> NoReturn:
    if refusal.retry_after_s == inf:
        raise RateLimited(
            f"{tokens:g} tokens are more than the limit ever gives at once: ask for less",
            code="rate_limit_too_small",
        )
    raise RateLimited(
        f"the limit of {refusal.limit} is reached: try again in {refusal.retry_after_s:.3g} s",
        code=f"rate_limit_{refusal.limit}",
        retry_after_s=refusal.retry_after_s,
    )
