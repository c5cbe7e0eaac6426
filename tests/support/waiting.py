"""Waiting for what another process or thread brings about, without guessing how long it takes."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

POLL_S = 0.005


def eventually(predicate: Callable[[], Result], timeout_s: float = 30.0) -> Result:
    """Ask until the answer is true, and return it.

    Raises:
        AssertionError: it is not within `timeout_s`; the message shows the last answer.
    """
    end_s = time.monotonic() + timeout_s
    while True:
        result = predicate()
        if result:
            return result
        if time.monotonic() >= end_s:
            raise AssertionError(f"not within {timeout_s} s; the last answer was {result!r}")
        time.sleep(POLL_S)
