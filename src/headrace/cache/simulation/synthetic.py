"""Synthetic key traces: what callers of a language model ask, in the ways that tell policies apart.

A pure function of a workload and a seed. Popularity alone cannot rank policies (without drift, LFU
and SIEVE come out alike), so a workload also has keys that come once, popular keys that are
replaced over time, scans, retries in bursts, and prices in tiers.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from itertools import accumulate
from random import Random
from typing import Annotated

import msgspec

from headrace.cache.simulation.event import Event

COUNT_MAX = 5_000_000

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=COUNT_MAX)]
Tokens = Annotated[float, msgspec.Meta(ge=1, le=1e6)]

# What a provider takes, roughly: thinking, then a token after the other.
FIRST_TOKEN_S = 0.35
TOKEN_S = 0.02
# English text in the vocabularies of today, and the fields around an answer.
TOKEN_BYTES = 4
ENVELOPE_BYTES = 600


class Tier(msgspec.Struct, frozen=True):
    """Models of one price.

    Attributes:
        name: what it is called.
        share: of the keys that are asked of it; shares of all tiers are taken in proportion.
        input_usd: dollars for a million tokens of a question.
        output_usd: dollars for a million tokens of an answer.
    """

    name: str
    share: float
    input_usd: float
    output_usd: float


TIERS = (
    Tier("small", 0.6, 0.15, 0.6),
    Tier("middle", 0.3, 2.5, 10.0),
    Tier("large", 0.1, 15.0, 75.0),
)


class Workload(msgspec.Struct, frozen=True):
    """What is asked.

    Attributes:
        requests: how many there are.
        popular: keys that are asked for again and again at any one time.
        zipf: exponent of their popularity.
        one_shot_share: share of requests for a key that never comes again.
        drift_share: share of the popular keys that new ones replace, at each step.
        drift_every: requests from one step to the next.
        scans: how often somebody goes through many new keys at once, evenly spread.
        scan_length: keys of each.
        burst_share: share of requests that their caller repeats, as after a time limit.
        burst_length_max: repeats of one request, 1 to this many.
        burst_spread: requests within which a repeat follows.
        tenants: who asks; an answer belongs to one of them.
        tiers: prices.
        question_tokens: median of a question's length.
        answer_tokens: median of an answer's length.
        tokens_sigma: spread of both, the deviation of their logarithm.
        rate_per_s: requests a second.
    """

    requests: Positive = 120_000
    popular: Positive = 30_000
    zipf: Annotated[float, msgspec.Meta(ge=0, le=5)] = 0.9
    one_shot_share: Share = 0.4
    drift_share: Share = 0.0
    drift_every: Positive = 1000
    scans: Count = 2
    scan_length: Count = 4000
    burst_share: Share = 0.01
    burst_length_max: Positive = 3
    burst_spread: Positive = 100
    tenants: Positive = 8
    tiers: tuple[Tier, ...] = TIERS
    question_tokens: Tokens = 400.0
    answer_tokens: Tokens = 250.0
    tokens_sigma: Annotated[float, msgspec.Meta(ge=0, le=3)] = 0.8
    rate_per_s: Annotated[float, msgspec.Meta(gt=0, le=1e6)] = 20.0


class _Ask(msgspec.Struct, frozen=True, gc=False):
    """What is asked with one key, whenever it is."""

    key: str
    tenant: str
    category: str
    tokens: int
    cost_usd: float
    latency_s: float
    size: int


def generate(workload: Workload, seed: int) -> Iterator[Event]:
    """The requests of `workload`, one after the other.

    Args:
        workload: what is asked.
        seed: the same gives the same requests.
    """
    dice = Random(seed)  # noqa: S311
    now_s = 0.0
    for ask in _Asking(workload, dice).asks():
        now_s += dice.expovariate(workload.rate_per_s)
        yield Event(
            key=ask.key,
            size=ask.size,
            cost_usd=ask.cost_usd,
            t_s=now_s,
            tokens=ask.tokens,
            latency_s=ask.latency_s,
            tenant=ask.tenant,
            category=ask.category,
        )


class _Asking:
    """Who asks what, request by request."""

    def __init__(self, workload: Workload, dice: Random) -> None:
        self._workload = workload
        self._dice = dice
        self._made = 0
        self._tier_bounds = tuple(accumulate(tier.share for tier in workload.tiers))
        # By rank; made when first asked for, since most of what drift brings never is.
        self._popular: list[_Ask | None] = [None] * workload.popular
        self._bounds = tuple(accumulate((n + 1) ** -workload.zipf for n in range(workload.popular)))
        self._retries: deque[tuple[int, _Ask]] = deque()

    def asks(self) -> Iterator[_Ask]:
        """Every request in its order."""
        workload = self._workload
        every = workload.requests // (workload.scans + 1)
        scans_at = {every * (scan + 1) for scan in range(workload.scans)}
        scan_left = 0
        for number in range(workload.requests):
            if number and number % workload.drift_every == 0:
                self._drift()
            if number in scans_at:
                scan_left = workload.scan_length
            if scan_left:
                scan_left -= 1
                yield self._new_ask("scan")
            elif self._retries and self._retries[0][0] <= number:
                yield self._retries.popleft()[1]
            else:
                yield self._ask(number)

    def _ask(self, number: int) -> _Ask:
        if self._dice.random() < self._workload.one_shot_share:
            ask = self._new_ask("once")
        else:
            ask = self._popular_ask()
        if self._dice.random() < self._workload.burst_share:
            for _ in range(self._dice.randint(1, self._workload.burst_length_max)):
                self._retries.append(
                    (number + self._dice.randint(1, self._workload.burst_spread), ask)
                )
        return ask

    def _popular_ask(self) -> _Ask:
        bounds = self._bounds
        rank = bisect_right(bounds, self._dice.random() * bounds[-1])
        ask = self._popular[rank]
        if ask is None:
            ask = self._popular[rank] = self._new_ask("popular")
        return ask

    def _drift(self) -> None:
        count = round(self._workload.drift_share * self._workload.popular)
        for rank in self._dice.sample(range(self._workload.popular), count):
            self._popular[rank] = None

    def _new_ask(self, category: str) -> _Ask:
        workload, dice = self._workload, self._dice
        self._made += 1
        bounds = self._tier_bounds
        tier = workload.tiers[bisect_right(bounds, dice.random() * bounds[-1])]
        question = round(dice.lognormvariate(0.0, workload.tokens_sigma) * workload.question_tokens)
        answer = round(dice.lognormvariate(0.0, workload.tokens_sigma) * workload.answer_tokens)
        return _Ask(
            key=f"{tier.name}-{self._made}",
            tenant=f"tenant-{dice.randrange(workload.tenants)}",
            category=category,
            tokens=question + answer,
            cost_usd=(question * tier.input_usd + answer * tier.output_usd) / 1e6,
            latency_s=FIRST_TOKEN_S + TOKEN_S * answer,
            size=ENVELOPE_BYTES + TOKEN_BYTES * answer,
        )
