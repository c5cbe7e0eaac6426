"""Counts are never too low, are halved in turn, and survive growth."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from headrace.cache.policy.sketch import COUNT_MAX, FrequencySketch
from headrace.cache.policy.spread import spread_of

CODES = [spread_of()(b"key %d" % number) for number in range(600)]


@given(st.lists(st.tuples(st.sampled_from(CODES), st.integers(1, 20)), max_size=30))
def test_tells_no_less_than_was_counted(uses: list[tuple[int, int]]) -> None:
    sketch, exact = FrequencySketch(64), Counter[int]()
    for code, times in uses:
        exact[code] += times
        assert sketch.count(code, times) == sketch.estimate(code)
    for code, count in exact.items():
        assert min(count, COUNT_MAX) <= sketch.estimate(code) <= COUNT_MAX


def test_tells_keys_apart_that_it_has_room_for() -> None:
    sketch = FrequencySketch(1024)
    for code in CODES:
        sketch.count(code)
    wrong = [code for code in CODES if sketch.estimate(code) != 1]
    assert len(wrong) < len(CODES) / 50


def test_forgets_half_of_every_count_in_each_window() -> None:
    sketch = FrequencySketch(64, window_per_cell=10)
    for _ in range(10):
        sketch.count(CODES[0])
    others = iter(CODES[1:])
    for _ in range(64 * 10 - 10):
        assert sketch.estimate(CODES[0]) >= 10
        sketch.count(next(others, CODES[1]))
    assert 5 <= sketch.estimate(CODES[0]) <= (COUNT_MAX + 1) // 2


def test_halves_wide_rows_a_block_at_a_time() -> None:
    sketch = FrequencySketch(8192, window_per_cell=1)
    for code in CODES[1:101]:
        sketch.count(code, 8)
    means = []
    for additions in (4096 - 800, 4096):
        for _ in range(additions // 8):
            sketch.count(CODES[0], 8)
        means.append(sum(sketch.estimate(code) for code in CODES[1:101]) / 100)
    # An estimate is the lowest of four cells, and after the first block half of all are halved.
    assert 4 < means[0] < 8
    assert 4 <= means[1] < 4.2


def test_grows_without_forgetting() -> None:
    sketch = FrequencySketch(64)
    for code in CODES[:40]:
        sketch.count(code, 3)
    before = [sketch.estimate(code) for code in CODES]
    sketch.fit(1000)
    assert sketch.width == 1024
    assert [sketch.estimate(code) for code in CODES] == before
    sketch.fit(10)
    assert sketch.width == 1024
