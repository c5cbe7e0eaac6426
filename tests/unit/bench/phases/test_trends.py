"""Slopes, steadiness and recovery, on series whose truth is known."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from headrace.bench.load.summary import Point
from headrace.bench.phases.trends import (
    Stretch,
    is_steady,
    most_by_chance,
    recovery_s,
    settled_s,
)


def point(at_s: float, p50_ms: float | None = 10.0) -> Point:
    return Point(at_s=at_s, requests=10, failed=0, p50_ms=p50_ms, p95_ms=p50_ms)


def test_constant_values_are_steady_and_rising_ones_are_not() -> None:
    assert is_steady([point(float(n)) for n in range(20)]) is True
    assert is_steady([point(float(n), 10.0 + n) for n in range(20)]) is False


def test_only_the_later_half_has_to_be_steady() -> None:
    early = [point(float(n), 1000.0 / (n + 1)) for n in range(10)]
    assert is_steady([*early, *(point(float(n)) for n in range(10, 20))]) is True


def test_too_few_windows_say_nothing() -> None:
    assert is_steady([point(float(n)) for n in range(8)]) is None
    assert is_steady([point(float(n), None) for n in range(60)]) is None


def stretches(*late: int, requests: int = 10) -> list[Stretch]:
    return [Stretch(float(n), requests, each) for n, each in enumerate(late)]


def test_recovery_begins_with_the_first_of_three_good_windows() -> None:
    assert recovery_s(stretches(9, 10, 10, 7, 0, 10, 1, 0, 0, 0), 0.05) == 6.0
    assert recovery_s(stretches(9, 10, 10, 7, 0, 10, 1, 0), 0.05) is None


def test_as_many_late_as_ever_is_well_at_once_and_some_more_in_each_window_is_not() -> None:
    assert recovery_s(stretches(2, 1, 0), 0.05) == 0.0
    assert recovery_s(stretches(*[2] * 9), 0.05) is None  # each by itself could be chance


def test_windows_without_requests_neither_help_nor_hinder() -> None:
    empty = [Stretch(float(n), 0, 0) for n in (1, 3, 5)]
    busy = [Stretch(float(n), 10, 0) for n in (0, 2, 4)]
    assert recovery_s(sorted([*busy, *empty]), 0.05) == 0.0
    assert recovery_s(empty, 0.05) is None


@given(st.integers(0, 400), st.floats(0, 1))
def test_the_most_by_chance_is_the_quantile_of_the_binomial(count: int, share: float) -> None:
    most = most_by_chance(count, share)
    assert binom.cdf(most, count, share) >= 0.99 - 1e-9
    assert most == 0 or binom.cdf(most - 1, count, share) < 0.99 + 1e-9


def test_the_most_by_chance_of_so_many_that_none_late_is_below_the_smallest_number() -> None:
    assert most_by_chance(200_000, 0.05) == binom.ppf(0.99, 200_000, 0.05)


def test_a_disturbance_that_left_nothing_behind_is_found_to_be_over_at_once() -> None:
    """One in twenty is asked of the model: the p95 of a window is that of hits, or of those."""
    rng = Random(7)

    def calm() -> list[int]:
        return [sum(rng.random() < 0.05 for _ in range(33)) for _ in range(60)]

    found = [recovery_s(stretches(*calm(), requests=33), 0.05) for _ in range(500)]
    at_once = [each for each in found if each is not None and each <= 3.0]
    assert len(at_once) >= 0.97 * len(found)


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
