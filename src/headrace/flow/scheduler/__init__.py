"""Whose turn it is: priorities, fairness among tenants, and who is refused."""

from headrace.flow.scheduler.driver import Capacity, Returnable, Scheduler, Waiter
from headrace.flow.scheduler.rules import ClassRules, Priority, SchedulerRules
from headrace.flow.scheduler.snapshot import ClassSnapshot, SchedulerSnapshot, TenantSnapshot
from headrace.flow.scheduler.ticket import Ticket

__all__ = (
    "Capacity",
    "ClassRules",
    "ClassSnapshot",
    "Priority",
    "Returnable",
    "Scheduler",
    "SchedulerRules",
    "SchedulerSnapshot",
    "TenantSnapshot",
    "Ticket",
    "Waiter",
)
