"""What a week came to, in steps of ten minutes: what compares with days ago goes by it. Pure."""

from collections.abc import Mapping
from itertools import accumulate
from typing import Final, NamedTuple

from headrace.console.signs import Signs
from headrace.observe.export import limits
from headrace.settings.slos import MODEL_ROUTES

STEP_S: Final = 600.0
_HOUR: Final = 6
_DAY: Final = 24 * _HOUR
# An hour that ends a week ago begins an hour before.
_KEPT: Final = 7 * _DAY + _HOUR
_HOUR_S: Final = 3600.0
_HITS: Final = frozenset(("l1", "l2", "l3", "semantic", "joined"))
_LOOKED: Final = _HITS | {"miss"}


class Sums(NamedTuple):
    """What was counted, since it began or in a time.

    Attributes:
        asked: requests for models.
        looked: those that were looked up in the cache.
        hits: those that it answered.
        spent_usd: what providers cost.
    """

    asked: float = 0.0
    looked: float = 0.0
    hits: float = 0.0
    spent_usd: float = 0.0


NOTHING: Final = Sums()


def sums_of(signs: Signs) -> Sums:
    """What all workers have counted by then."""
    asked = looked = hits = 0.0
    for (route, _, cache), count in signs.of("headrace_requests_total").items():
        if route in MODEL_ROUTES:
            asked += count
            looked += count if cache in _LOOKED else 0.0
            hits += count if cache in _HITS else 0.0
    return Sums(asked, looked, hits, signs.total("headrace_spent_usd_total"))


class Change(NamedTuple):
    """What is now, and what it is compared with."""

    now: float
    before: float


class Chronicle:
    """A week of steps, by their number since the epoch. A step in which nothing came has none.

    Args:
        first: what was counted before it began: nothing of that is told.
        at_s: when, seconds since the epoch by a clock that nobody sets.
        before: steps of a gateway before this one.
        began: the first step that anybody saw, where `before` tells of it.
    """

    def __init__(
        self,
        first: Sums,
        at_s: float,
        before: Mapping[int, Sums] | None = None,
        began: int | None = None,
    ) -> None:
        self._last = first
        self._at_s = at_s
        # Of a clock that was ahead then, nothing can be said.
        self._steps = {step: sums for step, sums in (before or {}).items() if step <= self.step}
        self.began = self.step if began is None else min(began, self.step)
        self._forget()

    @property
    def step(self) -> int:
        """The one that it is."""
        return int(self._at_s // STEP_S)

    @property
    def steps(self) -> Mapping[int, Sums]:
        """All that are kept."""
        return self._steps

    @property
    def seen_s(self) -> float:
        """For how long it has been seen what is counted, up to a week."""
        return self._at_s - max(self.began, self.step - _KEPT) * STEP_S

    def add(self, now: Sums, at_s: float) -> None:
        """Take note of what has been counted by now; times never go back."""
        self._at_s = at_s
        grown = [max(0.0, late - early) for late, early in zip(now, self._last, strict=True)]
        self._last = now
        if any(grown):
            held = self._steps.get(self.step, NOTHING)
            added = Sums(*(old + new for old, new in zip(held, grown, strict=True)))
            self._steps[self.step] = added
        self._forget()

    def cost_spike(self) -> Change | None:
        """Dollars an hour now, and in the dearest hour of the week that ended a day ago, where
        that is far more; `None` otherwise, and before there was such a week for a day."""
        now = self._hour(self.step).spent_usd / self._hour_so_far_s * _HOUR_S
        begin, end = self.step - _KEPT + 1, self.step - _DAY + 1
        spent = [self._steps.get(step, NOTHING).spent_usd for step in range(begin, end)]
        if not any(spent[:-_DAY]):
            return None
        sums = [0.0, *accumulate(spent)]
        dearest = max(late - early for early, late in zip(sums, sums[_HOUR:], strict=False))
        is_spike = now > limits.SPIKE_FACTOR * dearest and now > limits.SPIKE_USD_PER_H
        return Change(now, dearest) if is_spike else None

    def hit_fall(self) -> Change | None:
        """The share of hits in an hour, and at the same time a day ago, where it is far less."""
        now, before = self._hour(self.step), self._hour(self.step - _DAY)
        if not now.looked or not before.looked:
            return None
        change = Change(now.hits / now.looked, before.hits / before.looked)
        is_asked = now.asked / self._hour_so_far_s > limits.HITS_ASKED_PER_S
        return change if is_asked and change.now < limits.HITS_FELL_TO * change.before else None

    @property
    def _hour_so_far_s(self) -> float:
        """How long the hour is that ends now: its last step is not over."""
        return (_HOUR - 1) * STEP_S + max(self._at_s % STEP_S, 1.0)

    def _hour(self, end: int) -> Sums:
        """What the hour came to that ends with a step."""
        steps = [self._steps.get(step, NOTHING) for step in range(end - _HOUR + 1, end + 1)]
        return Sums(*map(sum, zip(*steps, strict=True)))

    def _forget(self) -> None:
        oldest = self.step - _KEPT
        for step in [step for step in self._steps if step < oldest]:
            del self._steps[step]
