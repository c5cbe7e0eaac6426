"""One priority class: tenants in turns, each with a line of its own. Pure."""

from heapq import heappop, heappush, heapreplace
from typing import Generic

from headrace.flow.scheduler.codel import CoDel
from headrace.flow.scheduler.line import Line
from headrace.flow.scheduler.loads import Loads
from headrace.flow.scheduler.rules import ClassRules
from headrace.flow.scheduler.service_rate import ServiceRate
from headrace.flow.scheduler.ticket import Ticket, WaiterT


class ClassQueue(Generic[WaiterT]):
    """Start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996) over the lines of tenants.

    The line with the smallest start tag has the next turn; a turn moves its tag on by the cost
    over the weight. The class's virtual time is the start tag of the last turn, and a line that
    was empty starts there: nobody saves up turns. Of two lines with tickets all the time, turns
    over weights differ by no more than the greatest cost over weight of the one plus that of the
    other. What a ticket costs need not be known before its turn, and one that is cancelled costs
    nothing. With many turns under way at once this is SFQ(D) (Jin, Chase and Kaur, SIGMETRICS
    2004).

    Each line is under CoDel, as in RFC 8290, so that one tenant's flood drops nobody else's
    requests. An overloaded line is served from its newest, and what has waited for an interval
    leaves ("Fail at Scale", Maurer, ACM Queue 13(8), 2015: adaptive LIFO and controlled delay).

    Args:
        rules: of this class.

    Attributes:
        waiting: tickets in all lines.
        age: the share of a turn that it is owed for having waited behind higher classes.
        rate: how fast its turns come.
    """

    __slots__ = (
        "_lines",
        "_loads",
        "_number",
        "_starts",
        "_virtual",
        "_weight",
        "age",
        "rate",
        "rules",
        "waiting",
    )

    def __init__(self, rules: ClassRules) -> None:
        self.rules = rules
        self.waiting = 0
        self.age = 0.0
        self.rate = ServiceRate()
        self._lines: dict[str, Line[WaiterT]] = {}
        self._starts: list[tuple[float, int, Line[WaiterT]]] = []
        self._loads: Loads[WaiterT] = Loads()
        self._number = 0
        self._virtual = 0.0
        self._weight = 0.0  # of all lines in which somebody waits

    @property
    def lines(self) -> list[Line[WaiterT]]:
        """The lines in which somebody waits."""
        return [line for line in self._lines.values() if line.tickets]

    def line(self, tenant: str) -> Line[WaiterT] | None:
        """The tenant's line, if there is one; it may be empty."""
        return self._lines.get(tenant)

    def heaviest(self) -> Line[WaiterT] | None:
        """The line with most tickets for its weight, or `None` where nobody waits."""
        return self._loads.heaviest()

    def offer(self, ticket: Ticket[WaiterT], now_s: float) -> None:
        """Take a ticket in."""
        if not self.waiting:
            self.rate.began(now_s)
        line = self._lines.get(ticket.tenant)
        if line is None:
            line = self._open(ticket.tenant)
        self._weight += ticket.weight - (line.weight if line.tickets else 0.0)
        line.weight = ticket.weight
        line.tickets[ticket] = None
        self._loads.grew(line, len(self._lines))
        self.waiting += 1
        ticket.is_waiting = True

    def remove(self, ticket: Ticket[WaiterT], now_s: float) -> None:
        """Let a ticket that waits go, without a turn."""
        line = self._lines[ticket.tenant]
        del line.tickets[ticket]
        self._left(line, ticket, now_s)

    def take(self, now_s: float, dropped: list[Ticket[WaiterT]]) -> Ticket[WaiterT]:
        """Whose turn it is; somebody has to wait.

        Args:
            now_s: the time.
            dropped: is given those that leave without a turn on this occasion.
        """
        line = self._next_line()
        rate = self.rate.per_s(now_s)
        if rate is not None:
            line.codel.pace(self._weight / (line.weight * rate))
        self._drop(line, now_s, dropped)
        ticket, _ = line.tickets.popitem(last=line.is_overloaded)
        self._virtual = line.start
        line.start += ticket.cost / line.weight
        self._number += 1
        heapreplace(self._starts, (line.start, self._number, line))
        self.rate.turn(now_s)
        self._left(line, ticket, now_s)
        return ticket

    def turns_ahead(self, own: int, tenant: str, weight: float) -> float:
        """Turns of this class that come before that of a tenant's ticket.

        Args:
            own: tickets in front of it in its own line.
            tenant: whose it is.
            weight: of the tenant.
        """
        line = self._lines.get(tenant)
        others = self._weight - (line.weight if line is not None and line.tickets else 0.0)
        return min(float(self.waiting), own + others / weight * (own + 1))

    # The inside.

    def _open(self, tenant: str) -> Line[WaiterT]:
        codel = CoDel(target_s=self.rules.target_s, interval_s=self.rules.interval_s)
        line: Line[WaiterT] = Line(tenant, self._virtual, codel)
        self._lines[tenant] = line
        self._number += 1
        heappush(self._starts, (line.start, self._number, line))
        return line

    def _next_line(self) -> Line[WaiterT]:
        # An empty line keeps its tag until the virtual time is about to pass it; so the tag of a
        # line that is known is never behind the virtual time.
        while True:
            line = self._starts[0][2]
            if line.tickets:
                return line
            heappop(self._starts)
            del self._lines[line.tenant]

    def _drop(self, line: Line[WaiterT], now_s: float, dropped: list[Ticket[WaiterT]]) -> None:
        oldest, codel = line.oldest(), line.codel
        while codel.wants_drop(now_s, now_s - oldest.offered_s, len(line.tickets) - 1):
            dropped.append(oldest)
            self.remove(oldest, now_s)
            oldest = line.oldest()
        if not codel.is_dropping:
            return
        offered_s_min = now_s - codel.interval_s
        while oldest.offered_s < offered_s_min and len(line.tickets) > 1:
            dropped.append(oldest)
            self.remove(oldest, now_s)
            oldest = line.oldest()

    def _left(self, line: Line[WaiterT], ticket: Ticket[WaiterT], now_s: float) -> None:
        ticket.is_waiting = False
        self.waiting -= 1
        if line.tickets:
            return
        self._weight -= line.weight
        line.codel.emptied()
        if not self.waiting:
            self._reset(now_s)

    def _reset(self, now_s: float) -> None:
        # With nobody in line the busy period of SFQ is over: the next one begins with all equal.
        self.rate.stopped(now_s)
        self.age = self._virtual = self._weight = 0.0
        self._lines.clear()
        self._starts.clear()
        self._loads.clear()
