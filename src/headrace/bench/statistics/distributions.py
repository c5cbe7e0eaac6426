"""Distributions that intervals and tests are read from: beta, Student's t, binomial, normal.

Scipy has them too, with 143 MB around them; the tests hold these against it.
"""

import math
from statistics import NormalDist
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Number = TypeVar("Number", float, FloatArray)

NORMAL: Final = NormalDist()
_TERMS_LEAST: Final = 40
_STEPS_MAX: Final = 100
_PRECISION: Final = 1e-12
# Where even a skewed beta distribution has nothing left, in standard deviations.
_TAIL_SDS: Final = 40.0


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), for a and b above 0."""
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - beta_cdf(1.0 - x, b, a)
    front = math.exp(_minus_log_beta(a, b) + a * math.log(x) + b * math.log1p(-x)) / a
    return front / _continued_fraction(x, a, b)


def beta_cdf_steps(count: int, a: float, b: float) -> FloatArray:
    """I_x(a, b) at 0, 1/count, 2/count ... 1; far out in the tails it is 0 or 1."""
    x = np.arange(count + 1) / count
    mean = a / (a + b)
    sd = math.sqrt(mean * (1.0 - mean) / (a + b + 1.0))
    values: FloatArray = np.where(x < mean, 0.0, 1.0)
    is_near = (np.abs(x - mean) <= _TAIL_SDS * sd) & (x > 0.0) & (x < 1.0)
    is_low = is_near & (x <= (a + 1.0) / (a + b + 2.0))
    is_high = is_near & ~is_low
    values[is_low] = _lower_cdf(x[is_low], a, b)
    values[is_high] = 1.0 - _lower_cdf(1.0 - x[is_high], b, a)
    return values


def student_cdf(t: float, freedom: float) -> float:
    """P(T <= t) of Student's t with `freedom` degrees of freedom."""
    if math.isinf(t):
        return 0.0 if t < 0.0 else 1.0
    tail = 0.5 * beta_cdf(freedom / (freedom + t * t), freedom / 2.0, 0.5)
    return tail if t < 0.0 else 1.0 - tail


def student_quantile(share: float, freedom: float) -> float:
    """The t that `share` (between 0 and 1) of Student's t lies below."""
    if share < 0.5:
        return -student_quantile(1.0 - share, freedom)
    # Newton's steps from the left never pass the root, for the cdf bends down beyond 0.
    log_scale = _minus_log_beta(freedom / 2.0, 0.5) - 0.5 * math.log(freedom)
    t = NORMAL.inv_cdf(share)
    for _ in range(_STEPS_MAX):
        log_density = log_scale - (freedom + 1.0) / 2.0 * math.log1p(t * t / freedom)
        step = (share - student_cdf(t, freedom)) / math.exp(log_density)
        t += step
        if abs(step) <= _PRECISION * t:
            break
    return t


def binomial_cdf(successes: float, trials: float, share: float) -> float:
    """P(X <= successes) of a binomial; `trials` may be a fraction, as effective counts are."""
    if successes < 0.0:
        return 0.0
    if successes >= trials:
        return 1.0
    return 1.0 - beta_cdf(share, successes + 1.0, trials - successes)


def _lower_cdf(x: FloatArray, a: float, b: float) -> FloatArray:
    front: FloatArray = np.exp(_minus_log_beta(a, b) + a * np.log(x) + b * np.log1p(-x)) / a
    return front / _continued_fraction(x, a, b)


def _minus_log_beta(a: float, b: float) -> float:
    return math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)


def _continued_fraction(x: Number, a: float, b: float) -> Number:
    """DLMF 8.17.22, from its end; enough terms for where it converges fast."""
    terms = _TERMS_LEAST + int(5.0 * math.sqrt(max(a, b)))
    value = 1.0 + 0.0 * x
    for m in range(terms, 0, -1):
        even = m * (b - m) / ((a + 2 * m - 1) * (a + 2 * m))
        value = 1.0 + even * x / value
        k = m - 1
        odd = -(a + k) * (a + b + k) / ((a + 2 * k) * (a + 2 * k + 1))
        value = 1.0 + odd * x / value
    return value
