"""Ids sort by time, and none is made twice."""

import random
import re

from headrace.clock import ManualClock
from headrace.ids import Ids


def test_they_sort_by_time_even_where_the_clock_goes_back() -> None:
    clock = ManualClock()
    ids = Ids(clock.wall_s, random.Random(1).getrandbits)
    made = []
    for step_s in (0.0, 0.0, 0.0, 0.001, 5.0, -3600.0, 0.0, 3700.0):
        clock.advance(step_s)
        made.append(ids.new("job"))
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_they_say_what_they_are_of() -> None:
    made = Ids(lambda: 1_700_000_000.0, lambda bits: 0).new("batch")
    assert re.fullmatch(r"batch_[0-9a-hjkmnp-tv-z]{26}", made)
    assert made == "batch_01hf7yat000000000000000000"


def test_two_makers_do_not_meet() -> None:
    one, other = (Ids(lambda: 1.0) for _ in range(2))
    assert one.new("x") != other.new("x")
