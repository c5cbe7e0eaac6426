"""Sticky assignment: the same always, in the shares that are set, and few move when those do."""

import pytest

from headrace.routing.arms import Arm, pick_arm

UNITS = [b"unit-%d" % at for at in range(20_000)]


def arms(*weights: float) -> list[Arm]:
    return [Arm(f"arm-{at}", f"model-{at}", weight) for at, weight in enumerate(weights)]


def shares(of: list[Arm], salt: str = "s") -> list[float]:
    picked = [pick_arm(of, salt, unit) for unit in UNITS]
    return [picked.count(at) / len(UNITS) for at in range(len(of))]


def test_the_same_unit_is_in_the_same_arm() -> None:
    of = arms(1, 1, 1)
    assert {pick_arm(of, "s", b"unit") for _ in range(10)} == {pick_arm(of, "s", b"unit")}


def test_units_are_shared_out_by_weight() -> None:
    assert shares(arms(95, 5)) == pytest.approx([0.95, 0.05], abs=0.01)
    assert shares(arms(1, 2, 1)) == pytest.approx([0.25, 0.5, 0.25], abs=0.015)
    assert shares(arms(1e-9, 1)) == pytest.approx([0.0, 1.0])


def test_an_arm_of_weight_zero_has_nobody() -> None:
    assert shares(arms(0, 1)) == [0.0, 1.0]


@pytest.mark.parametrize("weights", [(), (0.0,), (0.0, 0.0), (-1.0,)])
def test_some_arm_has_to_have_a_weight(weights: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="no arm has a weight"):
        pick_arm(arms(*weights), "s", b"unit")


def test_a_canary_that_grows_keeps_who_it_had() -> None:
    before = {unit for unit in UNITS if pick_arm(arms(95, 5), "s", unit) == 1}
    after = {unit for unit in UNITS if pick_arm(arms(90, 10), "s", unit) == 1}
    assert before < after


def test_a_third_arm_moves_nobody_between_the_others() -> None:
    for unit in UNITS[:2_000]:
        was, is_now = pick_arm(arms(1, 1), "s", unit), pick_arm(arms(1, 1, 1), "s", unit)
        assert is_now in (was, 2)


def test_experiments_are_independent() -> None:
    of = arms(1, 1)
    both = sum(pick_arm(of, "a", unit) == pick_arm(of, "b", unit) for unit in UNITS)
    assert both / len(UNITS) == pytest.approx(0.5, abs=0.02)
