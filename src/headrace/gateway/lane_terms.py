"""From a provider's settings to what its gates go by. Pure."""

import sys
from collections.abc import Callable
from math import inf

from headrace.flow.breaker import BreakerTerms
from headrace.flow.limit.aimd import AimdLimit
from headrace.flow.limit.base import Limit
from headrace.flow.limit.fixed import FixedLimit
from headrace.flow.limit.gradient2 import Gradient2Limit
from headrace.flow.limit.vegas import VegasLimit
from headrace.flow.scheduler import SchedulerRules
from headrace.gateway.gates import GateTerms
from headrace.settings import ProviderSettings
from headrace.settings.flow import BreakerSettings

_INITIAL = 20

# A permit that is out for longer than any call may take was lost.
_PERMIT_SPARE_S = 60.0


def gate_terms(settings: ProviderSettings, uniform: Callable[[], float]) -> GateTerms:
    """What the gates of a provider go by.

    Args:
        settings: the provider's.
        uniform: draws numbers from 0 to 1.
    """
    return GateTerms(
        breaker=_breaker_terms(settings.breaker),
        make_limit=lambda initial: _make_limit(settings, uniform, initial),
        is_limited=settings.limit.inflight_max is not None or settings.limit.algorithm != "aimd",
        queue=SchedulerRules(waiting_max=settings.limit.waiting_max),
        permit_s_max=settings.connect_timeout_s + settings.total_timeout_s + _PERMIT_SPARE_S,
    )


def _make_limit(
    settings: ProviderSettings, uniform: Callable[[], float], inflight: int | None
) -> Limit:
    limit = settings.limit
    limit_max = limit.inflight_max or settings.connections_max
    limit_min = min(limit.inflight_min, limit_max)
    # Where nothing is known the most that is allowed, for refusals tell; where there was a refusal,
    # what was under way then. What learns from waiting times finds the way up by itself.
    first = limit_max if inflight is None else max(inflight, _INITIAL)
    initial = max(limit_min, min(first, limit_max))
    match limit.algorithm:
        case "aimd":
            return AimdLimit(initial=initial, limit_min=limit_min, limit_max=limit_max)
        case "gradient":
            initial = max(limit_min, min(_INITIAL, limit_max))
            return Gradient2Limit(initial=initial, limit_min=limit_min, limit_max=limit_max)
        case "vegas":
            initial = max(limit_min, min(_INITIAL, limit_max))
            return VegasLimit(
                uniform=uniform, initial=initial, limit_min=limit_min, limit_max=limit_max
            )
        case "fixed":
            return FixedLimit(limit_max)


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
