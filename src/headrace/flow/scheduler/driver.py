"""Hands turns on: capacity that comes free goes to whoever's turn it is. Callbacks, no loop."""

from collections.abc import Callable
from math import inf
from typing import Generic, Protocol, TypeVar

from headrace.clock import Clock
from headrace.errors import HeadraceError
from headrace.flow.scheduler.refusals import refusal
from headrace.flow.scheduler.rules import Priority, SchedulerRules
from headrace.flow.scheduler.snapshot import SchedulerSnapshot, snapshot
from headrace.flow.scheduler.ticket import Reason, Ticket
from headrace.flow.scheduler.ticket_queue import RETRY_AFTER_S_UNKNOWN, TicketQueue


class Returnable(Protocol):
    """A permit, as far as the scheduler is concerned."""

    def ignore(self) -> None:
        """Give it back; nothing was learnt."""
        ...


PermitT = TypeVar("PermitT", bound=Returnable)
PermitT_co = TypeVar("PermitT_co", bound=Returnable, covariant=True)
PermitT_contra = TypeVar("PermitT_contra", bound=Returnable, contravariant=True)


class Capacity(Protocol[PermitT_co]):
    """What hands out permits. It calls `Scheduler.on_free` whenever one may be had again."""

    def try_acquire(self) -> PermitT_co | None:
        """A permit, or `None` where there is none now."""
        ...


class Waiter(Protocol[PermitT_contra]):
    """Whoever wants a turn. Exactly one of these is called, once; neither may raise."""

    def granted(self, permit: PermitT_contra) -> None:
        """It is its turn; the permit is its own, to be given back."""
        ...

    def refused(self, error: HeadraceError) -> None:
        """It gets none."""
        ...


class Scheduler(Generic[PermitT]):
    """The turns of one capacity, for callers by callback. Belongs to one event loop.

    While nobody waits and there is capacity, a turn costs the permit, one call and one count.

    Args:
        capacity: what permits are had from.
        clock: where time comes from.
        rules: the rules of the queue.
        turns_s: seconds that so many turns take at least, where the capacity knows.
        paused_s: tells for how many seconds there will be no permit; without it nobody knows.
    """

    __slots__ = (
        "_at_once",
        "_is_closed",
        "_is_handing_on",
        "_now_s",
        "_paused_s",
        "_queue",
        "_try_acquire",
    )

    def __init__(
        self,
        capacity: Capacity[PermitT],
        *,
        clock: Clock,
        rules: SchedulerRules | None = None,
        turns_s: Callable[[float], float] | None = None,
        paused_s: Callable[[], float] | None = None,
    ) -> None:
        self._try_acquire: Callable[[], PermitT | None] = capacity.try_acquire
        self._now_s = clock.monotonic_s
        self._paused_s = paused_s or _never_paused
        self._queue: TicketQueue[Waiter[PermitT]] = TicketQueue(rules or SchedulerRules(), turns_s)
        self._at_once = [0] * len(Priority)
        self._is_handing_on = False
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """Requests that wait for a turn."""
        return self._queue.waiting

    @property
    def next_due_s(self) -> float:
        """When somebody is too late, unless gone by then, on the clock; may be infinite."""
        return self._queue.next_due_s

    def submit(
        self,
        waiter: Waiter[PermitT],
        *,
        tenant: str = "",
        priority: Priority = Priority.NORMAL,
        deadline_s: float = inf,
        weight: float = 1.0,
        cost: float = 1.0,
    ) -> Ticket[Waiter[PermitT]] | None:
        """Want a turn.

        Args:
            waiter: is told, before this returns or later.
            tenant: on whose account; tenants of a class have turns in proportion to weight.
            priority: the class.
            deadline_s: until when a turn is of use, on the clock; what the call itself takes is
                to be taken off before.
            weight: the tenant's share of turns, above 0.
            cost: how much of that share this call takes, for those that take more than others.

        Returns:
            The ticket, to be cancelled, of whoever waits; `None` if the waiter was told already.

        Raises:
            ValueError: weight or cost makes no sense.
        """
        if not self._queue.waiting:
            permit = self._try_acquire()
            if permit is not None:
                self._at_once[priority] += 1
                waiter.granted(permit)
                return None
        ticket = Ticket(
            waiter,
            tenant=tenant,
            priority=priority,
            deadline_s=deadline_s,
            weight=weight,
            cost=cost,
        )
        self._offer(ticket)
        return ticket if ticket.is_waiting else None

    def cancel(self, ticket: Ticket[Waiter[PermitT]]) -> bool:
        """Let a ticket go; its waiter hears nothing more. Says whether it still waited."""
        return self._queue.cancel(ticket, self._now_s())

    def on_free(self) -> None:
        """Capacity may have come back: it goes to those whose turn it is."""
        if self._is_handing_on or not self._queue.waiting:
            return
        self._is_handing_on = True
        try:
            self._hand_on()
        finally:
            self._is_handing_on = False

    def sweep(self) -> None:
        """Refuse who is too late, and look for capacity that came back unheard.

        To be called every now and then while somebody waits: no permit may ever come back, and
        time alone opens the gate of a `retry-after` and gives a lost permit back.
        """
        now_s = self._now_s()
        if self._queue.next_due_s <= now_s:
            self._queue.drop_due(now_s)
            self._tell_refused(now_s)
        self.on_free()

    def close(self) -> None:
        """Refuse everybody who waits, and everybody who comes."""
        self._is_closed = True
        self._try_acquire = _no_permit
        now_s = self._now_s()
        self._queue.close(now_s)
        self._tell_refused(now_s)

    def snapshot(self) -> SchedulerSnapshot:
        """The state, for metrics and the console."""
        return snapshot(self._queue, self._at_once, self._now_s())

    def _offer(self, ticket: Ticket[Waiter[PermitT]]) -> None:
        if self._is_closed:
            ticket.waiter.refused(refusal(Reason.CLOSED, 0.0, RETRY_AFTER_S_UNKNOWN))
            return
        now_s = self._now_s()
        self._queue.offer(ticket, now_s, self._paused_s())
        if self._queue.refused:
            self._tell_refused(now_s)
        self.on_free()

    def _hand_on(self) -> None:
        queue = self._queue
        while queue.waiting:
            permit = self._try_acquire()
            if permit is None:
                return
            now_s = self._now_s()
            ticket = queue.take(now_s)
            if ticket is None:
                permit.ignore()
            else:
                ticket.waiter.granted(permit)
            if queue.refused:
                self._tell_refused(now_s)

    def _tell_refused(self, now_s: float) -> None:
        # Whoever is told may come again at once, so the list is taken away first.
        refused, self._queue.refused = self._queue.refused, []
        paused_s = self._paused_s() if refused else 0.0
        for ticket, reason, retry_after_s in refused:
            waited_s = now_s - ticket.offered_s
            ticket.waiter.refused(refusal(reason, waited_s, max(retry_after_s, paused_s)))


def _never_paused() -> float:
    return 0.0


def _no_permit() -> None:
    return None
