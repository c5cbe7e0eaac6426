"""Whether a call goes out once more, and when.

What may do harm twice goes out twice only where it cannot have been done: the methods that RFC
9110, 9.2.2 calls idempotent, calls that carry an idempotency key, and calls for which no
connection could be opened. Which faults are worth it and how long to wait is what `flow/retry.py`
says: full jitter, on top of the server's own `retry-after`.
"""

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from math import inf
from typing import Final

from headrace.flow.retry import Again, Backoff, after_fault
from headrace.limits import NUMBER_DIGITS_MAX
from headrace.toolkit.connections.answers import HttpHeaders
from headrace.toolkit.connections.faults import CallFault

BACKOFF: Final = Backoff(base_s=0.1, max_s=5.0)
# A server that wants longer than this is told of, and not waited for.
RETRY_AFTER_S_MAX: Final = 30.0

IDEMPOTENT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})
# The server was busy or broken, and may not be the next time; anything else will be said again.
PASSING_STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504, 529})


def may_repeat(method: str, headers: Mapping[str, str] | None) -> bool:
    """Whether doing it twice is like doing it once."""
    if method in IDEMPOTENT:
        return True
    return headers is not None and any(name.lower() == "idempotency-key" for name in headers)


class Retries:
    """How often one call may go out again.

    Args:
        count: attempts beyond the first.
        is_repeatable: whether doing it twice is like doing it once.
        deadline_s: when its time is up.
        uniform: draws from [0, 1).

    Attributes:
        attempts: how often it went out so far.
    """

    __slots__ = ("_deadline_s", "_is_repeatable", "_left", "_uniform", "attempts")

    def __init__(
        self,
        count: int,
        *,
        is_repeatable: bool,
        deadline_s: float,
        uniform: Callable[[], float],
    ) -> None:
        self._left = count
        self._is_repeatable = is_repeatable
        self._deadline_s = deadline_s
        self._uniform = uniform
        self.attempts = 1

    def after_fault(self, fault: CallFault, now_s: float) -> float | None:
        """Seconds until the next attempt, or `None` for no other."""
        if after_fault(fault.kind) is not Again.HERE or fault.is_final:
            return None
        if not (self._is_repeatable or fault.is_unsent):
            return None
        return self._again(0.0, now_s)

    def after_answer(self, headers: HttpHeaders, now_s: float, wall_s: float) -> float | None:
        """Seconds until the next attempt, or `None` where the answer, a passing one, stands."""
        if not self._is_repeatable:
            return None
        asked_s = retry_after_s(headers.get("retry-after", ""), wall_s)
        if asked_s > RETRY_AFTER_S_MAX:
            return None
        return self._again(asked_s, now_s)

    def at_once(self) -> None:
        """It goes out again over a fresh connection, because the kept one had been closed."""
        self.attempts += 1

    def _again(self, asked_s: float, now_s: float) -> float | None:
        delay_s = BACKOFF.delay_s(self.attempts, self._uniform(), asked_s)
        if self._left <= 0 or now_s + delay_s >= self._deadline_s:
            return None
        self._left -= 1
        self.attempts += 1
        return delay_s


def retry_after_s(text: str, wall_s: float) -> float:
    """The seconds that a `retry-after` header asks for (RFC 9110, 10.2.3); 0 where it makes none.

    Args:
        text: the header: seconds or a date.
        wall_s: the time it is, seconds since the epoch.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= NUMBER_DIGITS_MAX else inf
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - wall_s)
    except (ValueError, OverflowError, OSError):
        return 0.0
