"""The public surface, name by name: a change here is a change for everyone who uses Headrace.

When a test fails because the surface was changed on purpose, copy the printed lines into
`EXPECTED` and tell users in the change log.
"""

import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Final

import pytest

import headrace

EXPECTED: Final[Mapping[str, str]] = {
    "Adapter": (
        "class(settings, *, max_tokens, warm_up_timeout_s, close_timeout_s, embed, batch, "
        "batch_size, batch_wait_ms)"
    ),
    "AdaptiveCache": (
        "class(*, max_size, max_bytes, ttl, ttl_min, ttl_max, stale, stale_if_error, early, "
        "admission, stale_share, check_share, category, same, clock)"
    ),
    "AdaptiveConcurrencyLimiter": (
        "class(limit, *, initial, limit_min, limit_max, signal_least, waiting_max, permit_s_max, "
        "retry_after_s_max, is_drop, clock)"
    ),
    "AdaptiveStats": (
        "class(cache, policy, lifetimes, refreshed, refresh_errors, last_refresh_error, bridged, "
        "last_bridged_error, refused, foreseen_by, caller_errors, last_caller_error)"
    ),
    "BatchFailed": "error(message, *, code, param, retry_after_s)",
    "BatchProcessor": (
        "class(function, *, max_size, latency_ms, max_wait_ms, max_running, max_waiting, "
        "timeout_s, key, dedup, bisect, clock)"
    ),
    "BatchReply": "class(text, usage)",
    "BatchStats": (
        "class(added, joined, cache_hits, refused, batches, batched, calls, failed_calls, "
        "timeouts, failed, waiting, running, cache_errors, last_error)"
    ),
    "Cache": "class(*, max_size, max_bytes, ttl, policy, listeners, weigh, clock)",
    "BreakerStats": (
        "class(state, calls, failures, slow, opened, refused, listener_errors, "
        "last_listener_error, retry_after_s)"
    ),
    "CacheErrors": (
        "class(key_errors, last_key_error, refresh_errors, last_refresh_error, backend_errors, "
        "last_backend_error)"
    ),
    "CacheInfo": "class(hits, misses, maxsize, currsize)",
    "CacheStats": (
        "class(hits, misses, joined, evictions, expirations, entries, bytes_held, "
        "listener_errors, last_listener_error)"
    ),
    "CircuitBreaker": (
        "class(*, failure_rate, slow_rate, slow_s, calls_min, row_max, window_s, window_calls, "
        "probes, open_s, open_s_max, failures, listeners, clock, uniform)"
    ),
    "CircuitOpen": "error(message, *, code, param, retry_after_s)",
    "ClassRules": "class(*, turns_share, target_s, interval_s, wait_s_max)",
    "Completion": (
        "class(text, finish_reason, tool_calls, usage, model, provider, cache, cost_usd, "
        "attempts, raw, fallback)"
    ),
    "CompressReport": (
        "class(level, texts, changed, tokens_before, tokens_after, stages, invariants, cleared)"
    ),
    "Compressed": "class(messages, system, report, original)",
    "ConnectionPool": (
        "class(pool_size, *, max_keepalive, keepalive_s, connect_timeout_s, read_timeout_s, "
        "total_timeout_s, pool_timeout_s, retries, answer_bytes_max, ca_file, clock, uniform)"
    ),
    "ConnectionStats": (
        "class(opened, reused, idle, active, waiting, waits, retries, expired, errors)"
    ),
    "Count": "class(tokens, is_exact, error_p95)",
    "DeadlineExceeded": "error(message, *, code, param, retry_after_s)",
    "Embeddings": "class(vectors, usage, model, provider, cache, cost_usd, attempts, raw)",
    "EndpointVoice": "class(base_url, api_key, model, voice)",
    "EspeakVoice": "class(language, words_per_minute)",
    "FitReport": (
        "class(*, tokens_before, tokens_after, budget_tokens, messages_dropped, results_cleared, "
        "summarised, left_out, next_out)"
    ),
    "Fitted": "class(*, messages, report)",
    "HeadraceError": "error(message, *, code, param, retry_after_s)",
    "HttpResponse": "class(status, headers, content, attempts)",
    "Intent": "class(name, confidence, is_known, why)",
    "IntentClassifier": "class(weights, rules)",
    "InvalidRequest": "error(message, *, code, param, retry_after_s)",
    "LLMBatchProcessor": (
        "class(llm_callable, batch_size, max_wait_ms, *, cache, latency_ms, max_running, "
        "max_waiting, timeout_s, key, dedup, bisect, clock)"
    ),
    "LimiterStats": (
        "class(limit, inflight, successes, ignored, drops, refused, reclaimed, closed_s)"
    ),
    "LinguaShortener": "class(model, *, device)",
    "NotFound": "error(message, *, code, param, retry_after_s)",
    "NotRunning": "error(message, *, code, param, retry_after_s)",
    "Overloaded": "error(message, *, code, param, retry_after_s)",
    "Permit": "class(limiter, began_s, inflight)",
    "PriorityScheduler": "class(concurrency, *, rules, clock)",
    "SchedulerRules": "class(*, waiting_max, high, normal, low, batch)",
    "SchedulerSnapshot": "class(waiting, turns_per_s, classes, heaviest)",
    "NotStorable": "error(message, *, code, param, retry_after_s)",
    "RateAdmission": "class(caller, tokens, refusal)",
    "RateLimited": "error(message, *, code, param, retry_after_s)",
    "RateLimiter": (
        "class(*, requests_per_minute, tokens_per_minute, concurrent, burst_s, callers_max, clock, "
        "sleep)"
    ),
    "RetryBudget": "class(share, *, floor, window_s, clock, uniform)",
    "RetryStats": "class(requests, retries, refused, left)",
    "TemplateInfo": "class(name, versions, labels, description, variables)",
    "TemplateRegistry": "class(path)",
    "RenderedTemplate": "class(template, parts)",
    "SettingsInvalid": "error(message, *, code, param, retry_after_s)",
    "SimpleCache": "class(ttl_seconds, max_size_mb, eviction_percentage, path, *, clock)",
    "StageCount": "class(stage, texts, tokens_saved, reverted)",
    "StoreBusy": "error(message, *, code, param, retry_after_s)",
    "StoreFault": "error(message, *, code, param, retry_after_s)",
    "StoreFull": "error(message, *, code, param, retry_after_s)",
    "StreamEvent": "class(index, text, raw, choice, finish_reason, usage)",
    "StreamMultiplexer": (
        "class(source, *, buffer_max, slow, history_max, coalesce_max, join, measure, clock)"
    ),
    "StreamProgress": (
        "class(chunks, tokens, elapsed_s, first_s, tokens_per_s, readers, dropped, is_over)"
    ),
    "StreamReader": "class(seat, take, go)",
    "SyncAdapter": (
        "class(settings, *, max_tokens, warm_up_timeout_s, close_timeout_s, embed, batch, "
        "batch_size, batch_wait_ms)"
    ),
    "SyncConnectionPool": (
        "class(pool_size, *, max_keepalive, keepalive_s, connect_timeout_s, read_timeout_s, "
        "total_timeout_s, pool_timeout_s, retries, answer_bytes_max, ca_file, clock, uniform)"
    ),
    "UpstreamBroken": "error(message, *, code, param, retry_after_s)",
    "UpstreamRefused": "error(message, *, upstream_status, body)",
    "Usage": (
        "class(input_tokens, output_tokens, cached_tokens, cache_write_tokens, "
        "cache_write_1h_tokens)"
    ),
    "VideoCreator": (
        "class(max_workers, preset, threads, *, output_dir, width, height, fps, crf, colors, "
        "crossfade_s, captions, voice, font, ffmpeg, clock)"
    ),
    "VideoFault": "error(cause, message)",
    "VideoProgress": "class(index, title, share)",
    "VideoResult": (
        "class(*, path, title, duration_s, size_bytes, scenes, width, height, captions, warnings, "
        "error)"
    ),
    "Warmed": "class(computed, held, failed, last_error, is_full)",
    "__version__": "str",
    "cost": "function(usage, *, model, provider, at, batch)",
    "compress": (
        "function(messages, level, *, system, model, exact_tools, repeats, stale, keep_share, "
        "shorten)"
    ),
    "count_tokens": "function(text_or_messages, *, model, tools)",
    "fit": (
        "function(messages, budget, *, model, output_tokens, dialect, system, tools, keep_first, "
        "step_share, clear_tool_results, count)"
    ),
    "cached": "function(function, /, *, ttl, max_size, max_bytes, key, stale, backend)",
}
"""Each public name, and what it is: see `describe`."""


