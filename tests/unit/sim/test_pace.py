import statistics

import pytest

from headrace.sim.options import SimOptions
from headrace.sim.pace import Pace, Profile, draw_pace, knee_factor


def test_instant_and_fast_are_what_they_say():
    assert draw_pace(Profile.INSTANT, 1, 1) == Pace(0.0, 0.0)
    assert draw_pace(Profile.FAST, 1, 1) == Pace(0.020, 0.005)


def test_real_has_its_median_spread_and_token_times():
    paces = [draw_pace(Profile.REAL, 3, n) for n in range(3000)]
    ttfts_s = sorted(pace.ttft_s for pace in paces)
    assert statistics.median(ttfts_s) == pytest.approx(0.350, rel=0.05)
    assert ttfts_s[int(0.841 * len(ttfts_s))] == pytest.approx(0.350 * 2.718281828**0.5, rel=0.08)
    assert all(0.015 <= pace.token_s <= 0.025 for pace in paces)
    assert statistics.mean(pace.token_s for pace in paces) == pytest.approx(0.020, rel=0.02)
    assert paces == [draw_pace(Profile.REAL, 3, n) for n in range(3000)]


def test_a_whole_answer_takes_the_time_of_its_last_token():
    assert Pace(0.1, 0.01).service_s(11) == pytest.approx(0.2)
    assert Pace(0.1, 0.01).service_s(0) == pytest.approx(0.1)


def test_latency_grows_in_proportion_above_the_capacity():
    assert knee_factor(5, None) == 1.0
    assert knee_factor(10, 10) == 1.0
    assert knee_factor(25, 10) == 2.5
    assert Pace(0.1, 0.01).slowed(2.5) == Pace(0.25, 0.025)


def test_a_faster_simulator_draws_the_same_in_less_time():
    plain, fast = (draw_pace(Profile.REAL, 3, 9, speed) for speed in (1.0, 10.0))
    assert fast.ttft_s == pytest.approx(plain.ttft_s / 10)
    assert fast.token_s == pytest.approx(plain.token_s / 10)
    assert draw_pace(Profile.FAST, 1, 1, 2.0) == Pace(0.010, 0.0025)
    assert draw_pace(Profile.INSTANT, 1, 1, 2.0) == Pace(0.0, 0.0)


@pytest.mark.parametrize("speed", [0.0, -1.0, 1e9, float("nan")])
def test_a_speed_that_makes_no_sense_is_refused(speed: float):
    with pytest.raises(ValueError, match="speed must be"):
        SimOptions(speed=speed)
