"""Waiting for what another process or thread brings about, without guessing how long it takes."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

POLL_S = 0.005
POLL_S_MAX = 0.1
_SHARE = 1 / 20


def pause_s(waited_s: float) -> float:
    """How long to wait before asking once more, who has waited for so long already.

    Who asks all the time takes the processor from what is waited for.
    """
    return min(max(POLL_S, waited_s * _SHARE), POLL_S_MAX)


def eventually(predicate: Callable[[], Result], timeout_s: float = 60.0) -> Result:
    """Ask until the answer is true, and return it.

    Raises:
        AssertionError: it is not within `timeout_s`; the message shows the last answer.
    """
    start_s = time.monotonic()
    while True:
        result = predicate()
        if result:
            return result
        waited_s = time.monotonic() - start_s
        if waited_s >= timeout_s:
            raise AssertionError(f"not within {timeout_s} s; the last answer was {result!r}")
        time.sleep(pause_s(waited_s))
