"""How often answers change, from comparisons of old ones with new ones.

A comparison says only whether there was a change within the answer's age, not when: it is censored
on both sides. Pure.
"""

from math import cbrt, exp, expm1, inf, log, log1p, log2, sqrt
from typing import Final

import msgspec

# Half the 95 % quantile of chi-squared with one degree of freedom.
_DEVIANCE_HALF_MAX: Final = 1.9207
_AGE_S_MIN: Final = 1.0
_BINS_PER_OCTAVE: Final = 2
_BINS_MAX: Final = 48
_RATES: Final = 20
_SAME_SHARE_MIN: Final = 0.1


class ChangeRate(msgspec.Struct, frozen=True, gc=False):
    """How often answers change.

    Attributes:
        per_s: most likely changes a second.
        per_s_low: lower end of the 95 % interval.
        per_s_high: upper end, infinite where observations do not bound it.
        noise_share: share of comparisons that differ without any change, since a model does not
            say the same twice.
    """

    per_s: float
    per_s_low: float
    per_s_high: float
    noise_share: float


class ChangeEstimate:
    """Rate of change from comparisons of answers with what would be answered now.

    An answer of age `a` differs with the chance `1 - (1 - noise) * exp(-rate * a)`: changes are a
    Poisson process seen through current-status censoring, noise is what differs at any age. The
    fit is by profile likelihood, the interval by its ratio. Ages are kept as counts in at most 48
    logarithmic bins, and old observations fade.

    Args:
        memory: about how many observations count.
    """

    __slots__ = ("_bins", "_keep")

    def __init__(self, memory: float = 400.0) -> None:
        self._keep = 1.0 - 1.0 / memory
        # By bin of ages: observations, those that differ, sum of ages; all of them faded.
        self._bins: dict[int, list[float]] = {}

    @property
    def weight(self) -> float:
        """Observations that count, faded ones in part."""
        return sum(cell[0] for cell in self._bins.values())

    def observe(self, age_s: float, *, changed: bool) -> None:
        """One comparison.

        Args:
            age_s: seconds since the answer was known to be right.
            changed: whether the answer is another one now.
        """
        age_s = max(age_s, _AGE_S_MIN)
        number = min(int(log2(age_s) * _BINS_PER_OCTAVE), _BINS_MAX - 1)
        for cell in self._bins.values():
            cell[0] *= self._keep
            cell[1] *= self._keep
            cell[2] *= self._keep
        cell = self._bins.setdefault(number, [0.0, 0.0, 0.0])
        cell[0] += 1.0
        cell[1] += changed
        cell[2] += age_s

    def fit(self) -> ChangeRate:
        """The rate that explains the observations best. Takes about a millisecond.

        Raises:
            ValueError: nothing was observed.
        """
        cells = [(total[2] / total[0], total[0], total[1]) for total in self._bins.values()]
        if not cells:
            raise ValueError("nothing was observed")
        ages_s = [age_s for age_s, _, _ in cells]
        low, high = 1e-3 / max(ages_s), 20.0 / min(ages_s)
        step = (high / low) ** (1.0 / (_RATES - 1))
        rates = [low * step**number for number in range(_RATES)]
        heights = [_profile(cells, rate)[0] for rate in rates]
        best = max(range(_RATES), key=heights.__getitem__)
        rate = _peak(cells, rates[max(best - 1, 0)], rates[min(best + 1, _RATES - 1)])
        height, same_share = _profile(cells, rate)
        floor = max(height, heights[best]) - _DEVIANCE_HALF_MAX
        known = list(zip(rates, heights, strict=True))
        below = [point for point in reversed(known) if point[0] < rate]
        above = [point for point in known if point[0] > rate]
        return ChangeRate(
            per_s=rate,
            per_s_low=_end(cells, below, rate, floor) or 0.0,
            per_s_high=_end(cells, above, rate, floor) or inf,
            noise_share=1.0 - same_share,
        )


_Cells = list[tuple[float, float, float]]


def _profile(cells: _Cells, rate: float) -> tuple[float, float]:
    """The log-likelihood of a rate under the noise that suits it best, and `1 - noise`."""
    terms = [(exp(-rate * age_s), total, changed) for age_s, total, changed in cells]
    same = sum(total - changed for _, total, changed in cells)
    share = _same_share(terms, same)
    height = same * log(share) - rate * sum(age_s * (n - changed) for age_s, n, changed in cells)
    for survival, _, changed in terms:
        if changed:
            height += changed * log1p(-min(share * survival, 1.0 - 1e-12))
    return height, share


def _same_share(terms: _Cells, same: float) -> float:
    """The share of answers without a change that are found the same, by Newton's steps."""
    odd = [(survival, changed) for survival, _, changed in terms if changed]
    pull = sum(changed * survival / max(1.0 - survival, 1e-12) for survival, changed in odd)
    if same >= pull:
        return 1.0
    # As many the same as were expected to be: near enough to begin with.
    share = same / sum(survival * total for survival, total, _ in terms)
    share = min(max(share, _SAME_SHARE_MIN), 1.0 - 1e-6)
    for _ in range(4):
        slope, bend = same / share, same / (share * share)
        for survival, changed in odd:
            pull = survival / (1.0 - share * survival)
            slope -= changed * pull
            bend += changed * pull * pull
        share = min(max(share + slope / bend, _SAME_SHARE_MIN), 1.0 - 1e-9)
    return share


def _peak(cells: _Cells, low: float, high: float) -> float:
    for _ in range(6):
        ratio = cbrt(high / low)
        first, second = low * ratio, high / ratio
        if _profile(cells, first)[0] >= _profile(cells, second)[0]:
            high = second
        else:
            low = first
    return sqrt(low * high)


def _end(
    cells: _Cells, outwards: list[tuple[float, float]], rate: float, floor: float
) -> float | None:
    """Where the likelihood falls below `floor` on the way outwards; `None` where it never does."""
    for outside, height in outwards:
        if height < floor:
            return _crossing(cells, outside, rate, floor)
        rate = outside
    return None


def _crossing(cells: _Cells, outside: float, inside: float, floor: float) -> float:
    for _ in range(6):
        middle = sqrt(outside * inside)
        if _profile(cells, middle)[0] >= floor:
            inside = middle
        else:
            outside = middle
    return sqrt(outside * inside)


def stale_share(changes: float) -> float:
    """Expected share of stale answers among hits spread evenly over a lifetime.

    Args:
        changes: how many changes a lifetime sees on average.
    """
    if changes < 1e-6:
        return changes / 2.0
    return 1.0 + expm1(-changes) / changes


def changes_allowed(stale_share_max: float) -> float:
    """How many changes a lifetime may see on average: the inverse of `stale_share`."""
    low, high = 0.0, 1e6
    for _ in range(100):
        middle = (low + high) / 2.0
        if stale_share(middle) <= stale_share_max:
            low = middle
        else:
            high = middle
    return low
