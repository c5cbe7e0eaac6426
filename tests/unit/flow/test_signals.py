"""Signals: waiting told apart from how much was asked for, and how loaded a process is."""

from random import Random

import pytest

from headrace.flow.signals import LeastSeen, OutputPaceSignal, TtftSignal
from headrace.flow.signals_process import CpuShare, Pressure, PressureTerms


def test_a_sample_is_a_multiple_of_the_least_mean() -> None:
    least = LeastSeen(group=2)
    assert least.multiple(1.0, 0.0) is None
    assert least.multiple(3.0, 0.0) == 1.5  # the mean of both is 2
    assert least.multiple(5.0, 0.0) == 2.5
    assert least.multiple(0.5, 0.0) == 0.25  # (5 + 0.5) / 2 is no less


def test_the_least_is_forgotten_after_one_to_two_windows() -> None:
    least = LeastSeen(window_s=10.0, group=1)
    least.multiple(1.0, 0.0)
    assert least.multiple(4.0, 15.0) == 4.0
    assert least.multiple(4.0, 26.0) == 1.0


def test_after_a_long_silence_nothing_is_known() -> None:
    least = LeastSeen(window_s=10.0, group=2)
    for _ in range(2):
        least.multiple(1.0, 0.0)
    assert least.multiple(4.0, 100.0) is None


def test_a_clock_that_goes_back_begins_a_window() -> None:
    least = LeastSeen(window_s=10.0, group=1)
    least.multiple(1.0, 1000.0)
    assert least.multiple(2.0, 5.0) == 2.0
    assert least.multiple(2.0, 15.0) == 1.0


def test_the_time_to_the_first_token_is_held_against_inputs_of_its_size() -> None:
    signal = TtftSignal()
    for _ in range(8):
        signal.multiple(0.1, 100, 0.0)
        signal.multiple(1.0, 10_000, 0.0)
    assert signal.multiple(0.2, 100, 0.0) == pytest.approx(2.0)
    assert signal.multiple(2.0, 10_000, 0.0) == pytest.approx(2.0)
    assert signal.multiple(0.1, 128, 0.0) == pytest.approx(1.0)  # up to 128 is one size
    assert signal.multiple(0.1, 129, 0.0) is None


@pytest.mark.parametrize("tokens", [-5, 0, 1, 10**12])
def test_any_number_of_tokens_has_a_size(tokens: int) -> None:
    signal = TtftSignal()
    for _ in range(8):
        told = signal.multiple(0.5, tokens, 0.0)
    assert told == pytest.approx(1.0)


@pytest.mark.parametrize("ttft_s", [0.0, -1.0, float("nan"), float("inf")])
def test_a_time_that_is_none_says_nothing(ttft_s: float) -> None:
    signal = TtftSignal()
    for _ in range(20):
        assert signal.multiple(ttft_s, 100, 0.0) is None


def test_the_signal_does_not_depend_on_the_mix_of_sizes() -> None:
    dice = Random(7)
    signal = TtftSignal()
    told = []
    for _ in range(2000):
        size = dice.choice((100, 1000, 10_000, 100_000))
        told.append(signal.multiple(size * 1e-4 * dice.uniform(0.9, 1.1), size, 0.0))
    known = [each for each in told if each is not None]
    assert max(known) < 1.3
    assert min(known) > 0.85


def test_the_pace_does_not_depend_on_the_length() -> None:
    signal = OutputPaceSignal()
    for tokens in (10, 50, 100, 500, 1000, 20, 30, 40):
        told = signal.multiple((tokens - 1) * 0.02, tokens, 0.0)
    assert told == pytest.approx(1.0)
    assert signal.multiple(99 * 0.05, 100, 0.0) == pytest.approx(2.5)


def test_short_outputs_say_nothing_of_the_pace() -> None:
    signal = OutputPaceSignal(tokens_min=8)
    for tokens in (0, 1, 7):
        assert signal.multiple(1.0, tokens, 0.0) is None


def test_the_share_of_a_processor_is_time_spent_over_time() -> None:
    share = CpuShare()
    assert share.update(5.0, 10.0) == 0.0
    assert share.update(5.5, 11.0) == 0.5
    assert share.update(6.0, 5.0) == 0.0  # the clock went back
    assert share.update(7.0, 6.0) == 1.0


def pressure(**terms: float) -> Pressure:
    bounds = {"lag_s_max": 0.4, "busy_lag_s_max": 0.1, "cpu_share_max": 0.9, "smoothing": 1.0}
    return Pressure(PressureTerms(**{**bounds, **terms}))  # type: ignore[arg-type]


def test_pressure_names_what_is_over_its_bound_the_most() -> None:
    terms = {"memory_bytes_max": 1000}
    assert pressure(**terms).update(0.05, 0.5, 900) is None
    assert pressure(**terms).update(0.5, 0.95, 900) == "lag"
    assert pressure(**terms).update(0.2, 1.0, 900) == "cpu"
    assert pressure(**terms).update(0.05, 0.5, 1001) == "memory"


def test_a_busy_processor_alone_is_no_pressure() -> None:
    busy = pressure()
    for _ in range(100):
        assert busy.update(0.09, 1.0, 10**15) is None
    assert busy.update(0.11, 1.0, 0) == "cpu"
    assert pressure().update(0.11, 0.8, 0) is None


def test_it_is_over_only_once_everything_is_well_below_its_bound() -> None:
    full = pressure(memory_bytes_max=1000, ease=0.9)
    assert full.update(0.0, 0.0, 1001) == "memory"
    assert full.update(0.0, 0.0, 950) == "memory"
    assert full.update(0.39, 0.0, 950) == "memory"
    assert full.update(0.41, 0.0, 950) == "lag"
    assert full.update(0.0, 0.0, 899) is None
    assert full.update(0.0, 0.0, 950) is None


def test_single_readings_of_lag_do_not_count_as_pressure() -> None:
    usual = pressure(smoothing=0.3)
    assert usual.update(3600.0, 0.0, 0) is None  # as of a machine that slept
    assert usual.update(0.0, 0.0, 0) is None
    assert usual.update(3600.0, 0.0, 0) is None
    assert usual.update(3600.0, 0.0, 0) == "lag"


def test_without_a_bound_memory_is_no_pressure() -> None:
    assert Pressure(PressureTerms()).update(0.0, 0.0, 10**15) is None
