"""Every policy at every capacity, summed up over traces."""

import pytest

from headrace.cache.policy import LruPolicy, Policy
from headrace.cache.simulation.event import Event
from headrace.cache.simulation.study import Capacity, steps_count, study
from headrace.cache.simulation.trace import Trace, collect


class Mru(LruPolicy[int]):
    """The most recently used leaves."""

    def evict(self) -> int:
        return self._order.popitem()[0]


def make(name: str, capacity_bytes: int) -> Policy[int]:
    assert capacity_bytes > 0
    return {"lru": LruPolicy[int], "mru": Mru}[name]()


def trace(asked: str) -> Trace:
    return collect([Event(key, 10, 1.0) for key in asked], asked, overhead_bytes=0)


HALF = Capacity("50%", share=0.5)
THIRTY = Capacity("30", bytes_max=30)


def test_capacities_are_shares_of_what_all_keys_take_or_bytes() -> None:
    assert HALF.of(trace("abcda")) == 20
    assert THIRTY.of(trace("abcda")) == 30
    assert Capacity("1%", share=0.01).of(trace("a")) == 1


def test_rows_are_means_and_differences_are_paired() -> None:
    # LRU loses all of a cycle larger than the cache, MRU keeps part of it.
    found = study([trace("abcd" * 4), trace("abcd" * 8)], ["lru", "mru"], [HALF, THIRTY], make)
    half = found.tables[0]
    assert [row.policy for row in half.rows] == ["lru", "mru", "bound", "all repeats"]
    assert half.row("lru").hit_rate.mean == 0.0
    gain = half.row("mru").above_lru
    assert gain is not None
    assert gain.mean == half.row("mru").saved_usd_share.mean > 0.2
    assert gain.samples == 2
    assert half.row("all repeats").hit_rate.mean == (12 / 16 + 28 / 32) / 2
    assert [table.capacity for table in found.tables] == ["50%", "30"]
    assert found.runs[1].capacities_bytes == {"50%": 20, "30": 30}


def test_without_lru_there_is_nothing_to_be_above() -> None:
    found = study([trace("abab")], ["mru"], [HALF], make)
    assert found.tables[0].row("mru").above_lru is None
    with pytest.raises(KeyError):
        found.tables[0].row("lru")


def test_every_step_is_told() -> None:
    told: list[str] = []
    study([trace("ab"), trace("ba")], ["lru", "mru"], [HALF, THIRTY], make, told.append)
    assert len(told) == 2 * steps_count(["lru", "mru"], [HALF, THIRTY])
    assert told[:3] == ["lru at 50%", "mru at 50%", "bound at 50%"]


def test_what_was_replayed_is_told() -> None:
    shape = study([trace("aba")], ["lru"], [HALF], make).runs[0].shape
    assert (shape.name, shape.requests, shape.keys, shape.spend_usd) == ("aba", 3, 2, 3.0)
    assert (shape.footprint_bytes, shape.is_uniform, shape.is_cut) == (20, True, False)
