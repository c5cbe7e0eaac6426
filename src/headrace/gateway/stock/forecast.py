"""How likely an answer is used again, from how it and others were used before."""

from typing import TYPE_CHECKING, Any, Final

import msgspec

from headrace.cache.entry import Answer, Entry
from headrace.cache.memory import MemoryCache
from headrace.cache.reuse.facts import UseFacts, UseHistory
from headrace.clock import Clock

if TYPE_CHECKING:
    from headrace.cache.reuse.predictor import ReusePredictor

# Predictions whose end is waited for, 1 KB each; new ones are spread over the time that it takes.
PENDING_MAX: Final = 4096
# A prediction that is followed up costs 50 µs in all: this bounds it to half a percent of the time.
_GAP_S_MIN: Final = 0.01
_OUTCOMES_PER_STEP: Final = 16
_SECONDS_PER_DAY: Final = 86_400.0


class Forecast:
    """Belongs to one event loop.

    Args:
        predictor: weighs the facts.
        memory: what is held.
        clock: the time.
    """

    def __init__(self, predictor: "ReusePredictor", memory: MemoryCache, clock: Clock) -> None:
        self._predictor = predictor
        self._memory = memory
        self._clock = clock
        self._history = UseHistory()
        self._next_watch_s = 0.0

    def used(self, key: bytes, now_s: float) -> None:
        """A key was used, as a hit or as a miss."""
        self._history.use(key, now_s)
        self._predictor.used(key, now_s)

    def used_since(self, key: bytes, began_s: float) -> bool:
        """Whether a key was used after a moment."""
        last_s = self._history.last_s(key)
        return last_s is not None and last_s > began_s

    def facts(self, key: bytes, answer: Answer, tenant: str, now_s: float) -> UseFacts:
        """What is known of a key and its answer."""
        return self._history.facts(
            key,
            now_s,
            category=f"{answer.provider}/{answer.model}",
            tenant=tenant,
            size_bytes=len(answer.body),
            hour=self._clock.wall_s() % _SECONDS_PER_DAY / 3600.0,
        )

    def chance(self, facts: UseFacts, horizon_s: float) -> float:
        """The chance of a use within so many seconds from now."""
        return self._predictor.probability(facts, horizon_s) if horizon_s > 0.0 else 0.0

    def chance_of(self, entry: Entry, horizon_s: float, now_s: float) -> float:
        """The same of an entry that is held or has just left; learns from what becomes of it."""
        facts = self.facts(entry.key, entry.answers[0], entry.terms.tenant, now_s)
        self.watch(entry.key, facts, horizon_s, now_s)
        return self.chance(facts, horizon_s)

    def chance_of_key(self, key: bytes, horizon_s: float) -> float:
        """The same of a key; 0 where it is not held."""
        now_s = self._clock.monotonic_s()
        entry = self._memory.peek(key, now_s)
        return 0.0 if entry is None else self.chance_of(entry, horizon_s, now_s)

    def watch(self, key: bytes, facts: UseFacts, horizon_s: float, now_s: float) -> None:
        """Something is decided about a key: learn from what becomes of it, not of all of them."""
        if now_s >= self._next_watch_s and horizon_s > 0.0:
            self._next_watch_s = now_s + max(_GAP_S_MIN, horizon_s / PENDING_MAX)
            self._predictor.watch(key, facts, horizon_s, now_s)

    def learn(self, now_s: float) -> None:
        """Learn from some of the predictions whose time is over."""
        self._predictor.expire(now_s, _OUTCOMES_PER_STEP)

    def told(self) -> dict[str, Any]:
        """How well it goes, as plain data."""
        told: dict[str, Any] = msgspec.to_builtins(self._predictor.report())
        return told
