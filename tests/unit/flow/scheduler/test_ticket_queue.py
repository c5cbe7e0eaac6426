"""The pure queue: whose turn it is, and who has to leave."""

import pytest
from tests.support.turns import observe, offer, queue, refused, rules, take_all

from headrace.flow.scheduler.rules import ClassRules, Priority
from headrace.flow.scheduler.ticket import Reason
from headrace.flow.scheduler.ticket_queue import (
    RETRY_AFTER_S_MAX,
    RETRY_AFTER_S_UNKNOWN,
    TicketQueue,
)

HIGH, NORMAL, LOW, BATCH = Priority


# Whose turn it is.


def test_one_tenant_is_served_in_order() -> None:
    line = queue()
    for number in range(5):
        offer(line, str(number))
    assert take_all(line) == ["0", "1", "2", "3", "4"]
    assert line.waiting == 0


def test_higher_classes_go_first() -> None:
    line = queue()
    for priority in reversed(Priority):
        offer(line, priority.name, priority=priority)
    assert take_all(line) == ["HIGH", "NORMAL", "LOW", "BATCH"]


def test_lower_classes_get_their_share_of_turns_all_the_same() -> None:
    line = queue()
    for number in range(100):
        for priority in Priority:
            offer(line, f"{priority.name} {number}", priority=priority)
    first = [line.take(0.0) for _ in range(100)]
    shares = [sum(t is not None and t.priority == p for t in first) for p in Priority]
    assert shares == [72, 10, 9, 9]  # one in ten each; of those due at once, the higher first


def test_a_class_is_not_due_for_turns_before_it_waited() -> None:
    line = queue()
    offer(line, "low", priority=LOW)
    for number in range(30):
        offer(line, str(number), priority=HIGH)
    for _ in range(9):
        line.take(0.0)
    late = offer(line, "batch", priority=BATCH)
    taken = [line.take(0.0) for _ in range(9)]
    assert late not in taken
    assert [t.waiter for t in taken if t is not None and t.priority == LOW] == ["low"]


def test_tenants_of_a_class_take_turns() -> None:
    line = queue()
    for number in range(3):
        offer(line, f"a{number}", "a")
    offer(line, "b0", "b")
    offer(line, "c0", "c")
    assert take_all(line) == ["a0", "b0", "c0", "a1", "a2"]


def test_turns_follow_weights() -> None:
    line = queue()
    for number in range(30):
        offer(line, f"a{number}", "a", weight=3.0)
        offer(line, f"b{number}", "b", weight=1.0)
    first = [line.take(0.0) for _ in range(20)]
    assert sum(t is not None and t.tenant == "a" for t in first) == 15


def test_turns_follow_costs() -> None:
    line = queue()
    for number in range(30):
        offer(line, f"a{number}", "a", cost=4.0)
        offer(line, f"b{number}", "b", cost=1.0)
    first = [line.take(0.0) for _ in range(20)]
    assert sum(t is not None and t.tenant == "b" for t in first) == 16


def test_nobody_saves_up_turns_by_staying_away() -> None:
    line = queue()
    for number in range(40):
        offer(line, f"a{number}", "a")
    for _ in range(20):
        line.take(0.0)
    for number in range(20):
        offer(line, f"b{number}", "b")
    first = [line.take(0.0) for _ in range(10)]
    assert sum(t is not None and t.tenant == "b" for t in first) == 5


def test_a_line_that_was_empty_for_a_moment_keeps_its_tag() -> None:
    line = queue()
    offer(line, "dear", "a", cost=10.0)
    for number in range(30):
        offer(line, f"b{number}", "b")
    assert line.take(0.0) is not None  # a's: its next turn is due at 10
    for number in range(5):
        offer(line, f"a{number}", "a")
    first = [line.take(0.0) for _ in range(9)]
    assert all(t is not None and t.tenant == "b" for t in first)


def test_what_is_cancelled_costs_its_tenant_nothing() -> None:
    line = queue()
    gone = [offer(line, f"gone {number}", "a") for number in range(10)]
    offer(line, "a", "a")
    for number in range(3):
        offer(line, f"b{number}", "b")
    for ticket in gone:
        assert line.cancel(ticket, 0.0)
    assert take_all(line) == ["a", "b0", "b1", "b2"]


