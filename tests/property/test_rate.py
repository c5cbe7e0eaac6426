"""What GCRA admits, held against a log of everything and against a bucket of exact numbers."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from headrace.flow.rate import CallerRate, Gcra, RateLimits, Refusal

# Milliseconds that a float holds exactly, so that the exact bucket decides alike.
STEPS = st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 5)), min_size=1, max_size=60)
TICK = Fraction(1, 1024)


@given(steps=STEPS, per_minute=st.sampled_from([15, 60, 120, 240]), burst_s=st.integers(1, 60))
def test_it_admits_what_an_exact_bucket_admits(
    steps: list[tuple[int, int]], per_minute: int, burst_s: int
) -> None:
    gcra = Gcra(per_minute, burst_s)
    capacity = max(Fraction(per_minute * burst_s, 60), Fraction(1))
    level, now = capacity, Fraction(0)
    for step, cost in steps:
        now += step * TICK
        level = min(capacity, level + step * TICK * per_minute / 60)
        is_admitted = gcra.wait_s(cost, float(now)) == 0
        assert is_admitted == (level >= cost)
        if is_admitted:
            gcra.take(cost, float(now))
            level -= cost
        assert gcra.left(float(now)) == int(level)


@given(
    steps=st.lists(st.tuples(st.floats(0, 30), st.integers(1, 5)), max_size=30),
    per_minute=st.floats(0.5, 5000),
    burst_s=st.floats(0.01, 60),
)
def test_no_window_holds_more_than_the_burst_and_the_rate(
    steps: list[tuple[float, int]], per_minute: float, burst_s: float
) -> None:
    gcra = Gcra(per_minute, burst_s)
    log: list[float] = []
    now_s = 0.0
    for step_s, tries in steps:
        now_s += step_s
        for _ in range(tries):
            if gcra.wait_s(1, now_s) == 0:
                gcra.take(1, now_s)
                log.append(now_s)
    for first, start_s in enumerate(log):
        for last in range(first, len(log)):
            allowed = gcra.burst + (log[last] - start_s) * per_minute / 60
            assert last - first + 1 <= allowed * (1 + 1e-6) + 1e-6


@given(
    readings=st.lists(st.floats(-1e6, 1e6) | st.floats(0, 5), max_size=60),
    per_minute=st.floats(1, 600),
)
def test_a_clock_that_goes_back_and_forth_adds_only_the_time_that_passed(
    readings: list[float], per_minute: float
) -> None:
    caller = CallerRate(RateLimits(requests_per_minute=per_minute, burst_s=60))
    admitted, passed_s, last_s = 0, 0.0, None
    for now_s in readings:
        if last_s is not None:
            passed_s += max(0.0, now_s - last_s)
        last_s = now_s
        for _ in range(5):
            if caller.admit(0, now_s) is None:
                caller.release()
                admitted += 1
    burst = max(1.0, per_minute)
    assert admitted <= (burst + passed_s * per_minute / 60) * (1 + 1e-6) + 1e-6


@given(
    costs=st.lists(st.floats(0, 100), min_size=1, max_size=30),
    cost=st.floats(0, 60),
    per_minute=st.floats(60, 6000),
    at_s=st.floats(0, 1e6),
)
def test_the_wait_is_exact(costs: list[float], cost: float, per_minute: float, at_s: float) -> None:
    caller = CallerRate(RateLimits(tokens_per_minute=per_minute))
    for each in costs:
        caller.admit(each, at_s)
    refusal = caller.admit(cost, at_s)
    if refusal is not None:
        wait_s = refusal.retry_after_s
        if wait_s > 1e-3:
            early = caller.admit(cost, at_s + wait_s * 0.999)
            assert isinstance(early, Refusal)
        assert caller.admit(cost, at_s + wait_s) is None


@given(calls=st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), max_size=20))
def test_settling_counts_what_was_used_and_nothing_else(calls: list[tuple[int, int]]) -> None:
    settled = CallerRate(RateLimits(tokens_per_minute=6000))
    plain = CallerRate(RateLimits(tokens_per_minute=6000))
    for reserved, used in calls:
        assert settled.admit(reserved, 0.0) is None
        settled.settle(reserved, used, 0.0)
        assert plain.admit(used, 0.0) is None
    assert settled.headers(0.0) == plain.headers(0.0)
