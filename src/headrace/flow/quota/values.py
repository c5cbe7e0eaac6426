"""What stands in the headers of providers: counts, spans of time and points in time.

Nothing here trusts its input: what is not exactly of a known form, is negative or is absurd gives
None. The forms are those that providers write: `6m0s`, `12ms`, `2m59.56s` (OpenAI and those who
follow it, in the notation of Go), `2026-01-27T12:00:00Z` (Anthropic, RFC 3339), `17` (Azure),
`Wed, 21 Oct 2026 07:28:00 GMT` (RFC 9110, 5.6.7), `45.837906927s` (Google, in an error's body).
"""

import re
from datetime import UTC, datetime
from typing import Final

COUNT_MAX: Final = 1e12
"""No provider grants more in a minute."""

SPAN_S_MAX: Final = 366 * 86_400.0
"""No provider means more than a year; what is longer counts as one."""

_LENGTH_MAX: Final = 64
_DIGITS_SURE: Final = 12
_PLAIN: Final = ((b"ms", 0.001), (b"s", 1.0), (b"", 1.0))
_NUMBER: Final = re.compile(rb"\d{1,18}(?:\.\d{1,18})?")
_SPAN: Final = re.compile(rb"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?")
_PARTS_S: Final = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)
_TIME: Final = re.compile(
    rb"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)"
)
_DATE: Final = re.compile(
    rb"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT"
)
_MONTHS: Final = tuple(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())
_RETRY_DELAY: Final = re.compile(rb'"retryDelay"\s*:\s*"([\d.]{1,20}s)"')


def number(text: bytes) -> float | None:
    """A plain decimal number that is not negative, without sign, exponent or separators."""
    return float(text) if _NUMBER.fullmatch(text) else None


def count(text: bytes) -> float | None:
    """How many requests or tokens; None for what no provider could mean."""
    if text.isdigit() and len(text) <= _DIGITS_SURE:
        return float(text)
    value = number(text)
    return value if value is not None and value <= COUNT_MAX else None


def span_s(text: bytes, wall_s: float) -> float | None:
    """Seconds from now that a duration, a number of seconds or a point in time stands for.

    A point in time that has passed is 0 seconds away.

    Args:
        text: the header's value.
        wall_s: the provider's time, seconds since the epoch, as its `date` header says.
    """
    text = text.strip()
    if not text or len(text) > _LENGTH_MAX:
        return None
    for unit, unit_s in _PLAIN:  # what comes most, without a regular expression
        if text.endswith(unit):
            digits = text[: len(text) - len(unit)]
            if digits.isdigit() and len(digits) <= _DIGITS_SURE:
                return min(int(digits) * unit_s, SPAN_S_MAX)
            break
    value = number(text)
    if value is None:
        value = _duration_s(text)
    if value is None:
        at_s = time_s(text)
        value = None if at_s is None else max(0.0, at_s - wall_s)
    return None if value is None else min(value, SPAN_S_MAX)


def time_s(text: bytes) -> float | None:
    """A point in time (RFC 3339, or HTTP's) as seconds since the epoch."""
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text.decode("ascii").upper()).timestamp()
        found = _DATE.fullmatch(text)
        if found is None:
            return None
        day, month, year, hour, minute, second = found.groups()
        at = datetime(
            int(year),
            _MONTHS.index(month) + 1,
            int(day),
            int(hour),
            int(minute),
            int(second),
            tzinfo=UTC,
        )
        return at.timestamp()
    except (ValueError, OverflowError):  # the 31st of February
        return None


def retry_delay_s(body: bytes) -> float | None:
    """How long to wait, from the body of an error of Google's, which sends no header for it.

    The form is `google.rpc.RetryInfo`: `"retryDelay": "38s"`.

    Args:
        body: of an answer with status 429 or 503.
    """
    found = _RETRY_DELAY.search(body)
    return span_s(found[1], 0.0) if found else None


def _duration_s(text: bytes) -> float | None:
    found = _SPAN.fullmatch(text)
    if found is None:
        return None
    total_s = 0.0
    for part, unit_s in zip(found.groups(), _PARTS_S, strict=True):
        if part is not None:
            value = number(part)
            if value is None:
                return None
            total_s += value * unit_s
    return total_s
