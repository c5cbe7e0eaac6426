"""Limits as header lines, in the words of each dialect. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime
from math import ceil
from typing import Final

from headrace.cache.entry import Headers
from headrace.errors import BudgetExceeded, RateLimited
from headrace.flow.rate import Standing, duration_text
from headrace.model import DialectName

RETRY_S_MAX: Final = 60.0
"""SDKs that are told to wait longer than this try again at once, or sleep for ever."""

_LIMITS: Final = (b"x-ratelimit-", b"anthropic-ratelimit-")


def standing_lines(dialect: DialectName, standings: Iterable[Standing], wall_s: float) -> bytes:
    """How limits stand.

    Args:
        dialect: in whose words: OpenAI says in how long a limit is whole again, Anthropic when.
        standings: the limits.
        wall_s: seconds since the epoch.
    """
    if dialect == "anthropic":
        return b"".join(_anthropic_lines(standing, wall_s) for standing in standings)
    return b"".join(map(_openai_lines, standings))


def refusal_lines(error: RateLimited | BudgetExceeded) -> bytes:
    """When to try again, and whether at all.

    `retry-after` is rounded up, so that it is true; `retry-after-ms` is what SDKs look at first.
    Nothing that SDKs do makes room in a budget.
    """
    if error.retry_after_s is None:
        return b"x-should-retry: false\r\n"
    after_ms = max(1, ceil(round(error.retry_after_s * 1000, 3)))
    lines = b"retry-after: %d\r\nretry-after-ms: %d\r\n" % (-(-after_ms // 1000), after_ms)
    is_over = error.retry_after_s > RETRY_S_MAX or isinstance(error, BudgetExceeded)
    return lines + b"x-should-retry: false\r\n" if is_over else lines


def without_limits(headers: Headers) -> Headers:
    """A provider's headers without what they say of the limits of the gateway's key there."""
    return tuple(pair for pair in headers if not pair[0].startswith(_LIMITS))


def _openai_lines(standing: Standing) -> bytes:
    name, per_minute, left, reset_s = standing
    return (
        f"x-ratelimit-limit-{name}: {per_minute}\r\n"
        f"x-ratelimit-remaining-{name}: {left}\r\n"
        f"x-ratelimit-reset-{name}: {duration_text(reset_s)}\r\n"
    ).encode()


def _anthropic_lines(standing: Standing, wall_s: float) -> bytes:
    name, per_minute, left, reset_s = standing
    at = datetime.fromtimestamp(ceil(wall_s + reset_s), UTC)
    return (
        f"anthropic-ratelimit-{name}-limit: {per_minute}\r\n"
        f"anthropic-ratelimit-{name}-remaining: {left}\r\n"
        f"anthropic-ratelimit-{name}-reset: {at:%Y-%m-%dT%H:%M:%SZ}\r\n"
    ).encode()
