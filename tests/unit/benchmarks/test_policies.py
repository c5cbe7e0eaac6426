"""When the selector's promises are kept."""

import pytest
from benchmarks import policy_case
from benchmarks.records import Verdict

EVEN = {name: [0.5, 0.5] for name in ("lru", "gdsf", "auto", "bound")}


def verdicts(setting: str, **saved: list[float]) -> dict[str, tuple[Verdict, str]]:
    rows = list(policy_case.setting_rows(setting, saved, EVEN))
    return {bar.name: (bar.verdict, bar.measured) for bar in policy_case.bars(rows)}


def test_the_gain_is_the_mean_of_paired_differences() -> None:
    found = verdicts(
        policy_case.GAIN_SETTING,
        lru=[0.10, 0.30],
        gdsf=[0.20, 0.37],
        auto=[0.15, 0.36],
        bound=[0.5, 0.6],
    )
    verdict, measured = found["selector above LRU, 2%, mild drift"]
    assert verdict is Verdict.PASS
    assert measured.startswith("5.50  (")
    assert measured.endswith("2 seeds)")


def test_a_gain_below_the_bar_is_a_miss() -> None:
    found = verdicts(policy_case.GAIN_SETTING, lru=[0.1], gdsf=[0.149], auto=[0.149], bound=[0.5])
    assert found["selector above LRU, 2%, mild drift"][0] is Verdict.MISS


def test_the_gain_is_promised_in_one_setting_only() -> None:
    found = verdicts("10%, strong drift", lru=[0.1], gdsf=[0.1], auto=[0.1], bound=[0.1])
    assert len(found) == 1


@pytest.mark.parametrize(
    ("auto", "verdict"), [(0.201, Verdict.PASS), (0.195, Verdict.PASS), (0.185, Verdict.MISS)]
)
def test_the_selector_is_held_against_the_best_single_policy(auto: float, verdict: Verdict) -> None:
    found = verdicts("10%, mild drift", lru=[0.1], gdsf=[0.2], auto=[auto], bound=[0.9])
    name = "selector below the best single policy (gdsf), 10%, mild drift"
    assert found[name][0] is verdict


def test_nothing_run_promises_nothing() -> None:
    assert policy_case.bars([]) == []
