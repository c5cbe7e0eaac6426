"""Tiers: a name that callers use, answered by a cheap, a standard or a strong model."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec

from headrace.cache.entry import Answer
from headrace.dialects.base import Operation
from headrace.dialects.openai_bound import output_bound
from headrace.gateway.aiming.asked import Asked
from headrace.gateway.reader import Remarks
from headrace.model import DialectName, Price
from headrace.observe.aim_metrics import AimMetrics
from headrace.routing.complexity.features import read_features
from headrace.routing.complexity.weights import GUESS, Scorer, Weights
from headrace.routing.tiers import (
    Decision,
    Fixed,
    Goal,
    Quality,
    Shares,
    Tier,
    TierChooser,
    TierTerms,
)
from headrace.settings.tiers import TierModelSettings, TiersSettings

# Where no price says it: as most models have it.
_INPUT_PRICE_SHARE: Final = 0.2
_BYTES_PER_TOKEN: Final = 4.0


class TierModel(msgspec.Struct, frozen=True):
    """A tier as one dialect reaches it.

    Attributes:
        model: whose targets are asked.
        name: what the provider of the first one calls it.
        price: what that costs, where it is known.
        output_tokens_max: set where the caller sets no limit.
    """

    tier: Tier
    model: str
    name: str
    price: Price | None
    output_tokens_max: int | None


class Reach(msgspec.Struct, frozen=True):
    """How one dialect reaches the tiers of a name.

    Attributes:
        by_tier: who answers in place of each tier: itself, or else the next one that is stronger,
            or else weaker.
        strong: who would answer everything, were there no tiers.
        input_price_share: what a token of the prompt adds by the strong model, of what one of the
            answer adds.
    """

    by_tier: tuple[TierModel, ...]
    strong: TierModel
    input_price_share: float


class TierShot(msgspec.Struct, frozen=True):
    """A choice among tiers, and what it is to save. Implements `Book`.

    Attributes:
        chosen: who answers, or in the shadow would.
        learn: told how long the answer was, where that teaches anything.
        below: the model of the next tier that is weaker than the one chosen, if there is one.
    """

    chosen: TierModel
    decision: Decision
    strong: TierModel
    is_shadow: bool
    metrics: AimMetrics
    learn: Callable[[int], None] | None = None
    below: str = ""

    @property
    def remarks(self) -> Remarks:
        """What the caller is told."""
        shadow = ";shadow" if self.is_shadow else ""
        return (("tier", f"{name_of(self.chosen.tier)};why={self.decision.why}{shadow}"),)

    @property
    def mode(self) -> str:
        """Whether it is only told."""
        return "shadow" if self.is_shadow else "active"

    @property
    def changes(self) -> dict[str, int]:
        """The limit of the answer's tokens, for callers who set none."""
        limit = self.chosen.output_tokens_max
        if limit is None:
            return {}
        return output_bound(self.chosen.name, limit)

    def answered(self, answer: Answer) -> None:
        """Estimate what the choice saved: the same tokens at the other model's price."""
        if answer.usage is None:
            return
        if self.learn is not None:
            self.learn(answer.usage.output_tokens)
        other = self.chosen if self.is_shadow else self.strong
        spent_usd = answer.cost_usd
        if other.price is None or spent_usd is None:
            self.metrics.unpriced()
            return
        saved_usd = other.price.cost_usd(answer.usage) - spent_usd
        self.metrics.saved(-saved_usd if self.is_shadow else saved_usd, self.mode)

    def failed(self) -> None:
        """What was not answered cost nothing that is known."""


