"""What may be answered from the cache, and what may be put there."""

import enum
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
    """

    tool_calls: bool = True


class Refusal(enum.StrEnum):
    """Why an answer is not stored."""

    STATUS = "status"
    ERROR = "error"
    INCOMPLETE = "incomplete"
    TRUNCATED = "truncated"
    FILTERED = "filtered"
    EMPTY = "empty"
    TOOL_CALLS = "tool_calls"


_Applies = Callable[[ReplyFacts, int, StoreRules], bool]

# The first row that applies is the reason.
_TABLE: tuple[tuple[Refusal, _Applies], ...] = (
    (Refusal.STATUS, lambda _facts, status, _rules: status != _STATUS_OK),
    (Refusal.ERROR, lambda facts, _status, _rules: facts.is_error),
    (Refusal.INCOMPLETE, lambda facts, _status, _rules: not facts.complete),
    (Refusal.TRUNCATED, lambda facts, _status, _rules: facts.truncated),
    (Refusal.FILTERED, lambda facts, _status, _rules: facts.filtered),
    (Refusal.EMPTY, lambda facts, _status, _rules: facts.empty),
    (
        Refusal.TOOL_CALLS,
        lambda facts, _status, rules: facts.has_tool_calls and not rules.tool_calls,
    ),
)


def store_refusal(facts: ReplyFacts, status: int, rules: StoreRules) -> Refusal | None:
    """Why an answer may not be stored, `None` where it may."""
    if status == _STATUS_OK and facts.complete and not _is_special(facts):
        return None  # no row applies, as for most answers
    for refusal, applies in _TABLE:
        if applies(facts, status, rules):
            return refusal
    return None


def _is_special(facts: ReplyFacts) -> bool:
    return (
        facts.empty or facts.truncated or facts.filtered or facts.is_error or facts.has_tool_calls
    )


def storable(facts: ReplyFacts, status: int, rules: StoreRules) -> bool:
    """Whether an answer may be stored."""
    return store_refusal(facts, status, rules) is None


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
