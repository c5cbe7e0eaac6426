"""The providers that load is brought to, and calls of all priorities."""

from collections.abc import Mapping
from random import Random
from typing import Any, Final

import msgspec

from benchmarks.flow.system.client import Shot, poisson_s

KNEE: Final = 20
PACE: Final = (300.0, 150.0)
TOKENS: Final = (2, 3, 4)
CALL_S: Final = 0.6  # 300 ms, and 150 for each of two further tokens, on average
KNEE_PER_S: Final = KNEE / CALL_S
SLO_S: Final = 2.5
MIX: Final[Mapping[str, float]] = {"high": 0.1, "normal": 0.6, "low": 0.2, "batch": 0.1}

SLOWS: Final[Mapping[str, int]] = {"capacity": KNEE}
REFUSES: Final[Mapping[str, int]] = {"inflight_max": KNEE}
BOTH: Final[Mapping[str, int]] = {"capacity": KNEE, "inflight_max": 2 * KNEE}

GRADIENT: Final[Mapping[str, Any]] = {"limit": {"algorithm": "gradient"}}
FIXED_10: Final[Mapping[str, Any]] = {"limit": {"algorithm": "fixed", "inflight_max": 10}}
LIMITS_OFF: Final[Mapping[str, Any]] = {"limit": {"algorithm": "fixed", "inflight_max": 1_000_000}}


class Way(msgspec.Struct, frozen=True):
    """A kind of provider, and how the gateway is set for it."""

    name: str
    provider: Mapping[str, int]
    settings: Mapping[str, Any] = {}

    @property
    def slug(self) -> str:
        """Its name for files."""
        return self.name.replace(",", "").replace(" ", "-")


def mixed(
    seed: int,
    load: float,
    model: str,
    seconds: float,
    *,
    deadline_s: float = SLO_S,
    mix: Mapping[str, float] = MIX,
) -> list[Shot]:
    """Calls at a load given as a multiple of the knee.

    Args:
        seed: decides when which call comes.
        load: of the knee.
        model: what is asked.
        seconds: for so long.
        deadline_s: as callers tell it; 0 is none.
        mix: their priorities, with the share of each.
    """
    dice = Random(f"mixed {seed} {load:g}")
    classes, weights = list(mix), list(mix.values())
    return [
        Shot(
            at_s=at_s,
            model=model,
            text=f"{seed} {load:g} {number}",
            tokens=dice.choice(TOKENS),
            priority=dice.choices(classes, weights)[0],
            deadline_ms=round(deadline_s * 1000),
        )
        for number, at_s in enumerate(poisson_s(dice, load * KNEE_PER_S, seconds))
    ]
