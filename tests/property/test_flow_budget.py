"""In no window that ends with an extra call are there more than the share and the floor."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.flow.budget import ShareBudget

WINDOW_S = 10.0
# Quarters of a second are exact, so that the test and the budget agree where a slice ends.
STEPS = st.lists(
    st.tuples(st.integers(0, 60).map(lambda quarters: quarters / 4), st.integers(0, 3)),
    max_size=150,
)


@given(steps=STEPS, share=st.sampled_from([0.0, 0.02, 0.1, 0.5, 1.0]), floor=st.integers(0, 4))
def test_extra_calls_stay_within_share_and_floor(
    steps: list[tuple[float, int]], share: float, floor: int
) -> None:
    budget = ShareBudget(share=share, floor=floor, window_s=WINDOW_S)
    now_s = 0.0
    requests: list[float] = []
    extra: list[float] = []
    for wait_s, kind in steps:
        now_s += wait_s
        if kind:
            budget.deposit(now_s)
            requests.append(now_s)
        elif budget.try_spend(now_s):
            extra.append(now_s)
            begin_s = now_s - WINDOW_S
            asked = sum(at_s > begin_s for at_s in requests)
            sent = sum(at_s > begin_s for at_s in extra)
            assert sent <= share * asked + floor + 1e-9
    assert (budget.requests, budget.spent) == (len(requests), len(extra))


@given(requests=st.integers(0, 200), floor=st.integers(0, 4))
def test_whole_budget_can_be_spent_at_once(requests: int, floor: int) -> None:
    budget = ShareBudget(share=0.1, floor=floor, window_s=WINDOW_S)
    for _ in range(requests):
        budget.deposit(3.0)
    spent = sum(budget.try_spend(3.5) for _ in range(100))
    assert spent == min(100, int(requests * 0.1 + 1e-9) + floor)


@given(pauses=st.lists(st.floats(0, 1e9), max_size=30))
def test_floor_is_there_after_any_pause(pauses: list[float]) -> None:
    budget = ShareBudget(share=0.1, floor=1, window_s=WINDOW_S)
    now_s = 0.0
    for pause_s in pauses:
        now_s += pause_s + 1.2 * WINDOW_S
        assert budget.try_spend(now_s)
        assert not budget.try_spend(now_s)


@given(back_s=st.floats(0, 1e6))
def test_clock_that_goes_back_gives_nothing_for_nothing(back_s: float) -> None:
    budget = ShareBudget(share=0.1, floor=1, window_s=WINDOW_S)
    assert budget.try_spend(1e6)
    assert not budget.try_spend(1e6 - back_s)


def test_requests_count_for_no_longer_than_the_window() -> None:
    for asked_s, spent_s, is_room in ((0.0, 9.9, True), (0.4, 10.4, False), (0.0, 10.0, False)):
        budget = ShareBudget(share=1.0, floor=0, window_s=WINDOW_S)
        budget.deposit(asked_s)
        assert budget.try_spend(spent_s) is is_room
