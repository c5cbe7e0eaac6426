"""Headrace: the performance layer between applications and their language models."""

from typing import TYPE_CHECKING

from headrace.version import __version__

if TYPE_CHECKING:
    from headrace.errors import (
        DeadlineExceeded,
        HeadraceError,
        InvalidRequest,
        NotFound,
        NotRunning,
        Overloaded,
        RateLimited,
        SettingsInvalid,
        UpstreamBroken,
        UpstreamRefused,
    )
    from headrace.flow.adaptive_limiter import AdaptiveConcurrencyLimiter
    from headrace.flow.limiter import LimiterStats, Permit
    from headrace.flow.scheduler.priority_scheduler import PriorityScheduler
    from headrace.flow.scheduler.rules import ClassRules, SchedulerRules
    from headrace.flow.scheduler.snapshot import SchedulerSnapshot
    from headrace.library import (
        Adapter,
        BatchReply,
        Completion,
        Embeddings,
        StreamEvent,
        SyncAdapter,
    )
    from headrace.model import Usage
    from headrace.prompt.compress.lingua import LinguaShortener
    from headrace.prompt.compress.public import Compressed, compress
    from headrace.prompt.compress.report import CompressReport, StageCount
    from headrace.prompt.counting.count import Count
    from headrace.prompt.counting.public import count_tokens
    from headrace.prompt.templates.registry import TemplateInfo, TemplateRegistry
    from headrace.prompt.templates.template import RenderedTemplate
    from headrace.prompt.window.fit import FitReport
    from headrace.prompt.window.public import Fitted, fit
    from headrace.routing.cost import cost
    from headrace.routing.intent.classifier import Intent, IntentClassifier
    from headrace.store.faults import StoreBusy, StoreFault, StoreFull
    from headrace.toolkit.adaptive import AdaptiveCache
    from headrace.toolkit.batch_function import BatchFailed
    from headrace.toolkit.batch_stats import BatchStats
    from headrace.toolkit.batching import BatchProcessor
    from headrace.toolkit.cache import Cache
    from headrace.toolkit.circuit_breaker import BreakerStats, CircuitBreaker, CircuitOpen
    from headrace.toolkit.connections.answers import HttpResponse
    from headrace.toolkit.connections.pool import ConnectionPool
    from headrace.toolkit.connections.stats import ConnectionStats
    from headrace.toolkit.connections.sync_pool import SyncConnectionPool
    from headrace.toolkit.decorator import cached
    from headrace.toolkit.llm_batching import LLMBatchProcessor
    from headrace.toolkit.rate_limiter import RateAdmission, RateLimiter
    from headrace.toolkit.retry_budget import RetryBudget, RetryStats
    from headrace.toolkit.simple_cache import SimpleCache
    from headrace.toolkit.stats import AdaptiveStats, CacheErrors, CacheInfo, CacheStats
    from headrace.toolkit.stream_multiplexer import (
        StreamMultiplexer,
        StreamProgress,
        StreamReader,
    )
    from headrace.toolkit.values import NotStorable
    from headrace.toolkit.video_creator import VideoCreator
    from headrace.toolkit.video_outcome import VideoProgress, VideoResult
    from headrace.toolkit.warming import Warmed
    from headrace.video.faults import VideoFault
    from headrace.video.voices import EndpointVoice, EspeakVoice

__all__ = (
    "Adapter",
    "AdaptiveCache",
    "AdaptiveConcurrencyLimiter",
    "AdaptiveStats",
    "BatchFailed",
    "BatchProcessor",
    "BatchReply",
    "BatchStats",
    "BreakerStats",
    "Cache",
    "CacheErrors",
    "CacheInfo",
    "CacheStats",
    "CircuitBreaker",
    "CircuitOpen",
    "ClassRules",
    "Completion",
    "CompressReport",
    "Compressed",
    "ConnectionPool",
    "ConnectionStats",
    "Count",
    "DeadlineExceeded",
    "Embeddings",
    "EndpointVoice",
    "EspeakVoice",
    "FitReport",
    "Fitted",
    "HeadraceError",
    "HttpResponse",
    "Intent",
    "IntentClassifier",
    "InvalidRequest",
    "LLMBatchProcessor",
    "LimiterStats",
    "LinguaShortener",
    "NotFound",
    "NotRunning",
    "NotStorable",
    "Overloaded",
    "Permit",
    "PriorityScheduler",
    "RateAdmission",
    "RateLimited",
    "RateLimiter",
    "RenderedTemplate",
    "RetryBudget",
    "RetryStats",
    "SchedulerRules",
    "SchedulerSnapshot",
    "SettingsInvalid",
    "SimpleCache",
    "StageCount",
    "StoreBusy",
    "StoreFault",
    "StoreFull",
    "StreamEvent",
    "StreamMultiplexer",
    "StreamProgress",
    "StreamReader",
    "SyncAdapter",
    "SyncConnectionPool",
    "TemplateInfo",
    "TemplateRegistry",
    "UpstreamBroken",
    "UpstreamRefused",
    "Usage",
    "VideoCreator",
    "VideoFault",
    "VideoProgress",
    "VideoResult",
    "Warmed",
    "__version__",
    "cached",
    "compress",
    "cost",
    "count_tokens",
    "fit",
)

