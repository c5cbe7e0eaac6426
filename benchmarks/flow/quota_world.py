"""Providers that count, and clients that stay within what they count, on a simulated clock.

The provider's buckets and the headers it writes are its own; the client reads those headers as it
reads a real provider's, and holds the product's `KeyQuota`. Between the two are delays that put
calls and answers out of order.
"""

from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Final, Literal

import msgspec

from headrace.flow.quota.key import KeyQuota, Need, QuotaLimits, Reservation
from headrace.flow.quota.pick import pick
from headrace.flow.quota.told import read_told

WALL_S: Final = 1_790_000_000.0
TRIES_MAX: Final = 3
Headers = list[tuple[bytes, bytes]]


class Flavour(msgspec.Struct, frozen=True):
    """How a provider counts, and what it says of it.

    Attributes:
        counted: what it limits, in a minute.
        charging: output counts as asked for when the call comes (OpenAI says so), the same until
            the call ends and then as used (Azure), or as used when it ends (Anthropic).
        dialect: whose headers it sends; none if it sends nothing but `retry-after`.
        burst_s: how many seconds' worth may come at once.
    """

    counted: Mapping[str, float]
    charging: Literal["asked", "refunded", "used"]
    dialect: Literal["openai", "azure", "anthropic", "none"]
    burst_s: float = 60.0


class Job(msgspec.Struct, frozen=True, gc=False):
    """One call: what it will use, and what is known of that before."""

    input_tokens: int
    output_tokens: int
    output_max: int
    estimate: int
    is_stream: bool


class Count(msgspec.Struct):
    """A provider's bucket: what there is, and what was granted of it."""

    per_s: float
    capacity: float
    level: float
    granted: float = 0.0


