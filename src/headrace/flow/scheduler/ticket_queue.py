"""The queue of all classes: who comes in, whose turn it is, who has to leave. Pure."""

from collections.abc import Callable, Sequence
from math import inf
from typing import Final, Generic

from headrace.flow.scheduler.class_queue import ClassQueue
from headrace.flow.scheduler.due import DueTimes
from headrace.flow.scheduler.line import Line
from headrace.flow.scheduler.rules import Priority, SchedulerRules
from headrace.flow.scheduler.service_rate import ServiceRate
from headrace.flow.scheduler.ticket import Reason, Refused, Ticket, WaiterT

# Told where nothing is known of the rate, and the bounds of what is told.
RETRY_AFTER_S_UNKNOWN: Final = 1.0
RETRY_AFTER_S_MIN: Final = 0.05
RETRY_AFTER_S_MAX: Final = 600.0
# Ten tenths are a hair below 1 in floats.
_DUE_AGE: Final = 1.0 - 1e-9


class TicketQueue(Generic[WaiterT]):
    """Tickets by class and tenant, bounded. Nothing here waits, or knows the time by itself.

    The highest class has the turn, unless a lower one is due: a class grows older by its
    `turns_share` with every turn for which a higher one waits as well, and is due at 1. It is
    counted in turns, not in seconds, so that what the lower classes take of the higher ones is the
    same share however long the calls take.

    When it is full, the tenant with most waiting for its weight in the lowest class makes room,
    which may be whoever comes.

    Args:
        rules: the rules.
        turns_s: seconds that so many turns take at least, where the capacity knows; whoever cannot
            wait for that long is refused at once.

    Attributes:
        waiting: tickets that wait.
        refused: those refused since somebody last took this list away; whoever drives the queue
            tells them.
        taken: turns that waiting tickets had, by class.
        refusals: tickets refused, by class and reason.
    """

    __slots__ = (
        "_classes",
        "_due",
        "_rate",
        "_rules",
        "_turns_s",
        "refusals",
        "refused",
        "taken",
        "waiting",
    )

    def __init__(
        self, rules: SchedulerRules, turns_s: Callable[[float], float] | None = None
    ) -> None:
        self._rules = rules
        self._turns_s = turns_s
        self._classes: Sequence[ClassQueue[WaiterT]] = tuple(
            ClassQueue(each) for each in rules.by_priority()
        )
        self._due: DueTimes[WaiterT] = DueTimes()
        self._rate = ServiceRate()
        self.waiting = 0
        self.refused: list[Refused[WaiterT]] = []
        self.taken = [0] * len(Priority)
        self.refusals: dict[tuple[Priority, Reason], int] = {}

    @property
    def classes(self) -> Sequence[ClassQueue[WaiterT]]:
        """Each class, in the order of `Priority`, to be looked at."""
        return self._classes

    @property
    def next_due_s(self) -> float:
        """When `drop_due` finds somebody at the earliest; infinite where nobody waits."""
        return self._due.next_s

    def rate_per_s(self, now_s: float) -> float | None:
        """Turns per second of all classes; `None` where too few were seen to say."""
        return self._rate.per_s(now_s)

    def offer(self, ticket: Ticket[WaiterT], now_s: float, paused_s: float = 0.0) -> None:
        """Let a new ticket wait, or refuse it, or somebody else in its place.

        It is refused at once if its deadline has passed, or passes before a turn of its own comes
        at the rate observed; whoever finds nobody of its class waiting is let in whatever was
        observed before, since otherwise nothing would ever be observed again.

        Args:
            ticket: a new one.
            now_s: the time.
            paused_s: seconds for which nobody has a turn.
        """
        ticket.offered_s = now_s
        class_ = self._classes[ticket.priority]
        ticket.due_s = min(ticket.deadline_s, now_s + class_.rules.wait_s_max)
        if ticket.deadline_s <= now_s:
            self._refuse(ticket, Reason.DEADLINE, RETRY_AFTER_S_UNKNOWN)
        elif now_s + paused_s > ticket.due_s:
            self._refuse(ticket, Reason.PAUSED, paused_s)
        elif self._is_out_of_reach(ticket, class_, now_s):
            is_own = ticket.deadline_s <= ticket.due_s
            reason = Reason.OUT_OF_REACH if is_own else Reason.TIMEOUT
            self._refuse(ticket, reason, self._retry_after_s(ticket, now_s))
        elif self.waiting >= self._rules.waiting_max and not self._make_room(ticket, now_s):
            self._refuse(ticket, Reason.FULL, self._retry_after_s(ticket, now_s))
        else:
            self._let_in(ticket, class_, now_s)

    def take(self, now_s: float) -> Ticket[WaiterT] | None:
        """Whose turn it is, or `None` where nobody waits (any more)."""
        if self._due.next_s <= now_s:
            self.drop_due(now_s)
        if not self.waiting:
            return None
        dropped: list[Ticket[WaiterT]] = []
        ticket = self._next_class().take(now_s, dropped)
        self.taken[ticket.priority] += 1
        self._rate.turn(now_s)
        for each in dropped:
            self._refuse(each, Reason.OVERLOADED, self._retry_after_s(each, now_s))
        self._left(now_s, 1 + len(dropped))
        return ticket

    def cancel(self, ticket: Ticket[WaiterT], now_s: float) -> bool:
        """Let a ticket go that does not want a turn any more; says whether it still waited."""
        if not ticket.is_waiting:
            return False
        self._remove(ticket, now_s)
        return True

    def drop_due(self, now_s: float) -> None:
        """Refuse everybody whose deadline has passed, or who has waited for too long."""
        while (ticket := self._due.pop(now_s)) is not None:
            self._remove(ticket, now_s)
            is_late = ticket.deadline_s <= now_s
            reason = Reason.DEADLINE if is_late else Reason.TIMEOUT
            self._refuse(ticket, reason, self._retry_after_s(ticket, now_s))

    def close(self, now_s: float) -> None:
        """Refuse everybody who waits."""
        for class_ in self._classes:
            for line in class_.lines:
                for ticket in list(line.tickets):
                    self._remove(ticket, now_s)
                    self._refuse(ticket, Reason.CLOSED, RETRY_AFTER_S_UNKNOWN)

    # Coming in.

    def _let_in(self, ticket: Ticket[WaiterT], class_: ClassQueue[WaiterT], now_s: float) -> None:
        if not self.waiting:
            self._rate.began(now_s)
        class_.offer(ticket, now_s)
        self.waiting += 1
        self._due.add(ticket, self.waiting)

    def _is_out_of_reach(
        self, ticket: Ticket[WaiterT], class_: ClassQueue[WaiterT], now_s: float
    ) -> bool:
        turns_s = self._turns_s
        is_observed = ticket.deadline_s < inf and class_.waiting > 0
        if not is_observed and turns_s is None:
            return False
        line = class_.line(ticket.tenant)
        is_first = line is None or line.is_overloaded  # of an overloaded line the newest goes first
        own = 0 if line is None or is_first else len(line.tickets)
        ahead = class_.turns_ahead(own, ticket.tenant, ticket.weight)
        if turns_s is not None and now_s + turns_s(ahead + 1) > ticket.due_s:
            return True
        wait_s = self._wait_s(ticket, ahead, now_s) if is_observed else None
        return wait_s is not None and now_s + wait_s > ticket.deadline_s

    def _make_room(self, ticket: Ticket[WaiterT], now_s: float) -> bool:
        lowest = max(p for p in Priority if self._classes[p].waiting)
        heaviest = self._classes[lowest].heaviest()
        if lowest < ticket.priority or heaviest is None:
            return False
        if lowest == ticket.priority:
            own = self._classes[lowest].line(ticket.tenant)
            if own is heaviest or self._load_with(own, ticket) >= heaviest.load:
                if own is None or not (own.is_overloaded and own.tickets):
                    return False
                heaviest = own
        leaves = heaviest.least_promising()
        retry_after_s = self._retry_after_s(leaves, now_s)
        self._remove(leaves, now_s)
        self._refuse(leaves, Reason.FULL, retry_after_s)
        return True

    def _load_with(self, own: Line[WaiterT] | None, ticket: Ticket[WaiterT]) -> float:
        return (1 + (len(own.tickets) if own is not None else 0)) / ticket.weight

    # Leaving.

    def _next_class(self) -> ClassQueue[WaiterT]:
        first: ClassQueue[WaiterT] | None = None
        due: ClassQueue[WaiterT] | None = None
        for class_ in self._classes:
            if not class_.waiting:
                continue
            if first is None:
                first = class_
                continue
            class_.age += class_.rules.turns_share
            if due is None and class_.age >= _DUE_AGE:
                due = class_
        if due is not None:
            due.age -= 1.0
            return due
        assert first is not None  # noqa: S101 - whoever asks knows that somebody waits
        first.age = 0.0
        return first

    def _remove(self, ticket: Ticket[WaiterT], now_s: float) -> None:
        self._classes[ticket.priority].remove(ticket, now_s)
        self._left(now_s)

    def _left(self, now_s: float, tickets: int = 1) -> None:
        self.waiting -= tickets
        if not self.waiting:
            self._rate.stopped(now_s)
            self._due.clear()

    def _refuse(self, ticket: Ticket[WaiterT], reason: Reason, retry_after_s: float) -> None:
        self.refused.append(Refused(ticket, reason, retry_after_s))
        key = (ticket.priority, reason)
        self.refusals[key] = self.refusals.get(key, 0) + 1

    # What can be told.

    def _wait_s(self, ticket: Ticket[WaiterT], ahead: float, now_s: float) -> float | None:
        rate = self._classes[ticket.priority].rate.per_s(now_s)
        if rate is None:
            rate = self._rate.per_s(now_s)
            ahead += sum(class_.waiting for class_ in self._classes[: ticket.priority])
        return None if rate is None else (ahead + 1) / rate

    def _retry_after_s(self, ticket: Ticket[WaiterT], now_s: float) -> float:
        class_ = self._classes[ticket.priority]
        line = class_.line(ticket.tenant)
        own = len(line.tickets) if line is not None else 0
        ahead = class_.turns_ahead(own, ticket.tenant, ticket.weight)
        wait_s = self._wait_s(ticket, ahead, now_s)
        if self._turns_s is not None:
            wait_s = max(wait_s or 0.0, self._turns_s(ahead + 1))
        if wait_s is None:
            return RETRY_AFTER_S_UNKNOWN
        return min(max(wait_s, RETRY_AFTER_S_MIN), RETRY_AFTER_S_MAX)
