"""A line that is overloaded: the newest goes first, the old leave, and nobody else is touched."""

from tests.support.turns import offer, queue, take_all

from headrace.flow.scheduler.rules import ClassRules, Priority
from headrace.flow.scheduler.ticket import Reason
from headrace.flow.scheduler.ticket_queue import TicketQueue

QUICK = ClassRules(turns_share=0.1, target_s=0.1, interval_s=1.0, wait_s_max=60.0)


def overload(line: TicketQueue[str], until_s: float, tenant: str = "a") -> float:
    """Twice as many come as are served, ten a second; gives the time after."""
    now_s = 0.0
    while now_s < until_s:
        offer(line, f"{tenant}{now_s:.1f}", tenant, now_s=now_s)
        offer(line, f"{tenant}{now_s:.1f}'", tenant, now_s=now_s)
        line.take(now_s)
        now_s += 0.1
    return now_s


def test_an_overloaded_line_serves_its_newest() -> None:
    line = queue(each=QUICK)
    now_s = overload(line, 5.0)
    newest = offer(line, "newest", "a", now_s=now_s)
    assert line.take(now_s) is newest


def test_in_an_overloaded_line_nobody_waits_for_longer_than_an_interval() -> None:
    line = queue(each=QUICK)
    now_s = overload(line, 5.0)
    line.take(now_s)
    assert line.waiting < 22  # what comes in one second
    assert {each.reason for each in line.refused} == {Reason.OVERLOADED}


def test_an_overloaded_line_goes_back_to_order_when_it_is_worked_off() -> None:
    line = queue(each=QUICK)
    now_s = overload(line, 5.0)
    while line.waiting:
        now_s += 0.01
        line.take(now_s)
    for number in range(3):
        offer(line, str(number), now_s=now_s)
    assert take_all(line, now_s) == ["0", "1", "2"]


def test_one_tenants_overload_is_not_anothers() -> None:
    line = queue(each=QUICK)
    now_s = 0.0
    while now_s < 5.0:
        for number in range(3):
            offer(line, f"a{now_s:.1f}.{number}", "a", now_s=now_s)
        offer(line, f"b{now_s:.1f}", "b", now_s=now_s)
        line.take(now_s)
        line.take(now_s)
        now_s += 0.1
    assert {each.ticket.tenant for each in line.refused} == {"a"}


def test_in_an_overloaded_line_the_oldest_makes_room() -> None:
    line = queue(waiting_max=8, each=QUICK)
    now_s = overload(line, 3.0)
    offer(line, "the last that finds room", "a", now_s=now_s)
    before = len(line.refused)
    oldest = min(line.classes[Priority.NORMAL].lines[0].tickets, key=lambda each: each.offered_s)
    offer(line, "newest", "a", now_s=now_s)
    assert [each.ticket for each in line.refused[before:]] == [oldest]


def test_turns_that_are_far_apart_do_not_count_as_overload() -> None:
    line = queue(each=QUICK)
    now_s = 0.0
    for number in range(3):
        offer(line, str(number), now_s=now_s)
    for number in range(3, 60):  # always three of them, a turn every two seconds
        now_s += 2.0
        line.take(now_s)
        offer(line, str(number), now_s=now_s)
    dropped_s = [each.ticket.offered_s for each in line.refused]
    assert all(when < 20.0 for when in dropped_s)  # before the rate was known


def test_a_line_that_was_empty_has_not_stood() -> None:
    line = queue(each=QUICK)
    gone = [offer(line, str(number), "a") for number in range(5)]
    for number in range(5):
        offer(line, str(number), "b", now_s=0.2)
    line.take(0.2)  # a's have waited for longer than the target
    for ticket in gone:
        line.cancel(ticket, 0.3)
    for number in range(3):
        offer(line, f"new {number}", "a", now_s=1.1)
    for number in range(4):
        offer(line, f"more {number}", "b", now_s=1.1)
    while line.waiting:
        line.take(1.3)
    assert {each.ticket.tenant for each in line.refused} <= {"b"}
