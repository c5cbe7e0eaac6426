"""What the settings say, in the form the pipeline goes by. Replaced as a whole on reload."""

from collections.abc import Mapping

import msgspec

from headrace.cache.entry import Answer
from headrace.cache.rules import StoreRules
from headrace.gateway.aiming.aim import Aim
from headrace.gateway.gates.choice import Choice
from headrace.gateway.gates.gate import Gates
from headrace.model import Price
from headrace.observe.provider_metrics import ProviderMetrics
from headrace.routing.directory import Directory
from headrace.routing.prices import PriceTable
from headrace.upstream.endpoint import Endpoint


class Lane(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """The way to one provider.

    Attributes:
        scope: digest of what separates its answers from those of other providers.
        gates: what decides whether it is asked.
        is_batch: whether it is the provider's own Batch API, which has prices of its own.
    """

    endpoint: Endpoint
    meter: ProviderMetrics
    scope: bytes
    gates: Gates
    is_batch: bool = False


class Plan(msgspec.Struct, frozen=True):
    """The settings of the pipeline.

    Attributes:
        lanes: by the provider's name.
        choices: how models choose among their targets that have a choice, by name.
        prices: US dollars per million tokens, by `provider/model`, above the price table's.
        ignored: request fields that do not count in the key, besides the dialect's own.
        cache_enabled: whether answers are looked up and stored at all.
        temperature_max: requests above it are not cached; `None` caches every temperature.
        rules: which answers may be stored.
        ttl_s: how long an answer is fresh, in seconds.
        ttl_s_max: longest time a caller may ask for.
        stale_s: how long after that it is given while it is asked for again, in seconds.
        stale_if_error_s: how long after that it is given where the provider fails, in seconds.
        second_usd: what a second that nobody waits is worth, in US dollars.
        fallback_texts: what is given where every target of a model failed, by the name that
            callers use.
        aim: what more than its name decides which model a request goes to, if anything does.
        continued: models whose streams go on in another call where they break off, by that name.
    """

    directory: Directory
    lanes: Mapping[str, Lane]
    price_table: PriceTable
    prices: Mapping[str, Price]
    ignored: frozenset[str]
    cache_enabled: bool
    temperature_max: float | None
    rules: StoreRules
    ttl_s: float
    ttl_s_max: float
    stale_s: float
    stale_if_error_s: float
    second_usd: float
    fallback_texts: Mapping[str, str]
    continued: frozenset[str]
    choices: Mapping[str, Choice] = {}
    aim: Aim | None = None

    def price(self, lane: Lane, model: str) -> Price | None:
        """What `model` costs at a provider, where that is known."""
        endpoint = lane.endpoint
        own = self.prices.get(f"{endpoint.name}/{model}")
        price = own or self.price_table.find(endpoint.name, endpoint.dialect.name, model)
        return price.batch if lane.is_batch and price is not None else price

    def worth_usd(self, answer: Answer) -> float:
        """What the next use of an answer saves, in US dollars, waiting included."""
        return (answer.cost_usd or 0.0) + answer.seconds * self.second_usd

    def ttl(self, asked_s: float | None) -> float:
        """How long to store an answer for which the caller asked `asked_s`, in seconds."""
        return self.ttl_s if asked_s is None else min(asked_s, self.ttl_s_max)
