"""What may be answered from the cache, and what may be put there."""

import enum
import sys
from collections.abc import Callable

import msgspec

from headrace.model import ReplyFacts, RequestView

# What the providers sample with where the caller names no temperature.
_TEMPERATURE_DEFAULT = 1.0
_STATUS_OK = 200


class StoreRules(msgspec.Struct, frozen=True):
    """What of the table below is a matter of settings.

    Attributes:
        tool_calls: whether answers that call tools may be stored.
        unsafe: answers that hold one of these words may not, whatever the case of letters.
        bytes_max: larger answers may not.
    """

    tool_calls: bool = True
    unsafe: tuple[str, ...] = ()
    bytes_max: int = sys.maxsize


class Body(msgspec.Struct, frozen=True, gc=False):
    """What matters of an answer besides what it says of itself.

    Attributes:
        size: in bytes.
        is_kept: whether all of it was kept while it passed; not so of very long streams.
        is_as_asked: whether it came as events where events were asked for, and only there.
        whole: gives it as one JSON document, though it came as events.
    """

    size: int
    is_kept: bool
    is_as_asked: bool
    whole: Callable[[], bytes]


class Refusal(enum.StrEnum):
    """Why an answer is not stored."""

    STATUS = "status"
    ERROR = "error"
    INCOMPLETE = "incomplete"
    TRUNCATED = "truncated"
    FILTERED = "filtered"
    EMPTY = "empty"
    TOOL_CALLS = "tool_calls"
    TOO_LARGE = "too_large"
    SHAPE = "shape"
    UNSAFE = "unsafe"


_Applies = Callable[[ReplyFacts, int, StoreRules, Body], bool]

# The first row that applies is the reason. docs/cache.md has the same table.
_TABLE: tuple[tuple[Refusal, _Applies], ...] = (
    (Refusal.STATUS, lambda _facts, status, _rules, _body: status != _STATUS_OK),
    (Refusal.ERROR, lambda facts, _status, _rules, _body: facts.is_error),
    (Refusal.INCOMPLETE, lambda facts, _status, _rules, _body: not facts.complete),
    (Refusal.TRUNCATED, lambda facts, _status, _rules, _body: facts.truncated),
    (Refusal.FILTERED, lambda facts, _status, _rules, _body: facts.filtered),
    (Refusal.EMPTY, lambda facts, _status, _rules, _body: facts.empty),
    (
        Refusal.TOOL_CALLS,
        lambda facts, _status, rules, _body: facts.has_tool_calls and not rules.tool_calls,
    ),
    (
        Refusal.TOO_LARGE,
        lambda _facts, _status, rules, body: not body.is_kept or body.size > rules.bytes_max,
    ),
    (Refusal.SHAPE, lambda _facts, _status, _rules, body: not body.is_as_asked),
    (
        Refusal.UNSAFE,
        lambda _facts, _status, rules, body: bool(rules.unsafe) and _holds(body, rules.unsafe),
    ),
)


def store_refusal(
    facts: ReplyFacts, status: int, rules: StoreRules, body: Body | None = None
) -> Refusal | None:
    """Why an answer may not be stored, `None` where it may.

    Args:
        facts: what it says of itself.
        status: HTTP status.
        rules: what the settings say.
        body: what else matters; without it only the rows that need no more are looked at.
    """
    body = body or _NO_BODY
    if (
        status == _STATUS_OK
        and facts.complete
        and not _is_special(facts)
        and body.size <= rules.bytes_max
        and body.is_kept
        and body.is_as_asked
        and not rules.unsafe
    ):
        return None  # no row applies, as for most answers
    for refusal, applies in _TABLE:
        if applies(facts, status, rules, body):
            return refusal
    return None


def _is_special(facts: ReplyFacts) -> bool:
    return (
        facts.empty or facts.truncated or facts.filtered or facts.is_error or facts.has_tool_calls
    )


def _holds(body: Body, words: tuple[str, ...]) -> bool:
    """Whether an answer holds one of these words anywhere: in its text or in a tool's arguments."""
    try:
        # Written anew, so that it does not matter how the provider escapes letters.
        written = msgspec.json.encode(msgspec.json.decode(body.whole())).decode().casefold()
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return True  # what cannot be looked through is not known to be safe
    return any(msgspec.json.encode(word).decode()[1:-1].casefold() in written for word in words)


def storable(facts: ReplyFacts, status: int, rules: StoreRules) -> bool:
    """Whether an answer may be stored."""
    return store_refusal(facts, status, rules) is None


_NO_BODY = Body(0, is_kept=True, is_as_asked=True, whole=lambda: b"{}")


def request_cacheable(view: RequestView, temperature_max: float | None) -> bool:
    """Whether a request is deterministic enough to be answered from the cache.

    Args:
        view: what was asked; without a temperature the providers' default of 1 counts.
        temperature_max: highest temperature that is cached, `None` for any.
    """
    if temperature_max is None:
        return True
    temperature = _TEMPERATURE_DEFAULT if view.temperature is None else view.temperature
    return temperature <= temperature_max
