"""The scheduler for coroutines: wait for a turn, have it, give it back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from math import inf
from typing import Final, Literal, Protocol, TypeVar

from headrace.clock import Clock, SystemClock
from headrace.errors import HeadraceError
from headrace.flow.scheduler.driver import Scheduler, Waiter
from headrace.flow.scheduler.rules import Priority, SchedulerRules
from headrace.flow.scheduler.slots import Slots
from headrace.flow.scheduler.snapshot import SchedulerSnapshot
from headrace.flow.scheduler.ticket import Ticket
from headrace.limits import SWEEP_INTERVAL_S

Result = TypeVar("Result")
PriorityName = Literal["high", "normal", "low", "batch"]


class Permit(Protocol):
    """A turn: exactly one of these is called once the call has ended."""

    def success(self, signal_s: float | None = None) -> None:
        """It went well; what a limiter is to learn from took so many seconds."""
        ...

    def ignore(self) -> None:
        """It says nothing about capacity."""
        ...

    def drop(self, retry_after_s: float | None = None) -> None:
        """It was refused, or timed out, for want of capacity."""
        ...


class Limiting(Protocol):
    """Capacity that says when there is some again: a limiter."""

    on_free: Callable[[], None]

    def try_acquire(self) -> Permit | None:
        """A permit, or `None` where there is none now."""
        ...


class _Wait:
    """One coroutine that waits."""

    __slots__ = ("_error", "future", "permit")

    def __init__(self) -> None:
        self.permit: Permit | None = None
        self.future: asyncio.Future[None] | None = None
        self._error: HeadraceError | None = None

    def granted(self, permit: Permit) -> None:
        self.permit = permit
        self._wake()

    def refused(self, error: HeadraceError) -> None:
        self._error = error
        self._wake()

    def outcome(self) -> Permit:
        """The permit.

        Raises:
            HeadraceError: there is none.
        """
        if self._error is not None:
            raise self._error
        assert self.permit is not None  # noqa: S101 - told one or the other
        return self.permit

    def _wake(self) -> None:
        if self.future is not None and not self.future.done():
            self.future.set_result(None)


_Ticket = Ticket[Waiter[Permit]]


class PriorityScheduler:
    """Lets so many calls run at once, and decides whose turn is next.

    Classes `high`, `normal`, `low` and `batch` go in this order, the lower ones getting a few
    turns all the same. Within a class tenants share turns by weight (start-time fair queueing,
    Goyal, Vin and Cheng 1996). Where more comes than can be served, what has waited too long is
    refused (CoDel, RFC 8289), the newest goes first, and the heaviest tenant of the lowest class
    makes room. Every refusal says after how many seconds to try again.

    For one event loop at a time; not thread-safe.

    Args:
        concurrency: calls at once, or a limiter that decides how many; the scheduler then is who
            hears of its `on_free`.
        rules: bounds and times of the queue.
        clock: where time comes from.

    Raises:
        ValueError: `concurrency` is below 1.
    """

    def __init__(
        self,
        concurrency: int | Limiting,
        *,
        rules: SchedulerRules | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        capacity: Limiting = Slots(concurrency) if isinstance(concurrency, int) else concurrency
        self._now_s: Final = clock.monotonic_s
        self._scheduler: Final[Scheduler[Permit]] = Scheduler(capacity, clock=clock, rules=rules)
        capacity.on_free = self._scheduler.on_free
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = inf
        self._loop: asyncio.AbstractEventLoop | None = None  # of the timer

    @property
    def waiting(self) -> int:
        """Calls that wait for a turn."""
        return self._scheduler.waiting

    async def acquire(
        self,
        *,
        priority: PriorityName | Priority = "normal",
        tenant: str = "",
        timeout_s: float | None = None,
        weight: float = 1.0,
        cost: float = 1.0,
    ) -> Permit:
        """Wait for a turn. Whoever is cancelled meanwhile leaves the queue.

        Args:
            priority: the class.
            tenant: on whose account.
            timeout_s: a turn is of no use after so many seconds; if none can be had by then, this
                is said at once.
            weight: the tenant's share of turns, relative to others', above 0.
            cost: how much of that share this call takes.

        Returns:
            The permit, to be given back by exactly one of its methods.

        Raises:
            Overloaded: no turn is to be had; `retry_after_s` says when to try again.
            DeadlineExceeded: `timeout_s` passed.
            ValueError: there is no such priority, or weight or cost makes no sense.
        """
        wait = _Wait()
        ticket = self._scheduler.submit(
            wait,
            tenant=tenant,
            priority=_priority(priority),
            deadline_s=inf if timeout_s is None else self._now_s() + timeout_s,
            weight=weight,
            cost=cost,
        )
        if ticket is not None:
            await self._wait(wait, ticket)
        return wait.outcome()

    @asynccontextmanager
    async def turn(
        self,
        *,
        priority: PriorityName | Priority = "normal",
        tenant: str = "",
        timeout_s: float | None = None,
        weight: float = 1.0,
        cost: float = 1.0,
    ) -> AsyncIterator[None]:
        """A turn for the time of an `async with`; arguments and errors are those of `acquire`.

        What ends without an exception counts as a success without a signal.
        """
        permit = await self.acquire(
            priority=priority, tenant=tenant, timeout_s=timeout_s, weight=weight, cost=cost
        )
        give_back = permit.ignore
        try:
            yield
            give_back = permit.success
        finally:
            give_back()

    async def run(
        self,
        call: Callable[[], Awaitable[Result]],
        *,
        priority: PriorityName | Priority = "normal",
        tenant: str = "",
        timeout_s: float | None = None,
        weight: float = 1.0,
        cost: float = 1.0,
    ) -> Result:
        """Make a call when it is its turn; arguments and errors are those of `acquire`.

        Args:
            call: makes the call; not called where there is no turn.
            priority: the class.
            tenant: on whose account.
            timeout_s: for the wait, not for the call.
            weight: the tenant's share of turns.
            cost: how much of that share this call takes.
        """
        async with self.turn(
            priority=priority, tenant=tenant, timeout_s=timeout_s, weight=weight, cost=cost
        ):
            return await call()

    def snapshot(self) -> SchedulerSnapshot:
        """Who waits, how fast turns come, and what was refused."""
        return self._scheduler.snapshot()

    def close(self) -> None:
        """Refuse everybody who waits, and whoever comes; turns under way go on."""
        self._scheduler.close()
        self._disarm()

    # The inside.

    async def _wait(self, wait: _Wait, ticket: _Ticket) -> None:
        loop = asyncio.get_running_loop()
        wait.future = loop.create_future()
        self._arm(loop)
        try:
            await wait.future
        except asyncio.CancelledError:
            if not self._scheduler.cancel(ticket) and wait.permit is not None:
                wait.permit.ignore()  # it was granted, and left before it knew
            raise

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        now_s = self._now_s()
        due_s = min(self._scheduler.next_due_s, now_s + SWEEP_INTERVAL_S)
        if loop is self._loop and self._timer_s <= due_s:
            return
        self._disarm()
        self._loop, self._timer_s = loop, due_s
        self._timer = loop.call_later(max(due_s - now_s, 0.0), self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._disarm()
        self._scheduler.sweep()
        if self._scheduler.waiting:
            self._arm(loop)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._loop, self._timer_s = None, None, inf


def _priority(name: PriorityName | Priority) -> Priority:
    if isinstance(name, Priority):
        return name
    try:
        return Priority[name.upper()]
    except KeyError:
        names = ", ".join(each.name.lower() for each in Priority)
        raise ValueError(f"there is no priority '{name}': it is one of {names}") from None
