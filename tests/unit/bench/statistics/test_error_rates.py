"""How often verdicts are wrong, over simulated comparisons: seeded, so the same every time.

Arms of ten pairs share what the machine did to their block (2 %), and differ by noise of their own
(2.1 % in the difference).
"""

from collections import Counter
from typing import Final

import numpy as np
import pytest

from headrace.bench import Question, compare
from headrace.bench.statistics.distributions import FloatArray
from headrace.bench.statistics.power import power_of
from headrace.bench.statistics.resampling import (
    bootstrap_means,
    percentile_bounds,
    sign_flip_p,
    tail_of,
)

stats = pytest.importorskip("scipy.stats")

COMPARISONS: Final = 1_000
PAIRS: Final = 10
NOISE: Final = 0.015
SD_DIFFERENCE: Final = NOISE * 2**0.5
RESAMPLES: Final = 999
# Numbers that numpy draws another way one day fail none of these tests by chance.
CERTAIN: Final = 0.9999


def simulate(seed: int, count: int, factor: float) -> tuple[FloatArray, FloatArray]:
    """Figures of both arms, one comparison in each row."""
    rng = np.random.default_rng(seed)
    block = rng.normal(0, 0.02, size=(count, PAIRS))
    noise = rng.normal(0, NOISE, size=(2, count, PAIRS))
    return 100 * np.exp(block + noise[0]), 100 * factor * np.exp(block + noise[1])


def verdicts(seed: int, count: int, factor: float, question: Question) -> Counter[str]:
    a, b = simulate(seed, count, factor)
    rng = np.random.default_rng(seed)
    return Counter(
        compare(x.tolist(), y.tolist(), question, rng).verdict for x, y in zip(a, b, strict=True)
    )


def found(a: FloatArray, b: FloatArray, seed: int) -> FloatArray:
    """What `compare` finds without a margin, for all rows at once."""
    rng = np.random.default_rng(seed)
    logs = np.log(b) - np.log(a)
    draws = bootstrap_means(logs, rng, 1_999)
    low, high = percentile_bounds(draws, tail_of(0.95, PAIRS, PAIRS - 1.0))
    return (sign_flip_p(logs, rng) <= 0.05) & ((low > 0) | (high < 0))


def test_equal_arms_are_told_apart_as_often_as_the_level_says() -> None:
    a, b = simulate(7, 4_000, 1.0)
    low, high = stats.binom.interval(CERTAIN, 4_000, 0.05)
    assert low <= np.sum(found(a, b, 7)) <= high


@pytest.mark.heavy
def test_so_are_they_one_by_one() -> None:
    told = verdicts(1, COMPARISONS, 1.0, Question(metric="x", margin=0.0, resamples=RESAMPLES))
    low, high = stats.binom.interval(CERTAIN, COMPARISONS, 0.05)
    assert low <= told["better"] + told["worse"] <= high
    assert told["equivalent"] == told["insufficient"] == 0


def test_with_a_margin_equal_arms_are_hardly_ever_told_apart() -> None:
    told = verdicts(2, 150, 1.0, Question(metric="x", margin=0.02, resamples=RESAMPLES))
    assert told["better"] + told["worse"] == 0
    assert told["equivalent"] > 0.5 * 150


def test_changes_as_large_as_the_margin_are_hardly_ever_called_equivalent() -> None:
    told = verdicts(3, 150, 1.02, Question(metric="x", margin=0.02, resamples=RESAMPLES))
    assert told["equivalent"] <= stats.binom.ppf(CERTAIN, 150, 0.05)
    assert told["worse"] <= stats.binom.ppf(CERTAIN, 150, 0.05)
    assert told["better"] == 0


def test_three_per_cent_are_found_with_the_stated_power() -> None:
    a, b = simulate(4, 4_000, 1.03)
    stated = power_of(np.log(1.03), SD_DIFFERENCE, PAIRS)
    low, high = stats.binom.interval(CERTAIN, 4_000, stated)
    assert stated > 0.95
    assert low - 0.02 * 4_000 <= np.sum(found(a, b, 4)) <= high


def test_smaller_changes_are_found_with_their_stated_power_too() -> None:
    a, b = simulate(5, 4_000, 1.02)
    stated = power_of(np.log(1.02), SD_DIFFERENCE, PAIRS)
    low, high = stats.binom.interval(CERTAIN, 4_000, stated)
    assert 0.6 < stated < 0.8
    assert low - 0.03 * 4_000 <= np.sum(found(a, b, 5)) <= high


def test_what_is_found_at_once_is_found_one_by_one() -> None:
    a, b = simulate(6, 60, 1.015)
    question = Question(metric="x", margin=0.0)
    rng = np.random.default_rng(6)
    singly = [
        compare(x.tolist(), y.tolist(), question, rng).verdict != "inconclusive"
        for x, y in zip(a, b, strict=True)
    ]
    assert np.sum(np.array(singly) != found(a, b, 6)) <= 5
    assert 10 < sum(singly) < 50
