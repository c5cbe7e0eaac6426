"""Turns handed on by callback: each waiter hears exactly one thing, whatever it does then."""

from collections.abc import Callable
from math import inf

import pytest

from headrace.clock import ManualClock
from headrace.errors import DeadlineExceeded, HeadraceError, Overloaded
from headrace.flow.scheduler import Priority, Scheduler, SchedulerRules, Ticket, Waiter
from headrace.flow.scheduler.slots import Slot, Slots


class Caller:
    """Notes what it hears."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.permit: Slot | None = None
        self.error: HeadraceError | None = None
        self.heard = 0
        self._then = then

    def granted(self, permit: Slot) -> None:
        self.permit = permit
        self.heard += 1
        self._then()

    def refused(self, error: HeadraceError) -> None:
        self.error = error
        self.heard += 1
        self._then()


class Desk:
    """A scheduler over slots."""

    def __init__(self, slots: int = 1, waiting_max: int = 1024) -> None:
        self.clock = ManualClock()
        self.slots = Slots(slots)
        rules = SchedulerRules(waiting_max=waiting_max)
        self.scheduler: Scheduler[Slot] = Scheduler(self.slots, clock=self.clock, rules=rules)
        self.slots.on_free = self.scheduler.on_free

    def submit(
        self,
        caller: Caller | None = None,
        priority: Priority = Priority.NORMAL,
        deadline_s: float = inf,
        tenant: str = "",
    ) -> tuple[Caller, Ticket[Waiter[Slot]] | None]:
        caller = caller or Caller()
        ticket = self.scheduler.submit(
            caller, priority=priority, deadline_s=deadline_s, tenant=tenant
        )
        return caller, ticket


def give_back(caller: Caller) -> None:
    assert caller.permit is not None
    caller.permit.success()


def test_where_there_is_room_the_turn_comes_at_once() -> None:
    desk = Desk(slots=2)
    first, ticket = desk.submit()
    second, _ = desk.submit()
    assert ticket is None
    assert first.permit is not None
    assert second.permit is not None
    assert desk.scheduler.waiting == 0


def test_who_finds_no_room_waits_until_there_is() -> None:
    desk = Desk()
    first, _ = desk.submit()
    second, ticket = desk.submit()
    assert ticket is not None
    assert second.heard == 0
    give_back(first)
    assert second.permit is not None
    assert desk.scheduler.waiting == 0


def test_nobody_overtakes_those_who_wait() -> None:
    desk = Desk()
    first, _ = desk.submit()
    second, _ = desk.submit()
    desk.slots.free += 1  # as when a limit rises, and nobody has said so yet
    third, _ = desk.submit()
    assert second.permit is not None
    assert third.heard == 0
    give_back(first)
    assert third.permit is not None


def test_a_permit_given_back_within_the_turn_goes_to_the_next() -> None:
    desk = Desk()
    first, _ = desk.submit()
    callers: list[Caller] = []
    for number in range(2000):  # deep enough to fail if turns were handed on by recursion
        callers.append(Caller(lambda number=number: give_back(callers[number])))  # type: ignore[misc]
        if number < 1000:
            desk.submit(callers[number])
    give_back(first)
    assert [caller.heard for caller in callers[:1000]] == [1] * 1000
    assert desk.slots.free == 1


def test_who_comes_again_when_refused_is_heard() -> None:
    desk = Desk(waiting_max=1)
    desk.submit()
    again = Caller()
    desk.submit(Caller(lambda: desk.submit(again, Priority.HIGH) and None), Priority.BATCH)
    desk.submit(priority=Priority.NORMAL)  # puts the first out, which then comes as another
    assert again.heard == 0
    assert desk.scheduler.waiting == 1


def test_who_left_hears_nothing_more() -> None:
    desk = Desk()
    first, _ = desk.submit()
    second, ticket = desk.submit()
    third, _ = desk.submit()
    assert ticket is not None
    assert desk.scheduler.cancel(ticket)
    assert not desk.scheduler.cancel(ticket)
    give_back(first)
    assert second.heard == 0
    assert third.permit is not None


def test_who_was_granted_a_turn_cannot_be_cancelled() -> None:
    desk = Desk()
    first, _ = desk.submit()
    second, ticket = desk.submit()
    give_back(first)
    assert ticket is not None
    assert not desk.scheduler.cancel(ticket)
    assert second.heard == 1


def test_a_waiter_that_cancels_another_in_its_turn() -> None:
    desk = Desk()
    first, _ = desk.submit()
    tickets: list[Ticket[Waiter[Slot]] | None] = []
    second = Caller(lambda: desk.scheduler.cancel(tickets[0]) and None)  # type: ignore[arg-type,func-returns-value]
    desk.submit(second)
    third, ticket = desk.submit()
    tickets.append(ticket)
    give_back(first)
    give_back(second)
    assert third.heard == 0
    assert desk.slots.free == 1


def test_who_is_late_is_told_by_the_next_look() -> None:
    desk = Desk()
    desk.submit()
    late, _ = desk.submit(deadline_s=2.0)
    desk.scheduler.sweep()
    assert late.heard == 0
    desk.clock.advance(2.0)
    desk.scheduler.sweep()
    assert isinstance(late.error, DeadlineExceeded)
    assert late.error.code == "deadline_exceeded"
    assert "2.0 s" in late.error.message


def test_capacity_that_came_back_unheard_is_found() -> None:
    desk = Desk()
    desk.submit()
    second, _ = desk.submit()
    desk.slots.free += 1  # as when a gate opens with time
    desk.scheduler.sweep()
    assert second.permit is not None


def test_a_turn_that_nobody_wants_any_more_is_given_back() -> None:
    desk = Desk()
    first, _ = desk.submit()
    late, _ = desk.submit(deadline_s=2.0)
    desk.clock.advance(3.0)
    give_back(first)
    assert late.permit is None
    assert late.heard == 1
    assert desk.slots.free == 1


def test_closing_tells_everybody() -> None:
    desk = Desk(waiting_max=1000)
    desk.submit()
    waiting = [desk.submit(tenant=str(n % 7), priority=Priority(n % 4))[0] for n in range(1000)]
    desk.scheduler.close()
    assert {caller.heard for caller in waiting} == {1}
    assert {caller.error.code for caller in waiting if caller.error} == {"shutting_down"}
    assert desk.scheduler.waiting == 0


def test_who_comes_after_closing_is_refused_at_once() -> None:
    desk = Desk(slots=5)
    desk.scheduler.close()
    caller, ticket = desk.submit()
    assert ticket is None
    assert isinstance(caller.error, Overloaded)
    assert desk.slots.free == 5


def test_turns_under_way_end_after_closing() -> None:
    desk = Desk()
    first, _ = desk.submit()
    desk.submit()
    desk.scheduler.close()
    give_back(first)
    assert desk.slots.free == 1


def test_a_refusal_says_when_to_try_again() -> None:
    desk = Desk(waiting_max=1)
    desk.submit()
    desk.submit()
    refused, _ = desk.submit()
    assert refused.error is not None
    assert (refused.error.status, refused.error.code) == (503, "queue_full")
    assert refused.error.retry_after_s == 1.0


def test_nothing_is_kept_of_a_turn_that_came_at_once() -> None:
    import gc

    desk = Desk(slots=2)
    caller = Caller()
    desk.submit(caller)
    give_back(caller)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(100):
        desk.submit(caller)
        give_back(caller)
    caller.permit = None
    gc.collect()
    assert len(gc.get_objects()) <= before


def test_state_is_told() -> None:
    desk = Desk(slots=2, waiting_max=4)
    desk.submit(priority=Priority.HIGH)
    desk.submit()
    for _ in range(3):
        desk.submit(tenant="a", priority=Priority.LOW)
    desk.submit(tenant="b")
    desk.submit(tenant="b")
    desk.clock.advance(1.5)
    told = desk.scheduler.snapshot()
    by_name = {each.priority: each for each in told.classes}
    assert list(by_name) == ["high", "normal", "low", "batch"]
    assert told.waiting == 4
    assert told.turns_per_s is None
    assert by_name["high"].granted_at_once == 1
    assert by_name["low"].waiting == 2
    assert by_name["low"].tenants == 1
    assert by_name["low"].oldest_wait_s == 1.5
    assert by_name["low"].refused["full"] == 1
    assert by_name["normal"].waiting == 2
    assert {(each.tenant, each.priority, each.waiting) for each in told.heaviest} == {
        ("a", "low", 2),
        ("b", "normal", 2),
    }


@pytest.mark.parametrize("weight", [0.0, -1.0, inf, float("nan")])
def test_a_weight_that_makes_no_sense_is_refused(weight: float) -> None:
    desk = Desk()
    desk.submit()
    with pytest.raises(ValueError, match="weight"):
        desk.scheduler.submit(Caller(), weight=weight)
    assert desk.scheduler.waiting == 0


def test_slots_are_given_back_once() -> None:
    slots = Slots(1)
    slot = slots.try_acquire()
    assert slot is not None
    assert slots.try_acquire() is None
    slot.drop(3.0)
    slot.success(0.1)
    slot.ignore()
    assert slots.free == 1


@pytest.mark.parametrize("count", [0, -3])
def test_slots_have_to_be_there(count: int) -> None:
    with pytest.raises(ValueError, match="concurrency"):
        Slots(count)
