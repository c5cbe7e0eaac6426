"""The scheduler under any sequence of events: nobody is lost, doubled, starved or overtaken."""

from collections import Counter
from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headrace.clock import ManualClock
from headrace.errors import HeadraceError
from headrace.flow.scheduler import (
    ClassRules,
    Priority,
    Scheduler,
    SchedulerRules,
    Ticket,
    Waiter,
)
from headrace.flow.scheduler.slots import Slot, Slots
from headrace.flow.scheduler.ticket_queue import TicketQueue

TENANTS = ("a", "b", "c", "d")
PATIENT = ClassRules(turns_share=0.125, target_s=1e6, interval_s=1e6, wait_s_max=1e6)
PATIENCE = SchedulerRules(
    waiting_max=100_000, high=PATIENT, normal=PATIENT, low=PATIENT, batch=PATIENT
)
QUICK = ClassRules(turns_share=0.125, target_s=0.1, interval_s=0.5, wait_s_max=3.0)


class Caller:
    """Notes how often it was told, and what."""

    def __init__(self) -> None:
        self.permit: Slot | None = None
        self.told = 0
        self.ticket: Ticket[Waiter[Slot]] | None = None

    def granted(self, permit: Slot) -> None:
        self.permit = permit
        self.told += 1

    def refused(self, error: HeadraceError) -> None:
        assert error.retry_after_s is not None
        assert error.retry_after_s > 0.0
        self.told += 1


