"""Will it be used again in time? Whoever has been right lately answers."""

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from math import inf
from typing import Final

import msgspec
import numpy as np

from headrace.cache.reuse.baselines import CategoryHazard, IntervalRate
from headrace.cache.reuse.facts import UseFacts
from headrace.cache.reuse.features import WIDTH, Scaler, Vector, features
from headrace.cache.reuse.logistic import OnlineLogistic
from headrace.cache.reuse.scores import CalibrationRow, Score

CATEGORY: Final = "category"
INTERVAL: Final = "interval"
LEARNED: Final = "learned"
# In this order they win where two are equally good.
NAMES: Final = (CATEGORY, INTERVAL, LEARNED)

_OUTCOMES_MIN: Final = 100
_SHORTEST: Final = 5.0


class ReuseReport(msgspec.Struct, frozen=True):
    """How well reuse is foreseen.

    Attributes:
        answering: whose predictions are used now: `category`, `interval` or `learned`.
        log_losses: running log-loss of each.
        calibration: predictions of each against what came of them.
        outcomes: labels so far.
        used_share: share of these that were used in time.
        pending: predictions whose end is waited for.
        dropped: predictions not waited for because too many were.
    """

    answering: str
    log_losses: dict[str, float]
    calibration: dict[str, tuple[CalibrationRow, ...]]
    outcomes: int
    used_share: float
    pending: int
    dropped: int


class _Pending(msgspec.Struct, gc=False, eq=False):
    """A prediction whose end is waited for.

    Attributes:
        chances: what each of `NAMES` said, before anything was known.
        horizon_s: within which a use counts.
        used_s: when the key was used first.
    """

    facts: UseFacts
    row: Vector
    chances: tuple[float, float, float]
    began_s: float
    horizon_s: float
    used_s: float = inf


class ReusePredictor:
    """The chance that a key is used again within a time.

    Three predictors run side by side and are scored on the same predictions, made before the
    outcome was known: a rate per category, the key's own mean interval, and an online logistic
    regression over the key's facts and the other two. The one with the lowest running log-loss
    answers; a baseline wins a draw.

    Costs: `probability` 10 µs, `watch` 15 µs, an outcome 35 µs; each pending prediction 1 KB.

    Args:
        uniform: draws from [0, 1).
        pending_max: predictions whose end is waited for; beyond it new ones are not watched, which
            does not favour either outcome.
        watch_share: share of the calls of `watch` that are followed up.
    """

    def __init__(
        self, *, uniform: Callable[[], float], pending_max: int = 4096, watch_share: float = 1.0
    ) -> None:
        self._uniform = uniform
        self._pending_max = pending_max
        self._watch_share = watch_share
        self._category = CategoryHazard()
        self._interval = IntervalRate()
        self._learned = OnlineLogistic(WIDTH)
        self._scaler = Scaler()
        self._scores = tuple(Score() for _ in NAMES)
        # Those whose key was not used yet.
        self._unused: dict[bytes, list[_Pending]] = {}
        # All, soonest end first; the number keeps records from being compared.
        self._ends: list[tuple[float, int, bytes, _Pending]] = []
        self._watched = 0
        self._outcomes = 0
        self._used = 0
        self._dropped = 0
        self._best = 0

    def probability(self, facts: UseFacts, horizon_s: float) -> float:
        """The chance of a use within `horizon_s` seconds from now, as the best one sees it."""
        if self._best == 0:
            return self._category.probability(facts.category, horizon_s)
        if self._best == 1:
            return self._interval.probability(facts.interval_s, horizon_s)
        return self._learned.probability(self._scaler.scale(self._row(facts, horizon_s)[0]))

    def probabilities(self, many: Sequence[UseFacts], horizon_s: float) -> list[float]:
        """The same for many keys; learned ones in one multiplication."""
        if self._best < 2 or not many:
            return [self.probability(facts, horizon_s) for facts in many]
        rows = np.stack([self._row(facts, horizon_s)[0] for facts in many])
        return list(map(float, self._learned.probabilities(self._scaler.scale(rows))))

    def watch(self, key: bytes, facts: UseFacts, horizon_s: float, now_s: float) -> None:
        """Predict, and wait for what becomes of it.

        Call where a decision is made: when an answer is stored or used, and when it is about to
        expire. Half of the predictions are for a shorter time, down to a 32nd, so that other
        horizons than the usual one are learned too.

        Args:
            key: whose use ends the wait.
            facts: of the key, at this moment.
            horizon_s: seconds within which a use counts.
            now_s: the moment, monotonic seconds.
        """
        if self._watch_share < 1.0 and self._uniform() >= self._watch_share:
            return
        if len(self._ends) >= self._pending_max:
            self._dropped += 1
            return
        ends_s = now_s + horizon_s
        if self._uniform() < 0.5:
            horizon_s *= 2.0 ** (-_SHORTEST * self._uniform())
        row, category, interval = self._row(facts, horizon_s)
        self._scaler.see(row)
        row = self._scaler.scale(row)
        # Before there is anything to learn from, it would say a half to everything.
        is_taught = self._outcomes >= _OUTCOMES_MIN
        learned = self._learned.probability(row) if is_taught else category
        pending = _Pending(facts, row, (category, interval, learned), now_s, horizon_s)
        self._unused.setdefault(key, []).append(pending)
        self._watched += 1
        heappush(self._ends, (ends_s, self._watched, key, pending))

    def used(self, key: bytes, now_s: float) -> None:
        """A key was used. Costs one look-up for what is not watched."""
        for pending in self._unused.pop(key, ()):
            pending.used_s = now_s

    def expire(self, now_s: float, outcomes_max: int = 64) -> int:
        """Learn from predictions whose time is over; call once in a while.

        What was used is learned no sooner than what was not: else whatever is new would at first
        look as if it were always used.

        Returns:
            How many there were, at most `outcomes_max`.
        """
        ended = 0
        while self._ends and ended < outcomes_max and self._ends[0][0] <= now_s:
            _, _, key, pending = heappop(self._ends)
            if pending.used_s == inf:
                unused = self._unused[key]
                unused.remove(pending)
                if not unused:
                    del self._unused[key]
            self._learn(pending)
            ended += 1
        return ended

    def report(self) -> ReuseReport:
        """How well it goes."""
        return ReuseReport(
            answering=NAMES[self._best],
            log_losses={n: s.log_loss for n, s in zip(NAMES, self._scores, strict=True)},
            calibration={n: s.calibration() for n, s in zip(NAMES, self._scores, strict=True)},
            outcomes=self._outcomes,
            used_share=self._used / self._outcomes if self._outcomes else 0.0,
            pending=len(self._ends),
            dropped=self._dropped,
        )

    def _row(self, facts: UseFacts, horizon_s: float) -> tuple[Vector, float, float]:
        category = self._category.probability(facts.category, horizon_s)
        interval = self._interval.probability(facts.interval_s, horizon_s)
        return features(facts, horizon_s, category, interval), category, interval

    def _learn(self, pending: _Pending) -> None:
        watched_s = min(max(pending.used_s - pending.began_s, 0.0), pending.horizon_s)
        used = watched_s < pending.horizon_s
        self._outcomes += 1
        self._used += used
        for score, predicted in zip(self._scores, pending.chances, strict=True):
            score.add(predicted, used=used)
        facts = pending.facts
        self._category.learn(facts.category, watched_s, used=used)
        self._interval.learn(facts.interval_s, used=used)
        self._learned.learn(pending.row, used=used)
        if self._outcomes >= _OUTCOMES_MIN:
            losses = [score.log_loss for score in self._scores]
            self._best = losses.index(min(losses))
