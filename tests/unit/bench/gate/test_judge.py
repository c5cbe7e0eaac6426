"""Bars are broken by intervals, never by noise."""

import msgspec
import pytest

from headrace.bench.gate.budgets import Budget
from headrace.bench.gate.judge import Block, Judged, judged
from headrace.bench.gate.yardsticks import Yardsticks

NOISE = (1.0, 1.03, 0.98, 1.01, 0.99)
HIT = Budget(name="hit", metric="hit.cpu_us_per_request", at_most={"nginx": 1.5, "loop": 4.0})


def blocks(figure: float | None, noise: tuple[float, ...] = NOISE, **more: object) -> list[Block]:
    metric = str(more.get("metric", HIT.metric))
    return [
        Block(
            gateway={metric: None if figure is None else figure * each},
            nginx={metric: 20.0},
            sticks=Yardsticks(5.0, 25.0, 10.0, 250.0 * each),
        )
        for each in noise
    ]


def told(figure: float | None, noise: tuple[float, ...] = NOISE) -> Judged:
    return judged(HIT, blocks(figure, noise), has_nginx=True)


def test_what_keeps_the_bar_with_all_of_its_interval_passes() -> None:
    found = told(20.0)
    assert (found.outcome, found.yard, found.bar) == ("pass", "nginx", 1.5)
    assert found.ratio == pytest.approx(1.0, rel=0.02)
    assert found.measured == pytest.approx(20.0, rel=0.02)


def test_what_is_beyond_the_bar_with_all_of_it_regresses() -> None:
    assert told(40.0).outcome == "regress"


def test_what_lies_on_both_sides_is_open() -> None:
    assert told(30.0).outcome == "inconclusive"
    assert told(40.0, (0.4, 2.5, 0.5, 2.0, 0.6)).outcome == "inconclusive"


def test_figures_that_never_vary_are_held_against_the_bar_all_the_same() -> None:
    assert told(20.0, (1.0,) * 5).outcome == "pass"
    assert told(40.0, (1.0,) * 5).outcome == "regress"


def test_a_trial_that_failed_is_no_pass_and_no_regression() -> None:
    found = judged(HIT, [*blocks(20.0), *blocks(None, (1.0,))], has_nginx=True)
    assert found.outcome == "inconclusive"
    assert "failed" in found.because


def test_too_few_blocks_say_nothing() -> None:
    found = told(400.0, NOISE[:3])
    assert (found.outcome, found.because) == (
        "inconclusive",
        "3 blocks are too few, 4 are needed.",
    )


def test_without_nginx_the_next_yardstick_counts() -> None:
    found = judged(HIT, blocks(15.0), has_nginx=False)
    assert (found.yard, found.bar, found.outcome) == ("loop", 4.0, "pass")
    assert found.ratio == pytest.approx(3.0, rel=0.02)


def test_without_any_yardstick_nothing_is_known() -> None:
    only = Budget(name="hit", metric=HIT.metric, at_most={"nginx": 1.5})
    assert judged(only, blocks(400.0), has_nginx=False).outcome == "inconclusive"


@pytest.mark.parametrize(("figure", "outcome"), [(30.0, "pass"), (5.0, "regress")])
def test_of_some_figures_more_is_better(figure: float, outcome: str) -> None:
    metric = "hit.throughput_per_s"
    budget = Budget(name="speed", metric=metric, at_least={"nginx": 0.6})
    assert judged(budget, blocks(figure, metric=metric), has_nginx=True).outcome == outcome


@pytest.mark.parametrize(
    ("metric", "yard", "figure", "ratio"),
    [
        ("import_cpu_ms", "bare", 1.0, 10.0),
        ("rss_mb_start", "bare", 60.0, 6.0),
        ("start_cpu_ms", "bare", 500.0, 20.0),
        ("p50_ms", "loop", 1.0, 200.0),
        ("throughput_per_s", "loop", 2000.0, 0.01),
    ],
)
def test_every_figure_has_a_ratio_in_its_own_unit(
    metric: str, yard: str, figure: float, ratio: float
) -> None:
    budget = Budget(name="x", metric=metric, at_most={yard: 1.0})  # type: ignore[dict-item]
    found = judged(budget, blocks(figure, metric=metric), has_nginx=False)
    assert found.ratio == pytest.approx(ratio, rel=0.02)


ADDED = Budget(name="added", metric="alone.p50_overhead_ms", at_most={"nginx": 9.0, "loop": 200.0})


def alone(
    gateway: tuple[float | None, ...], nginx: tuple[float | None, ...], direct: float | None = 0.2
) -> list[Block]:
    """Medians of the phase `alone`, block by block."""
    metric = "alone.p50_ms"
    return [
        Block(
            gateway={metric: with_it},
            nginx={metric: yard},
            direct=None if direct is None else {metric: direct},
            sticks=Yardsticks(5.0, 25.0, 10.0, 250.0),
        )
        for with_it, yard in zip(gateway, nginx, strict=True)
    ]


SLOW = tuple(0.2 + 0.5 * each for each in NOISE)
NGINX = tuple(0.2 + 0.1 * each for each in NOISE[::-1])


def test_what_a_gateway_adds_is_held_against_what_nginx_adds() -> None:
    found = judged(ADDED, alone(SLOW, NGINX), has_nginx=True)
    assert (found.outcome, found.yard) == ("pass", "nginx")
    assert found.measured == pytest.approx(0.5, rel=0.02)
    assert found.ratio == pytest.approx(5.0, rel=0.02)
    slower = tuple(0.2 + 1.5 * each for each in NOISE)
    assert judged(ADDED, alone(slower, NGINX), has_nginx=True).outcome == "regress"


def test_a_block_in_which_the_gateway_was_quicker_is_a_figure_like_any_other() -> None:
    found = judged(ADDED, alone((0.1, 0.3, 0.2, 0.15, 0.25), NGINX), has_nginx=True)
    assert (found.outcome, found.measured) == ("pass", pytest.approx(0.0, abs=1e-9))


@pytest.mark.parametrize("has_nginx", [True, False])
def test_what_is_told_of_an_overhead_can_be_told_as_json(*, has_nginx: bool) -> None:
    found = judged(ADDED, alone(SLOW, NGINX), has_nginx=has_nginx)
    assert found.interval is not None
    assert msgspec.json.decode(msgspec.json.encode(found), type=Judged) == found


def test_an_overhead_of_nginx_that_is_lost_in_the_noise_is_no_yardstick() -> None:
    found = judged(ADDED, alone(SLOW, (0.1, 0.4, 0.3, 0.15, 0.25)), has_nginx=True)
    assert found.outcome == "inconclusive"
    assert "lost in the noise" in found.because


def test_without_nginx_an_overhead_is_held_against_the_loop() -> None:
    found = judged(ADDED, alone(SLOW, NGINX), has_nginx=False)
    assert (found.yard, found.outcome) == ("loop", "pass")
    assert found.ratio == pytest.approx(100.0, rel=0.02)


@pytest.mark.parametrize("direct", [None, float("nan")])
def test_a_provider_that_was_not_measured_leaves_overheads_open(direct: float | None) -> None:
    assert judged(ADDED, alone(SLOW, NGINX, direct), has_nginx=True).outcome == "inconclusive"


@pytest.mark.parametrize("figure", [float("nan"), float("inf")])
def test_figures_that_are_no_number_are_no_pass_and_no_regression(figure: float) -> None:
    found = judged(HIT, [*blocks(20.0), *blocks(figure, (1.0,))], has_nginx=True)
    assert found.outcome == "inconclusive"
    assert "no number" in found.because
