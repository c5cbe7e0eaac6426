"""Lifetimes that follow how often answers really change.

A share of hits is asked again behind the caller's back, and the new answer is compared with the
one that was given. Such a comparison says only whether there was a change within the answer's age,
not when: the observations are censored on both sides. From them, per category, comes a rate of
change with its interval, and from that the longest lifetime that keeps the share of stale answers
below a target. Pure: chance is handed in, and time comes as ages.
"""

from collections import OrderedDict
from collections.abc import Callable
from math import cbrt, exp, expm1, inf, log, log1p, log2, sqrt
from typing import Any, Final

import msgspec

# Half the 95 % quantile of chi-squared with one degree of freedom.
_DEVIANCE_HALF_MAX: Final = 1.9207
_AGE_S_MIN: Final = 1.0
_BINS_PER_OCTAVE: Final = 2
_BINS_MAX: Final = 48
_RATES: Final = 20
_SAME_SHARE_MIN: Final = 0.1
_OBSERVATIONS_MIN: Final = 20.0
_OBSERVATIONS_PER_MOVE: Final = 8
_GROWTH_MAX: Final = 1.5
_SHRINKING_MAX: Final = 2.0

# What differs between two answers that say the same, at any depth.
_VOLATILE: Final = frozenset(
    {"id", "call_id", "tool_call_id", "created", "created_at", "usage", "system_fingerprint"}
)

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(order="deterministic").encode

SameAnswer = Callable[[bytes, bytes], bool]


def same_answer(first: bytes, second: bytes) -> bool:
    """Whether two whole answers say the same, but for ids, times and token counts.

    What is not JSON has to be the same byte for byte.
    """
    if first == second:
        return True
    try:
        return _encode(_lasting(_decode(first))) == _encode(_lasting(_decode(second)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _lasting(part) for name, part in value.items() if name not in _VOLATILE}
    if isinstance(value, list):
        return [_lasting(part) for part in value]
    return value


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


class CategoryTtl(msgspec.Struct, frozen=True):
    """What is known of one category; `rate` is `None` until enough was observed."""

    category: str
    ttl_s: float
    observations: int
    changed: int
    rate: ChangeRate | None


class _Category:
    __slots__ = ("changed", "estimate", "observations", "rate", "ttl_s")

    def __init__(self, ttl_s: float, memory: float) -> None:
        self.ttl_s = ttl_s
        self.estimate = ChangeEstimate(memory)
        self.observations = 0
        self.changed = 0
        self.rate: ChangeRate | None = None


class AdaptiveTtl:
    """A lifetime for each category (route, model and tenant, or a tag), and whom to check.

    A lifetime moves only where the observations say so: down where the most likely rate makes
    more answers stale than wanted, up where even the highest rate in the interval does not, and by
    a bounded factor at a time.

    Args:
        uniform: draws from [0, 1).
        ttl_s: lifetime of a category that nothing is known of, seconds.
        ttl_min_s: the shortest.
        ttl_max_s: the longest.
        stale_share_max: share of hits that may be stale.
        shadow_share: share of hits that are checked, each a paid call; 0 checks none.
        categories_max: categories that are told apart; beyond it the one observed longest ago is
            forgotten.
        memory: about how many observations of a category count.

    Raises:
        ValueError: the lifetimes are not in order, or a share is not a share.
    """

    def __init__(
        self,
        *,
        uniform: Callable[[], float],
        ttl_s: float,
        ttl_min_s: float,
        ttl_max_s: float,
        stale_share_max: float = 0.05,
        shadow_share: float = 0.0,
        categories_max: int = 1024,
        memory: float = 400.0,
    ) -> None:
        if not 0.0 < ttl_min_s <= ttl_s <= ttl_max_s:
            raise ValueError("ttl_s has to lie between ttl_min_s and ttl_max_s, all above 0")
        if not (0.0 < stale_share_max < 1.0 and 0.0 <= shadow_share <= 1.0):
            raise ValueError("stale_share_max and shadow_share have to be shares")
        self._uniform = uniform
        self._ttl_s = ttl_s
        self._ttl_min_s = ttl_min_s
        self._ttl_max_s = ttl_max_s
        self._changes_max = changes_allowed(stale_share_max)
        self._shadow_share = shadow_share
        self._categories_max = categories_max
        self._memory = memory
        self._categories: OrderedDict[str, _Category] = OrderedDict()
        # A large number and not infinity: counting down an integer is what a hit pays.
        self._skip = self._draw_skip() if shadow_share else 1 << 62

    def ttl_s(self, category: str) -> float:
        """How long an answer of this category is fresh, seconds."""
        known = self._categories.get(category)
        return self._ttl_s if known is None else known.ttl_s

    def wants_check(self) -> bool:
        """Whether this hit is to be asked again and compared; call once per hit."""
        self._skip -= 1
        if self._skip >= 0:
            return False
        self._skip = self._draw_skip() if self._shadow_share else 1 << 62
        return self._shadow_share > 0.0

    def observe(self, category: str, age_s: float, *, changed: bool) -> None:
        """A comparison came out: of a check, or of any refresh whose old answer was still held.

        Args:
            category: of the answer.
            age_s: seconds since the old answer was stored.
            changed: whether the new one says something else.
        """
        known = self._categories.get(category)
        if known is None:
            if len(self._categories) >= self._categories_max:
                self._categories.popitem(last=False)
            known = self._categories[category] = _Category(self._ttl_s, self._memory)
        self._categories.move_to_end(category)
        known.observations += 1
        known.changed += changed
        known.estimate.observe(age_s, changed=changed)
        if known.observations % _OBSERVATIONS_PER_MOVE == 0:
            self._move(known)

    def report(self) -> tuple[CategoryTtl, ...]:
        """What is known of every category, the one observed last at the end."""
        return tuple(
            CategoryTtl(name, known.ttl_s, known.observations, known.changed, known.rate)
            for name, known in self._categories.items()
        )

    def _move(self, known: _Category) -> None:
        if known.estimate.weight < _OBSERVATIONS_MIN:
            return
        known.rate = rate = known.estimate.fit()
        long_s = self._changes_max / rate.per_s
        safe_s = min(self._changes_max / rate.per_s_high, long_s)
        wanted_s = min(max(known.ttl_s, safe_s), long_s)
        wanted_s = min(max(wanted_s, known.ttl_s / _SHRINKING_MAX), known.ttl_s * _GROWTH_MAX)
        known.ttl_s = min(max(wanted_s, self._ttl_min_s), self._ttl_max_s)

    def _draw_skip(self) -> int:
        if self._shadow_share >= 1.0:
            return 0
        return int(log1p(-self._uniform()) / log1p(-self._shadow_share))
