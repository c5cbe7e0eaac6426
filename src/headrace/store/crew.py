"""Threads of the store's own, and the queue before them: what blocks, blocks here and nowhere else.

The pools of the standard library are joined when the interpreter ends, so that a database which
does not answer would keep the process alive. These threads are let go.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Generic, Protocol, TypeVar

from headrace.store.faults import StoreBusy, StoreClosed, StoreFault, StoreTimeout
from headrace.store.voice import Voice, post


class Closable(Protocol):
    """What a thread has of its own; its connection, for one."""

    def close(self) -> None: ...


Link = TypeVar("Link", bound=Closable)
Result = TypeVar("Result")


class _Job(Generic[Link, Result]):
    """Some work, and the future on the loop that waits for it."""

    __slots__ = ("future", "loop", "work")

    def __init__(self, work: Callable[[Link], Result], loop: asyncio.AbstractEventLoop) -> None:
        self.work = work
        self.loop = loop
        self.future: asyncio.Future[Result] = loop.create_future()

    def do(self, link: Link) -> Callable[[], None]:
        """Work, in a thread; returns what the loop has to do with the result.

        Raises:
            StoreFault: it failed.
        """
        if self.future.done():
            return self._abandon
        return partial(self._succeed, self.work(link))

    def fail(self, fault: StoreFault) -> None:
        if not self.future.done():
            self.future.set_exception(fault)

    def _succeed(self, result: Result) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def _abandon(self) -> None:
        """Nobody waits any more."""


class Crew(Generic[Link]):
    """A fixed number of threads, each with a link of its own, and a bounded queue.

    Belongs to the loop that uses it first. Threads start with the first work, so it may be made
    before a fork, and not used before one.

    Args:
        name: of the threads.
        size: threads.
        waiting_max: how much work may wait or run; more is refused at once.
        make_link: opens the link of a thread.
        voice: is bound to the loop.
    """

    def __init__(
        self, name: str, size: int, waiting_max: int, make_link: Callable[[], Link], voice: Voice
    ) -> None:
        self._name = name
        self._size = size
        self._waiting_max = waiting_max
        self._make_link = make_link
        self._voice = voice
        self._waiting = 0
        self._threads = 0
        self._is_closed = False
        self._ended = asyncio.Event()
        # A turn for each piece of work that waits, and None for each thread that shall end.
        self._turns: SimpleQueue[bool | None] = SimpleQueue()
        self._urgent: deque[_Job[Link, object]] = deque()
        self._ordinary: deque[_Job[Link, object]] = deque()

    @property
    def waiting(self) -> int:
        """How much work waits or runs."""
        return self._waiting

    def submit(
        self, work: Callable[[Link], Result], *, urgent: bool = False
    ) -> asyncio.Future[Result]:
        """Have a thread do some work. Cancelling the future takes it back, if it has not begun.

        Args:
            work: called with the thread's link.
            urgent: goes before what is not.

        Raises:
            StoreBusy: too much waits already.
            StoreClosed: the crew was sent home.
        """
        if self._is_closed:
            raise StoreClosed("The store is closed.")
        if self._waiting >= self._waiting_max:
            raise StoreBusy(f"{self._waiting} calls wait for the {self._name} of the store")
        loop = asyncio.get_running_loop()
        job = _Job(work, loop)
        self._start_threads(loop)
        self._waiting += 1
        (self._urgent if urgent else self._ordinary).append(job)  # type: ignore[arg-type]
        self._turns.put(True)
        return job.future

    async def run(
        self, work: Callable[[Link], Result], limit_s: float, *, urgent: bool = False
    ) -> Result:
        """Have a thread do some work, and wait for it no longer than the limit.

        Raises:
            StoreTimeout: the limit passed. What has begun goes on by itself.
            StoreFault: it failed, or there was no room.
        """
        future = self.submit(work, urgent=urgent)
        timer = asyncio.get_running_loop().call_later(limit_s, self.give_up, future, limit_s)
        try:
            return await future
        finally:
            timer.cancel()

    def give_up(self, future: asyncio.Future[Result], limit_s: float) -> None:
        """Tell whoever waits that time is up."""
        if not future.done():
            future.set_exception(
                StoreTimeout(f"The {self._name} of the store took longer than {limit_s:g} s")
            )

    async def close(self, limit_s: float) -> bool:
        """Let the threads do what waits and end; returns whether they did within the limit."""
        self._is_closed = True
        if not self._threads:
            return True
        for _ in range(self._threads):
            self._turns.put(None)
        try:
            await asyncio.wait_for(self._ended.wait(), limit_s)
        except TimeoutError:
            return False
        return True

    def _start_threads(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._threads < self._size:
            self._voice.bind(loop)
            name = f"headrace-store-{self._name}-{self._threads}"
            # A daemon: a database that hangs must not keep the process from ending.
            threading.Thread(target=self._work, args=(loop,), name=name, daemon=True).start()
            self._threads += 1

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        link = self._make_link()
        try:
            while self._turns.get() is not None:
                self._do(self._next(), link)
        finally:
            link.close()
            post(loop, partial(self._thread_ended, loop))

    def _next(self) -> "_Job[Link, object]":
        try:
            return self._urgent.popleft()
        except IndexError:
            return self._ordinary.popleft()

    def _do(self, job: "_Job[Link, object]", link: Link) -> None:
        # What a mistake of ours leaves behind: the thread dies with its traceback, nobody waits.
        bug = StoreFault("The store met an error of its own; see its traceback")
        then: Callable[[], None] = partial(job.fail, bug)
        try:
            then = job.do(link)
        except StoreFault as fault:
            then = partial(job.fail, fault)
        finally:
            post(job.loop, partial(self._finish, then))

    def _finish(self, then: Callable[[], None]) -> None:
        self._waiting -= 1
        then()

    def _thread_ended(self, loop: asyncio.AbstractEventLoop) -> None:
        self._threads -= 1
        if not self._is_closed:
            # A mistake of ours ended it; what waits is not to blame.
            self._start_threads(loop)
        elif not self._threads:
            self._ended.set()
