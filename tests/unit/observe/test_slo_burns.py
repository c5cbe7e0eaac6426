"""How fast is too fast: over both windows, of enough bad answers, and by the length of a budget."""

import pytest

from headrace.observe.slo_burns import BURNS, WINDOWS_S, burning
from headrace.settings.slos import BAD_LEAST

NONE = dict.fromkeys(WINDOWS_S, 0.0)
MANY = dict.fromkeys(WINDOWS_S, 100.0)


def burns(days: float, rates: dict[str, float], bad: dict[str, float] = MANY) -> str | None:
    found = burning(days, {**NONE, **rates}, bad)
    return found and found.name


@pytest.mark.parametrize(
    ("rates", "name"),
    [
        ({}, None),
        ({"5m": 15.0, "1h": 15.0}, "Fast"),
        ({"5m": 15.0, "1h": 14.0}, None),
        ({"1h": 15.0}, None),
        ({"30m": 7.0, "6h": 7.0}, "Steady"),
        ({"1h": 7.0, "6h": 7.0}, None),
        ({"6h": 1.1, "3d": 1.1}, "Slow"),
        ({"6h": 1.1, "3d": 0.9}, None),
        (dict.fromkeys(WINDOWS_S, 20.0), "Fast"),
    ],
)
def test_both_windows_have_to_burn(rates: dict[str, float], name: str | None) -> None:
    assert burns(30, rates) == name


def test_a_shorter_budget_is_gone_sooner_and_one_that_lasts_burns_at_one() -> None:
    rates = dict.fromkeys(WINDOWS_S, 4.0)
    assert [burns(days, rates) for days in (7, 30)] == ["Fast", "Slow"]
    assert burns(1, dict.fromkeys(WINDOWS_S, 0.9)) is None


def test_few_bad_answers_are_nothing_whatever_share_they_are() -> None:
    rates = dict.fromkeys(WINDOWS_S, 20.0)
    few = {**MANY, "1h": BAD_LEAST - 1.0}
    assert burns(30, rates, few) == "Steady"
    assert burns(30, rates, dict.fromkeys(WINDOWS_S, BAD_LEAST - 1.0)) is None


def test_nothing_answered_burns_nothing() -> None:
    assert burning(30, dict.fromkeys(WINDOWS_S), NONE) is None


def test_every_window_is_one_that_the_gateway_keeps() -> None:
    assert {window for burn in BURNS for window in (burn.slow, burn.fast)} <= set(WINDOWS_S)
