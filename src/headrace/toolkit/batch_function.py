"""A batch function of the caller's, on the loop or on a thread, and what came of calling it."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from threading import Thread
from types import TracebackType
from typing import Any, Generic, TypeVar

from headrace.errors import HeadraceError
from headrace.gateway.tasks import Tasks

Item = TypeVar("Item")
Result = TypeVar("Result")

# What came of each item, or an error of the whole.
Outcomes = Sequence[Result | Exception] | Exception
Function = Callable[
    [list[Item]], Sequence[Result | Exception] | Awaitable[Sequence[Result | Exception]]
]


class BatchFailed(HeadraceError):
    """A batch function gave no results, or not one for each item."""

    default_code = "batch_failed"


class _Caught:
    """Keeps what is raised inside, but for what is meant for the process."""

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if isinstance(error, asyncio.CancelledError):
            self.error = BatchFailed("The batch function was cancelled.")
        elif isinstance(error, Exception):
            self.error = error
        return self.error is not None


class BatchFunction(Generic[Item, Result]):
    """Calls a function with items: a coroutine on the loop, any other on a daemon thread.

    Args:
        function: gives a result, or an `Exception`, for each item, in their order.
        tasks: starts the coroutines.
    """

    def __init__(self, function: Function[Item, Result], tasks: Tasks) -> None:
        self._function = function
        self._tasks = tasks
        self._is_coroutine = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004  # an object whose call is one
        )

    def start(
        self, items: list[Item], tell: Callable[[Outcomes[Result]], None]
    ) -> Callable[[], object]:
        """Call it.

        Args:
            items: what it is given; nobody else's list.
            tell: told on the loop, in a later turn, how the call ended.

        Returns:
            What gives the call up. A thread cannot be given up: it ends when it ends.
        """
        loop = asyncio.get_running_loop()
        count = len(items)

        def ended(results: object, error: Exception | None) -> None:
            tell(error or _checked(results, count))

        def thread_ended(results: object, error: Exception | None) -> None:
            if inspect.isawaitable(results):  # a plain function around a coroutine
                self._tasks.spawn(self._await(results, ended))
            else:
                ended(results, error)

        def call() -> None:
            caught, results = _Caught(), None
            with caught:
                results = self._function(items)
            with suppress(RuntimeError):  # a loop that is closed waits for nothing any more
                loop.call_soon_threadsafe(thread_ended, results, caught.error)

        if self._is_coroutine:
            given: Any = partial(self._function, items)
            return self._tasks.spawn(self._call(given, ended)).cancel
        Thread(target=copy_context().run, args=(call,), daemon=True).start()
        return _nothing

    async def _call(
        self,
        call: Callable[[], Awaitable[object]],
        ended: Callable[[object, Exception | None], None],
    ) -> None:
        caught, results = _Caught(), None
        with caught:
            results = await call()
        asyncio.get_running_loop().call_soon(ended, results, caught.error)

    async def _await(
        self, awaitable: Awaitable[object], ended: Callable[[object, Exception | None], None]
    ) -> None:
        async def wait() -> object:
            return await awaitable

        await self._call(wait, ended)


def _checked(results: object, count: int) -> Any:
    """The results, or why they are none."""
    if not isinstance(results, Sequence) or isinstance(results, str | bytes):
        kind = type(results).__name__
        return BatchFailed(f"The batch function gave {kind}: it has to give a list of results.")
    if len(results) != count:
        return BatchFailed(
            f"The batch function gave {len(results)} results for {count} items: it has to give "
            "one for each, in their order."
        )
    return results


def _nothing() -> None:
    return None
