"""Power, against R's `power.t.test` (R 4, its help page) and the rules of thumb."""

import pytest

from headrace.bench.statistics.power import detectable, power_of, runs_needed


def test_power_is_rs() -> None:
    """power.t.test(n = 20, delta = 1, sd = 1, strict = TRUE): power = 0.868953."""
    assert power_of(1.0, 1.0, 20, is_paired=False) == pytest.approx(0.868953, abs=1e-6)


def test_runs_are_rs() -> None:
    """power.t.test(power = .90, delta = 1): n = 22.02110."""
    assert runs_needed(1.0, 1.0, power=0.9, is_paired=False) == 23


def test_rules_of_thumb_hold_where_runs_are_many() -> None:
    assert runs_needed(0.01, 0.2) == pytest.approx(7.85 * 400, rel=0.01)
    assert runs_needed(0.01, 0.2, is_paired=False) == pytest.approx(15.7 * 400, rel=0.01)


def test_runs_needed_are_the_fewest() -> None:
    runs = runs_needed(0.03, 0.03)
    assert runs == 10
    assert power_of(0.03, 0.03, 9) < 0.8 <= power_of(0.03, 0.03, 10)


def test_detectable_is_found_as_often_as_asked() -> None:
    effect = detectable(0.02, 12, power=0.9)
    assert power_of(effect, 0.02, 12) == pytest.approx(0.9, abs=1e-4)
    assert detectable(0.0, 12) == 0.0


def test_what_cannot_be_found_is_told() -> None:
    assert runs_needed(0.0, 0.1) is None
    assert runs_needed(1e-5, 0.5) is None
    assert power_of(0.0, 0.0, 5) == 0.0
    assert power_of(0.1, 0.0, 5) == 1.0
    assert power_of(0.0, 1.0, 8) == pytest.approx(0.05, abs=1e-4)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="2 runs"):
        power_of(1.0, 1.0, 1)
    with pytest.raises(ValueError, match="level"):
        power_of(1.0, 1.0, 5, level=95.0)
    with pytest.raises(ValueError, match="power"):
        runs_needed(1.0, 1.0, power=80.0)
