"""What can be set of choosing a model by how hard a request is, and by experiments."""

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from headrace.settings import values
from headrace.settings.bounded import Count, Filled, ModelName, Seconds

Share = Annotated[float, Meta(ge=0, le=1)]
TierName = Literal["cheap", "standard", "strong"]
ExperimentName = Annotated[str, Meta(extra={"check": values.key_name_problem})]

# As many as have series of their own in the metrics.
ARMS_MAX = 16


class ComplexitySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How it is told how hard a request is.

    Attributes:
        weights: file that `headrace route calibrate` wrote; `None`: weights that are a guess.
    """

    weights: Filled | None = None


class TierModelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The model of a tier; where only `model` is set, it may be written in place of the mapping.

    Attributes:
        model: one of the models, or `provider/model`.
        output_tokens_max: set as the request's limit where the caller sets none.
    """

    shorthand: ClassVar[str] = "model"

    model: ModelName
    output_tokens_max: Count | None = None


class TiersSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A name callers use, answered by one of two or three models.

    Attributes:
        cheap: answers what is easy.
        standard: answers what is in between.
        strong: answers what is hard.
        mode: `shadow` only tells who would answer.
        default: who answers where it is not certain who should.
        cheap_share: share of calls that is to go to the cheap model.
        strong_share: and to the strong one; `None`: all that the cheap one does not get, or half
            of it where there is a standard model.
        quality: in place of shares, the share of answers that are to be as good as the strong
            model's.
        cheap_below: in place of both, the probability that the cheap model is not good enough
            below which it is asked.
        strong_from: and from which the strong one is.
        margin: probabilities this near to a threshold are not certain.
        scores_min: with fewer recent requests than these nothing is certain.
        half_life_s: after this long a request counts half for thresholds.
        sessions_max: sessions that are told apart.
        session_idle_s: after this long without a request one begins anew.
        per_dollar: whether the strong model goes to those for whom it is worth most for a dollar,
            in place of those who are hardest.
    """

    cheap: TierModelSettings
    standard: TierModelSettings | None = None
    strong: TierModelSettings
    mode: Literal["active", "shadow"] = "active"
    default: TierName = "strong"
    cheap_share: Share | None = None
    strong_share: Share | None = None
    quality: Annotated[float, Meta(gt=0, le=1)] | None = None
    cheap_below: Share | None = None
    strong_from: Share | None = None
    margin: Annotated[float, Meta(ge=0, le=0.5)] = 0.0
    scores_min: Count = 200
    half_life_s: Seconds = 3600.0
    sessions_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 20_000
    session_idle_s: Seconds = 3600.0
    per_dollar: bool = False


class ArmSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One arm of an experiment.

    Attributes:
        name: what it is called.
        model: who answers in it: one of the models, of the tiers, or `provider/model`.
        weight: its share of the sessions; 0: it has none.
    """

    name: ExperimentName
    model: ModelName
    weight: Annotated[float, Meta(ge=0, le=1_000_000)]


class ExperimentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Calls for one model, shared out among several.

    Attributes:
        model: the name that callers use, or that tiers lead to.
        arms: who gets them.
        unit: what stays in one arm.
    """

    model: ModelName
    arms: Annotated[tuple[ArmSettings, ...], Meta(min_length=1)]
    unit: Literal["session", "tenant"] = "session"


Tiers = dict[ModelName, TiersSettings]
Experiments = dict[ExperimentName, ExperimentSettings]
