"""Time in memory goes to what will be used, and is looked at when it is over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cache.reuse.lives import Lives

CHANCES = st.floats(0, 1)
TIMES = st.floats(0.001, 1e7)


def test_what_will_be_used_stays_its_whole_life_and_what_will_not_the_shortest() -> None:
    lives = Lives(60.0, 3600.0)
    assert lives.ttl_s(0.0, 3600.0) == pytest.approx(60.0)
    assert lives.ttl_s(0.25, 3600.0) == pytest.approx((60.0 * 3600.0) ** 0.5)
    assert lives.ttl_s(0.5, 3600.0) == 3600.0
    assert lives.ttl_s(1.0, 3600.0) == 3600.0


def test_nothing_stays_longer_than_it_is_of_use_or_than_the_bound() -> None:
    lives = Lives(60.0, 600.0)
    assert lives.ttl_s(1.0, 30.0) == 30.0
    assert lives.ttl_s(0.0, 30.0) == pytest.approx(30.0)
    assert lives.ttl_s(1.0, 3600.0) == 600.0


@given(low=TIMES, span=st.floats(1, 1e4), whole=TIMES, chance=CHANCES, more=CHANCES)
def test_time_grows_with_the_chance_within_the_bounds(
    low: float, span: float, whole: float, chance: float, more: float
) -> None:
    lives = Lives(low, low * span)
    less, more = sorted((chance, more))
    short, long = lives.ttl_s(less, whole), lives.ttl_s(more, whole)
    assert min(low, whole) * 0.999 <= short <= long * 1.001
    assert long <= min(whole, low * span) * 1.001


def test_whose_time_is_over_is_told_once_and_in_steps() -> None:
    lives = Lives(1.0, 10.0)
    for number in range(5):
        lives.begin(b"%d" % number, float(number), 10.0)
    assert lives.due(9.0, 10) == []
    first = lives.due(30.0, 3)
    rest = lives.due(30.0, 3)
    assert len(first) == 3
    assert {stay.key: stay.began_s for stay in (*first, *rest)} == {
        b"%d" % number: float(number) for number in range(5)
    }
    assert lives.due(30.0, 3) == []
    assert len(lives) == 0


def test_what_left_or_came_anew_is_not_waited_for_as_before() -> None:
    lives = Lives(1.0, 10.0)
    lives.begin(b"a", 0.0, 10.0)
    lives.begin(b"b", 0.0, 10.0)
    lives.end(b"a")
    lives.end(b"a")
    lives.begin(b"b", 5.0, 100.0)
    assert lives.due(50.0, 9) == []
    assert [(stay.key, stay.began_s) for stay in lives.due(200.0, 9)] == [(b"b", 5.0)]
