"""The tickets of one tenant in one class. Pure."""

from collections import OrderedDict
from typing import Generic

from headrace.flow.scheduler.codel import CoDel
from headrace.flow.scheduler.ticket import Ticket, WaiterT


class Line(Generic[WaiterT]):
    """Tickets in the order they came in; any of them leaves in O(1).

    Attributes:
        tenant: whose.
        weight: its share of turns, as the last ticket said.
        tickets: the oldest first.
        start: the start tag of its next turn (see `ClassQueue`).
        codel: whether it stands.
        ranked: the load it is ranked by (see `Loads`).
    """

    __slots__ = ("codel", "ranked", "start", "tenant", "tickets", "weight")

    def __init__(self, tenant: str, start: float, codel: CoDel) -> None:
        self.tenant = tenant
        self.weight = 1.0
        self.tickets: OrderedDict[Ticket[WaiterT], None] = OrderedDict()
        self.start = start
        self.codel = codel
        self.ranked = 0.0

    @property
    def load(self) -> float:
        """Tickets that wait, for the share of turns it has."""
        return len(self.tickets) / self.weight

    @property
    def is_overloaded(self) -> bool:
        """It has stood for an interval: the newest goes first."""
        return self.codel.is_dropping

    def oldest(self) -> Ticket[WaiterT]:
        """Whoever has waited longest; there has to be somebody."""
        return next(iter(self.tickets))

    def least_promising(self) -> Ticket[WaiterT]:
        """Who would get a turn last; there has to be somebody."""
        return self.oldest() if self.codel.is_dropping else next(reversed(self.tickets))
