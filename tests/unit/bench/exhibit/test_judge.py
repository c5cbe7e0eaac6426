"""From trials to verdicts: what is found, what is chance, and what is too little to tell."""

import math

import msgspec
import numpy as np
import pytest
from tests.support.showcases import ALL_ON, MEASURES, seen_of

from headrace.bench.exhibit.arms import OFF, OFF_AGAIN, ON
from headrace.bench.exhibit.judge import (
    Seen,
    Sworn,
    average_improvement,
    duel,
    figures_of,
    promise,
    worth,
)
from headrace.bench.exhibit.measures import named
from headrace.bench.exhibit.results import Duel
from headrace.bench.impact import Terms

ARMS = {OFF: {}, OFF_AGAIN: {}, ON: ALL_ON}


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def verdicts(found: Duel) -> dict[str, str]:
    return {row.measure.name: row.answer.verdict for row in found.rows}


def test_what_is_better_is_found_and_what_is_worse_too() -> None:
    found = verdicts(duel(seen_of(ARMS, 8), (OFF, ON), "all", MEASURES, rng()))
    assert found["mean_ms"] == found["goodput_per_s"] == found["usd_per_1000"] == "better"
    assert found["cpu_us"] == found["failed_share"] == "worse"


def test_the_same_twice_is_never_called_different() -> None:
    for seed in range(5):
        found = duel(seen_of(ARMS, 8, seed=seed), (OFF, OFF_AGAIN), "", MEASURES, rng())
        assert not {"better", "worse"} & set(verdicts(found).values())


def test_six_pairs_carry_a_verdict_and_five_do_not() -> None:
    enough, few = (
        verdicts(duel(seen_of(ARMS, pairs), (OFF, ON), "", MEASURES, rng())) for pairs in (6, 5)
    )
    assert enough["mean_ms"] == "better"
    assert set(few.values()) == {"insufficient"}


def test_figures_that_never_vary_carry_no_verdict() -> None:
    found = duel(seen_of(ARMS, 8, noise=0.0), (OFF, ON), "", MEASURES, rng())
    assert set(verdicts(found).values()) == {"insufficient"}
    assert {row.answer.cause for row in found.rows} == {"no_variation"}


@pytest.mark.parametrize("figure", [float("nan"), float("inf")])
def test_figures_that_are_no_number_carry_no_verdict(figure: float) -> None:
    seen = seen_of(ARMS, 8)
    place = next(at for at, each in enumerate(seen) if each.arm == ON)
    figures = dict.fromkeys(seen[place].figures, figure)
    seen[place] = msgspec.structs.replace(seen[place], figures=figures)
    found = duel(seen, (OFF, ON), "", MEASURES, rng())
    assert {row.answer.cause for row in found.rows} == {"not_finite"}
    assert average_improvement(found, rng()) is None


def test_a_trial_that_failed_takes_the_verdict_with_it() -> None:
    seen = seen_of(ARMS, 8)
    broken = next(each for each in seen if each.arm == ON)
    failed = Seen(arm=ON, block=broken.block, figures={}, record=None, why="it died")
    found = duel([failed if s is broken else s for s in seen], (OFF, ON), "", MEASURES, rng())
    assert set(verdicts(found).values()) == {"insufficient"}
    assert found.rows[0].answer.cause == "failed_runs"
    assert found.rows[0].b.count(None) == 1


def test_an_arm_that_always_failed_has_no_figures_and_says_so() -> None:
    seen = [
        msgspec.structs.replace(each, figures={}, why="no") if each.arm == ON else each
        for each in seen_of(ARMS, 8)
    ]
    found = duel(seen, (OFF, ON), "", MEASURES, rng())
    assert set(verdicts(found).values()) == {"insufficient"}
    assert average_improvement(found, rng()) is None
    assert worth(seen, (OFF, ON), Terms(), rng()) is None


def test_a_measure_that_nobody_has_is_left_out() -> None:
    found = duel(seen_of(ARMS, 8), (OFF, ON), "", MEASURES, rng())
    assert found.row("p99_ms") is None
    assert found.row("mean_ms") is not None


