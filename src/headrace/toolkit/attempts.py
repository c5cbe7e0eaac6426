"""The tries of one call, as a loop around a block."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from threading import Event
from types import TracebackType
from typing import Any

import msgspec

from headrace.flow.retry import Decision

MayRetry = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], Any]
"""What may be tried again when it is raised: types, or a function that says so."""


class Retrying(msgspec.Struct, frozen=True):
    """What the tries of a call ask.

    Attributes:
        begin: called with the first of them.
        decide: says of an error and the tries so far whether there is another one.
    """

    begin: Callable[[], None]
    decide: Callable[[Exception, int], Decision]


class Attempts:
    """The tries of one call, for `for` in threads and `async for` on a loop; used once.

    Ends after a block that raised nothing; what may not be tried again goes through.

    Args:
        retrying: says whether there is another try.
    """

    __slots__ = ("_retrying",)

    def __init__(self, retrying: Retrying) -> None:
        self._retrying = retrying

    def __iter__(self) -> Iterator["Attempt"]:
        number = 1
        attempt = self._first()
        while True:
            yield attempt
            if attempt.delay_s is None:
                return
            if attempt.delay_s > 0:
                Event().wait(attempt.delay_s)
            number += 1
            attempt = Attempt(number, self._retrying)

    async def __aiter__(self) -> AsyncIterator["Attempt"]:
        number = 1
        attempt = self._first()
        while True:
            yield attempt
            if attempt.delay_s is None:
                return
            await asyncio.sleep(attempt.delay_s)
            number += 1
            attempt = Attempt(number, self._retrying)

    def _first(self) -> "Attempt":
        self._retrying.begin()
        return Attempt(1, self._retrying)


class Attempt:
    """One try; the block that makes it goes into `with`.

    Args:
        number: 1 for the first.
        retrying: says whether there is another one.

    Attributes:
        number: 1 for the first.
        delay_s: after the block, seconds to wait before the next try; `None` for no other try.
    """

    __slots__ = ("_retrying", "delay_s", "number")

    def __init__(self, number: int, retrying: Retrying) -> None:
        self.number = number
        self.delay_s: float | None = None
        self._retrying = retrying

    def __enter__(self) -> "Attempt":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        decision = self._retrying.decide(error, self.number)
        if decision.is_again:
            self.delay_s = decision.delay_s
        return decision.is_again
