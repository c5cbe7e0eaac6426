"""Batches for a function of the caller's: what is asked at the same time goes together."""

import asyncio
from collections.abc import Callable, Hashable
from functools import partial
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from headrace.clock import Clock, SystemClock
from headrace.errors import (
    DeadlineExceeded,
    HeadraceError,
    NotRunning,
    Overloaded,
    RateLimited,
    UpstreamBroken,
)
from headrace.flow.batch.alarm import Alarm
from headrace.flow.batch.queue import RANKS, BatchQueue, Entry, Priority
from headrace.flow.batch.sizing import FixedSize, GoalSize
from headrace.gateway.tasks import Tasks
from headrace.toolkit.arguments import number
from headrace.toolkit.batch_function import BatchFunction, Function, Outcomes
from headrace.toolkit.batch_run import Ask, Run
from headrace.toolkit.batch_stats import BatchStats
from headrace.toolkit.freezing import freeze

Item = TypeVar("Item")
Result = TypeVar("Result")

# What says nothing about any item: asking again in halves would only be asking more often.
_NOT_OF_AN_ITEM: Final = (OSError, RateLimited, Overloaded, UpstreamBroken, DeadlineExceeded)


class BatchProcessor(Generic[Item, Result]):
    """Puts items of many callers into batches. Belongs to one event loop.

    A batch goes at once where none is on its way, else when it is full, or when its first item has
    waited for `max_wait_ms`, or when none is on its way any more. Where the function fails for a
    batch as a whole, it is called with each half, and so on, so that one bad item fails alone:
    never more than two calls for each item.

    Args:
        function: called with a list of items, and gives as many results in their order; an
            `Exception` among them is raised to those who wait for that item. It may be a
            coroutine, or block: then it runs on a thread.
        max_size: most items of a batch.
        latency_ms: goal for the time from adding an item to its result. Batches are as large as
            the goal allows, judging by what the last 50 took (see `headrace.flow.batch.sizing`);
            `None` makes them of `max_size` always.
        max_wait_ms: how long an item waits for others.
        max_running: batches on their way at once.
        max_waiting: items that wait; one more is refused.
        timeout_s: how long a call may take, and how long an item may wait for its turn; `None`
            for no limit. A thread that takes too long keeps its place until it ends.
        key: what is the same by this is asked once while it waits or is on its way; `None` takes
            the item itself, where it can be.
        dedup: whether anything counts as the same.
        bisect: whether to call the function with halves, or a function that tells whether an
            error may be that of one item. `True` takes any but `OSError` (timeouts and lost
            connections among them) and errors of Headrace that tell of overload.
        clock: where time comes from.

    Raises:
        TypeError: an argument is of another type.
        ValueError: a bound or a time makes no sense.
    """

    def __init__(
        self,
        function: Function[Item, Result],
        *,
        max_size: int = 32,
        latency_ms: float | None = None,
        max_wait_ms: float = 50.0,
        max_running: int = 4,
        max_waiting: int = 10_000,
        timeout_s: float | None = 60.0,
        key: Callable[[Item], Hashable] | None = None,
        dedup: bool = True,
        bisect: bool | Callable[[Exception], bool] = True,
        clock: Clock | None = None,
    ) -> None:
        for name, most in (
            ("max_size", max_size),
            ("max_running", max_running),
            ("max_waiting", max_waiting),
        ):
            if number(name, most) < 1:
                raise ValueError(f"{name} is {most}: it has to be 1 or more")
        if number("max_wait_ms", max_wait_ms) < 0:
            raise ValueError(f"max_wait_ms is {max_wait_ms}: it has to be 0 or more")
        self._timeout_s = _positive("timeout_s", timeout_s)
        goal_ms = _positive("latency_ms", latency_ms)
        self._queue: BatchQueue[Ask[Item, Result]] = BatchQueue(
            FixedSize(max_size) if goal_ms is None else GoalSize(goal_ms / 1000, max_size),
            wait_s_max=max_wait_ms / 1000,
            waiting_max=max_waiting,
            running_max=max_running,
        )
        self._key = key
        self._dedups = dedup
        self._bisects = bisect if callable(bisect) else (_may_be_of_an_item if bisect else _never)
        self._now_s = (clock or SystemClock()).monotonic_s
        self._tasks = Tasks(_tell_loop)
        self._function = BatchFunction(function, self._tasks)
        self._alarm = Alarm(self._go)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runs: set[Run[Item, Result]] = set()
        self._is_closed = False
        self._added = self._joined = self._refused = self._batches = self._batched = 0
        self._calls = self._failed_calls = self._timeouts = self._failed = 0
        self._last_error = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def add(self, item: Item, *, priority: Priority = "normal") -> Result:
        """The result for an item; who is cancelled while waiting harms nobody else.

        Args:
            item: what the function is given.
            priority: `high`, `normal`, `low` or `batch`. Who waits a second longer goes as if
                the class were the next higher one, so none waits for ever.

        Raises:
            Overloaded: too many items wait.
            DeadlineExceeded: the call took too long, or the item had no turn in time.
            BatchFailed: the function gave no result for each item.
            NotRunning: the processor is closed, or lives on another event loop.
            ValueError: there is no such priority.
            Exception: whatever the function raised, for this item or a batch with it.
        """
        if priority not in RANKS:
            raise ValueError(f"there is no priority {priority!r}: use {', '.join(RANKS)}")
        self._check_loop()
        self._added += 1
        entry = self._enter(item, RANKS.index(priority))
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        entry.item.futures.append(future)
        self._set_alarm()
        try:
            return await future
        except asyncio.CancelledError:
            self._leave(entry, future)
            raise

    async def flush(self) -> None:
        """Send what waits now without waiting for more, and wait until all of it is answered."""
        self._queue.hurry(self._now_s())
        self._set_alarm()
        if futures := self._futures():
            await asyncio.wait(futures)

    async def close(self, timeout_s: float | None = None) -> None:
        """Take nothing more, and wait until everything is answered. Closing twice does nothing.

        Args:
            timeout_s: how long to wait; whoever has no result by then is told `NotRunning`.
        """
        self._is_closed = True
        self._queue.hurry(self._now_s())
        self._set_alarm()
        try:
            if futures := self._futures():
                await asyncio.wait(futures, timeout=timeout_s)
        finally:
            self._give_all_up()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is on its way."""
        return not self._queue.waiting and not self._queue.running

    def stats(self) -> BatchStats:
        """What it did so far, and has in hand."""
        return BatchStats(
            added=self._added,
            joined=self._joined,
            cache_hits=0,
            refused=self._refused,
            batches=self._batches,
            batched=self._batched,
            calls=self._calls,
            failed_calls=self._failed_calls,
            timeouts=self._timeouts,
            failed=self._failed,
            waiting=self._queue.waiting,
            running=self._queue.running,
            cache_errors=0,
            last_error=self._last_error,
        )

    def _kept(self, item: Item, result: Result) -> None:
        """A result is there: time to keep it, for whoever does."""

    def _key_of(self, item: Item) -> Hashable:
        """What is the same as this; `None` for nothing."""
        if self._key is not None:
            return self._key(item)
        try:
            return freeze(item)
        except TypeError:  # cannot be compared: every one is its own
            return None

    def _check_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        if self._is_closed or self._loop is not loop:
            why = "is closed" if self._is_closed else "lives on another event loop"
            raise NotRunning(f"The batch processor {why}: make another one.")

    def _enter(self, item: Item, rank: int) -> Entry[Ask[Item, Result]]:
        key = self._key_of(item) if self._dedups else None
        entry = None if key is None else self._queue.find(key, rank)
        if entry is not None:
            self._joined += 1
            return entry
        entry = self._queue.offer(Ask(item), self._now_s(), key=key, rank=rank)
        if entry is None:
            self._refused += 1
            raise Overloaded(
                "Too many items wait for a batch: try again later, or raise max_waiting.",
                code="batch_queue_full",
                retry_after_s=1,
            )
        return entry

    def _leave(self, entry: Entry[Ask[Item, Result]], future: "asyncio.Future[Result]") -> None:
        ask = entry.item
        if future not in ask.futures:
            return  # it was answered in the same turn
        ask.futures.remove(future)
        if ask.futures:
            return
        self._queue.withdraw(entry)
        run = ask.run
        if run is not None and not run.is_wanted:
            run.give_up()

    # Batches.

    def _set_alarm(self) -> None:
        now_s = self._now_s()
        due_s = self._queue.due_s(now_s)
        if self._timeout_s is not None:
            due_s = min(due_s, self._queue.oldest_s + self._timeout_s)
        self._alarm.set(due_s, now_s)

    def _go(self) -> None:
        """It is time: send what is due, and refuse what has waited for too long."""
        now_s = self._now_s()
        if self._timeout_s is not None:
            for entry in self._queue.expire(now_s - self._timeout_s):
                self._fail(entry, _too_late("No batch could take the item in time."))
        while self._queue.due_s(now_s) <= now_s:
            entries = self._queue.take(now_s)
            self._batches += 1
            self._batched += len(entries)
            run = Run(entries, now_s)
            self._runs.add(run)
            self._call(run)
        self._set_alarm()

    def _call(self, run: Run[Item, Result]) -> None:
        """Call the function with the next part of a batch that anybody still waits for."""
        if not run.step():
            self._end(run)
            return
        if self._timeout_s is not None:
            loop = asyncio.get_running_loop()
            run.timer = loop.call_later(self._timeout_s, self._time_out, run)
        self._calls += 1
        items = [entry.item.item for entry in run.part]
        run.cancel = self._function.start(items, partial(self._called, run))

    def _called(self, run: Run[Item, Result], outcomes: Outcomes[Result]) -> None:
        run.stop_timer()
        if isinstance(outcomes, Exception) and not run.is_given_up:
            self._failed_calls += 1
            self._last_error = type(outcomes).__name__
        if run.is_given_up:
            self._end(run)
        elif not isinstance(outcomes, Exception):
            run.took(self._now_s())
            for entry, outcome in zip(run.part, outcomes, strict=True):
                self._tell(entry, outcome)
            self._call(run)
        elif len(run.part) > 1 and self._bisects(outcomes):
            run.cut()
            self._call(run)
        else:
            for entry in run.part:
                self._fail(entry, outcomes)
            self._call(run)

    def _tell(self, entry: Entry[Ask[Item, Result]], outcome: Result | Exception) -> None:
        if isinstance(outcome, Exception):
            self._fail(entry, outcome)
            return
        self._queue.settle(entry)
        self._kept(entry.item.item, outcome)
        for future in entry.item.answered():
            future.set_result(outcome)

    def _fail(self, entry: Entry[Ask[Item, Result]], error: Exception) -> None:
        self._queue.settle(entry)
        for future in entry.item.answered():
            self._failed += 1
            future.set_exception(error)

    def _time_out(self, run: Run[Item, Result]) -> None:
        self._timeouts += 1
        run.took(self._now_s())  # at the least
        error = _too_late(f"The batch function took longer than {self._timeout_s} s.")
        for entry in run.entries:
            self._fail(entry, error)
        run.give_up()

    def _end(self, run: Run[Item, Result]) -> None:
        self._runs.discard(run)
        self._queue.ended(len(run.entries), run.duration_s)
        self._go()

    def _futures(self) -> list["asyncio.Future[Result]"]:
        entries = [*self._queue, *(entry for run in self._runs for entry in run.entries)]
        return [future for entry in entries for future in entry.item.futures]

    def _give_all_up(self) -> None:
        self._alarm.cancel()
        error = NotRunning("The batch processor was closed before there was a result.")
        for entry in self._queue.expire(float("inf")):
            self._fail(entry, error)
        for run in self._runs.copy():
            for entry in run.entries:
                self._fail(entry, error)
            run.give_up()


def _positive(name: str, value: float | None) -> float | None:
    if value is not None and not number(name, value) > 0:
        raise ValueError(f"{name} is {value}: it has to be above 0, or None")
    return value


def _too_late(message: str) -> HeadraceError:
    return DeadlineExceeded(message, code="batch_timeout")


def _may_be_of_an_item(error: Exception) -> bool:
    return not isinstance(error, _NOT_OF_AN_ITEM)


def _never(error: Exception) -> bool:  # noqa: ARG001
    return False


def _tell_loop(bug: BaseException) -> None:
    """What the function raises goes to who waits: this is an error of batching itself."""
    told = {"message": "a batch could not be ended", "exception": bug}
    asyncio.get_running_loop().call_exception_handler(told)
