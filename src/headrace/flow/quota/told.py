"""What the headers of an answer say of the quota that it was counted against.

Names, each as its provider documents it:
- OpenAI, and Azure, Groq and others who follow it: `x-ratelimit-{limit,remaining,reset}-requests`
  and `-tokens`; Azure says -1 where it does not know. On Groq the requests are those of a day.
- Anthropic: `anthropic-ratelimit-{requests,input-tokens,output-tokens,tokens}-{limit,remaining,
  reset}`; tokens that remain are rounded to thousands, and `tokens` repeats whichever limit is the
  tightest, so it counts only where the other two are missing.
- Google's Gemini sends none; its errors say in their body how long to wait (`retry_delay_s`).
- `retry-after` in seconds or as a date, and `retry-after-ms`, which is finer and so comes first.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final

import msgspec

from headrace.flow.quota.values import count, number, span_s, time_s

_MINUTE_S: Final = 60.0
# A reset this many times longer than a minute's bucket explains belongs to another bucket.
_OTHER_WINDOW: Final = 2.0
# A reset is rounded up, to a second at the worst.
_RESET_GRAIN_S: Final = 2.0
# With less than this to refill, a reset is too short to tell a minute's bucket from another one.
_USED_S_MIN: Final = 3.0


class Kind(IntEnum):
    """What is counted; the order is that of `Need`."""

    REQUESTS = 0
    TOKENS = 1
    INPUT_TOKENS = 2
    OUTPUT_TOKENS = 3


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What was said of one kind.

    Attributes:
        kind: of what.
        limit: how much the provider grants, positive; None where it does not say.
        left: how much is left of it, never above `limit`; None where it does not say.
        reset_s: seconds until all of it is there again; None where it does not say.
        grain: how far below `left` the truth may be.
    """

    kind: Kind
    limit: float | None
    left: float | None
    reset_s: float | None
    grain: float


class Told(msgspec.Struct, frozen=True, gc=False):
    """What the headers of one answer said.

    Attributes:
        readings: of each kind that was spoken of in a way that can be understood.
        retry_after_s: how long to wait, as it was asked for; None where it was not.
    """

    readings: tuple[Reading, ...]
    retry_after_s: float | None


NOTHING: Final = Told((), None)

_LIMIT, _LEFT, _RESET = range(3)
_ROUNDED: Final = 500.0
# Names to kind, what of it, and how coarse it is; after the kinds comes Anthropic's tightest limit.
# Kinds are plain numbers here: members of an enumeration take five times as long to look up.
_TIGHTEST: Final = 4
_KINDS: Final = tuple(Kind)
_PARTED: Final = frozenset({2, 3})
_Place = tuple[int, int, float]


_PARTS: Final = ((b"limit", _LIMIT), (b"remaining", _LEFT), (b"reset", _RESET))
_OPENAI: Final = ((b"requests", 0), (b"tokens", 1))
_ANTHROPIC: Final = (
    (b"requests", 0, 0.0),
    (b"input-tokens", 2, _ROUNDED),
    (b"output-tokens", 3, _ROUNDED),
    (b"tokens", _TIGHTEST, _ROUNDED),
)
_PLACES: Final[Mapping[bytes, _Place]] = {
    b"x-ratelimit-%b-%b" % (part, name): (kind, what, 0.0)
    for part, what in _PARTS
    for name, kind in _OPENAI
} | {
    b"anthropic-ratelimit-%b-%b" % (name, part): (kind, what, grain)
    for part, what in _PARTS
    for name, kind, grain in _ANTHROPIC
}
_RETRY: Final = frozenset({b"retry-after", b"retry-after-ms", b"x-ms-retry-after-ms"})


def read_told(headers: Iterable[tuple[bytes, bytes]], wall_s: float) -> Told:
    """What an answer's headers say of quotas; `NOTHING` where they say nothing.

    What cannot be understood counts as not said: signs, exponents, infinities, dates that do not
    exist. Points in time are held against the `date` header, if there is one, so that it does not
    matter whose clock is wrong.

    Args:
        headers: names in lower case, and values.
        wall_s: our own time, seconds since the epoch.
    """
    found: list[tuple[_Place, bytes]] = []
    waits: dict[bytes, bytes] = {}
    date = b""
    has_time = False
    for name, value in headers:
        place = _PLACES.get(name)
        if place is not None:
            found.append((place, value.strip()))
            has_time = has_time or b":" in value
        elif name in _RETRY:
            waits[name] = value.strip()
            has_time = has_time or b":" in value
        elif name == b"date":
            date = value.strip()
    if not found and not waits:
        return NOTHING
    if has_time and date:
        wall_s = time_s(date) or wall_s
    return Told(_readings(found, wall_s), _retry_after_s(waits, wall_s))


def _readings(found: list[tuple[_Place, bytes]], wall_s: float) -> tuple[Reading, ...]:
    said: dict[int, list[float | None]] = {}
    for (kind, what, grain), text in found:
        values = said.get(kind)
        if values is None:
            values = said[kind] = [None, None, None, grain]
        values[what] = span_s(text, wall_s) if what == _RESET else count(text)
    tightest = said.pop(_TIGHTEST, None)
    if tightest is not None and not said.keys() & _PARTED:
        said[1] = tightest
    return tuple(
        Reading(_KINDS[kind], limit, left, reset_s, grain or 0.0)
        for kind, (limit, left, reset_s, grain) in said.items()
        # A limit of nothing is none; and no more can be left of a limit than there is.
        if (limit is not None or left is not None)
        and (limit is None or max(1.0, left or 0.0) <= limit)
    )


def _retry_after_s(waits: Mapping[bytes, bytes], wall_s: float) -> float | None:
    for name in (b"retry-after-ms", b"x-ms-retry-after-ms"):
        if name in waits:
            value_ms = number(waits[name])
            if value_ms is not None:
                return value_ms / 1000
    text = waits.get(b"retry-after")
    return None if text is None else span_s(text, wall_s)


def _minute_s(reading: Reading) -> float | None:
    """How long a minute's bucket takes from what is left to full; None where too little is said."""
    if reading.limit is None or reading.left is None or reading.reset_s is None:
        return None
    return (1 - reading.left / reading.limit) * _MINUTE_S


def is_slower(reading: Reading) -> bool:
    """Whether it takes far longer to refill than a minute's bucket, as that of a day does."""
    minute_s, reset_s = _minute_s(reading), reading.reset_s
    if minute_s is None or reset_s is None:
        return False
    return reset_s > _OTHER_WINDOW * minute_s + _RESET_GRAIN_S


def is_minute(reading: Reading) -> bool:
    """Whether the time to refill shows that the limit is one per minute."""
    minute_s, reset_s = _minute_s(reading), reading.reset_s
    if minute_s is None or reset_s is None or minute_s < _USED_S_MIN:
        return False
    return minute_s / _OTHER_WINDOW <= reset_s <= minute_s * _OTHER_WINDOW
