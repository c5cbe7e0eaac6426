"""Learned admission: is a value worth the room that others would have to leave?

What decides is the gateway's own: `headrace.cache.reuse`. Here it learns from the uses of a cache
in a program. Thread-safe; bounded.
"""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Final, Generic, TypeVar

from headrace.errors import HeadraceError

try:
    from headrace.cache.reuse.admission import AdmissionGate
    from headrace.cache.reuse.facts import UseFacts, UseHistory
    from headrace.cache.reuse.predictor import ReusePredictor
except ModuleNotFoundError as error:
    if error.name != "numpy":
        raise
    raise HeadraceError(
        "admission=True learns with numpy, which is not installed: pip install 'headrace[semantic]'"
    ) from None

Key = TypeVar("Key", bound=Hashable)

# Of the uses that could be learned from, this share is followed up.
WATCH_SHARE: Final = 0.2
# Fewer ends of predictions than this say nothing, and nothing is refused.
OUTCOMES_MIN: Final = 100
# What leaves tells how long values stay, as a running mean.
_SMOOTHING: Final = 0.01


class Admission(Generic[Key]):
    """Foresees which values are used again, and what room costs.

    Some 5 µs for a use, 50 µs for a value that is held, and up to 25 MB.

    Args:
        now_s: the time, in seconds.
        wall_s: wall-clock seconds, for the hour of the day.
        uniform: draws from [0, 1).
        ttl_s: how long values stay, as long as none has left.
    """

    def __init__(
        self,
        *,
        now_s: Callable[[], float],
        wall_s: Callable[[], float],
        uniform: Callable[[], float],
        ttl_s: float,
    ) -> None:
        self._now_s = now_s
        self._wall_s = wall_s
        self._lock = Lock()
        self._history = UseHistory()
        self._reuse = ReusePredictor(uniform=uniform, watch_share=WATCH_SHARE)
        self._gate = AdmissionGate(uniform=uniform)
        self._stay_s = ttl_s
        self._outcomes = 0

    @property
    def refused(self) -> int:
        """Values that were not let in."""
        return self._gate.refused

    @property
    def foreseen_by(self) -> str:
        """Whose predictions count now: `category`, `interval` or `learned`."""
        with self._lock:
            return self._reuse.report().answering

    def used(self, key: Key) -> None:
        """A key was looked up, held or not."""
        name, now_s = _name(key), self._now_s()
        with self._lock:
            self._outcomes += self._reuse.expire(now_s)
            self._reuse.used(name, now_s)
            self._history.use(name, now_s)

    def admits(
        self, key: Key, category: str, size: int, worth: float, life_s: float, *, is_free: bool
    ) -> bool:
        """Whether to hold a value that was computed.

        Args:
            key: its key.
            category: what kind of value it is.
            size: what it weighs, in bytes.
            worth: what a use of it saves.
            life_s: how long it would be given, in seconds.
            is_free: whether there is room for it without another one leaving, or it has its place
                already; then it is held whatever is foreseen.
        """
        now_s, name = self._now_s(), _name(key)
        with self._lock:
            facts = self._facts(name, category, size, now_s)
            horizon_s = min(life_s, self._stay_s)
            self._reuse.watch(name, facts, horizon_s, now_s)
            if is_free or self._outcomes < OUTCOMES_MIN:
                return True
            return self._gate.admits(self._reuse.probability(facts, horizon_s), worth, size)

    def left(
        self, key: Key, category: str, size: int, worth: float, stored_s: float, until_s: float
    ) -> None:
        """A value left for want of room.

        Args:
            key: its key.
            category: what kind of value it was.
            size: what it weighed, in bytes.
            worth: what a use of it would have saved.
            stored_s: when it had come.
            until_s: until when it would have been given.
        """
        now_s, name = self._now_s(), _name(key)
        with self._lock:
            self._stay_s += _SMOOTHING * (now_s - stored_s - self._stay_s)
            if now_s >= until_s:
                return
            facts = self._facts(name, category, size, now_s)
            chance = self._reuse.probability(facts, min(until_s - now_s, self._stay_s))
            self._gate.left(chance, worth, size)

    def _facts(self, name: bytes, category: str, size: int, now_s: float) -> UseFacts:
        hour = self._wall_s() / 3600.0 % 24.0
        return self._history.facts(
            name, now_s, category=category, tenant="", size_bytes=size, hour=hour
        )


def _name(key: Hashable) -> bytes:
    """A key as few bytes; that two of a billion share them does no harm."""
    return hash(key).to_bytes(8, "little", signed=True)
