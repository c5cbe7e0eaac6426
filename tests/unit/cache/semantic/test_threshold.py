"""Learned thresholds keep the share of wrong answers below the bound, in worlds good and bad."""

import random
from math import exp, inf

import msgspec
import pytest

from headrace.cache.semantic.estimate import Share, wilson
from headrace.cache.semantic.threshold import (
    ENTRY_LABELS_MAX,
    WINDOW,
    Bound,
    Curve,
    Label,
    entry_threshold,
    explores,
    fit_curve,
)

MAX_ERROR = 0.05


class World(msgspec.Struct, frozen=True):
    """How answers depend on similarity: logistic, each entry with a middle of its own."""

    middle: float
    spread: float
    slope: float
    hopeless: float = 0.0


GOOD = World(middle=0.78, spread=0.03, slope=60)
SOME_HOPELESS = World(middle=0.78, spread=0.03, slope=60, hopeless=0.02)
BAD = World(middle=0.90, spread=0.05, slope=40, hopeless=0.1)
AWFUL = World(middle=1.1, spread=0.05, slope=40)


class Run(msgspec.Struct):
    """What came of some thousand candidates."""

    bound: Bound
    answered: int = 0
    wrong: int = 0

    @property
    def share(self) -> Share:
        return wilson(self.wrong, self.answered)


def live(world: World, seed: int, *, trusts_static: bool, candidates: int = 6000) -> Run:
    """Draw candidates of a world; label some, answer others, as the engine does."""
    chance = random.Random(seed)
    entries = [
        inf if chance.random() < world.hopeless else chance.gauss(world.middle, world.spread)
        for _ in range(100)
    ]
    popularity = [1 / (rank + 1) for rank in range(len(entries))]
    run = Run(Bound(max_error=MAX_ERROR, trusts_static=trusts_static))
    labels: dict[int, tuple[Label, ...]] = {}
    thresholds: dict[int, float] = {}
    curve, trials = Curve(), 0
    for entry in chance.choices(range(len(entries)), popularity, k=candidates):
        similarity = max(0.8, 1 - abs(chance.gauss(0, 0.07)))
        odds = world.slope * (similarity - entries[entry])
        same = chance.random() < (1 / (1 + exp(-odds)) if odds > -700 else 0.0)
        if explores(chance.random, 0.05, trials):
            trials += 1
            label = Label(similarity, same)
            run.bound.add(label)
            if trials % 128 == 0:
                curve = fit_curve(run.bound.labels)
            labels[entry] = (*labels.get(entry, ()), label)[-ENTRY_LABELS_MAX:]
            thresholds[entry] = entry_threshold(labels[entry], curve, MAX_ERROR)
        elif similarity >= max(run.bound.threshold, thresholds.get(entry, 0.0)):
            run.answered += 1
            run.wrong += not same
    return run


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("world", [GOOD, SOME_HOPELESS], ids=["good", "some hopeless"])
def test_keeps_the_bound_and_answers_most(world: World, seed: int) -> None:
    run = live(world, seed, trusts_static=True)
    assert run.share.high <= MAX_ERROR
    assert run.answered > 3000


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("world", [GOOD, SOME_HOPELESS, BAD, AWFUL])
def test_without_trust_the_bound_holds_from_the_beginning(world: World, seed: int) -> None:
    run = live(world, seed, trusts_static=False)
    assert run.share.low <= MAX_ERROR
    assert run.answered == 0 or run.bound.is_certified


@pytest.mark.parametrize("seed", range(3))
def test_a_good_world_is_certified_below_the_static_threshold(seed: int) -> None:
    bound = live(GOOD, seed, trusts_static=True).bound
    assert bound.is_certified
    assert bound.threshold < 0.92


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("world", "wrong_max"), [(BAD, 80), (AWFUL, 10)])
def test_a_static_threshold_that_does_not_fit_is_given_up(
    world: World, wrong_max: int, seed: int
) -> None:
    run = live(world, seed, trusts_static=True)
    assert run.bound.threshold > 0.92
    assert run.wrong <= wrong_max


def test_a_hopeless_entry_is_found_out_by_its_own_labels() -> None:
    right = [Label(0.95, same=True)] * 5
    assert entry_threshold(right, Curve(), 0.05) == 0.0
    once = entry_threshold([*right, Label(0.95, same=False)], Curve(), 0.05)
    often = entry_threshold([*right, *[Label(0.95, same=False)] * 5], Curve(), 0.05)
    assert 0.8 < once < often
    assert often > 0.95


def test_right_labels_win_an_entry_back() -> None:
    lapse = [Label(0.93, same=False)]
    made_good = [*lapse, *[Label(0.93, same=True)] * 30]
    assert entry_threshold(made_good, Curve(), 0.05) < entry_threshold(lapse, Curve(), 0.05)


def test_old_labels_are_forgotten() -> None:
    bound = Bound(max_error=MAX_ERROR)
    for _ in range(30):
        bound.add(Label(0.99, same=False))
    assert bound.threshold == inf
    for _ in range(WINDOW):
        bound.add(Label(0.99, same=True))
    assert len(bound.labels) == WINDOW
    assert bound.is_certified


def test_labels_count_only_for_thresholds_at_or_below_them() -> None:
    bound = Bound(max_error=MAX_ERROR)
    for _ in range(1000):
        bound.add(Label(0.97, same=True))
        bound.add(Label(0.85, same=False))
    assert bound.is_certified
    assert bound.threshold == pytest.approx(0.86)


def test_false_certificates_are_rarer_than_the_doubt() -> None:
    """Labels at the very bound, looked at after every one of them, in 200 worlds."""
    chance = random.Random(7)
    certified = 0
    for _ in range(200):
        bound = Bound(max_error=MAX_ERROR, doubt=0.1)
        for _ in range(400):
            bound.add(Label(chance.uniform(0.8, 1), same=chance.random() >= MAX_ERROR))
            if bound.is_certified:
                certified += 1
                break
    assert wilson(certified, 200).low <= 0.1


@pytest.mark.parametrize("max_error", [0.0, -1.0, 0.21])
def test_an_error_that_makes_no_sense_is_refused(max_error: float) -> None:
    with pytest.raises(ValueError, match="max_error"):
        Bound(max_error=max_error)


def test_the_curve_is_found_again() -> None:
    chance = random.Random(3)
    truth = Curve(middle=0.86, slope=36.0)
    labels = []
    for _ in range(2000):
        similarity = chance.uniform(0.7, 1.0)
        odds = truth.slope * (similarity - truth.middle)
        labels.append(Label(similarity, same=chance.random() < 1 / (1 + exp(-odds))))
    found = fit_curve(labels)
    assert found.middle == pytest.approx(truth.middle, abs=0.02)
    assert found.slope in {27.0, 36.0, 50.0}


def test_without_labels_the_curve_is_the_default() -> None:
    assert fit_curve([]) == Curve()


def test_exploration_begins_with_nearly_all_and_ends_with_its_share() -> None:
    assert explores(lambda: 0.99, 0.05, trials=0)
    assert explores(lambda: 0.49, 0.05, trials=50)
    assert not explores(lambda: 0.51, 0.05, trials=50)
    assert explores(lambda: 0.049, 0.05, trials=10**6)
    assert not explores(lambda: 0.051, 0.05, trials=10**6)
