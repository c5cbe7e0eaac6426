"""Slopes, steadiness and recovery, on series whose truth is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.bench.load.summary import Point
from headrace.bench.phases.trends import is_steady, recovery_s, settled_s, slope


def point(
    at_s: float, p95_ms: float | None = 10.0, *, requests: int = 10, failed: int = 0
) -> Point:
    return Point(at_s=at_s, requests=requests, failed=failed, p50_ms=p95_ms, p95_ms=p95_ms)


@given(st.floats(-50, 50), st.floats(-1e3, 1e3), st.integers(2, 500))
def test_the_slope_of_a_line_is_the_lines(rise: float, start: float, count: int) -> None:
    xs = [float(x) for x in range(count)]
    assert slope(xs, [start + rise * x for x in xs]) == pytest.approx(rise, abs=1e-6)


def test_outliers_do_not_move_the_slope() -> None:
    ys = [2.0 * x for x in range(100)]
    ys[10] = 1e6
    ys[77] = -1e6
    assert slope(list(range(100)), ys) == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("xs", [[], [1.0], [1.0, 1.0, 1.0]])
def test_less_than_two_places_have_no_slope(xs: list[float]) -> None:
    assert slope(xs, xs) is None


def test_constant_values_are_steady_and_rising_ones_are_not() -> None:
    assert is_steady([point(float(n)) for n in range(20)]) is True
    assert is_steady([point(float(n), 10.0 + n) for n in range(20)]) is False


def test_only_the_later_half_has_to_be_steady() -> None:
    early = [point(float(n), 1000.0 / (n + 1)) for n in range(10)]
    assert is_steady([*early, *(point(float(n)) for n in range(10, 20))]) is True


def test_too_few_windows_say_nothing() -> None:
    assert is_steady([point(float(n)) for n in range(8)]) is None
    assert is_steady([point(float(n), None) for n in range(60)]) is None


def test_recovery_begins_with_the_first_of_three_good_windows() -> None:
    slow = [point(float(n), 500.0) for n in range(4)]
    lucky = [point(4.0), point(5.0, 500.0)]
    well = [point(float(n)) for n in range(6, 10)]
    assert recovery_s([*slow, *lucky, *well], 20.0, 0.01) == 6.0


def test_failures_are_not_recovery_however_fast() -> None:
    assert recovery_s([point(float(n), 1.0, failed=5) for n in range(9)], 20.0, 0.01) is None


def test_windows_without_requests_neither_help_nor_hinder() -> None:
    empty = [point(float(n), None, requests=0) for n in (1, 3, 5)]
    points = sorted([point(0.0), point(2.0), point(4.0), *empty], key=lambda p: p.at_s)
    assert recovery_s(points, 20.0, 0.01) == 0.0
    assert recovery_s(empty, 20.0, 0.01) is None


LATE = st.lists(st.booleans(), min_size=1, max_size=120)


def settled(late: list[bool]) -> float:
    """Of a request a second."""
    return settled_s([(float(n), each) for n, each in enumerate(late)], float(len(late)), 0.1)


@given(LATE, st.data())
def test_one_more_that_is_late_never_settles_sooner(late: list[bool], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(late) - 1))
    later = [*late[:place], True, *late[place + 1 :]]
    assert settled(later) >= settled(late)


@given(st.integers(1, 120), st.integers(0, 120))
def test_what_is_late_first_is_over_when_it_is_over(late: int, well: int) -> None:
    """A tenth of what follows may be late as well, and no more of it is taken for settled."""
    found = settled([True] * late + [False] * well)
    assert late - well / 9 - 1 <= found <= late


def test_late_to_the_end_is_the_whole_time() -> None:
    assert settled([True] * 30) == 30.0
    assert settled([False] * 20 + [True] * 10) == 30.0


def test_as_few_as_always_are_late_and_it_was_settled_from_the_first() -> None:
    assert settled([False] * 27 + [True] * 3) == 0.0
    assert settled([True] * 3 + [False] * 27) == 0.0
