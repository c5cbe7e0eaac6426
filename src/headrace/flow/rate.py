"""How much a caller may ask: requests and tokens per minute, calls at once.

The algorithm is GCRA (ITU-T I.371, the "virtual scheduling" form): one number per limit, the time
at which all would be there again, says everything. It admits what a token bucket admits: never
more than the burst and what the rate adds, in any span of time.
"""

from math import ceil, floor, inf
from typing import Final, Literal, NamedTuple, Protocol

import msgspec

from headrace.flow.steady import SteadyTime

MINUTE_S: Final = 60.0
BUSY_RETRY_AFTER_S: Final = 1.0
"""Nobody knows when a call under way will end, so whoever has too many is told this."""

CELLS: Final = 2
"""Numbers that all who share a caller's limits write; where each counts its calls comes after."""

_REQUESTS, _TOKENS = range(CELLS)

# What is missing by less than this share of the burst is not missing: floats round.
_ROUNDING: Final = 1e-9


class Cells(Protocol):
    """Numbers that may be shared by processes."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> float: ...
    def __setitem__(self, index: int, value: float, /) -> None: ...


class Gcra:
    """One limit: so much a minute, a burst of it at once.

    The times it is handed must not go back (`SteadyTime`).

    Args:
        per_minute: positive.
        burst_s: how many seconds' worth may come at once; at least one unit always may.
        times: where the time is kept at which all will be there again, for those who share it.
        at: where in `times`.
    """

    __slots__ = ("_at", "_rounding_s", "_times", "_unit_s", "burst", "burst_s", "per_minute")

    def __init__(
        self,
        per_minute: float,
        burst_s: float,
        times: Cells | None = None,
        at: int = 0,
    ) -> None:
        self.per_minute = per_minute
        self._unit_s = MINUTE_S / per_minute
        self.burst_s = max(burst_s, self._unit_s)
        self.burst = self.burst_s / self._unit_s
        self._rounding_s = self.burst_s * _ROUNDING
        self._times = [-inf] if times is None else times
        self._at = at

    def wait_s(self, cost: float, now_s: float) -> float:
        """Seconds until `cost` would be admitted if nothing else is; `inf` where it never is."""
        span_s = cost * self._unit_s
        if span_s > self.burst_s + self._rounding_s:
            return inf
        wait_s = self.reset_s(now_s) + span_s - self.burst_s
        return wait_s if wait_s > self._rounding_s else 0.0

    def take(self, cost: float, now_s: float) -> None:
        """Count `cost`, whether it is there or not: what comes later waits the longer."""
        self._times[self._at] = max(self._times[self._at], now_s) + cost * self._unit_s

    def give_back(self, cost: float) -> None:
        """Count `cost` no more."""
        self._times[self._at] -= cost * self._unit_s

    def charge(self, cost: float, now_s: float) -> None:
        """Count `cost` that was used beyond what was taken; two bursts of debt at the most."""
        full_s = max(self._times[self._at], now_s)
        debt_s = min(full_s + cost * self._unit_s, now_s + 2 * self.burst_s)
        self._times[self._at] = max(full_s, debt_s)

    def left(self, now_s: float) -> int:
        """How much would be admitted at once now; never below 0."""
        spare_s = self.burst_s - self.reset_s(now_s) + self._rounding_s
        return max(0, floor(spare_s / self._unit_s))

    def reset_s(self, now_s: float) -> float:
        """Seconds until all of the burst is there again."""
        return max(0.0, self._times[self._at] - now_s)

    def cap(self, now_s: float) -> None:
        """Be whole again after a burst at the latest, whatever other limits counted before."""
        self._times[self._at] = min(self._times[self._at], now_s + self.burst_s)


class RateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one caller may ask. None means no limit.

    Attributes:
        requests_per_minute: calls.
        tokens_per_minute: input and output together.
        concurrent: calls at once.
        burst_s: how many seconds' worth of a minute's limits may come at once.
        share: how much of the limits this process may give, where several do; above 0, up to 1.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    concurrent: int | None = None
    burst_s: float = MINUTE_S
    share: float = 1.0

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute", "concurrent"):
            value = getattr(self, name)
            if value is not None and not 0 < value < inf:
                raise ValueError(f"{name} is {value}: it is positive and finite, or None")
        if not 0 < self.burst_s <= MINUTE_S:
            raise ValueError(f"burst_s is {self.burst_s}: it is above 0 and at most 60")
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share}: it is above 0 and at most 1")


LimitName = Literal["requests", "tokens", "concurrent"]


class Refusal(NamedTuple):
    """Why a call has to wait.

    Attributes:
        limit: the one that it waits for longest.
        retry_after_s: until it would be admitted if nothing else is; `inf` where it asks for more
            than the limit ever gives at once.
    """

    limit: LimitName
    retry_after_s: float


class Standing(NamedTuple):
    """How one limit stands.

    Attributes:
        name: what is limited.
        per_minute: how much.
        left: how much may come at once now.
        reset_s: seconds until all of the burst is there again.
    """

    name: Literal["requests", "tokens"]
    per_minute: int
    left: int
    reset_s: float


class CallerRate:
    """What one caller has asked lately. Belongs to one event loop, or stands behind a lock.

    `is_limited` is false where nothing is limited, for whoever would rather not ask.

    Args:
        limits: what it may ask.
        cells: where processes that share the limits keep what was asked: `CELLS` numbers and one
            more for each of them, 0 at first. Their clocks have to be the same. Two that count at
            the very same moment may count one request for two.
        place: number of this process, from 0; what one before it had under way is no more.
    """

    __slots__ = ("_cells", "_concurrent", "_own", "_requests", "_time", "_tokens", "is_limited")

    def __init__(self, limits: RateLimits, cells: Cells | None = None, place: int = 0) -> None:
        self._time = SteadyTime()
        self._cells: Cells = [-inf, -inf, 0.0] if cells is None else cells
        self._own = CELLS + place
        self._cells[self._own] = 0.0
        self._adopt(limits)

    def _adopt(self, limits: RateLimits) -> None:
        self._requests = self._gcra(limits.requests_per_minute, limits, _REQUESTS)
        self._tokens = self._gcra(limits.tokens_per_minute, limits, _TOKENS)
        self._concurrent = limits.concurrent
        if limits.concurrent is not None:
            self._concurrent = max(1, round(limits.concurrent * limits.share))
        self.is_limited = bool(self._requests or self._tokens or self._concurrent)

    def _gcra(self, per_minute: float | None, limits: RateLimits, at: int) -> Gcra | None:
        if per_minute is None:
            return None
        return Gcra(per_minute * limits.share, limits.burst_s, self._cells, at)

    def change(self, limits: RateLimits, now_s: float) -> None:
        """Go by other limits; the same part of them stays used, and calls under way still count.

        Args:
            limits: what it may ask from now on.
            now_s: monotonic time, in seconds.
        """
        self._adopt(limits)
        for gcra in (self._requests, self._tokens):
            if gcra is not None:
                gcra.cap(self._time.at(now_s))

    @property
    def tokens_max(self) -> float:
        """A call with more tokens than this is never admitted."""
        return inf if self._tokens is None else self._tokens.burst

    @property
    def limits_tokens(self) -> bool:
        """Whether tokens are counted at all."""
        return self._tokens is not None

    @property
    def is_busy(self) -> bool:
        """Whether as many calls are under way as may be."""
        return self._concurrent is not None and self.inflight_of_all >= self._concurrent

    @property
    def inflight_of_all(self) -> int:
        """Calls under way in all processes that share the limits."""
        cells = self._cells
        return int(sum(cells[at] for at in range(CELLS, len(cells))))

    @property
    def inflight(self) -> int:
        """Calls under way here."""
        return int(self._cells[self._own])

    @inflight.setter
    def inflight(self, calls: int) -> None:
        # Another may have begun anew in this place: what ends of the calls before counts no more.
        self._cells[self._own] = max(0, calls)

    def admit(self, tokens: float, now_s: float) -> Refusal | None:
        """Count a call where every limit has room for it; else nothing is counted.

        Args:
            tokens: what it will probably use; `settle` puts that right.
            now_s: monotonic time, in seconds; it may go back.

        Returns:
            None for a call that may go: its end has to be told by `release`.
        """
        if self.is_busy:
            return Refusal("concurrent", BUSY_RETRY_AFTER_S)
        refusal = self.book(tokens, now_s, wait_s_max=0.0)
        if isinstance(refusal, Refusal):
            return refusal
        self.inflight += 1
        return None

    def book(self, tokens: float, now_s: float, *, wait_s_max: float) -> float | Refusal:
        """Count a call for the time when it may go, behind all that were booked before.

        Calls at once are not looked at.

        Args:
            tokens: what it will probably use.
            now_s: monotonic time, in seconds.
            wait_s_max: nothing is counted where it would have to wait longer than this.

        Returns:
            the seconds it has to wait, or why it cannot.
        """
        now_s = self._time.at(now_s)
        name: LimitName = "requests"
        wait_s = 0.0
        if self._requests is not None:
            wait_s = self._requests.wait_s(1.0, now_s)
        if self._tokens is not None:
            tokens_wait_s = self._tokens.wait_s(tokens, now_s)
            if tokens_wait_s > wait_s:
                name, wait_s = "tokens", tokens_wait_s
        if wait_s > wait_s_max or wait_s == inf:
            return Refusal(name, wait_s)
        if self._requests is not None:
            self._requests.take(1.0, now_s)
        if self._tokens is not None:
            self._tokens.take(tokens, now_s)
        return wait_s

    def settle(self, reserved: float, used: float, now_s: float) -> None:
        """Put right what a call was counted with.

        Args:
            reserved: tokens it was counted with.
            used: tokens it really used.
            now_s: monotonic time, in seconds.
        """
        if self._tokens is None:
            return
        if used <= reserved:
            self._tokens.give_back(reserved - used)
        else:
            self._tokens.charge(used - reserved, self._time.at(now_s))

    def enter(self, now_s: float) -> Refusal | None:
        """Count a call whose tokens are not known yet; as `admit`, with `reserve` to follow."""
        if self.is_busy:
            return Refusal("concurrent", BUSY_RETRY_AFTER_S)
        wait_s = self.request_wait_s(now_s)
        if wait_s > 0:
            return Refusal("requests", wait_s)
        self.count(now_s)
        self.inflight += 1
        return None

    def reserve(self, tokens: float, now_s: float) -> Refusal | None:
        """Count the tokens of a call that has entered, where there is room for them."""
        if self._tokens is None:
            return None
        now_s = self._time.at(now_s)
        wait_s = self._tokens.wait_s(tokens, now_s)
        if wait_s > 0:
            return Refusal("tokens", wait_s)
        self._tokens.take(tokens, now_s)
        return None

    def request_wait_s(self, now_s: float) -> float:
        """Seconds until one more request is admitted, whatever its tokens."""
        return 0.0 if self._requests is None else self._requests.wait_s(1.0, self._time.at(now_s))

    def tokens_wait_s(self, tokens: float, now_s: float) -> float:
        """Seconds until so many tokens are admitted, or all there can be where that is less."""
        gcra = self._tokens
        if gcra is None:
            return 0.0
        return gcra.wait_s(min(tokens, gcra.burst), self._time.at(now_s))

    def count(self, now_s: float) -> None:
        """Count one request, whether there is room for it or not."""
        if self._requests is not None:
            self._requests.take(1.0, self._time.at(now_s))

    def uncount(self) -> None:
        """A call that has entered is refused after all: it is no request that counts."""
        if self._requests is not None:
            self._requests.give_back(1.0)

    def unbook(self, tokens: float) -> None:
        """A call that was booked never went: nothing of it counts."""
        if self._tokens is not None:
            self._tokens.give_back(tokens)
        self.uncount()

    def release(self) -> None:
        """A call that was admitted has ended."""
        self.inflight -= 1

    def standings(self, now_s: float) -> list[Standing]:
        """How the limits per minute stand, for the caller to see."""
        now_s = self._time.at(now_s)
        standings = []
        if (gcra := self._requests) is not None:
            standings.append(_standing("requests", gcra, now_s))
        if (gcra := self._tokens) is not None:
            standings.append(_standing("tokens", gcra, now_s))
        return standings

    def headers(self, now_s: float) -> list[tuple[str, str]]:
        """How the limits stand, in the words of OpenAI's headers."""
        lines: list[tuple[str, str]] = []
        for name, per_minute, left, reset_s in self.standings(now_s):
            lines += (
                (f"x-ratelimit-limit-{name}", str(per_minute)),
                (f"x-ratelimit-remaining-{name}", str(left)),
                (f"x-ratelimit-reset-{name}", duration_text(reset_s)),
            )
        return lines


def _standing(name: Literal["requests", "tokens"], gcra: Gcra, now_s: float) -> Standing:
    return Standing(name, floor(gcra.per_minute), gcra.left(now_s), gcra.reset_s(now_s))


def duration_text(seconds: float) -> str:
    """A span of time as OpenAI writes it, rounded up to milliseconds: `12ms`, `1.5s`, `6m0s`."""
    total_ms = ceil(round(seconds * 1000, 6))
    if total_ms < 1000:
        return f"{total_ms}ms" if total_ms else "0s"
    minutes, rest_ms = divmod(total_ms, 60_000)
    text = f"{rest_ms / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if not minutes:
        return text
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"
