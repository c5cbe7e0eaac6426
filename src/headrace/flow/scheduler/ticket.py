"""Who waits, and why somebody waits no longer. Pure."""

from enum import Enum
from math import inf
from typing import Generic, NamedTuple, TypeVar

from headrace.flow.scheduler.rules import Priority

WaiterT = TypeVar("WaiterT")


class Ticket(Generic[WaiterT]):
    """One place in the queue. The queue alone changes it.

    Args:
        waiter: whoever is told.
        tenant: on whose account it waits.
        priority: its class.
        deadline_s: until when a turn is of use to it, on the clock of the queue.
        weight: the tenant's share of turns, relative to others'; above 0.
        cost: how much of the tenant's share the call takes, 1 for an ordinary one; not negative.

    Attributes:
        offered_s: since when it waits.
        due_s: when it is refused at the latest.
        is_waiting: whether it has a place in a queue.

    Raises:
        ValueError: weight or cost makes no sense.
    """

    __slots__ = (
        "cost",
        "deadline_s",
        "due_s",
        "is_waiting",
        "offered_s",
        "priority",
        "tenant",
        "waiter",
        "weight",
    )

    def __init__(
        self,
        waiter: WaiterT,
        *,
        tenant: str = "",
        priority: Priority = Priority.NORMAL,
        deadline_s: float = inf,
        weight: float = 1.0,
        cost: float = 1.0,
    ) -> None:
        if not (0.0 < weight < inf and 0.0 <= cost < inf):
            raise ValueError(f"weight {weight} has to be above 0, and cost {cost} not below it")
        self.waiter = waiter
        self.tenant = tenant
        self.priority = priority
        self.deadline_s = deadline_s
        self.weight = weight
        self.cost = cost
        self.offered_s = 0.0
        self.due_s = inf
        self.is_waiting = False


class Reason(Enum):
    """Why a ticket gets no turn."""

    FULL = "full"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    OUT_OF_REACH = "out_of_reach"
    PAUSED = "paused"
    DEADLINE = "deadline"
    CLOSED = "closed"


class Refused(NamedTuple, Generic[WaiterT]):
    """A ticket that gets no turn.

    Attributes:
        ticket: which.
        reason: why.
        retry_after_s: when a turn could be had, at the rate observed; in seconds from then.
    """

    ticket: Ticket[WaiterT]
    reason: Reason
    retry_after_s: float
