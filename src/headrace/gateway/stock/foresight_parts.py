"""Puts together what foresees uses, from the settings; imports numpy where it is used.

Like the tiers below memory, none of it changes with a reload.
"""

import secrets
from collections.abc import Callable

from headrace.cache.memory import MemoryCache
from headrace.cache.prefetch import PrefetchPlanner
from headrace.cache.reuse.admission import AdmissionGate
from headrace.cache.reuse.lives import Lives
from headrace.clock import Clock
from headrace.errors import SettingsInvalid
from headrace.gateway.plan import Plan
from headrace.gateway.stock.forecast import PENDING_MAX, Forecast
from headrace.gateway.stock.foresight import Foresight
from headrace.gateway.stock.prefetcher import KEPT_OVERHEAD_BYTES, AskAgain, Prefetcher
from headrace.observe.metrics import Metrics
from headrace.settings import Settings
from headrace.settings.schema import ReuseSettings


def make_foresight(
    settings: Settings,
    *,
    memory: MemoryCache,
    plan: Callable[[], Plan],
    clock: Clock,
    metrics: Metrics,
    ask_again: AskAgain,
) -> Foresight | None:
    """What `Answers` tells of uses; `None` where nothing is foreseen.

    Args:
        settings: what to go by.
        memory: what is held.
        plan: what the settings say at the moment.
        clock: the time.
        metrics: counts.
        ask_again: asks a provider in the background.

    Raises:
        SettingsInvalid: a package is missing.
    """
    cache = settings.cache
    if not cache.reuse.enabled and cache.prefetch.usd_per_hour <= 0.0:
        return None
    uniform = secrets.SystemRandom().random
    forecast = _forecast(memory, clock, uniform)
    return Foresight(
        forecast,
        memory=memory,
        plan=plan,
        clock=clock,
        gate=AdmissionGate(uniform=uniform) if cache.reuse.enabled else None,
        lives=_lives(cache.reuse),
        prefetcher=_prefetcher(settings, forecast, memory, plan, clock, metrics, ask_again),
    )


def _forecast(memory: MemoryCache, clock: Clock, uniform: Callable[[], float]) -> Forecast:
    try:
        from headrace.cache.reuse.predictor import ReusePredictor
    except ImportError as error:
        raise SettingsInvalid(
            f"cache.reuse and cache.prefetch: a package is missing ({error}). "
            "Install what they need: pip install 'headrace[semantic]'"
        ) from error
    return Forecast(ReusePredictor(uniform=uniform, pending_max=PENDING_MAX), memory, clock)


def _lives(reuse: ReuseSettings) -> Lives | None:
    if not reuse.enabled or reuse.ttl_s_min is None or reuse.ttl_s_max is None:
        return None
    return Lives(reuse.ttl_s_min, reuse.ttl_s_max)


def _prefetcher(
    settings: Settings,
    forecast: Forecast,
    memory: MemoryCache,
    plan: Callable[[], Plan],
    clock: Clock,
    metrics: Metrics,
    ask_again: AskAgain,
) -> Prefetcher | None:
    prefetch = settings.cache.prefetch
    if prefetch.usd_per_hour <= 0.0:
        return None
    bytes_max = prefetch.memory_mb << 20
    planner = PrefetchPlanner(
        # Workers do not know of each other's spending.
        usd_per_hour=prefetch.usd_per_hour / settings.listen.workers,
        usd_per_second=settings.cache.second_usd,
        reuse=forecast.chance_of_key,
        now_s=clock.monotonic_s(),
        chance_min=prefetch.chance_min,
        ahead_s=prefetch.ahead_s,
        expiring_max=bytes_max // KEPT_OVERHEAD_BYTES,
    )
    return Prefetcher(
        planner,
        plan=plan,
        memory=memory,
        ask_again=ask_again,
        clock=clock,
        metrics=metrics,
        bytes_max=bytes_max,
        inflight_max=prefetch.idle_inflight_max,
    )
