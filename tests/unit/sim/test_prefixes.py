import pytest

from headrace.clock import ManualClock
from headrace.sim import prefixes
from headrace.sim.prefixes import ClockShift, Kept, PrefixStore, chain


def test_a_prefix_is_held_for_its_time_after_each_use():
    clock = ManualClock()
    store = PrefixStore(clock, seed=1)
    store.keep((Kept(b"a", 300.0),))
    clock.advance(299)
    assert store.held_s(b"a") == 300.0
    store.keep((Kept(b"a", 300.0),))
    store.leap(ClockShift(299))
    assert store.held_s(b"a") == 300.0
    store.leap(ClockShift(2))
    assert store.held_s(b"a") == 0.0
    assert store.held_s(b"b") == 0.0


def test_the_one_used_longest_ago_goes_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prefixes, "PREFIXES_MAX", 3)
    store = PrefixStore(ManualClock(), seed=1)
    store.keep(tuple(Kept(name, 10.0) for name in (b"a", b"b", b"c")))
    store.keep((Kept(b"a", 10.0), Kept(b"d", 10.0)))
    assert [name for name in (b"a", b"b", b"c", b"d") if store.held_s(name)] == [b"a", b"c", b"d"]


def test_clearing_forgets_prefixes_and_leaps():
    clock = ManualClock()
    store = PrefixStore(clock, seed=1)
    store.keep((Kept(b"a", 10.0),))
    store.leap(ClockShift(5))
    store.clear()
    assert store.held_s(b"a") == 0.0
    assert store.now_s() == clock.monotonic_s()


def test_a_key_keeps_calls_on_one_machine_until_they_are_too_many():
    clock = ManualClock()
    store = PrefixStore(clock, seed=1)
    machines = [store.machine(b"begins", "key") for _ in range(31)]
    assert len(set(machines[:15])) == 1
    assert len(set(machines[15:30])) == 1
    assert machines[15] == (machines[0] + 1) % prefixes.MACHINES
    clock.advance(60)
    assert store.machine(b"begins", "key") == machines[0]


def test_without_a_key_some_calls_stray():
    clock = ManualClock()
    store = PrefixStore(clock, seed=1)
    machines = []
    for _ in range(200):
        clock.advance(10)
        machines.append(store.machine(b"begins", None))
    own = max(set(machines), key=machines.count)
    assert 50 < sum(machine != own for machine in machines) < 90


def test_a_chain_tells_where_one_part_ends():
    assert chain(b"ab", b"c") != chain(b"a", b"bc")