_HOMES = (
    ("flow.adaptive_limiter", ("AdaptiveConcurrencyLimiter",)),
    ("flow.limiter", ("LimiterStats", "Permit")),
    ("flow.scheduler.priority_scheduler", ("PriorityScheduler",)),
    ("flow.scheduler.rules", ("ClassRules", "SchedulerRules")),
    ("flow.scheduler.snapshot", ("SchedulerSnapshot",)),
    (
        "library",
        ("Adapter", "BatchReply", "Completion", "Embeddings", "StreamEvent", "SyncAdapter"),
    ),
    ("model", ("Usage",)),
    ("prompt.compress.lingua", ("LinguaShortener",)),
    ("prompt.compress.public", ("Compressed", "compress")),
    ("prompt.compress.report", ("CompressReport", "StageCount")),
    ("prompt.counting.count", ("Count",)),
    ("prompt.counting.public", ("count_tokens",)),
    ("prompt.window.fit", ("FitReport",)),
    ("prompt.window.public", ("Fitted", "fit")),
    ("prompt.templates.registry", ("TemplateInfo", "TemplateRegistry")),
    ("prompt.templates.template", ("RenderedTemplate",)),
    ("routing.cost", ("cost",)),
    ("routing.intent.classifier", ("Intent", "IntentClassifier")),
    ("store.faults", ("StoreBusy", "StoreFault", "StoreFull")),
    ("toolkit.adaptive", ("AdaptiveCache",)),
    ("toolkit.batch_function", ("BatchFailed",)),
    ("toolkit.batch_stats", ("BatchStats",)),
    ("toolkit.batching", ("BatchProcessor",)),
    ("toolkit.cache", ("Cache",)),
    ("toolkit.circuit_breaker", ("BreakerStats", "CircuitBreaker", "CircuitOpen")),
    ("toolkit.connections.answers", ("HttpResponse",)),
    ("toolkit.connections.pool", ("ConnectionPool",)),
    ("toolkit.connections.stats", ("ConnectionStats",)),
    ("toolkit.connections.sync_pool", ("SyncConnectionPool",)),
    ("toolkit.decorator", ("cached",)),
    ("toolkit.llm_batching", ("LLMBatchProcessor",)),
    ("toolkit.rate_limiter", ("RateAdmission", "RateLimiter")),
    ("toolkit.retry_budget", ("RetryBudget", "RetryStats")),
    (
        "toolkit.stream_multiplexer",
        ("StreamMultiplexer", "StreamProgress", "StreamReader"),
    ),
    ("toolkit.simple_cache", ("SimpleCache",)),
    ("toolkit.stats", ("AdaptiveStats", "CacheErrors", "CacheInfo", "CacheStats")),
    ("toolkit.values", ("NotStorable",)),
    ("toolkit.video_creator", ("VideoCreator",)),
    ("toolkit.video_outcome", ("VideoProgress", "VideoResult")),
    ("toolkit.warming", ("Warmed",)),
    ("video.faults", ("VideoFault",)),
    ("video.voices", ("EndpointVoice", "EspeakVoice")),
)
"""Where public names live; those that are not named here are errors."""


if not TYPE_CHECKING:  # a type checker knows the names from above, and that there are no others

    def __getattr__(name: str) -> object:
        """Load a public name when it is first asked for, so that `import headrace` costs nothing.

        Raises:
            AttributeError: there is no such name.
        """
        from importlib import import_module

        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = next((home for home, names in _HOMES if name in names), "errors")
        return getattr(import_module(f"headrace.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
