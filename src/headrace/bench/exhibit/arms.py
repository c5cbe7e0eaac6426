"""What is shown: everything off, everything on, and each optimisation by itself, as settings."""

from collections.abc import Mapping
from functools import reduce
from typing import Any, Final, Literal

import msgspec

from headrace.bench.exhibit.plans import CAPACITY, EMBEDDING, MODEL, Effort
from headrace.bench.trials.arms import Arm
from headrace.bench.trials.settings import merged

Settings = Mapping[str, Any]

OFF: Final = "everything off"
OFF_AGAIN: Final = "everything off, again"
ON: Final = "everything on"
EXACT: Final = "exact cache"
FLIGHTS: Final = "single-flight"
MEANING: Final = "answers by meaning"
COMPRESSION: Final = "compression"
MARKS: Final = "prompt-cache marks"
TIERS: Final = "tiers"
FIXED_CALLS: Final = CAPACITY // 2
FIXED: Final = f"{FIXED_CALLS} calls at once"
ADAPTIVE: Final = "adaptive limit"

STRONG: Final = "openai/gpt-5.6-terra"
CHEAP: Final = "openai/gpt-5.6-luna"

_EMBEDDER: Final = "embedder"
# An embedder nearby: the simulated one would else take as long as a chat.
_EMBED_MS: Final = 40.0
_UNLIMITED: Final[Mapping[str, Any]] = {"algorithm": "fixed", "inflight_max": 1_000_000}
_CACHE: Final[Mapping[str, Any]] = {"cache": {"enabled": True}}
_COMPRESS: Final[Mapping[str, Any]] = {"prompt": {"compress": {"level": "safe"}}}
_MARKS: Final[Mapping[str, Any]] = {"prompt": {"marks": {"enabled": True}}}
_TIERS: Final[Mapping[str, Any]] = {
    "tiers": {
        MODEL: {"cheap": CHEAP, "strong": STRONG, "cheap_share": 0.5, "scores_min": 20},
    }
}

EVERYTHING_OFF: Final[Mapping[str, Any]] = {
    "providers": {"openai": {"dialect": "openai", "marks": "on", "limit": _UNLIMITED}},
    "models": {MODEL: {"targets": [STRONG]}},
    "cache": {"enabled": False},
    "batch": {"enabled": False},
}
"""Requests are passed on, and nothing else is done."""

# As many may wait as beside the limit that is found out: the arms differ by their limit alone.
FIXED_LIMIT: Final[Mapping[str, Any]] = {
    "providers": {
        "openai": {
            "limit": {
                "algorithm": "fixed",
                "inflight_max": FIXED_CALLS,
                "waiting_max": CAPACITY,
            }
        }
    }
}


class Exhibit(msgspec.Struct, frozen=True, kw_only=True):
    """One arm: a name, and what is set over the settings with everything off.

    Attributes:
        name: what reports call it.
        about: what it has that its baseline has not.
        settings: overlay.
        against: its baseline.
        measures: what is compared.
        in_series: the series it is measured in.
    """

    name: str
    about: str
    settings: Settings
    against: str
    measures: tuple[str, ...]
    in_series: Literal["day", "overload"]


def _semantic(effort: Effort) -> Settings:
    pace = {"x-sim-ttft-ms": f"{_EMBED_MS / effort.speed:g}", "x-sim-token-ms": "0"}
    return {
        "providers": {_EMBEDDER: {"dialect": "openai", "headers": pace}},
        "cache": {
            "enabled": True,
            "semantic": {
                "enabled": True,
                "embedder": f"{_EMBEDDER}/{EMBEDDING}",
                "asks_dimensions": True,
                "explore_share": 0.0,
            },
        },
    }


def _limit(effort: Effort, models: int = 1) -> Settings:
    """Limits are for each model, and the simulated provider's capacity is for all together."""
    room = CAPACITY // models
    limit = {"algorithm": "gradient", "waiting_max": room}
    cap = {} if effort.has_time_to_learn else {"inflight_max": room}
    return {"providers": {"openai": {"limit": {**limit, **cap}}}}


_LATENCY: Final = ("mean_ms", "p50_ms", "ttft_ms", "usd_per_1000", "cpu_us")
_MONEY: Final = ("usd_per_1000", "mean_ms", "cpu_us")
_LOAD: Final = ("goodput_per_s", "answers_per_s", "variance_s2", "failed_share")


def exhibits(effort: Effort) -> tuple[Exhibit, ...]:
    """Each optimisation alone.

    Args:
        effort: where trials are too short for it, a limit is given its most in advance.
    """
    return *_by_day(effort), *_under_load(effort)


def _by_day(effort: Effort) -> tuple[Exhibit, ...]:
    """The most telling first: the last are left out where there is no time."""
    return (
        Exhibit(
            name=EXACT,
            about="repeats are answered from memory, and joined while they are asked",
            settings=_CACHE,
            against=OFF,
            measures=_LATENCY,
            in_series="day",
        ),
        Exhibit(
            name=MARKS,
            about="the provider is told which beginning to keep",
            settings=_MARKS,
            against=OFF,
            measures=_MONEY,
            in_series="day",
        ),
        Exhibit(
            name=TIERS,
            about="the easier half of the requests goes to a cheaper model",
            settings=_TIERS,
            against=OFF,
            measures=_MONEY,
            in_series="day",
        ),
        Exhibit(
            name=COMPRESSION,
            about="prompts go out in fewer tokens",
            settings=_COMPRESS,
            against=OFF,
            measures=_MONEY,
            in_series="day",
        ),
        Exhibit(
            name=MEANING,
            about="besides the exact cache, questions in other words are answered from memory",
            settings=_semantic(effort),
            against=EXACT,
            measures=_LATENCY,
            in_series="day",
        ),
        Exhibit(
            name=FLIGHTS,
            about="identical requests in flight share one call; nothing is kept behind it",
            settings={"cache": {"enabled": True, "ttl_s": 0.001}},
            against=OFF,
            measures=_LATENCY,
            in_series="day",
        ),
    )


def _under_load(effort: Effort) -> tuple[Exhibit, ...]:
    learns = "as many calls as the provider does well"
    limit = learns if effort.has_time_to_learn else f"{learns}, told in advance for want of time"
    return (
        Exhibit(
            name=ADAPTIVE,
            about=f"{limit}; as many wait, and others are refused",
            settings=_limit(effort),
            against=OFF,
            measures=_LOAD,
            in_series="overload",
        ),
        Exhibit(
            name=FIXED,
            about=f"half of what the provider does well, set by hand; {CAPACITY} wait, and others "
            "are refused",
            settings=FIXED_LIMIT,
            against=OFF,
            measures=_LOAD,
            in_series="overload",
        ),
    )


def arm(name: str, *overlays: Settings) -> Arm:
    """An arm with everything off but what overlays turn on."""
    return Arm(name=name, settings=reduce(merged, overlays, dict(EVERYTHING_OFF)))


def main_arms(effort: Effort) -> tuple[Arm, ...]:
    """Everything off, the same again where there is a control, and everything on."""
    everything = (_semantic(effort), _COMPRESS, _MARKS, _TIERS, _limit(effort, models=2))
    again = (arm(OFF_AGAIN),) if effort.is_controlled else ()
    return arm(OFF), *again, arm(ON, *everything)


def arms_alone(effort: Effort, series: str) -> tuple[Arm, ...]:
    """Everything off, and each optimisation of a series by itself."""
    shown = (each for each in exhibits(effort) if each.in_series == series)
    return arm(OFF), *(arm(each.name, each.settings) for each in shown)
