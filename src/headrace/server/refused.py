"""Requests that were refused, counted by why."""

from collections.abc import Mapping

from headrace.observe.families import RATE_LIMIT
from headrace.observe.metrics import Metrics


def count_refused(metrics: Metrics, code: str) -> None:
    """Count a request that was wrong, or more than its caller may ask.

    Args:
        metrics: where it is counted.
        code: what the client is told.
    """
    limit = _LIMITS.get(code)
    if limit is not None:
        metrics.rate_limited.add(metrics.rate_limited.at(limit))
    else:
        metrics.bad_requests.add(metrics.bad_requests.at(_REASONS.get(code, "other")))


_LIMITS: Mapping[str, str] = {f"rate_limit_{limit}": limit for limit in RATE_LIMIT.values}

# What clients do wrong, by the code they are told, as the metric names it.
_REASONS: Mapping[str, str] = {
    "invalid_request": "protocol",
    "request_timeout": "too_slow",
    "headers_too_large": "headers_too_large",
    "body_too_large": "body_too_large",
    "invalid_json": "json",
    "invalid_type": "field",
    "invalid_value": "field",
    "missing_field": "field",
    "method_not_allowed": "method",
    "unknown_route": "route",
    "model_not_found": "model",
    "wrong_dialect": "model",
    "missing_api_key": "key",
    "invalid_api_key": "key",
    "not_allowed": "key",
}
