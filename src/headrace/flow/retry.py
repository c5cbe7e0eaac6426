"""What may be tried again, when, and when no more. Pure.

What failed is classified by its status or by the kind of fault; whether it is tried again is then
a matter of the answer's first byte, the tries, the time left, what `retry-after` says, and the
budget of the upstream (`flow/budget.py`), in this order: a budget is spent by nothing that would
not have been sent.
"""

import enum
from collections.abc import Mapping
from math import isfinite
from typing import Final, Literal

import msgspec

from headrace.flow.budget import ShareBudget

TRIES_MAX: Final = 3
BACKOFF_S_BASE: Final = 0.25
BACKOFF_S_MAX: Final = 8.0
RETRY_AFTER_S_MAX: Final = 60.0
_DOUBLINGS_MAX: Final = 30


class Again(enum.Enum):
    """Where what failed may be tried again."""

    NEVER = "never"
    ELSEWHERE = "elsewhere"
    HERE = "here"


_STATUSES: Final = frozenset({408, 409, 429})

# By the kind of fault, as upstream/faults.py names them. What the same place would do again is
# worth another place only; what has used up all the time is worth none.
_FAULTS: Final[Mapping[str, Again]] = {
    "connect": Again.HERE,
    "timeout_connect": Again.HERE,
    "reset": Again.HERE,
    "cut": Again.HERE,
    "timeout_first_byte": Again.HERE,
    "timeout_idle": Again.HERE,
    "tls": Again.ELSEWHERE,
    "garbage": Again.ELSEWHERE,
    "timeout_total": Again.NEVER,
    "too_large": Again.NEVER,
    "shutdown": Again.NEVER,
}


def after_status(status: int) -> Again:
    """Where a call that was answered with `status` may be tried again.

    408, 409, 429 and 5xx, 529 among them, may be; no other does.
    """
    return Again.HERE if status in _STATUSES or 500 <= status <= 599 else Again.NEVER


def after_fault(kind: str) -> Again:
    """Where a call that broke on the way may be tried again.

    Args:
        kind: what happened, as `UpstreamFault.kind` says it; what is not known is final.
    """
    return _FAULTS.get(kind, Again.NEVER)


def after_error(error: BaseException) -> Again:
    """Where a call that raised `error` may be tried again.

    What carries a status (`upstream_status`, or `status_code` as with the providers' SDKs) is
    judged by it, faults of Headrace by their kind; of others, only broken connections and
    timeouts.
    """
    for name in ("upstream_status", "status_code"):
        status = getattr(error, name, None)
        if isinstance(status, int):
            return after_status(status)
    kind = getattr(error, "kind", None)
    if isinstance(kind, str):
        return after_fault(kind)
    return Again.HERE if isinstance(error, ConnectionError | TimeoutError) else Again.NEVER


Reason = Literal["again", "final", "begun", "tries", "retry_after", "deadline", "budget"]
"""Why it is tried again, or is not: `begun` where a client has the first byte of an answer."""


class Decision(msgspec.Struct, frozen=True):
    """Whether what failed is tried again.

    Attributes:
        reason: `again`, or what is against it.
        delay_s: seconds to wait before.
    """

    reason: Reason
    delay_s: float = 0.0

    @property
    def is_again(self) -> bool:
        """Whether it is tried again."""
        return self.reason == "again"


class Backoff(msgspec.Struct, frozen=True):
    """How long to wait between tries, and for how many.

    Attributes:
        tries_max: tries of one call, the first one included.
        base_s: the first wait is at most this.
        max_s: and any wait at most this, where the provider says nothing.
        retry_after_s_max: a provider that wants more time than this is not waited for.
    """

    tries_max: int = TRIES_MAX
    base_s: float = BACKOFF_S_BASE
    max_s: float = BACKOFF_S_MAX
    retry_after_s_max: float = RETRY_AFTER_S_MAX

    def delay_s(self, tries: int, uniform: float, retry_after_s: float | None = None) -> float:
        """Seconds to wait: "full jitter" (Brooker, AWS Architecture Blog, 2015).

        The wait is drawn from 0 to a bound that doubles with each try, so that those who failed
        at one time do not come back at one time. What the provider asks for comes on top: nobody
        comes earlier, nor all at once.

        Args:
            tries: tries so far, 1 or more.
            uniform: a number from 0 to 1, drawn for this.
            retry_after_s: what the provider said; no time at all, negative or not finite counts
                as nothing said.
        """
        doublings = min(tries - 1, _DOUBLINGS_MAX)
        drawn_s = uniform * min(self.max_s, self.base_s * 2.0**doublings)
        return drawn_s + (_told_s(retry_after_s) or 0.0)


def decide(
    again: Again,
    *,
    backoff: Backoff,
    budget: ShareBudget,
    tries: int,
    now_s: float,
    uniform: float,
    has_begun: bool = False,
    retry_after_s: float | None = None,
    deadline_s: float | None = None,
    try_s_min: float = 0.0,
) -> Decision:
    """Whether a call that failed is tried again at the same upstream, and after what wait.

    Args:
        again: what the failure allows.
        backoff: how long to wait.
        budget: of the upstream; an extra call is taken out of it where the answer is yes.
        tries: tries so far, the failed one included.
        now_s: monotonic seconds.
        uniform: a number from 0 to 1, drawn for this.
        has_begun: whether the client was sent a byte of the answer.
        retry_after_s: what the provider said.
        deadline_s: when the call has to be done, monotonic seconds.
        try_s_min: the time that a try takes at least: what cannot end in time is not begun.
    """
    if has_begun:
        return Decision("begun")
    if again is not Again.HERE:
        return Decision("final")
    if tries >= backoff.tries_max:
        return Decision("tries")
    if (_told_s(retry_after_s) or 0.0) > backoff.retry_after_s_max:
        return Decision("retry_after")
    delay_s = backoff.delay_s(tries, uniform, retry_after_s)
    if deadline_s is not None and now_s + delay_s + try_s_min >= deadline_s:
        return Decision("deadline")
    if not budget.try_spend(now_s):
        return Decision("budget")
    return Decision("again", delay_s)


def _told_s(retry_after_s: float | None) -> float | None:
    """What a provider asked for, where it makes sense."""
    if retry_after_s is None or not isfinite(retry_after_s) or retry_after_s <= 0:
        return None
    return retry_after_s
