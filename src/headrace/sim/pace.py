"""How fast answers come: the latency profiles and the knee."""

import enum
import math
from statistics import NormalDist

import msgspec

from headrace.sim.text import seeded_fraction

_REAL_TTFT_MEDIAN_S = 0.350
_REAL_TTFT_SIGMA = 0.5
_REAL_TOKEN_S_MIN = 0.015
_REAL_TOKEN_S_MAX = 0.025
_NORMAL = NormalDist()


class Profile(enum.StrEnum):
    """The named latency profiles."""

    INSTANT = "instant"
    FAST = "fast"
    REAL = "real"


class Pace(msgspec.Struct, frozen=True):
    """The latency of one call.

    Attributes:
        ttft_s: seconds until the first token.
        token_s: seconds between tokens.
    """

    ttft_s: float = 0.0
    token_s: float = 0.0

    def service_s(self, tokens: int) -> float:
        """Seconds until an answer of `tokens` is whole."""
        return self.ttft_s + self.token_s * max(0, tokens - 1)

    def slowed(self, factor: float) -> "Pace":
        """The same pace, `factor` times as long."""
        return Pace(self.ttft_s * factor, self.token_s * factor)


AT_ONCE = Pace()
_FAST = Pace(0.020, 0.005)


def draw_pace(profile: Profile, seed: int, sequence: int, speed: float = 1.0) -> Pace:
    """The pace of call number `sequence`, `speed` times as fast as the profile says.

    The same seed draws the same series.
    """
    if profile is Profile.INSTANT:
        return AT_ONCE
    pace = _FAST if profile is Profile.FAST else _real(seed, sequence)
    return pace if speed == 1.0 else pace.slowed(1.0 / speed)


def _real(seed: int, sequence: int) -> Pace:
    normal = _NORMAL.inv_cdf(seeded_fraction(seed, b"ttft", sequence))
    spread = seeded_fraction(seed, b"token", sequence)
    return Pace(
        _REAL_TTFT_MEDIAN_S * math.exp(_REAL_TTFT_SIGMA * normal),
        _REAL_TOKEN_S_MIN + spread * (_REAL_TOKEN_S_MAX - _REAL_TOKEN_S_MIN),
    )


def knee_factor(inflight: int, capacity: int | None) -> float:
    """How much longer a call takes with `inflight` calls, itself included, at `capacity`."""
    if capacity is None or inflight <= capacity:
        return 1.0
    return inflight / capacity
