"""Which answers are good, for service levels. Pure.

What refuses a caller for its own sake is neither good nor bad: counted as good, a caller that runs
into its limits would hide an outage; counted as bad, it would make one. The same goes for what the
gateway refuses to protect itself, and for what it answers in place of a call because a budget
burns: else refusing would be a reason to refuse more.
"""

from typing import Final, Literal

Verdict = Literal["good", "bad", "left", "neither"]

COUNTED: Final[tuple[Verdict, ...]] = ("good", "bad", "left")
"""Those by which answers are counted."""
SHED: Final = "slo_shed"
"""The code of calls that are refused because a budget burns."""
TEMPLATED: Final = "slo_template"
"""The code by which calls are given a text instead, which no caller sees."""
TEMPLATE: Final = "template"
"""What the log calls a text that was given because a budget burns."""
FALLBACK_TEXT: Final = "text"
"""What it calls the same where no provider answered."""
PASSED_TEXT: Final = "passed"
"""What it calls such a text of another gateway, which was asked as a provider."""

_GONE: Final = "client_gone"
# A wish of the caller's that could not be met, and what is refused so that the rest goes on.
_NOBODYS_FAULT: Final = frozenset(("not_cached", "process_overloaded", SHED))


def verdict_of_status(status: int) -> Verdict:
    """How an answer counts of which nothing else is to be said."""
    if status == 499:
        return "left"
    if status >= 500:
        return "bad"
    return "neither" if status >= 400 else "good"


def verdict_of(status: int, error: str | None, fallback: str | None) -> Verdict:
    """How an answer counts.

    Args:
        status: of the answer; a stream that broke off had a good one.
        error: code of what went wrong.
        fallback: what was done where it failed.

    Returns:
        `good`; `bad`: a fault of the gateway or a provider; `left`: its caller went away before
        all of it was there, which counts where it was late by then; `neither`.
    """
    if error is None:
        if fallback == TEMPLATE:
            return "neither"
        is_text = fallback in (FALLBACK_TEXT, PASSED_TEXT)
        return "bad" if is_text else verdict_of_status(status)
    if error == _GONE:
        return "left"
    if error in _NOBODYS_FAULT:
        return "neither"
    return verdict_of_status(status) if status >= 400 else "bad"
