"""Samples are counted by function, and two profiles compared without seeing what is not there."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.observe.profiling.flame import Box, flame
from headrace.observe.profiling.speedscope import read_speedscope, speedscope
from headrace.observe.profiling.stacks import Profile, changes, read_collapsed, shares

NAMES = st.sampled_from(["a (x.py)", "b (x.py)", "c (y.py)", "d (<string>)"])
STACKS = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=6).map(tuple), st.integers(1, 500), min_size=1, max_size=12
)


def profile(stacks: dict[tuple[str, ...], int], title: str = "a run") -> Profile:
    return Profile(stacks, 5.0, 100, title)


def test_lines_become_stacks_of_functions() -> None:
    text = (
        'process 71:"python -m x";main (app.py:3);work (app.py:9) 4\n'
        'process 72:"python -m x";main (app.py:3);work (app.py:12) 3\n'
        "main (app.py:3) 2\n"
        "no count here\n"
        " 7\n"
        'process 73:"python" 5\n'
    )
    assert read_collapsed(text) == {
        ("main (app.py)", "work (app.py)"): 7,
        ("main (app.py)",): 2,
    }


def test_shares_count_a_function_that_calls_itself_once() -> None:
    found = shares(profile({("main", "f", "f", "f"): 6, ("main", "g"): 3, ("main",): 1}))
    assert [(each.name, each.own, each.whole) for each in found] == [
        ("f", 0.6, 0.6),
        ("g", 0.3, 0.3),
        ("main", 0.1, 1.0),
    ]


def test_a_change_is_clear_where_the_samples_say_so() -> None:
    before = profile({("main", "f"): 500, ("main", "g"): 500})
    after = profile({("main", "f"): 700, ("main", "g"): 300})
    by_name = {each.name: each for each in changes(before, after)}
    assert by_name["f"].is_clear
    assert by_name["f"].low < 0.2 < by_name["f"].high
    few = changes(profile({("main", "f"): 5, ("g",): 5}), profile({("main", "f"): 6, ("g",): 4}))
    assert not any(each.is_clear for each in few)
    assert changes(profile({}), before)[0].after == 0.5


def test_intervals_hold_as_often_as_they_say() -> None:
    dice = random.Random(5)

    def drawn(share: float) -> Profile:
        ones = sum(dice.random() < share for _ in range(300))
        return profile({("f",): ones, ("g",): 300 - ones})

    held = sum(
        change.low <= 0.05 <= change.high
        for _ in range(500)
        for change in changes(drawn(0.2), drawn(0.25))
        if change.name == "f"
    )
    assert 0.92 <= held / 500 <= 0.98


def boxes(box: Box) -> list[Box]:
    return [box, *(found for each in box.inside for found in boxes(each))]


@given(STACKS, STACKS)
def test_boxes_hold_what_is_inside_of_them(
    stacks: dict[tuple[str, ...], int], before: dict[tuple[str, ...], int]
) -> None:
    root = flame(stacks, before)
    assert (root.count, root.before) == (sum(stacks.values()), sum(before.values()))
    for box in boxes(root):
        assert sum(each.count for each in box.inside) <= box.count
        assert sum(each.before for each in box.inside) <= box.before
        names = [each.name for each in box.inside]
        assert len(names) == len(set(names))


@given(STACKS)
def test_what_is_written_for_speedscope_is_read_again(stacks: dict[tuple[str, ...], int]) -> None:
    import msgspec

    one = profile(stacks)
    document = speedscope(one)
    assert read_speedscope(msgspec.json.encode(document)) == one
    (found,) = document["profiles"]
    frames = len(document["shared"]["frames"])
    assert all(0 <= at < frames for sample in found["samples"] for at in sample)
    assert found["endValue"] == pytest.approx(sum(found["weights"]))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b'{"shared":{"frames":[]},"profiles":[],"seconds":1,"rate_hz":1}',
        b'{"shared":{"frames":[]},"profiles":[{"name":"x","samples":[[3]],"weights":[1]}],'
        b'"seconds":1,"rate_hz":1}',
        b'{"shared":{"frames":[]},"profiles":[{"name":"x","samples":[[]],"weights":[]}],'
        b'"seconds":1,"rate_hz":1}',
        b'{"shared":{"frames":[]},"profiles":[{"name":"x","samples":[],"weights":[]}],'
        b'"seconds":1,"rate_hz":0}',
    ],
)
def test_what_is_no_profile_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no profile that Headrace wrote"):
        read_speedscope(data)


def test_a_flame_is_no_deeper_than_can_be_written() -> None:
    """What is called deeper counts for the last box; a recursion of thousands is one tall tower."""
    root = flame({tuple(f"f{depth}" for depth in range(2_000)): 5})
    assert b'"f299"' in msgspec.json.encode(root)
    height, box = 0, root
    while box.inside:
        height, box = height + 1, box.inside[0]
    assert (height, box.count) == (300, 5)
