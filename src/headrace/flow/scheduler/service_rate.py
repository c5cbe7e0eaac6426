"""How fast turns come, observed only while somebody waits for one. Pure."""

from typing import Final

# What is remembered, in seconds of waiting: conditions of a provider change within such a time.
HORIZON_S: Final = 10.0
# Where turns are rare, the last so many are remembered, however long they took.
TURNS_KEPT_MIN: Final = 16
# A rate of fewer turns than this is a guess.
TURNS_SEEN_MIN: Final = 3

_KEPT_MIN: Final = 1.0 - 1.0 / TURNS_KEPT_MIN


class ServiceRate:
    """Turns per second, an exponentially weighted mean over the time in which somebody waits.

    While nobody waits, turns come as fast as requests do, which says nothing of what could be.
    """

    __slots__ = ("_busy_s", "_seen", "_since_s", "_turns")

    def __init__(self) -> None:
        self._turns = 0.0
        self._busy_s = 0.0
        self._seen = 0
        self._since_s: float | None = None

    def began(self, now_s: float) -> None:
        """Somebody waits, from now on."""
        self._since_s = now_s

    def stopped(self, now_s: float) -> None:
        """Nobody waits any more."""
        self._pass(now_s)
        self._since_s = None

    def turn(self, now_s: float) -> None:
        """Somebody who waited got a turn."""
        self._pass(now_s)
        self._turns += 1.0
        self._seen += 1

    def per_s(self, now_s: float) -> float | None:
        """Turns per second; `None` where too few were seen to say."""
        if self._seen < TURNS_SEEN_MIN:
            return None
        busy_s = self._busy_s
        if self._since_s is not None:
            busy_s += max(now_s - self._since_s, 0.0)
        return self._turns / busy_s if busy_s > 0.0 else None

    def _pass(self, now_s: float) -> None:
        if self._since_s is None:
            return
        passed_s = now_s - self._since_s
        self._since_s = now_s
        if passed_s > 0.0:
            kept = 1.0 - passed_s / HORIZON_S
            if kept < _KEPT_MIN:
                kept = _KEPT_MIN
            self._turns *= kept
            self._busy_s = self._busy_s * kept + passed_s
