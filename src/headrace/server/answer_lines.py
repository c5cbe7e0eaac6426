"""What the head of an answer says besides what came with it: who gave it, what it cost, and, where
it is a refusal, when to ask again. Pure."""

from collections.abc import Mapping
from math import ceil
from typing import Final

from headrace.cache.entry import Headers
from headrace.errors import BudgetExceeded, HeadraceError, MethodNotAllowed, RateLimited
from headrace.gateway.headers import SLO
from headrace.gateway.reader import Source, Stale, Told
from headrace.server.limit_lines import refusal_lines
from headrace.server.replies import JSON_LINE, allow_line, cost_line, header_lines, source_lines

_WHENCE: Final = b"x-headrace-cache: %b\r\nx-headrace-attempts: %d\r\nx-headrace-key: %b\r\n%b"
_STALE: Final[Mapping[Stale, bytes]] = {
    stale: b"x-headrace-stale: %b\r\n" % stale.value.encode() for stale in Stale
}
_SLO: Final = SLO.removeprefix(b"x-headrace-").decode()
_ESTIMATED: Final = ("cost-estimated", "true")


def whence_lines(key: bytes, told: Told) -> bytes:
    """Who answers, how the cache did, and what stages said besides.

    Args:
        key: what the answer is kept under.
        told: what is known of where it comes from.
    """
    lines = _WHENCE % (
        told.cache_value,
        told.attempts,
        key.hex().encode(),
        source_lines(told.provider, told.model),
    )
    if told.stale is not None:
        lines += _STALE[told.stale]
    if told.similarity is not None:
        lines += b"x-headrace-similarity: %.3f\r\n" % told.similarity
    for name, value in told.remarks:
        lines += b"x-headrace-%b: %b\r\n" % (name.encode(), value.encode())
    return lines


def passed_on(headers: Headers, source: Source | None) -> bytes:
    """A provider's headers; of a service level's, where both speak of one, this gateway's own goes.

    Args:
        headers: of the provider, which may be another Headrace.
        source: what is known of where the answer comes from.
    """
    lines = header_lines(headers)
    if SLO in lines and source is not None and _SLO in dict(source.remarks):
        return header_lines(pair for pair in headers if pair[0] != SLO)
    return lines


def trailer_lines(cost_usd: float | None, source: Source | None) -> bytes:
    """What a stream cost, which nobody knew when its head was written.

    Args:
        cost_usd: in US dollars; `None` where nobody knows.
        source: where it came from.
    """
    lines = cost_line(cost_usd)
    if lines and source is not None and _ESTIMATED in source.remarks:
        lines += b"x-headrace-cost-estimated: true\r\n"
    return lines


def error_lines(error: HeadraceError, source: Source | None) -> bytes:
    """What stands in the head of a refusal.

    Args:
        error: what is told.
        source: where an answer was to come from, as far as that is known.
    """
    lines = JSON_LINE
    if isinstance(error, RateLimited | BudgetExceeded):
        lines += refusal_lines(error)
    elif error.retry_after_s is not None:
        lines += b"retry-after: %d\r\n" % max(1, ceil(error.retry_after_s))
    if isinstance(error, MethodNotAllowed):
        lines += allow_line(error.allowed)
    return lines + retry_lines(source)


def retry_lines(source: Source | None) -> bytes:
    """What was tried again here is not tried again by the caller's SDK."""
    if source is not None and source.attempts > 1:
        return b"x-should-retry: false\r\n"
    return b""