@pytest.mark.parametrize("place", range(5))
def test_a_ticket_is_cancelled_wherever_it_stands(place: int) -> None:
    line = queue()
    tickets = [offer(line, str(number)) for number in range(5)]
    assert line.cancel(tickets[place], 0.0)
    assert not line.cancel(tickets[place], 0.0)
    assert take_all(line) == [str(number) for number in range(5) if number != place]


def test_nothing_is_taken_where_nobody_waits() -> None:
    assert queue().take(0.0) is None


# Who has to leave.


def test_a_full_queue_refuses_the_heaviest_tenant() -> None:
    line = queue(waiting_max=4)
    for number in range(4):
        offer(line, f"a{number}", "a")
    offer(line, "a4", "a")
    assert refused(line) == [("a4", Reason.FULL)]


def test_a_full_queue_makes_room_for_a_lighter_tenant() -> None:
    line = queue(waiting_max=4)
    for number in range(3):
        offer(line, f"a{number}", "a")
    offer(line, "b0", "b")
    offer(line, "b1", "b")
    assert refused(line) == [("a2", Reason.FULL)]
    assert take_all(line) == ["a0", "b0", "a1", "b1"]


def test_nobody_is_put_out_for_a_tenant_that_would_be_as_heavy() -> None:
    line = queue(waiting_max=4)
    for number in range(2):
        offer(line, f"a{number}", "a")
        offer(line, f"b{number}", "b")
    offer(line, "b2", "b")
    assert refused(line) == [("b2", Reason.FULL)]


def test_weight_counts_for_who_is_heaviest() -> None:
    line = queue(waiting_max=6)
    for number in range(4):
        offer(line, f"a{number}", "a", weight=4.0)
    for number in range(2):
        offer(line, f"b{number}", "b")
    offer(line, "a4", "a", weight=4.0)
    assert refused(line) == [("b1", Reason.FULL)]


def test_a_full_queue_makes_room_in_the_lowest_class() -> None:
    line = queue(waiting_max=3)
    offer(line, "low", priority=LOW)
    offer(line, "batch", priority=BATCH)
    offer(line, "normal", priority=NORMAL)
    offer(line, "high", priority=HIGH)
    offer(line, "batch again", priority=BATCH)
    assert refused(line) == [("batch", Reason.FULL), ("batch again", Reason.FULL)]


def test_the_heaviest_is_found_after_others_have_left() -> None:
    line = queue(waiting_max=10)
    heavy = [offer(line, f"a{number}", "a") for number in range(6)]
    for number in range(4):
        offer(line, f"b{number}", "b")
    for ticket in heavy[:4]:
        line.cancel(ticket, 0.0)
    for number in range(4):
        offer(line, f"c{number}", f"c{number}")
    offer(line, "new", "new")
    assert refused(line) == [("b3", Reason.FULL)]


def test_who_has_waited_too_long_is_refused() -> None:
    line = queue(each=ClassRules(turns_share=0.1, target_s=1.0, interval_s=2.0, wait_s_max=5.0))
    offer(line, "old")
    offer(line, "young", now_s=3.0)
    assert line.next_due_s == 5.0
    line.drop_due(5.0)
    assert refused(line) == [("old", Reason.TIMEOUT)]
    assert line.waiting == 1


def test_who_is_late_is_refused_and_gets_no_turn() -> None:
    line = queue()
    offer(line, "late", deadline_s=2.0)
    offer(line, "patient")
    assert take_all(line, 2.0) == ["patient"]
    assert refused(line) == [("late", Reason.DEADLINE)]


def test_who_left_is_not_refused_when_it_would_have_been_late() -> None:
    line = queue()
    gone = offer(line, "gone", deadline_s=2.0)
    served = offer(line, "served", deadline_s=2.0)
    offer(line, "patient")
    line.cancel(gone, 0.0)
    assert line.take(0.0) is served
    line.drop_due(3.0)
    assert refused(line) == []
    assert line.waiting == 1


def test_who_comes_too_late_does_not_wait() -> None:
    line = queue()
    offer(line, "late", now_s=3.0, deadline_s=3.0)
    assert refused(line) == [("late", Reason.DEADLINE)]
    assert line.waiting == 0


