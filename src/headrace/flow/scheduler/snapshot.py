"""The state of a scheduler as plain data, for metrics and the console. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from headrace.flow.scheduler.class_queue import ClassQueue
from headrace.flow.scheduler.rules import Priority
from headrace.flow.scheduler.ticket import Reason, WaiterT
from headrace.flow.scheduler.ticket_queue import TicketQueue

# Tenants told of: those with most waiting.
TENANTS_TOLD_MAX: Final = 10


class ClassSnapshot(msgspec.Struct, frozen=True):
    """One class.

    Attributes:
        priority: its name.
        waiting: requests that wait.
        tenants: on whose account, how many.
        overloaded: how many of these have a line that is overloaded.
        oldest_wait_s: how long the one that has waited longest has.
        granted_at_once: turns without waiting, since the beginning.
        granted: turns after waiting, since the beginning.
        refused: requests without a turn since the beginning, by reason.
        turns_per_s: how fast turns come while somebody waits; `None` where that is not known.
    """

    priority: str
    waiting: int
    tenants: int
    overloaded: int
    oldest_wait_s: float
    granted_at_once: int
    granted: int
    refused: Mapping[str, int]
    turns_per_s: float | None


class TenantSnapshot(msgspec.Struct, frozen=True):
    """One tenant in one class.

    Attributes:
        tenant: its name.
        priority: the class.
        waiting: requests that wait.
        weight: its share of turns, relative to others'.
        is_overloaded: its line is overloaded: the newest goes first.
    """

    tenant: str
    priority: str
    waiting: int
    weight: float
    is_overloaded: bool


class SchedulerSnapshot(msgspec.Struct, frozen=True):
    """A scheduler.

    Attributes:
        waiting: requests that wait.
        turns_per_s: as of a class, of all together.
        classes: each class, the highest first.
        heaviest: the tenants with most waiting, the heaviest first.
    """

    waiting: int
    turns_per_s: float | None
    classes: Sequence[ClassSnapshot]
    heaviest: Sequence[TenantSnapshot]


def snapshot(
    queue: TicketQueue[WaiterT], granted_at_once: Sequence[int], now_s: float
) -> SchedulerSnapshot:
    """The state of a queue.

    Args:
        queue: whose.
        granted_at_once: turns that nobody had to wait for, by class.
        now_s: the time.
    """
    tenants: list[TenantSnapshot] = []
    classes = []
    for priority, class_ in zip(Priority, queue.classes, strict=True):
        classes.append(_class(queue, priority, class_, granted_at_once[priority], now_s))
        tenants.extend(_tenants(priority, class_))
    tenants.sort(key=lambda each: -each.waiting / each.weight)
    return SchedulerSnapshot(
        queue.waiting, queue.rate_per_s(now_s), classes, tenants[:TENANTS_TOLD_MAX]
    )


def _class(
    queue: TicketQueue[WaiterT],
    priority: Priority,
    class_: ClassQueue[WaiterT],
    granted_at_once: int,
    now_s: float,
) -> ClassSnapshot:
    lines = class_.lines
    return ClassSnapshot(
        priority=priority.name.lower(),
        waiting=class_.waiting,
        tenants=len(lines),
        overloaded=sum(line.is_overloaded for line in lines),
        oldest_wait_s=max((now_s - line.oldest().offered_s for line in lines), default=0.0),
        granted_at_once=granted_at_once,
        granted=queue.taken[priority],
        refused={reason.value: queue.refusals.get((priority, reason), 0) for reason in Reason},
        turns_per_s=class_.rate.per_s(now_s),
    )


def _tenants(priority: Priority, class_: ClassQueue[WaiterT]) -> list[TenantSnapshot]:
    return [
        TenantSnapshot(
            tenant=line.tenant,
            priority=priority.name.lower(),
            waiting=len(line.tickets),
            weight=line.weight,
            is_overloaded=line.is_overloaded,
        )
        for line in class_.lines
    ]