class TierDesk:
    """The tiers of one name. Belongs to one event loop.

    Args:
        settings: what is set.
        chooser: chooses.
        reaches: how each dialect reaches them.
        metrics: counts.
    """

    def __init__(
        self,
        settings: TiersSettings,
        chooser: TierChooser,
        reaches: Mapping[DialectName, Reach],
        metrics: AimMetrics,
    ) -> None:
        self.chooser = chooser
        self._is_shadow = settings.mode == "shadow"
        self._reaches = reaches
        self._metrics = metrics

    def aim(self, asked: Asked) -> TierShot | None:
        """Choose for a request; `None` where its dialect reaches no model."""
        reach = self._reaches.get(asked.call.dialect.name)
        if reach is None:
            return None
        reading = read_features(asked.document, asked.body_bytes)
        lengths, prompt = self.chooser.lengths, 0.0
        if lengths is not None:
            prompt = asked.body_bytes / _BYTES_PER_TOKEN * reach.input_price_share
        if not asked.counts:
            decision = self.chooser.peek(reading, asked.now_s, input_as_output=prompt)
        else:
            session = asked.session
            decision = self.chooser.choose(
                reading,
                session.key,
                asked.now_s,
                opening=session.opening,
                is_new=session.is_new,
                input_as_output=prompt,
            )
        chosen = reach.by_tier[decision.tier]
        learn = None
        if lengths is not None and asked.counts:
            learn = partial(lengths.learn, reading.features)
        weaker = [each for each in reach.by_tier if each.tier < chosen.tier]
        below = weaker[-1].model if weaker and not self._is_shadow else ""
        is_shadow, metrics = self._is_shadow, self._metrics
        shot = TierShot(chosen, decision, reach.strong, is_shadow, metrics, learn, below)
        if asked.counts:
            self._metrics.chosen(name_of(chosen.tier), decision.why, shot.mode)
        return shot

    def told(self, now_s: float) -> dict[str, Any]:
        """What is chosen by, and who answers, as plain data."""
        return {
            "mode": "shadow" if self._is_shadow else "active",
            "models": {
                dialect: {name_of(each): reach.by_tier[each].model for each in Tier}
                for dialect, reach in self._reaches.items()
            },
            **self.chooser.told(now_s),
        }


def name_of(tier: Tier) -> str:
    """A tier as settings and callers know it."""
    return tier.name.lower()


def limits_answer(document: Mapping[str, Any], operation: Operation) -> bool:
    """Whether a caller says itself how long the answer may be; Anthropic's always do."""
    if operation is not Operation.CHAT:
        return True
    given = (document.get("max_tokens"), document.get("max_completion_tokens"))
    return any(each is not None for each in given)


def make_chooser(settings: TiersSettings, weights: Weights | None) -> TierChooser:
    """A chooser that goes by settings, and by the shipped guess where there are no weights."""
    terms = TierTerms(
        goal=_goal(settings),
        default=Tier[settings.default.upper()],
        margin=settings.margin,
        scores_min=settings.scores_min,
        half_life_s=settings.half_life_s,
        sessions_max=settings.sessions_max,
        session_idle_s=settings.session_idle_s,
        per_dollar=settings.per_dollar,
    )
    return TierChooser(terms, Scorer(weights or GUESS))


def models_of(settings: TiersSettings) -> dict[Tier, TierModelSettings]:
    """The models that are set, by tier."""
    found = {Tier.CHEAP: settings.cheap, Tier.STRONG: settings.strong}
    if settings.standard is not None:
        found[Tier.STANDARD] = settings.standard
    return found


def make_reach(models: Mapping[Tier, TierModel]) -> Reach:
    """How tiers are reached, of which some may be missing.

    Args:
        models: at least one of them.
    """
    by_tier = tuple(
        models[min(models, key=lambda each: (each < tier, abs(each - tier)))] for tier in Tier
    )
    cheap, strong = by_tier[Tier.CHEAP], by_tier[Tier.STRONG]
    return Reach(by_tier, strong, _input_price_share(cheap.price, strong.price))


def _input_price_share(cheap: Price | None, strong: Price | None) -> float:
    if cheap is None or strong is None or strong.output <= cheap.output:
        return _INPUT_PRICE_SHARE
    return max(0.0, strong.input - cheap.input) / (strong.output - cheap.output)


def _goal(settings: TiersSettings) -> Goal:
    has_standard = settings.standard is not None
    if settings.quality is not None:
        return Quality(settings.quality)
    if settings.cheap_below is not None:
        low = settings.cheap_below
        halfway = (low + 1) / 2 if has_standard else low
        return Fixed(low, halfway if settings.strong_from is None else settings.strong_from)
    cheap = settings.cheap_share or 0.0
    rest = (1 - cheap) / 2 if has_standard else 1 - cheap
    return Shares(cheap, rest if settings.strong_share is None else settings.strong_share)
