"""What is drawn beside the verdicts: of trials that went well, and pairs by their block."""

import numpy as np
import pytest
from tests.support.benching import make_phase_record, make_record

from headrace.bench.exhibit.arms import OFF, ON
from headrace.bench.exhibit.judge import Seen
from headrace.bench.exhibit.pictures import pictures
from headrace.bench.exhibit.plans import DAY


def trial(arm: str, block: int, *, is_good: bool = True) -> Seen:
    """Everything on takes half as long; a block, ten times as long as the one before."""
    slow = 10.0**block * (0.5 if arm == ON else 1.0)
    day = make_phase_record(DAY, [slow * ms for ms in range(10, 60)])
    record = make_record(phases=(day,)) if is_good else None
    return Seen(arm=arm, block=block, figures={}, record=record, why=None if is_good else "it died")


def test_shifts_are_of_blocks_in_which_both_arms_went_well() -> None:
    seen = [trial(OFF, block, is_good=block != 0) for block in range(4)]
    seen += [trial(ON, block, is_good=block != 3) for block in range(4)]
    drawn = pictures(seen, (OFF, ON), np.random.default_rng(1)).shifts
    assert [shift.effect for shift in drawn] == pytest.approx([0.5] * 9)


def test_blocks_of_which_one_arm_always_failed_shift_nothing() -> None:
    seen = [trial(OFF, block, is_good=block < 2) for block in range(4)]
    seen += [trial(ON, block, is_good=block >= 2) for block in range(4)]
    assert pictures(seen, (OFF, ON), np.random.default_rng(1)).shifts == ()