class Provider:
    """One key's quota, on the provider's side."""

    def __init__(self, flavour: Flavour) -> None:
        self._flavour = flavour
        self._at_s = 0.0
        self.counts = {
            name: Count(limit / 60, limit / 60 * flavour.burst_s, limit / 60 * flavour.burst_s)
            for name, limit in flavour.counted.items()
        }
        self.calls = 0
        self.refused = 0

    def call(self, job: Job, now_s: float) -> tuple[bool, Headers]:
        """Admit a call or refuse it; with the headers of the answer."""
        self._refill(now_s)
        self.calls += 1
        asked = self._asked(job)
        short = [
            (asked[name] - each.level) / each.per_s
            for name, each in self.counts.items()
            if each.level < min(asked[name] or 1.0, each.capacity)
        ]
        if not short:
            for name, each in self.counts.items():
                each.level -= asked[name]
                each.granted += asked[name]
            return True, self._headers(now_s)
        self.refused += 1
        wait = b"%d" % max(1, -int(-max(short) // 1))
        return False, [*self._headers(now_s), (b"retry-after", wait)]

    def end(self, job: Job, now_s: float) -> None:
        """A call has ended: count what it really produced."""
        self._refill(now_s)
        asked = self._asked(job)
        for name in ("tokens", "output-tokens"):
            if name in self.counts and self._flavour.charging != "asked":
                used = job.output_tokens + (job.input_tokens if name == "tokens" else 0)
                each = self.counts[name]
                each.level = min(each.capacity, each.level + asked[name] - used)
                each.granted -= asked[name] - used

    def _asked(self, job: Job) -> dict[str, float]:
        output = 0 if self._flavour.charging == "used" else job.output_max
        return {
            "requests": 1.0,
            "input-tokens": float(job.input_tokens),
            "output-tokens": float(output),
            "tokens": float(job.input_tokens + output),
        }

    def _refill(self, now_s: float) -> None:
        for each in self.counts.values():
            each.level = min(each.capacity, each.level + (now_s - self._at_s) * each.per_s)
        self._at_s = now_s

    def _headers(self, now_s: float) -> Headers:
        lines: list[tuple[str, str]] = []
        for name, each in self.counts.items():
            left, limit = max(0, int(each.level)), round(each.per_s * 60)
            reset_s = (each.capacity - each.level) / each.per_s
            match self._flavour.dialect:
                case "openai":
                    lines.append((f"x-ratelimit-limit-{name}", str(limit)))
                    lines.append((f"x-ratelimit-remaining-{name}", str(left)))
                    lines.append((f"x-ratelimit-reset-{name}", f"{reset_s * 1000:.0f}ms"))
                case "azure":
                    lines.append((f"x-ratelimit-remaining-{name}", str(left)))
                    lines.append((f"x-ratelimit-reset-{name}", f"{reset_s:.0f}"))
                case "anthropic":
                    rounded = left if name == "requests" else round(left / 1000) * 1000
                    at = datetime.fromtimestamp(WALL_S + now_s + reset_s, UTC)
                    lines.append((f"anthropic-ratelimit-{name}-limit", str(limit)))
                    lines.append((f"anthropic-ratelimit-{name}-remaining", str(rounded)))
                    lines.append((f"anthropic-ratelimit-{name}-reset", f"{at:%Y-%m-%dT%H:%M:%SZ}"))
        return [(name.encode(), value.encode()) for name, value in lines]


class Line:
    """What happens when: the clock of the simulation."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()

    def at(self, when_s: float, event: Callable[[], None]) -> None:
        """Let `event` happen at `when_s`."""
        heappush(self._due, (when_s, next(self._number), event))

    def run(self, until_s: float) -> None:
        """Let everything happen that is due by `until_s`."""
        while self._due and self._due[0][0] <= until_s:
            self.now_s, _, event = heappop(self._due)
            event()
        self.now_s = until_s


class Client:
    """Sends calls over a provider's keys as soon as their quotas allow, first come, first served.

    Args:
        line: the clock.
        keys: each with its own quota at the provider.
        limits: what it knows of each; None sends whenever `retry-after` allows.
        random: delays.
    """

    def __init__(
        self,
        line: Line,
        keys: list[Provider],
        limits: list[QuotaLimits] | None,
        random: Random,
    ) -> None:
        self._line = line
        self._random = random
        self._waiting: deque[tuple[Job, int]] = deque()
        self._timer_s = float("inf")
        known = limits or [QuotaLimits(is_learning=False)] * len(keys)
        self._quotas = [KeyQuota(str(n), each, 0.0) for n, each in enumerate(known)]
        self._providers = dict(zip(self._quotas, keys, strict=True))
        self.sent = 0
        self.refused = 0
        self.given_up = 0

    def add(self, job: Job) -> None:
        """A caller asks."""
        self._waiting.append((job, 0))
        self._pump()

    def _pump(self) -> None:
        while self._waiting:
            job, tries = self._waiting[0]
            need = Need.of(job.estimate, job.output_max)
            picked = pick(self._quotas, need, self._line.now_s)
            if picked.key is None:
                self._wake(self._line.now_s + picked.wait_s)
                return
            reservation = picked.key.reserve(need, self._line.now_s)
            assert reservation is not None
            self._waiting.popleft()
            self._send(picked.key, reservation, job, tries)

    def _wake(self, when_s: float) -> None:
        if when_s >= self._timer_s:
            return
        self._timer_s = when_s

        def woken() -> None:
            if self._timer_s <= self._line.now_s:
                self._timer_s = float("inf")
            self._pump()

        self._line.at(when_s, woken)

    def _send(self, key: KeyQuota, reservation: Reservation, job: Job, tries: int) -> None:
        self.sent += 1
        provider, line = self._providers[key], self._line
        back_s = self._random.uniform(0.02, 0.06)

        def arrive() -> None:
            is_admitted, headers = provider.call(job, line.now_s)
            if not is_admitted:
                line.at(line.now_s + back_s, lambda: refused(headers))
                return
            begins_s = line.now_s + self._random.lognormvariate(-1.0, 0.4)
            ends_s = begins_s + 0.012 * job.output_tokens
            told_s = (begins_s if job.is_stream else ends_s) + back_s
            line.at(told_s, lambda: told(headers, 200))
            line.at(ends_s, lambda: provider.end(job, line.now_s))
            line.at(ends_s + back_s, ended)

        def told(headers: Headers, status: int) -> None:
            heard = read_told(headers, WALL_S + line.now_s)
            key.observe(heard, line.now_s, reservation, status)
            self._pump()

        def refused(headers: Headers) -> None:
            self.refused += 1
            told(headers, 429)
            reservation.refuse()
            if tries + 1 < TRIES_MAX:
                self._waiting.appendleft((job, tries + 1))
            else:
                self.given_up += 1
            self._pump()

        def ended() -> None:
            reservation.settle(job.input_tokens, job.output_tokens)
            self._pump()

        line.at(line.now_s + self._random.uniform(0.02, 0.06), arrive)
