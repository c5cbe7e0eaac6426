"""What can be set of targets: who is asked, after what failure the next, and who is passed over."""

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from headrace.model import Failure, Price, Tier
from headrace.settings.bounded import Count, Seconds, ServerPath, Target

BalanceName = Literal["in-order", "weighted", "least-loaded", "latency", "cost", "quota", "sticky"]


class TargetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One target; where only `target` is set, it may be written in place of the mapping.

    Attributes:
        target: `provider/model`.
        weight: its share of the calls, where they are shared out.
        on: the failures that lead to it; `None`: what is the trouble of the target before, and not
            the request's.
    """

    shorthand: ClassVar[str] = "target"

    target: Target
    weight: Annotated[float, Meta(gt=0, le=1_000_000)] = 1.0
    on: tuple[Failure, ...] | None = None


class TierSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The price of a call with a long prompt, in US dollars per million tokens.

    Attributes:
        tokens: it holds for prompts of more tokens than this.
    """

    tokens: Count
    input: float = 0.0
    output: float = 0.0
    cached: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None


class PriceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a model costs, in US dollars per million tokens.

    Attributes:
        cached: input that the provider read from its prompt cache; `None`: what input costs.
        cache_write: input that it wrote there; `None`: what input costs.
        cache_write_1h: input that it wrote there for an hour; `None`: what `cache_write` says.
        above: other prices for long prompts.
        batch: what part of all this a call in the provider's Batch API costs.
    """

    input: float = 0.0
    output: float = 0.0
    cached: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None
    above: tuple[TierSettings, ...] = ()
    batch: Annotated[float, Meta(ge=0, le=1)] | None = None

    @property
    def price(self) -> Price:
        """The same, to be counted with."""
        whole = self._times(1.0)
        if self.batch is None:
            return whole
        return msgspec.structs.replace(whole, batch=self._times(self.batch))

    def _times(self, share: float) -> Price:
        tiers = sorted(self.above, key=lambda tier: tier.tokens)
        return Price(
            **_rates(self, share),
            tiers=tuple(Tier(**_rates(tier, share), above_tokens=tier.tokens) for tier in tiers),
        )


def _rates(told: PriceSettings | TierSettings, share: float) -> dict[str, Any]:
    names = ("input", "output", "cached", "cache_write", "cache_write_1h")
    rates = {name: getattr(told, name) for name in names}
    return {name: rate if rate is None else rate * share for name, rate in rates.items()}


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A name callers may use: the targets behind it, and what it costs.

    Attributes:
        balance: which of the targets is asked first.
        fallback_text: given where every target failed.
        continue_streams: whether a stream that breaks off goes on in another call.
    """

    targets: Annotated[tuple[TargetSettings, ...], Meta(min_length=1)]
    balance: BalanceName = "in-order"
    fallback_text: str | None = None
    continue_streams: bool = False
    price: PriceSettings | None = None


class HealthSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Asking a provider whether it is well.

    Attributes:
        path: what is asked for, from the root of its server; `None`: it is not asked.
        interval_s: how often.
        interval_s_ill: how often while it is not well, or in doubt.
        timeout_s: how long an answer may take.
        failures: checks in a row that fail until it is passed over.
        successes: checks in a row that pass until it is asked again.
    """

    path: ServerPath | None = None
    interval_s: Seconds = 30.0
    interval_s_ill: Seconds = 5.0
    timeout_s: Seconds = 5.0
    failures: Count = 3
    successes: Count = 2


class OutlierSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Passing over providers that fail more often than the others.

    Attributes:
        enabled: whether any are.
        row_max: failures in a row after which one is, at once.
        interval_s: how often shares of failures are compared.
        calls_min: with fewer calls in an interval a provider is not compared.
        providers_min: with fewer to compare, none are.
        deviations: standard deviations below the mean that are too far.
        ejected_s: how long one is out at first; so often as long as it was out of late.
        ejected_s_max: and at most.
        ejected_share_max: share of all providers that may be out.
    """

    enabled: bool = False
    row_max: Count = 5
    interval_s: Seconds = 10.0
    calls_min: Count = 30
    providers_min: Annotated[int, Meta(ge=2, le=1000)] = 5
    deviations: Annotated[float, Meta(gt=0, le=100)] = 1.9
    ejected_s: Seconds = 10.0
    ejected_s_max: Seconds = 300.0
    ejected_share_max: Annotated[float, Meta(ge=0, le=1)] = 0.5
