"""What the benchmarks of videos compare, and how they judge it."""

import pytest
from benchmarks.video import batch, calibrate
from benchmarks.video.trial import Spent, Way


def spent(wall_s: float) -> Spent:
    return Spent(wall_s, wall_s, wall_s, wall_s)


def test_a_batch_is_held_against_one_and_against_two_in_turn() -> None:
    walls = {"one": 2.0, "both": 2.5, "in_turn": 4.0, "in_turn_all_threads": 3.6}
    row = batch.row({name: spent(wall_s) for name, wall_s in walls.items()}, simple=True)
    assert (row.background, row.ratio) == ("plain", 1.25)
    assert row.saved == pytest.approx(0.375)
    assert batch.table([row]).row_count == 1


def test_all_are_compared_with_the_threads_of_two_workers() -> None:
    ways = batch.ways(simple=False)
    assert ways["one"].threads == ways["both"].threads == ways["in_turn"].threads
    assert [ways[name].videos for name in ("one", "both", "in_turn")] == [1, 2, 0]


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_no_way_asks_for_more_than_twice_the_cores(cores: int) -> None:
    ways = calibrate.ways(cores)
    assert len(ways) == len(set(ways))
    assert max(way.workers * way.threads for way in ways) == 2 * cores
    assert Way(1, cores, 2, True) in ways
    rows = [calibrate.Row(way, spent(1.0)) for way in ways]
    assert calibrate.table(rows).row_count == len(ways)
