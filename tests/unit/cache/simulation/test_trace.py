"""Events in columns."""

import pytest

from headrace.cache.simulation.event import Event, TraceInvalid
from headrace.cache.simulation.trace import collect


def event(key: str, size: int = 10, tenant: str = "") -> Event:
    return Event(key, size, 0.5, latency_s=2.0, tenant=tenant)


def test_columns_hold_what_came_in_its_order() -> None:
    trace = collect([event("a"), event("b", 20), event("a", 30)], "t", overhead_bytes=5)
    assert list(trace.sizes) == [15, 25, 35]
    assert trace.keys[0] == trace.keys[2] != trace.keys[1]
    assert (len(trace), trace.keys_count, trace.spend_usd) == (3, 2, 1.5)
    assert list(trace.latencies_s) == [2.0] * 3


def test_the_footprint_takes_each_key_once_as_it_was_last() -> None:
    trace = collect([event("a", 10), event("b", 20), event("a", 30)], "t", overhead_bytes=5)
    assert trace.footprint_bytes == 35 + 25


def test_a_key_of_two_tenants_is_two_answers() -> None:
    trace = collect([event("a", tenant="x"), event("a", tenant="y")], "t")
    assert trace.keys_count == 2
    assert trace.keys[0] != trace.keys[1]


def test_no_two_keys_share_a_number_and_low_bits_look_random() -> None:
    trace = collect([event(str(number)) for number in range(20_000)], "t")
    assert len(set(trace.keys)) == 20_000
    assert all(0 <= key < 2**60 for key in trace.keys)
    # A policy that samples one key in 64 by its lowest bits gets about that many.
    sampled = sum(key % 64 == 0 for key in trace.keys)
    assert 230 < sampled < 400


def test_all_of_one_size_is_seen() -> None:
    assert collect([event("a"), event("b")], "t").is_uniform
    assert not collect([event("a"), event("b", 11)], "t").is_uniform


def test_more_than_is_wanted_is_left_out_and_told() -> None:
    events = [event("a"), event("b"), event("c")]
    cut = collect(events, "t", events_max=2)
    assert (len(cut), cut.is_cut) == (2, True)
    assert not collect(events, "t", events_max=3).is_cut


def test_nothing_is_no_trace() -> None:
    with pytest.raises(TraceInvalid, match=r"empty\.jsonl: holds no events"):
        collect([], "empty.jsonl")
