"""Many questions at once: p adjusted so that one of many is not found by chance."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headrace.bench.statistics.distributions import FloatArray


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted by Holm (1979): at most `alpha` of all families name anything wrongly. For gates."""
    p, order, back = _ordered(p_values)
    adjusted = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return tuple(float(each) for each in np.minimum(adjusted, 1.0)[back])


def benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted by Benjamini and Hochberg (1995): `alpha` of what is named is wrong. For looking."""
    p, order, back = _ordered(p_values)
    raised = (p[order] * len(p) / np.arange(1, len(p) + 1))[::-1]
    adjusted = np.minimum.accumulate(raised)[::-1] if len(p) else p
    return tuple(float(each) for each in np.minimum(adjusted, 1.0)[back])


def _ordered(p_values: Sequence[float]) -> tuple[FloatArray, NDArray[np.intp], NDArray[np.intp]]:
    p = np.asarray(p_values, dtype=np.float64)
    if np.any(~((p >= 0.0) & (p <= 1.0))):
        raise ValueError("a p lies between 0 and 1")
    order = np.argsort(p, kind="stable")
    return p, order, np.argsort(order, kind="stable")
