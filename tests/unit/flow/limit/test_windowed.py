"""Limits put together: windows of signals, and the lowest of several."""

import pytest

from headrace.flow.limit.fixed import FixedLimit
from headrace.flow.limit.lowest import LowestLimit
from headrace.flow.limit.windowed import WindowedLimit


class Heard:
    """A limit that writes down what it is told."""

    def __init__(self, limit: int = 10) -> None:
        self.limit = limit
        self.told: list[tuple[float, int, bool]] = []

    def update(self, rtt_s: float, inflight: int, *, is_drop: bool, now_s: float) -> None:
        self.told.append((rtt_s, inflight, is_drop))


def test_a_window_hands_on_its_mean_and_the_most_in_flight() -> None:
    heard = Heard()
    limit = WindowedLimit(heard, window_s=1.0, samples_min=2)
    limit.update(0.1, 3, is_drop=False, now_s=0.0)
    limit.update(0.2, 7, is_drop=False, now_s=0.5)
    assert heard.told == []
    limit.update(0.6, 5, is_drop=False, now_s=1.0)
    assert heard.told == [(pytest.approx(0.3), 7, False)]
    assert limit.limit == 10


def test_a_window_goes_on_until_it_holds_enough() -> None:
    heard = Heard()
    limit = WindowedLimit(heard, window_s=1.0, samples_min=3)
    limit.update(0.1, 1, is_drop=False, now_s=0.0)
    limit.update(0.1, 1, is_drop=False, now_s=5.0)
    assert heard.told == []
    limit.update(0.1, 1, is_drop=False, now_s=5.1)
    assert len(heard.told) == 1


def test_drops_and_calls_without_a_signal_are_handed_on_at_once() -> None:
    heard = Heard()
    limit = WindowedLimit(heard)
    limit.update(2.0, 4, is_drop=True, now_s=0.0)
    limit.update(0.0, 4, is_drop=False, now_s=0.0)
    assert heard.told == [(2.0, 4, True), (0.0, 4, False)]


def test_a_window_that_began_on_another_clock_begins_again() -> None:
    heard = Heard()
    limit = WindowedLimit(heard, window_s=1.0, samples_min=1)
    limit.update(0.1, 1, is_drop=False, now_s=1000.0)
    limit.update(0.1, 1, is_drop=False, now_s=1.0)
    limit.update(0.1, 1, is_drop=False, now_s=2.0)
    assert len(heard.told) == 1


def test_the_lowest_holds_and_all_learn() -> None:
    first, second = Heard(10), Heard(20)
    limit = LowestLimit((first, second))
    assert limit.limit == 10
    first.limit = 30
    limit.update(0.1, 5, is_drop=False, now_s=0.0)
    assert limit.limit == 20
    assert first.told == second.told == [(0.1, 5, False)]


def test_a_fixed_limit_learns_nothing() -> None:
    limit = FixedLimit(7)
    limit.update(100.0, 7, is_drop=True, now_s=0.0)
    assert limit.limit == 7


def test_terms_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="the limit is 0"):
        FixedLimit(0)
    with pytest.raises(ValueError, match="no limits"):
        LowestLimit(())
    with pytest.raises(ValueError, match="a window of"):
        WindowedLimit(Heard(), window_s=-1.0)
    with pytest.raises(ValueError, match="a window of"):
        WindowedLimit(Heard(), samples_min=0)
