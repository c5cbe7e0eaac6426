"""Signals: waiting told apart from how much was asked for, and how loaded a process is."""

import os
from pathlib import Path
from random import Random

import pytest

from headrace.flow.signals import LeastSeen, OutputPaceSignal, TtftSignal
from headrace.flow.signals_process import (
    CpuShare,
    Pressure,
    PressureTerms,
    parse_cpu_ticks,
    parse_resident_pages,
)

STAT = (
    "4242 (a (b) c) S 1 4242 4242 0 -1 4194560 2000 0 0 0 "
    "731 269 5 7 20 0 9 0 123456 100000000 5000 18446744073709551615"
)


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


def test_ticks_and_pages_are_read_out_of_the_texts() -> None:
    assert parse_cpu_ticks(STAT) == 1000
    assert parse_resident_pages("24000 5000 900 1 0 4000 0\n") == 5000


def test_the_machines_own_texts_can_be_read() -> None:
    stat = Path("/proc/self/stat")
    if not stat.exists():
        pytest.skip("no /proc here")
    assert 0 <= parse_cpu_ticks(stat.read_text()) <= os.times().user * 1000 + 10_000
    assert parse_resident_pages(Path("/proc/self/statm").read_text()) > 100


@pytest.mark.parametrize("text", ["", "1 (a) S 1", "words"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a text of"):
        parse_cpu_ticks(text)
    with pytest.raises(ValueError, match=r"not a text of|invalid literal"):
        parse_resident_pages("" if text == "words" else text.split(" ", 1)[0])


def test_the_share_of_a_processor_is_ticks_over_time() -> None:
    share = CpuShare(ticks_per_s=100)
    assert share.update(500, 10.0) == 0.0
    assert share.update(550, 11.0) == 0.5
    assert share.update(600, 5.0) == 0.0  # the clock went back
    assert share.update(700, 6.0) == 1.0


def test_pressure_names_what_is_over_its_bound_the_most() -> None:
    terms = PressureTerms(lag_s_max=0.1, cpu_share_max=0.9, memory_bytes_max=1000, smoothing=1.0)
    pressure = Pressure(terms)
    assert pressure.update(0.05, 0.5, 900) is None
    assert pressure.update(0.2, 0.95, 900) == "lag"
    assert pressure.update(0.05, 1.0, 900) == "cpu"
    assert pressure.update(0.05, 0.5, 1001) == "memory"


def test_single_readings_of_lag_do_not_count_as_pressure() -> None:
    pressure = Pressure(PressureTerms(lag_s_max=0.1, smoothing=0.3))
    assert pressure.update(0.3, 0.0, 0) is None
    assert pressure.update(0.3, 0.0, 0) == "lag"  # 0.09, then 0.153


def test_without_a_bound_memory_is_no_pressure() -> None:
    assert Pressure(PressureTerms()).update(0.0, 0.0, 10**15) is None
