"""Learning ratios: towards the truth, within bounds, and not misled by what is far off."""

import random

import pytest

from headrace.prompt.counting.ratios import Features, Ratios

TRUTH = (1.31, 1.8, 1.45, 1.2, 1.6, 1.05, 1.9)
MESSAGE = 9.0


def features(base: list[float], messages: int) -> Features:
    made = Features(messages)
    made.row[: len(base)] = base
    return made


def drawn(rng: random.Random) -> tuple[Features, float]:
    base = [0.0] * 7
    for kind in rng.sample(range(7), rng.choice((1, 1, 2, 3))):
        base[kind] = rng.lognormvariate(5.0, 1.2)
    messages = rng.randint(1, 12)
    said = sum(b * t for b, t in zip(base, TRUTH, strict=True)) + MESSAGE * messages
    return features(base, messages), said


def learnt(seed: int, cases: int, wrong_share: float = 0.0) -> Ratios:
    rng, ratios = random.Random(seed), Ratios((1.5,) * 7, 4.0, 0.25)
    for _ in range(cases):
        asked, said = drawn(rng)
        said *= rng.gauss(1.0, 0.02)
        if rng.random() < wrong_share:
            said *= rng.choice((0.01, 0.1, 5.0, 100.0))
        ratios.learn(asked, said)
    return ratios


@pytest.mark.parametrize("seed", range(3))
def test_it_comes_to_the_truth(seed: int) -> None:
    ratios = learnt(seed, 600)
    assert ratios.error_p95 < 0.1
    for value, truth in zip(
        (*ratios.values[:7], ratios.values[-1]), (*TRUTH, MESSAGE), strict=True
    ):
        assert value == pytest.approx(truth, rel=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_one_wrong_report_in_ten_does_not_mislead_it(seed: int) -> None:
    ratios = learnt(seed, 800, wrong_share=0.1)
    for value, truth in zip(ratios.values[:7], TRUTH, strict=True):
        assert value == pytest.approx(truth, rel=0.15)


def test_it_follows_a_tokenizer_that_changes() -> None:
    ratios = Ratios((1.0,) * 7, 4.0, 0.25)
    rng = random.Random(4)
    for factor, wanted in ((1.2, 1.2), (2.0, 2.0)):
        for _ in range(400):
            base = [rng.uniform(50, 500), *([0.0] * 6)]
            ratios.learn(features(base, 1), base[0] * factor + 4)
        assert ratios.values[0] == pytest.approx(wanted, rel=0.05)


def test_until_enough_is_seen_the_error_is_what_was_assumed() -> None:
    ratios = Ratios((1.0,) * 7, 4.0, 0.25)
    for _ in range(5):
        ratios.learn(features([100.0], 1), 104)
    assert (ratios.seen, ratios.error_p95) == (5, 0.25)


@pytest.mark.parametrize("told", [0, -5, float("nan"), float("inf")])
def test_what_makes_no_sense_teaches_nothing(told: float) -> None:
    ratios = Ratios((1.0,) * 7, 4.0, 0.25)
    ratios.learn(features([100.0], 1), told)
    ratios.learn(features([], 0), 100)
    assert (ratios.seen, ratios.values) == (0, (*((1.0,) * 7), *((0.0,) * 10), 4.0))


def test_ratios_stay_within_bounds_whatever_is_told() -> None:
    ratios, rng = Ratios((1.0,) * 7, 4.0, 0.25), random.Random(5)
    for _ in range(2000):
        row = [rng.uniform(0, 1e9) for _ in range(17)]
        ratios.learn(features(row, 1), rng.choice((1, 1e12)))
        assert all(0.24 < value < 4.01 for value in ratios.values[:7])
        assert all(value == value for value in ratios.values)


def test_nothing_told_is_nothing_predicted() -> None:
    assert Ratios((1.0,) * 7, 4.0, 0.25).predict(features([], 0)) == 0.0
