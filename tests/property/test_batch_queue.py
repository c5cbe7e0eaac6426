"""Whatever happens to a queue of batches, it keeps its books, its bounds and its promises."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headrace.flow.batch.queue import HANDICAP_S, NEVER_S, RANKS, BatchQueue, Entry
from headrace.flow.batch.sizing import DurationFit, FixedSize, GoalSize

SIZE_MAX, TOKENS_MAX, WAITING_MAX, RUNNING_MAX, WAIT_S = 4, 20, 12, 2, 0.5


class QueueMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.queue: BatchQueue[int] = BatchQueue(
            FixedSize(SIZE_MAX),
            wait_s_max=WAIT_S,
            tokens_max=TOKENS_MAX,
            waiting_max=WAITING_MAX,
            running_max=RUNNING_MAX,
        )
        self.now_s = 0.0
        self.number = 0
        self.waiting: list[Entry[int]] = []

    @rule(
        rank=st.integers(0, len(RANKS) - 1),
        size=st.integers(1, 6),
        tokens=st.integers(0, 30),
        key=st.none() | st.integers(0, 3),
    )
    def offer(self, rank: int, size: int, tokens: int, key: int | None) -> None:
        entry = None if key is None else self.queue.find(key, rank)
        if entry is not None:
            assert entry.key == key
            return
        self.number += 1
        entry = self.queue.offer(
            self.number, self.now_s, key=key, rank=rank, size=size, tokens=tokens
        )
        assert (entry is None) is (len(self.waiting) >= WAITING_MAX)
        if entry is not None:
            self.waiting.append(entry)

    @rule(seconds=st.floats(0.0, 2.0))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.waiting))
        self.queue.withdraw(entry)
        self.waiting.remove(entry)

    @precondition(lambda self: self.queue.due_s(self.now_s) <= self.now_s)
    @rule()
    def take(self) -> None:
        batch = self.queue.take(self.now_s)
        assert batch
        assert len(batch) == 1 or sum(entry.size for entry in batch) <= SIZE_MAX
        assert len(batch) == 1 or sum(entry.tokens for entry in batch) <= TOKENS_MAX
        for entry in batch:
            self.waiting.remove(entry)
            assert not entry.is_waiting
        last = batch[-1].since_s + batch[-1].rank * HANDICAP_S
        assert all(last <= each.since_s + each.rank * HANDICAP_S for each in self.waiting)

    @precondition(lambda self: self.queue.running)
    @rule()
    def end(self) -> None:
        self.queue.ended(1, 0.1)

    @invariant()
    def books_are_right(self) -> None:
        assert self.queue.waiting == len(self.waiting)
        assert set(self.queue) == set(self.waiting)
        assert 0 <= self.queue.running <= RUNNING_MAX
        assert self.queue.oldest_s == min((e.since_s for e in self.waiting), default=NEVER_S)

    @invariant()
    def nobody_waits_longer_than_promised(self) -> None:
        due_s = self.queue.due_s(self.now_s)
        if self.waiting and self.queue.running < RUNNING_MAX:
            assert due_s <= max(self.now_s, self.queue.oldest_s + WAIT_S)
            assert self.queue.running or due_s == self.now_s
        else:
            assert due_s == NEVER_S


TestQueue = QueueMachine.TestCase

DURATIONS = st.lists(st.tuples(st.integers(1, 1000), st.floats(0.0, 1000.0)), max_size=120)


@given(DURATIONS, st.floats(0.001, 100.0), st.integers(1, 500), st.floats(0.0, 1e6))
def test_size_is_always_within_bounds(
    batches: list[tuple[int, float]], goal_s: float, size_max: int, waited_s: float
) -> None:
    sizing = GoalSize(goal_s, size_max)
    for items, duration_s in batches:
        sizing.observe(items, duration_s)
        assert 1 <= sizing.size(waited_s) <= size_max


@given(DURATIONS)
def test_a_fit_never_expects_the_impossible(batches: list[tuple[int, float]]) -> None:
    fit = DurationFit(0.1, 0.1)
    for items, duration_s in batches:
        fit.observe(items, duration_s)
        assert 0 < fit.expected_s(1) <= fit.expected_s(2)
