"""What a trial does: phases of a day, too much, and the time after; in full and in short."""

from typing import Final, Literal

import msgspec

from headrace.bench.load.plan import Gamma, Good, Mix, Phase, PhaseKind, Plan, Poisson, Workload

WARM: Final = "warm-up"
DAY: Final = "day"
BUSY: Final = "busy"
OVERLOAD: Final = "overload"
RECOVERY: Final = "recovery"

CAPACITY: Final = 16
"""Calls at once above which the simulated provider gets slower in proportion."""
TOKENS: Final = 24
MODEL: Final = "assistant"
EMBEDDING: Final = "text-embedding-3-small"

LAG_SHARE: Final = 0.25
"""Latencies are short where time passes faster, and a client's lag is in both arms alike."""

LEARNS_S: Final = 4.0
"""A limit looks at windows of a quarter of a second, and needs some of them."""

# Of the `real` profile: 350 ms to the first token, lognormal, then 20 ms a token, on average.
_CALL_S: Final = 0.350 * 1.133 + 0.020 * (TOKENS - 1)
KNEE_PER_S: Final = CAPACITY / _CALL_S
"""Calls a second that the simulated provider can do at its own pace."""

_GOOD_S: Final = 2.5
_USERS: Final = 40
_DAY_LOAD: Final = 0.55
_BUSY_LOAD: Final = 0.8
_OVERLOAD: Final = 2.5


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How much is done; times are those of the model, which passes `speed` times as fast.

    Attributes:
        speed: factor.
        pairs: trials of each arm of the main comparison.
        pairs_alone: of each optimisation alone.
        popular: questions that come again and again: few where trials are too short for many.
        is_controlled: whether everything off is measured against itself as well.
        tail: the largest quantile that an overload has enough requests for.
        warm_s: connections are opened, caches begin to fill.
        day_s: an ordinary day.
        busy_s: about as much as the provider can do.
        overload_s: far more than that.
        recovery_s: an ordinary day again.
        seconds_max: of the clock; parts alone for which there is no time are left out. None: it
            takes what it takes.
    """

    speed: float
    pairs: int
    pairs_alone: int
    popular: int
    is_controlled: bool
    tail: Literal["p90", "p95"]
    warm_s: float
    day_s: float
    busy_s: float
    overload_s: float
    recovery_s: float
    seconds_max: float | None = None

    @property
    def has_time_to_learn(self) -> bool:
        """Whether a limit that is found out is found out within a trial, on the clock's time."""
        return self.overload_s / self.speed >= LEARNS_S


FULL: Final = Effort(
    speed=6.0,
    pairs=10,
    pairs_alone=10,
    popular=40,
    is_controlled=True,
    tail="p95",
    warm_s=4.0,
    day_s=72.0,
    busy_s=16.0,
    overload_s=24.0,
    recovery_s=24.0,
)
QUICK: Final = Effort(
    speed=5.0,
    pairs=7,
    pairs_alone=2,
    popular=12,
    is_controlled=False,
    tail="p90",
    warm_s=0.5,
    day_s=7.0,
    busy_s=0.0,
    overload_s=3.0,
    recovery_s=2.0,
    seconds_max=105.0,
)


def whole_plan(effort: Effort) -> Plan:
    """A day, a busy one, too much, and the time after."""
    return _plan(
        effort,
        "showcase",
        (
            _phase(WARM, "warm-up", effort.warm_s, _DAY_LOAD),
            _phase(DAY, "baseline", effort.day_s, _DAY_LOAD, bursts=True),
            _phase(BUSY, "load", effort.busy_s, _BUSY_LOAD),
            _phase(OVERLOAD, "spike", effort.overload_s, _OVERLOAD),
            _phase(RECOVERY, "recovery", effort.recovery_s, _DAY_LOAD),
        ),
        MIXED,
    )


def day_plan(effort: Effort) -> Plan:
    """An ordinary day only: for what saves calls, tokens or dollars."""
    return _plan(
        effort,
        "showcase-day",
        (
            _phase(WARM, "warm-up", effort.warm_s, _DAY_LOAD),
            _phase(DAY, "baseline", effort.day_s, _DAY_LOAD, bursts=True),
        ),
        MIXED,
    )


def overload_plan(effort: Effort) -> Plan:
    """Far too many requests, none of which repeats: for what decides how many calls run."""
    return _plan(
        effort,
        "showcase-overload",
        (
            _phase(WARM, "warm-up", effort.warm_s, _DAY_LOAD),
            _phase(BUSY, "load", effort.busy_s, _BUSY_LOAD),
            _phase(OVERLOAD, "spike", effort.overload_s, _OVERLOAD),
            _phase(RECOVERY, "recovery", effort.recovery_s, _DAY_LOAD),
        ),
        msgspec.structs.replace(MIXED, repeat_share=0.0),
    )


MIXED: Final = Workload(
    mix=Mix(chat=4, stream=6, embeddings=0),
    model=MODEL,
    repeat_share=0.55,
    zipf=0.9,
    reworded_share=0.3,
    agent_share=0.4,
    stream_usage=True,
    prompt_tokens=60,
)
"""Questions that come again, some in other words; questions that come once; turns of agents with a
long common beginning and a table that a tool returned."""


def _plan(effort: Effort, name: str, phases: tuple[Phase | None, ...], workload: Workload) -> Plan:
    def paced(phase: Phase) -> Phase:
        return msgspec.structs.replace(
            phase,
            seconds=phase.seconds / effort.speed,
            per_user_per_min=phase.per_user_per_min * effort.speed,
            timeout_s=60.0 / effort.speed + 5.0,
        )

    return Plan(
        name=name,
        sim_profile="real",
        sim_tokens=TOKENS,
        phases=tuple(paced(phase) for phase in phases if phase is not None),
        workload=msgspec.structs.replace(workload, popular=effort.popular),
        good=Good(e2e_ms=_GOOD_S * 1000 / effort.speed),
        lag_share=LAG_SHARE,
    )


def _phase(
    name: str, kind: PhaseKind, seconds: float, load: float, *, bursts: bool = False
) -> Phase | None:
    """A phase at the model's own pace; None where there is no time for it."""
    if not seconds:
        return None
    return Phase(
        name=name,
        kind=kind,
        seconds=seconds,
        users=_USERS,
        per_user_per_min=load * KNEE_PER_S * 60 / _USERS,
        arrivals=Gamma(cv=2.0) if bursts else Poisson(),
    )