class Events(RuleBasedStateMachine):
    """Whatever may happen to a scheduler, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.slots = Slots(3)
        self.rules_ = SchedulerRules(waiting_max=12, high=QUICK, normal=QUICK, low=QUICK)
        self.scheduler: Scheduler[Slot] = Scheduler(self.slots, clock=self.clock, rules=self.rules_)
        self.slots.on_free = self.scheduler.on_free
        self.callers: list[Caller] = []
        self.cancelled: list[Caller] = []

    @rule(
        tenant=st.sampled_from(TENANTS),
        priority=st.sampled_from(Priority),
        patience_s=st.sampled_from([0.0, 0.3, 2.0, inf]),
        weight=st.sampled_from([0.5, 1.0, 3.0]),
    )
    def come(self, tenant: str, priority: Priority, patience_s: float, weight: float) -> None:
        caller = Caller()
        caller.ticket = self.scheduler.submit(
            caller,
            tenant=tenant,
            priority=priority,
            deadline_s=self.clock.monotonic_s() + patience_s,
            weight=weight,
        )
        assert (caller.ticket is None) == (caller.told == 1)
        self.callers.append(caller)

    @precondition(lambda self: any(c.permit for c in self.callers))
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        caller = data.draw(st.sampled_from([c for c in self.callers if c.permit]))
        permit, caller.permit = caller.permit, None
        assert permit is not None
        permit.success()

    @precondition(lambda self: self.callers)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        caller = data.draw(st.sampled_from(self.callers))
        if caller.ticket is not None and self.scheduler.cancel(caller.ticket):
            assert caller.told == 0
            self.cancelled.append(caller)

    @rule(seconds=st.sampled_from([0.05, 0.2, 1.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def look(self) -> None:
        self.scheduler.sweep()

    @invariant()
    def everybody_hears_one_thing_or_waits(self) -> None:
        waiting = [c for c in self.callers if c.ticket is not None and c.ticket.is_waiting]
        assert len(waiting) == self.scheduler.waiting <= 12
        for caller in self.callers:
            is_waiting = caller.ticket is not None and caller.ticket.is_waiting
            assert caller.told + is_waiting + (caller in self.cancelled) == 1

    @invariant()
    def no_permit_is_lost_and_none_lies_idle(self) -> None:
        held = sum(caller.permit is not None for caller in self.callers)
        assert held + self.slots.free == 3
        assert not (self.slots.free and self.scheduler.waiting)

    @invariant()
    def what_is_told_adds_up(self) -> None:
        told = self.scheduler.snapshot()
        assert sum(each.waiting for each in told.classes) == told.waiting
        heard = sum(caller.told for caller in self.callers)
        booked = sum(
            each.granted + each.granted_at_once + sum(each.refused.values())
            for each in told.classes
        )
        assert heard == booked

    def teardown(self) -> None:
        self.scheduler.close()
        assert self.scheduler.waiting == 0
        self.everybody_hears_one_thing_or_waits()


TestEvents = Events.TestCase
TestEvents.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def _queue() -> TicketQueue[int]:
    return TicketQueue(PATIENCE)


_STEPS = st.lists(
    st.tuples(st.sampled_from(("offer", "offer", "take", "cancel")), st.sampled_from(TENANTS)),
    max_size=120,
)


@given(steps=_STEPS)
def test_order_inside_a_tenant_is_the_order_of_coming(steps: list[tuple[str, str]]) -> None:
    queue, taken = _queue(), list[tuple[str, int]]()
    waiting: list[Ticket[int]] = []
    for number, (what, tenant) in enumerate(steps):
        if what == "offer":
            waiting.append(Ticket(number, tenant=tenant))
            queue.offer(waiting[-1], 0.0)
        elif what == "cancel" and waiting:
            queue.cancel(waiting[number % len(waiting)], 0.0)
        elif (ticket := queue.take(0.0)) is not None:
            taken.append((ticket.tenant, ticket.waiter))
    while (ticket := queue.take(0.0)) is not None:
        taken.append((ticket.tenant, ticket.waiter))
    for tenant in TENANTS:
        numbers = [number for name, number in taken if name == tenant]
        assert numbers == sorted(numbers)
    assert len(set(taken)) == len(taken)


@given(
    weights=st.lists(st.sampled_from([0.5, 1.0, 2.0, 5.0]), min_size=2, max_size=5),
    costs=st.lists(st.sampled_from([0.5, 1.0, 4.0, 10.0]), min_size=1, max_size=7),
    turns=st.integers(1, 300),
)
def test_tenants_with_tickets_all_the_time_differ_by_no_more_than_the_paper_says(
    weights: list[float], costs: list[float], turns: int
) -> None:
    # Goyal, Vin and Cheng 1996, theorem 1: |W_f / r_f - W_m / r_m| <= l_f / r_f + l_m / r_m.
    queue = _queue()
    for number in range(turns):
        for place, weight in enumerate(weights):
            cost = costs[(number + place) % len(costs)]
            queue.offer(Ticket(0, tenant=str(place), weight=weight, cost=cost), 0.0)
    served: Counter[str] = Counter()
    for _ in range(turns):
        ticket = queue.take(0.0)
        assert ticket is not None
        served[ticket.tenant] += ticket.cost  # type: ignore[assignment]
        shares = [served[str(place)] / weight for place, weight in enumerate(weights)]
        most = [max(costs) / weight for weight in weights]
        for one, share in enumerate(shares):
            for other, another in enumerate(shares):
                assert abs(share - another) <= most[one] + most[other] + 1e-9


@given(
    arrivals=st.lists(
        st.lists(st.tuples(st.sampled_from(Priority), st.sampled_from(TENANTS)), max_size=4),
        max_size=150,
    )
)
def test_no_class_with_somebody_waiting_goes_without_a_turn(
    arrivals: list[list[tuple[Priority, str]]],
) -> None:
    queue, passed = _queue(), dict.fromkeys(Priority, 0)
    for coming in arrivals:
        for priority, tenant in coming:
            queue.offer(Ticket(0, tenant=tenant, priority=priority), 0.0)
        ticket = queue.take(0.0)
        if ticket is None:
            continue
        for priority in Priority:
            is_passed = queue.classes[priority].waiting and priority != ticket.priority
            passed[priority] = passed[priority] + 1 if is_passed else 0
        # One turn in eight is its own; three classes may be due at once.
        assert max(passed.values()) <= 8 + len(Priority)


@given(
    flood=st.integers(1, 40),
    others=st.integers(1, 3),
)
def test_no_tenant_waits_behind_anothers_flood(flood: int, others: int) -> None:
    queue = _queue()
    for _ in range(flood):
        queue.offer(Ticket(0, tenant="flood"), 0.0)
    queue.take(0.0)
    for place in range(others):
        queue.offer(Ticket(1, tenant=str(place)), 0.0)
    taken = [queue.take(0.0) for _ in range(others + 1)]
    assert sum(ticket is not None and ticket.waiter == 1 for ticket in taken) == others
