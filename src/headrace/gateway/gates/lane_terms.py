"""From a provider's settings to what its gates go by. Pure."""

import sys
from math import inf

from headrace.flow.adaptive_limiter import make_limit
from headrace.flow.breaker import BreakerTerms
from headrace.flow.hedging import HedgeTerms
from headrace.flow.limit.base import Limit
from headrace.flow.scheduler import SchedulerRules
from headrace.gateway.gates.gate import GateTerms
from headrace.settings import ProviderSettings
from headrace.settings.flow import BreakerSettings, HedgeSettings

_INITIAL = 20
# What a signal is where nothing queues: signals are multiples of the least.
_SIGNAL_LEAST = 1.0
_BY_REFUSALS = ("cubic", "aimd")

# A permit that is out for longer than any call may take was lost.
_PERMIT_SPARE_S = 60.0


def gate_terms(settings: ProviderSettings) -> GateTerms:
    """What the gates of a provider go by."""
    return GateTerms(
        breaker=_breaker_terms(settings.breaker),
        make_limit=lambda inflight: _make_limit(settings, inflight),
        is_limited=settings.limit.inflight_max is not None
        or settings.limit.algorithm not in _BY_REFUSALS,
        queue=SchedulerRules(waiting_max=settings.limit.waiting_max),
        permit_s_max=settings.connect_timeout_s + settings.total_timeout_s + _PERMIT_SPARE_S,
        hedge=_hedge_terms(settings.hedge) if settings.hedge.enabled else None,
        hedges_same=settings.hedge.same_target,
    )


def _hedge_terms(settings: HedgeSettings) -> HedgeTerms:
    return HedgeTerms(
        quantile=settings.quantile,
        share=settings.share_max,
        window_s=settings.window_s,
        samples_min=settings.samples_min,
        delay_s_min=settings.after_ms_min / 1000,
    )


def _make_limit(settings: ProviderSettings, inflight: int | None) -> Limit:
    limit = settings.limit
    limit_max = limit.inflight_max or settings.connections_max
    limit_min = min(limit.inflight_min, limit_max)
    # Where there was a refusal, what was under way then; else the most that is allowed, unless the
    # algorithm finds its way up by itself.
    first = max(inflight or 0, _INITIAL)
    if inflight is None and limit.algorithm != "gradient":
        first = limit_max
    initial = max(limit_min, min(first, limit_max))
    return make_limit(limit.algorithm, initial, limit_min, limit_max, _SIGNAL_LEAST)


def _breaker_terms(settings: BreakerSettings) -> BreakerTerms:
    """One that is off never has calls enough."""
    return BreakerTerms(
        failure_rate=settings.failure_rate,
        slow_rate=settings.slow_rate,
        slow_s=inf if settings.slow_s is None else settings.slow_s,
        calls_min=settings.calls_min if settings.enabled else sys.maxsize,
        row_max=settings.row_max if settings.enabled else sys.maxsize,
        window_s=settings.window_s,
        open_s=settings.open_s,
        open_s_max=max(settings.open_s, settings.open_s_max),
    )