def test_what_chance_finds_among_many_questions_is_taken_back() -> None:
    """One measure differs by chance, with a p just below 5 %; eleven do not."""
    lucky = {"mean_ms": (1.0, 1.4, 1.2, 1.1, 1.3, 1.25)}
    seen = seen_of({OFF: {}, ON: {}}, 6, noise=0.3, seed=2)
    moved = [
        msgspec.structs.replace(
            each,
            figures={
                **each.figures,
                "mean_ms": (each.figures["mean_ms"] or 0) * lucky["mean_ms"][each.block],
            },
        )
        if each.arm == ON
        else msgspec.structs.replace(
            each, figures={**each.figures, "mean_ms": each.figures["mean_ms"]}
        )
        for each in seen
    ]
    alone = verdicts(duel(moved, (OFF, ON), "", named(("mean_ms",)), rng()))
    among = verdicts(duel(moved, (OFF, ON), "", MEASURES, rng()))
    assert among["mean_ms"] in {alone["mean_ms"], "inconclusive"}
    assert not {"better", "worse"} & set(among.values())


def test_figures_stand_in_the_order_of_blocks() -> None:
    seen = seen_of(ARMS, 4)
    assert figures_of(seen[::-1], ON, "mean_ms") == figures_of(seen, ON, "mean_ms")


def test_the_average_is_the_mean_of_how_many_times_better() -> None:
    seen = seen_of({OFF: {}, ON: {"mean_ms": 0.25, "goodput_per_s": 4.0}}, 8, noise=0.001)
    found = duel(seen, (OFF, ON), "", named(("mean_ms", "goodput_per_s", "cpu_us")), rng())
    average = average_improvement(found, rng())
    assert average is not None
    assert average[0] == pytest.approx(16 ** (1 / 3), rel=0.01)
    assert average[1].low < average[0] < average[1].high


def test_an_average_of_few_blocks_is_as_wide_as_two_of_them_leave_it() -> None:
    seen = seen_of({OFF: {}, ON: {"mean_ms": 0.5}}, 2, noise=0.1)
    found = duel(seen, (OFF, ON), "", named(("mean_ms", "cpu_us")), rng())
    average = average_improvement(found, rng())
    assert average is not None
    ratios = [
        math.sqrt(row[0].a[n] * row[1].a[n] / row[0].b[n] / row[1].b[n])  # type: ignore[operator]
        for row in (found.rows,)
        for n in range(2)
    ]
    assert average[1].low < min(ratios)
    assert average[1].high > max(ratios)


def test_every_dollar_and_every_answer_weighs_the_same() -> None:
    """A trial in which little was answered at a high price counts for little."""
    seen = [
        Seen(
            arm=arm,
            block=block,
            figures={
                "spent_usd": 10.0 if block else 1.0,
                "answered": 1000.0 if block else 10.0,
                "good": 1000.0 if block else 10.0,
                "kept_per_s": 5.0,
            },
            record=None,
            why=None,
        )
        for arm in (OFF, ON)
        for block in range(6)
    ]
    found = worth(seen, (OFF, ON), Terms(), rng())
    assert found is not None
    assert found.a.usd_per_1000.value == pytest.approx(51.0 / 5010.0 * 1000)


@pytest.mark.parametrize(("factor", "ending"), [(0.5, "kept"), (0.8, "open"), (0.95, "missed")])
def test_a_promise_is_kept_by_its_whole_interval_only(factor: float, ending: str) -> None:
    sworn = Sworn(text="a fifth less", a=OFF, b=ON, measure="mean_ms", least=0.2)
    seen = seen_of({OFF: {}, ON: {"mean_ms": factor}}, 8, noise=0.05)
    found = promise(sworn, seen, named(("mean_ms",))[0], rng())
    assert found.ending == ending
    assert found.improvement == pytest.approx(1 - factor, abs=0.05)


def test_a_promise_of_more_is_held_against_more() -> None:
    sworn = Sworn(text="a third more", a=OFF, b=ON, measure="goodput_per_s", least=0.3)
    seen = seen_of({OFF: {}, ON: {"goodput_per_s": 2.0}}, 8)
    found = promise(sworn, seen, named(("goodput_per_s",))[0], rng())
    assert found.ending == "kept"
    assert found.improvement == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("pairs", [0, 1, 2, 5])
def test_a_promise_stays_open_with_too_few_trials(pairs: int) -> None:
    sworn = Sworn(text="a fifth less", a=OFF, b=ON, measure="mean_ms", least=0.2)
    seen = seen_of({OFF: {}, ON: {"mean_ms": 0.1}}, pairs)
    assert promise(sworn, seen, named(("mean_ms",))[0], rng()).ending == "open"
