"""What waits for company: whose turn it is, and when."""

import pytest

from headrace.flow.batch.queue import HANDICAP_S, NEVER_S, BatchQueue
from headrace.flow.batch.sizing import FixedSize

HIGH, NORMAL, LOW, BATCH = range(4)


def make(
    size: int = 3,
    *,
    wait_s_max: float = 0.05,
    wait_share: float | None = None,
    tokens_max: int | None = None,
    waiting_max: int = 100,
    running_max: int | None = 2,
) -> BatchQueue[str]:
    return BatchQueue(
        FixedSize(size, call_s=0.1),
        wait_s_max=wait_s_max,
        wait_share=wait_share,
        tokens_max=tokens_max,
        waiting_max=waiting_max,
        running_max=running_max,
    )


def taken(queue: BatchQueue[str], now_s: float = 0.0) -> str:
    return "".join(entry.item for entry in queue.take(now_s))


def test_nothing_is_due_where_nothing_waits() -> None:
    assert make().due_s(1.0) == NEVER_S


def test_the_first_goes_at_once_and_the_next_waits_for_company() -> None:
    queue = make()
    queue.offer("a", 1.0)
    assert queue.due_s(1.0) == 1.0
    assert taken(queue, 1.0) == "a"
    queue.offer("b", 2.0)
    queue.offer("c", 2.01)
    assert queue.due_s(2.01) == 2.05


def test_full_goes_at_once() -> None:
    queue = make(size=2)
    queue.began()
    queue.offer("a", 1.0)
    queue.offer("b", 1.0)
    assert queue.due_s(1.0) == 1.0
    queue.offer("c", 1.0)
    assert taken(queue) == "ab"
    assert queue.due_s(1.0) == NEVER_S  # two on their way


def test_the_end_of_the_last_batch_lets_the_next_go() -> None:
    queue = make()
    queue.began()
    queue.offer("a", 1.0)
    assert queue.due_s(1.01) == 1.05
    queue.ended()
    assert queue.due_s(1.01) == 1.01


def test_no_more_than_may_run() -> None:
    queue = make(running_max=1)
    queue.began()
    queue.offer("a", 1.0)
    assert queue.due_s(9.0) == NEVER_S
    queue.ended()
    assert queue.due_s(9.0) == 9.0


def test_tokens_bound_a_batch_and_one_that_is_above_goes_alone() -> None:
    queue = make(size=10, tokens_max=10)
    queue.began()
    for item, tokens in (("a", 4), ("b", 5), ("c", 50), ("d", 1)):
        queue.offer(item, 1.0, tokens=tokens)
    assert queue.due_s(1.0) == 1.0
    assert [taken(queue), taken(queue), taken(queue)] == ["ab", "c", "d"]


def test_one_entry_may_be_many_items() -> None:
    queue = make(size=5)
    queue.began()
    queue.offer("a", 1.0, size=3)
    assert queue.due_s(1.0) == 1.05
    queue.offer("b", 1.0, size=3)
    assert queue.due_s(1.0) == 1.0
    assert [taken(queue), taken(queue)] == ["a", "b"]


def test_higher_classes_go_first() -> None:
    queue = make(size=4)
    for item, rank in (("b", BATCH), ("l", LOW), ("n", NORMAL), ("h", HIGH)):
        queue.offer(item, 1.0, rank=rank)
    assert taken(queue) == "hnlb"


def test_no_class_starves() -> None:
    queue = make(size=1)
    queue.offer("low", 1.0, rank=LOW)
    queue.offer("h1", 1.0 + 2 * HANDICAP_S - 0.1, rank=HIGH)
    queue.offer("h2", 1.0 + 2 * HANDICAP_S + 0.1, rank=HIGH)
    assert [taken(queue), taken(queue), taken(queue)] == ["h1", "low", "h2"]


def test_equal_keys_are_found_while_they_wait_and_are_on_their_way() -> None:
    queue = make()
    entry = queue.offer("a", 1.0, key="k")
    assert entry is not None
    assert queue.find("k", NORMAL) is entry
    queue.take(1.0)
    assert queue.find("k", HIGH) is entry
    queue.settle(entry)
    assert queue.find("k", NORMAL) is None


def test_what_is_settled_late_does_not_hide_what_came_after() -> None:
    queue = make()
    first = queue.offer("a", 1.0, key="k")
    assert first is not None
    queue.withdraw(first)
    second = queue.offer("a", 1.0, key="k")
    queue.settle(first)
    assert queue.find("k", NORMAL) is second


def test_who_joins_takes_along_into_its_class_and_the_oldest_counts() -> None:
    queue = make(size=2)
    queue.began()
    low = queue.offer("low", 1.0, key="k", rank=LOW)
    queue.offer("high", 1.02, rank=HIGH)
    assert queue.find("k", HIGH) is low
    assert queue.oldest_s == 1.0
    assert taken(queue) == "lowhigh"


def test_joining_from_a_lower_class_changes_nothing() -> None:
    queue = make(size=1)
    queue.offer("a", 1.0, key="k", rank=HIGH)
    queue.offer("b", 1.0, rank=NORMAL)
    queue.find("k", BATCH)
    assert taken(queue) == "a"


def test_withdrawn_leaves_no_trace() -> None:
    queue = make()
    queue.began()
    first, second = queue.offer("a", 1.0, tokens=9), queue.offer("b", 1.03)
    assert first is not None
    assert second is not None
    queue.withdraw(first)
    queue.withdraw(first)
    assert (queue.waiting, queue.due_s(1.03)) == (1, 1.08)
    queue.withdraw(second)
    assert (queue.waiting, queue.due_s(1.03), list(queue)) == (0, NEVER_S, [])
    assert queue.take(2.0) == []
    assert queue.running == 1


def test_too_many_are_refused() -> None:
    queue = make(waiting_max=2)
    assert queue.offer("a", 1.0)
    assert queue.offer("b", 1.0)
    assert queue.offer("c", 1.0, key="k") is None
    assert queue.find("k", NORMAL) is None
    taken(queue)
    assert queue.offer("c", 1.0)


def test_hurrying_takes_what_waits_and_nothing_later() -> None:
    queue = make(running_max=None)
    queue.began()
    queue.offer("a", 1.0)
    queue.hurry(1.01)
    assert queue.due_s(1.01) == 1.01
    assert taken(queue) == "a"
    queue.offer("b", 1.02)
    assert queue.due_s(1.02) == 1.07


def test_waiting_is_a_share_of_what_a_call_takes() -> None:
    queue = make(wait_share=0.1)
    queue.began()
    queue.offer("a", 1.0)
    assert queue.due_s(1.0) == 1.01
    queue.ended(1, 0.2)
    queue.ended(2, 0.2)
    assert queue.wait_s == pytest.approx(0.02, rel=1e-3)
    for _ in range(50):
        queue.ended(1, 9.0)
    assert queue.wait_s == 0.05


def test_expired_come_out_of_every_class() -> None:
    queue = make()
    queue.offer("a", 1.0, rank=LOW, key="k")
    queue.offer("b", 1.5, rank=HIGH)
    queue.offer("c", 2.0, rank=LOW)
    assert sorted(entry.item for entry in queue.expire(1.5)) == ["a", "b"]
    assert [entry.item for entry in queue] == ["c"]
    assert queue.find("k", NORMAL) is None