def test_a_deadline_out_of_reach_is_refused_at_once() -> None:
    line = queue()
    now_s = observe(line, per_s=2.0)
    for number in range(9):
        offer(line, str(number), now_s=now_s)
    offer(line, "soon", now_s=now_s, deadline_s=now_s + 4.0)
    offer(line, "later", now_s=now_s, deadline_s=now_s + 6.0)
    assert refused(line) == [("soon", Reason.OUT_OF_REACH)]


def test_a_tenant_of_its_own_reaches_a_nearer_deadline() -> None:
    line = queue()
    now_s = observe(line, per_s=2.0)
    for number in range(9):
        offer(line, str(number), "a", now_s=now_s)
    offer(line, "soon", "b", now_s=now_s, deadline_s=now_s + 1.6)
    assert refused(line) == []


def test_whoever_finds_nobody_waiting_is_let_in_whatever_was_observed() -> None:
    line = queue()
    now_s = observe(line, per_s=0.01)
    offer(line, "first", now_s=now_s, deadline_s=now_s + 1.0)
    offer(line, "second", now_s=now_s, deadline_s=now_s + 1.0)
    assert refused(line) == [("second", Reason.OUT_OF_REACH)]


def test_a_deadline_out_of_reach_puts_nobody_out() -> None:
    line = queue(waiting_max=3)
    offer(line, "a0", "a")
    offer(line, "a1", "a")
    offer(line, "a2", "a")
    offer(line, "late", "b", deadline_s=0.0)
    assert refused(line) == [("late", Reason.DEADLINE)]
    assert line.waiting == 3


def test_what_is_told_is_when_the_line_is_worked_off() -> None:
    line = queue(waiting_max=10)
    now_s = 0.0
    for number in range(10):
        offer(line, str(number))
    for number in range(10, 40):
        now_s += 0.5
        line.take(now_s)
        offer(line, str(number), now_s=now_s)
    assert line.refused == []
    offer(line, "one too many", now_s=now_s)
    told_s = line.refused[-1].retry_after_s
    assert told_s == pytest.approx((10 + 1) * 0.5, rel=0.05)


def test_what_is_told_has_bounds() -> None:
    line = queue(waiting_max=2)
    offer(line, "0")
    offer(line, "1")
    offer(line, "2")
    assert line.refused[-1].retry_after_s == RETRY_AFTER_S_UNKNOWN
    slow = queue(waiting_max=200)
    now_s = observe(slow, per_s=0.001)
    for number in range(201):
        offer(slow, str(number), now_s=now_s)
    assert slow.refused[-1].retry_after_s == RETRY_AFTER_S_MAX


def test_closing_refuses_everybody() -> None:
    line = queue()
    tickets = [
        offer(line, f"{tenant}{priority}", tenant, priority)
        for tenant in "abc"
        for priority in Priority
    ]
    line.close(0.0)
    assert line.waiting == 0
    assert {each.ticket for each in line.refused} == set(tickets)
    assert {each.reason for each in line.refused} == {Reason.CLOSED}
    assert take_all(line) == []


def test_counts_are_kept() -> None:
    line = queue(waiting_max=2)
    for number in range(3):
        offer(line, str(number))
    line.take(0.0)
    assert line.taken == [0, 1, 0, 0]
    assert line.refusals == {(NORMAL, Reason.FULL): 1}


# Where the capacity itself knows how long turns take.


def paced(turn_s: float) -> TicketQueue[str]:
    """A queue whose capacity knows that a turn takes so many seconds."""
    each = ClassRules(turns_share=0.1, target_s=1, interval_s=5, wait_s_max=30)
    return TicketQueue(rules(each=each), lambda turns: turns * turn_s)


def test_who_cannot_wait_as_long_as_turns_take_is_refused_at_once() -> None:
    line = paced(10.0)
    for number in range(4):
        offer(line, f"waits {number}")
    assert refused(line) == [("waits 3", Reason.TIMEOUT)]
    assert line.refused[0].retry_after_s == pytest.approx(40.0)
    offer(line, "in a hurry", "b", deadline_s=15.0)
    assert refused(line)[1:] == [("in a hurry", Reason.OUT_OF_REACH)]


def test_whoever_comes_first_is_measured_too() -> None:
    line = paced(10.0)
    offer(line, "in a hurry", deadline_s=9.0)
    assert refused(line) == [("in a hurry", Reason.OUT_OF_REACH)]
    assert line.refused[0].retry_after_s == pytest.approx(10.0)
    offer(line, "patient", deadline_s=11.0)
    assert line.waiting == 1
