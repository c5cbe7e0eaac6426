"""From labelled requests to weights, and how good they are on what they have not seen. Pure.

Every figure comes from cross-validation: each request is scored by weights that were made without
it. What a model is told about itself is always better.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import Final

import msgspec

from headrace.routing.complexity.features import Features
from headrace.routing.complexity.fit import fit
from headrace.routing.complexity.measures import (
    Bin,
    Measured,
    apgr,
    auc,
    calibration_error,
    reliability,
)
from headrace.routing.complexity.weights import Scorer, Seen, Weights, probability

LINES_MIN: Final = 50
KIND_MIN: Final = 10
_FOLDS: Final = 5


class Labelled(msgspec.Struct, frozen=True):
    """A request that was answered by the cheap model, and how that went.

    Attributes:
        is_good: whether the cheap model's answer was good enough.
        strong_is_good: whether the strong model's was, or would have been.
    """

    features: Features
    is_good: bool
    strong_is_good: bool = True


class Calibration(msgspec.Struct, frozen=True):
    """Weights and how good they are.

    Attributes:
        weights: made from all of the requests.
        bins: what was told and what came true.
        length_alone: the APGR of sending the longest last turns to the strong model.
        is_useful: whether the scores are better than chance beyond doubt.
    """

    weights: Weights
    lines: int
    good_share: float
    auc: Measured
    apgr: Measured
    length_alone: Measured
    bins: list[Bin]
    calibration_error: float
    is_useful: bool


class TooFew(ValueError):
    """There is too little to go by; the message says of what."""


def calibrate(lines: Sequence[Labelled]) -> Calibration:
    """Make weights and measure them.

    Args:
        lines: in any order; folds are taken in turns.

    Raises:
        TooFew: fewer than 50 requests, or fewer than 10 of either kind.
    """
    hard = [not line.is_good for line in lines]
    _check(hard)
    features = [line.features for line in lines]
    told = _unseen(features, hard)
    losses = [float(line.strong_is_good) - float(line.is_good) for line in lines]
    if fmean(losses) <= 0:
        raise TooFew("the strong model is not better than the cheap one: ask the cheap one")
    auc_found, apgr_found = auc(told, hard), apgr(told, losses)
    bins = reliability(told, hard)
    error = calibration_error(bins)
    good_share = 1.0 - fmean(hard)
    seen = Seen(
        len(lines),
        round(good_share, 4),
        round(auc_found.value, 4),
        round(apgr_found.value, 4),
        round(error, 4),
    )
    return Calibration(
        weights=msgspec.structs.replace(fit(features, hard), seen=seen),
        lines=len(lines),
        good_share=good_share,
        auc=auc_found,
        apgr=apgr_found,
        length_alone=apgr([each.length for each in features], losses),
        bins=bins,
        calibration_error=error,
        is_useful=auc_found.low > 0.5,
    )


def _check(hard: Sequence[bool]) -> None:
    if len(hard) < LINES_MIN:
        raise TooFew(f"{len(hard)} labelled requests are too few: at least {LINES_MIN} are needed")
    for name, count in (("was good enough", hard.count(False)), ("was not", hard.count(True))):
        if count < KIND_MIN:
            raise TooFew(
                f"the cheap model {name} in {count} of {len(hard)} requests: at least {KIND_MIN} "
                "are needed to learn from"
            )


def _unseen(features: Sequence[Features], hard: Sequence[bool]) -> list[float]:
    """What is told of each request by weights that were made without it."""
    # In turns within each kind, so that every fold has both.
    seen = {False: 0, True: 0}
    folds = []
    for each in hard:
        folds.append(seen[each] % _FOLDS)
        seen[each] += 1
    told = [0.0] * len(hard)
    for fold in range(_FOLDS):
        others = [at for at, own in enumerate(folds) if own != fold]
        scorer = Scorer(fit([features[at] for at in others], [hard[at] for at in others]))
        for at, own in enumerate(folds):
            if own == fold:
                told[at] = probability(scorer.logit(features[at]))
    return told
