"""Gateways that lease from one budget never have more than it, whatever happens to them."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from headrace.identity.elsewhere import Lease
from headrace.identity.leases import (
    DEAD_S,
    LAPSE_S,
    LENT_S,
    Held,
    HolderWatch,
    granted,
    wanted,
)

GATEWAYS = 3
LIMITS = st.integers(0, 1000)
WHICH = st.integers(0, GATEWAYS - 1)
LOOK_S = 0.5


class Gateway:
    """One gateway: what it has used, and the lease as it knows it."""

    def __init__(self, name: int) -> None:
        self.name = name
        self.used = 0
        self.lease = Lease(0, 0)
        self.lent_until_s = 0.0
        self.signs = 0
        self.watch = HolderWatch()
        self.view: dict[int, Held] = {}

    def may_use(self, now_s: float) -> int:
        lent = self.lease.lent if now_s < self.lent_until_s else 0
        return max(0, self.lease.granted + lent - self.used)


class Leasing(RuleBasedStateMachine):
    """The store, as its statements say, and gateways that ask it, stop, are cut off, and die."""

    @initialize(limit=LIMITS, chunk=st.integers(0, 200))
    def begin(self, limit: int, chunk: int) -> None:
        self.limit, self.chunk = limit, chunk
        self.now_s = 1.0
        self.gateways = [Gateway(name) for name in range(GATEWAYS)]
        self.rows: dict[int, Lease] = {}
        self.told: dict[int, int] = {}
        self.busy: dict[int, bool] = {}
        self.signs: dict[int, int] = {}
        self.forgiven = 0  # what may be used twice, since others took it back

    @rule(which=WHICH, tenths=st.integers(1, 10))
    def use(self, which: int, tenths: int) -> None:
        gateway = self.gateways[which]
        gateway.used += gateway.may_use(self.now_s) * tenths // 10

    @rule(which=WHICH)
    def look(self, which: int) -> None:
        gateway = self.gateways[which]
        others = {name: signs for name, signs in self.signs.items() if name != which}
        gateway.watch.look(others, self.now_s)
        gateway.view = {
            name: Held(*row, self.busy[name]) for name, row in self.rows.items() if name != which
        }

    @rule(which=WHICH, is_busy=st.booleans(), is_heard=st.booleans())
    def ask(self, which: int, is_busy: bool, is_heard: bool) -> None:
        """As `SpendShare` asks: less is not used from before on; more, once it is had."""
        self.look(which)
        gateway = self.gateways[which]
        began_s, used = self.now_s, gateway.used
        others = gateway.view.values()
        want = wanted(self.limit, used, others, self.chunk, is_busy=is_busy)
        now = gateway.lease
        gateway.lease = Lease(min(now.granted, want.granted), min(now.lent, want.lent))
        taken = sum(sum(row) for name, row in self.rows.items() if name != which)
        got = granted(self.limit, taken, want, used)
        self.rows[which], self.told[which], self.busy[which] = got, used, is_busy
        gateway.signs += 1
        self.signs[which] = gateway.signs
        if is_heard:  # else the answer was lost, and nobody knows that it was done
            gateway.lease = got
            gateway.lent_until_s = began_s + LENT_S

    @rule(which=WHICH)
    def take_back(self, which: int) -> None:
        watch = self.gateways[which].watch
        dead = watch.dead()
        for name, signs in watch.lapsed().items():
            if self.signs.get(name) != signs:
                continue
            row, away = self.rows[name], self.gateways[name]
            assert away.lent_until_s <= self.now_s  # what is lent again is lent once
            # What it used of that since it told last is known to nobody.
            self.forgiven += max(0, away.used - row.granted) if row.lent else 0
            self.rows[name] = Lease(row.granted, 0)
            if name in dead:
                self.rows[name] = Lease(self.told[name], 0)
                del self.signs[name]
                # It may have used, and may yet use, what it was granted.
                kept = row.granted - self.told[name]
                assert kept <= self.chunk
                self.forgiven += kept

    @rule(which=WHICH, seconds=st.sampled_from((LOOK_S, 2.0, LAPSE_S, DEAD_S)))
    def watch_on(self, which: int, seconds: float) -> None:
        for _ in range(int(seconds / LOOK_S) + 2):
            self.now_s += LOOK_S
            self.look(which)
        self.take_back(which)

    @invariant()
    def what_is_leased_is_there(self) -> None:
        if hasattr(self, "rows"):
            assert sum(map(sum, self.rows.values())) <= self.limit + self.forgiven

    @invariant()
    def what_is_used_is_no_more_than_that(self) -> None:
        if hasattr(self, "rows"):
            used = sum(each.used for each in self.gateways)
            assert used <= self.limit + self.forgiven


TestLeasing = Leasing.TestCase
TestLeasing.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


@given(LIMITS, st.integers(0, 1000), st.integers(0, 100))
def test_who_is_alone_may_use_all_that_is_left(limit: int, used: int, chunk: int) -> None:
    got = granted(limit, 0, wanted(limit, used, [], chunk), used)
    assert sum(got) == max(limit, used)
    assert got.granted - used <= chunk


@given(LIMITS, st.integers(0, 1000), st.integers(0, 100), st.integers(0, 2000))
def test_what_was_used_is_kept_whatever_others_have(
    limit: int, used: int, chunk: int, taken: int
) -> None:
    got = granted(limit, taken, wanted(limit, used, [], chunk), used)
    assert got.granted >= used
    assert sum(got) <= max(used, limit - taken)


def test_those_who_use_it_share_what_is_lent_and_the_rest_keep_little() -> None:
    idle, busy = Held(50, 0, is_busy=False), Held(100, 300, is_busy=True)
    want = wanted(1000, 0, [idle, busy], chunk=50)
    assert want == Lease(50, (1000 - 150) // 2 - 50)
    assert wanted(1000, 0, [idle, busy], chunk=50, is_busy=False) == Lease(50, 0)


def test_who_stands_still_is_away_and_who_slept_saw_nothing() -> None:
    watch = HolderWatch()
    now_s = 0.0
    while now_s < LAPSE_S:
        watch.look({"still": 1, "well": int(now_s * 10)}, now_s)
        assert watch.lapsed() == {}
        now_s += LOOK_S
    watch.look({"still": 1, "well": -1}, now_s)
    assert watch.lapsed() == {"still": 1}
    watch.look({"still": 2, "well": -1}, now_s + LOOK_S)
    assert watch.lapsed() == {}
    watch.look({"still": 2, "well": -1}, now_s + 1000)  # asleep, or the store was
    assert watch.lapsed() == {}
