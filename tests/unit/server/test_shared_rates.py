"""Workers count together, and never for the wrong key."""

from copy import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.clock import ManualClock
from headrace.errors import RateLimited
from headrace.identity.key_records import KeyRecord, KeyTerms
from headrace.server.callers import Callers
from headrace.server.shared_rates import SharedRates
from headrace.settings import KeySettings, Secret
from headrace.settings.flow import AddressLimitSettings

NOBODY = AddressLimitSettings()


def key(name: str, **limits: Any) -> KeySettings:
    return KeySettings(key=Secret(name), tenant="t", name=name, **limits)


def limited(name: str) -> KeySettings:
    return key(name, requests_per_minute=60)


@given(st.lists(st.text("abc", min_size=1, max_size=3), max_size=12, unique=True))
def test_every_key_has_a_place_of_its_own(names: list[str]) -> None:
    rates = SharedRates(workers=2, keys_max=8)
    keys = [limited(name) for name in names]
    for known in range(len(keys) + 1):  # a reload after the other
        rates.assign(reversed(keys[:known]))
    places = [rates.cells(each) for each in keys]
    assert [place is not None for place in places] == [at < 8 for at in range(len(keys))]
    for number, place in enumerate(places):
        if place is not None:
            assert (len(place), list(place)) == (4, [0.0] * 4)
            place[0] = number + 1.0
    given_ = [place[0] for place in places if place is not None]
    assert given_ == [number + 1.0 for number in range(len(given_))]


def test_what_one_process_gives_another_finds() -> None:
    rates = SharedRates(workers=2, keys_max=2)
    other = copy(rates)
    other._places = {}  # as after a fork
    assert other.assign([limited("a")]) == 0
    assert rates.assign([limited("b")]) == 0
    mine, theirs = rates.cells(limited("a")), other.cells(limited("a"))
    assert mine is not None
    assert theirs is not None
    mine[0] = 7.0
    assert theirs[0] == 7.0
    assert [each.assign([limited("a"), limited("b"), limited("c")]) for each in (rates, other)] == [
        1,
        1,
    ]


def test_a_full_table_is_not_walked_through_for_each_key_beyond() -> None:
    rates = SharedRates(workers=2, keys_max=4)
    rates.assign([limited(str(at)) for at in range(4)])
    looks = 0

    class Cells:
        def __getitem__(self, at: int) -> float:
            nonlocal looks
            looks += 1
            return cells[at]

    cells, rates._cells = rates._cells, Cells()  # type: ignore[assignment]
    assert rates.assign([limited(f"late {at}") for at in range(100)]) == 100
    assert looks < 10


def test_a_key_of_the_store_keeps_its_place_when_it_is_rotated() -> None:
    record = KeyRecord(
        id="key_1",
        name="a",
        tenant="t",
        digest="00" * 32,
        terms=KeyTerms(requests_per_minute=60.0),
        created_s=0.0,
    )
    rates = SharedRates(workers=1, keys_max=1)
    callers = Callers(ManualClock(), rates, 0)
    for number, digest in enumerate(("00", "11", "22"), 1):
        rotated = msgspec.structs.replace(record, digest=digest * 32).settings()
        assert rates.assign([rotated]) == 0
        callers.change([rotated], NOBODY)
        (caller,) = callers.limited.values()
        caller.enter(b"")
        assert (rates.cells(rotated) is not None, caller.rate.inflight) == (True, number)


def test_keys_without_limits_take_no_place() -> None:
    rates = SharedRates(workers=2, keys_max=1)
    rates.assign([key("free"), limited("k")])
    assert rates.cells(key("free")) is None
    assert rates.cells(limited("k")) is not None


def test_workers_count_together() -> None:
    clock = ManualClock()
    clock.advance(100)
    rates = SharedRates(workers=2)
    keys = [key("k", requests_per_minute=60, concurrent=2)]
    rates.assign(keys)
    first, second = (Callers(clock, rates, worker) for worker in (0, 1))
    for callers in (first, second):
        callers.change(keys, NOBODY)
    mine, theirs = (next(iter(callers.limited.values())) for callers in (first, second))
    mine.enter(b"")
    theirs.enter(b"")
    assert mine.rate.is_busy
    with pytest.raises(RateLimited, match="has 2 requests under way"):
        mine.enter(b"")
    assert mine.lines("openai") == theirs.lines("openai")
    assert theirs.told()["requests_left"] == 58


def test_requests_that_outlive_the_limits_of_their_key_are_counted_once() -> None:
    rates, keys = SharedRates(workers=1), [key("k", concurrent=2)]
    rates.assign(keys)
    callers = Callers(ManualClock(), rates, 0)
    callers.change(keys, NOBODY)
    admission = callers.limited[keys[0].digest_bytes()].enter(b"")
    for each in ([key("k")], keys):
        callers.change(each, NOBODY)
    assert callers.told()["keys"][0]["inflight"] == 1
    admission.end()
    assert callers.told()["keys"][0]["inflight"] == 0


def test_a_key_without_a_place_is_counted_by_each_worker() -> None:
    rates = SharedRates(workers=2, keys_max=1)
    keys = [limited("a"), limited("b")]
    rates.assign(keys)
    callers = Callers(ManualClock(), rates, 1)
    callers.change(keys, NOBODY)
    for caller in callers.limited.values():
        caller.enter(b"")
    assert [told["requests_left"] for told in callers.told()["keys"]] == [59, 59]