def describe(value: object) -> str:
    """What `value` is, with the names of its parameters where it can be called.

    `error(message, *, code)`, `class(settings)`, `function(text)`, `async function(text)`, or the
    name of the type of a constant.
    """
    if isinstance(value, type):
        return ("error" if issubclass(value, BaseException) else "class") + _parameters(value)
    if inspect.iscoroutinefunction(value):
        return "async function" + _parameters(value)
    if inspect.isroutine(value):
        return "function" + _parameters(value)
    return type(value).__name__


def _parameters(value: object) -> str:
    if not callable(value):
        return ""
    try:
        signature = inspect.signature(value)
    except ValueError:
        return "(...)"
    plain = [
        parameter.replace(annotation=parameter.empty, default=parameter.empty)
        for parameter in signature.parameters.values()
    ]
    return str(signature.replace(parameters=plain, return_annotation=signature.empty))


def surface() -> Mapping[str, str]:
    return {name: describe(getattr(headrace, name)) for name in sorted(headrace.__all__)}


def test_surface_is_the_expected_one() -> None:
    lines = "\n".join(f'    "{name}": "{what}",' for name, what in surface().items())
    assert surface() == EXPECTED, f"the surface is now\n{lines}"


def test_nothing_else_looks_public() -> None:
    seen = {
        name
        for name, value in vars(headrace).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert seen <= {*headrace.__all__, "TYPE_CHECKING"}


def test_names_are_listed_once() -> None:
    assert len(set(headrace.__all__)) == len(headrace.__all__)


def test_every_public_name_is_explained() -> None:
    for name in EXPECTED:
        if not name.startswith("_"):
            value = getattr(headrace, name)
            assert inspect.getdoc(value), name
            assert value.__module__.partition(".")[0] == "headrace", name


def test_names_that_are_not_public_are_not_there() -> None:
    with pytest.raises(AttributeError, match="Adaptor"):
        _ = headrace.Adaptor  # type: ignore[attr-defined]
    assert set(EXPECTED) <= set(dir(headrace))


def test_describe_tells_kinds_apart() -> None:
    class Shape:
        def __init__(self, side_mm: int, *, name: str = "") -> None: ...

    class Trouble(Exception): ...

    async def wait(seconds: float) -> None: ...

    assert describe(Shape) == "class(side_mm, *, name)"
    assert describe(Trouble).startswith("error")
    assert describe(wait) == "async function(seconds)"
    assert describe(test_names_are_listed_once) == "function()"
    assert describe("1.0") == "str"
