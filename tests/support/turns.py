"""Queues of turns for tests: tickets by name, and what became of them."""

from math import inf

from headrace.flow.scheduler.rules import ClassRules, Priority, SchedulerRules
from headrace.flow.scheduler.ticket import Reason, Ticket
from headrace.flow.scheduler.ticket_queue import TicketQueue

# Nobody is dropped for having waited, so that order alone is seen.
PATIENT = ClassRules(turns_share=0.1, target_s=1e6, interval_s=1e6, wait_s_max=1e6)


def rules(waiting_max: int = 1024, each: ClassRules = PATIENT) -> SchedulerRules:
    return SchedulerRules(waiting_max=waiting_max, high=each, normal=each, low=each, batch=each)


def queue(waiting_max: int = 1024, each: ClassRules = PATIENT) -> TicketQueue[str]:
    return TicketQueue(rules(waiting_max, each))


def offer(
    line: TicketQueue[str],
    name: str,
    tenant: str = "a",
    priority: Priority = Priority.NORMAL,
    *,
    now_s: float = 0.0,
    deadline_s: float = inf,
    weight: float = 1.0,
    cost: float = 1.0,
) -> Ticket[str]:
    ticket = Ticket(
        name, tenant=tenant, priority=priority, deadline_s=deadline_s, weight=weight, cost=cost
    )
    line.offer(ticket, now_s)
    return ticket


def take_all(line: TicketQueue[str], now_s: float = 0.0) -> list[str]:
    taken = []
    while (ticket := line.take(now_s)) is not None:
        taken.append(ticket.waiter)
    return taken


def refused(line: TicketQueue[str]) -> list[tuple[str, Reason]]:
    return [(each.ticket.waiter, each.reason) for each in line.refused]


def observe(line: TicketQueue[str], per_s: float, turns: int = 20) -> float:
    """Let the queue see turns at a rate; gives the time after."""
    now_s = 0.0
    for number in range(turns + 1):
        offer(line, f"seen {number}", "seen", now_s=now_s)
    for _ in range(turns):
        now_s += 1 / per_s
        line.take(now_s)
    line.take(now_s)
    assert line.waiting == 0
    return now_s
