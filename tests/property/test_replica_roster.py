"""Which standby is asked, held against what each of them has really replayed."""

from array import array

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from headrace.store.records.roster import ReplicaBounds, Roster, Sighting
from headrace.store.records.sessions import Session, SessionTable, read_lsn, read_token

BOUNDS = ReplicaBounds(lag_s_max=8.0)
CLUSTER = 7
WHICH = st.integers(0, 2)
TRIES = 12


class Cluster(RuleBasedStateMachine):
    """Three standbys of a primary which is written to; each replays when it likes, fails, freezes
    and comes back. The roster sees them only when they are looked at."""

    @initialize()
    def begin(self) -> None:
        self.now_s = 0.0
        self.written = 1
        self.replayed = [1, 1, 1]
        self.broken = [False, False, False]
        self.in_flight: list[int] = []
        self.roster = Roster(("a", "b", "c"), BOUNDS)

    @rule(seconds=st.sampled_from([0.001, 0.1, 1.0, 3.0, 40.0]))
    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(more=st.integers(1, 5))
    def write(self, more: int) -> None:
        self.written += more

    @rule(which=WHICH, share=st.sampled_from([0.5, 1.0]))
    def replay(self, which: int, share: float) -> None:
        behind = self.written - self.replayed[which]
        self.replayed[which] += int(behind * share)

    @rule(which=WHICH, is_broken=st.booleans())
    def break_or_mend(self, which: int, is_broken: bool) -> None:
        self.broken[which] = is_broken

    @rule()
    def look(self) -> None:
        primary = Sighting(self.written, is_standby=False, cluster=CLUSTER)
        self.roster.primary_seen(primary, self.now_s)
        for at in range(3):
            if not self.roster.is_due(at, self.now_s):
                continue
            if self.broken[at]:
                self.roster.failed(at, self.now_s, is_lost=True)
            else:
                sighting = Sighting(self.replayed[at], is_standby=True, cluster=CLUSTER)
                self.roster.seen(at, sighting, primary, self.now_s)

    @rule(share=st.floats(0, 1))
    def read(self, share: float) -> None:
        wanted = round(share * self.written)
        at = self.roster.ready(wanted)
        if at is None:
            return
        # Never stale, whatever is known of it and however old that is.
        assert self.replayed[at] >= wanted
        mine = self.in_flight.count(at)
        others = {
            each: self.in_flight.count(each)
            for each, standing in enumerate(self.roster.standings())
            if standing.why_out is None and self.roster._replicas[each].position >= wanted
        }
        assert mine == min(others.values())
        self.roster.began(at)
        self.in_flight.append(at)

    @rule(data=st.data())
    def end_a_read(self, data: st.DataObject) -> None:
        if not self.in_flight:
            return
        at = self.in_flight.pop(data.draw(st.integers(0, len(self.in_flight) - 1)))
        self.roster.ended(at)
        if self.broken[at]:
            self.roster.failed(at, self.now_s, is_lost=data.draw(st.booleans()))
        else:
            self.roster.answered(at)

    @invariant()
    def counts_what_is_under_way(self) -> None:
        counted = [each.in_flight for each in self.roster.standings()]
        assert counted == [self.in_flight.count(at) for at in range(3)]

    def teardown(self) -> None:
        """Whoever is mended and has everything is back in the end."""
        for _ in range(TRIES):
            self.now_s += BOUNDS.out_s_max
            self.replayed = [self.written] * 3
            self.broken = [False] * 3
            self.look()
        assert [each.why_out for each in self.roster.standings()] == [None] * 3
        assert self.roster.ready(self.written) is not None


Cluster.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestCluster = Cluster.TestCase


@given(
    looks=st.lists(
        st.tuples(st.sampled_from([0.3, 1.0, 2.5]), st.integers(0, 3), st.integers(0, 3)),
        min_size=1,
        max_size=80,
    )
)
def test_a_standby_is_as_late_as_the_primary_was_first_seen_beyond_it(
    looks: list[tuple[float, int, int]],
) -> None:
    roster = Roster(("a",), BOUNDS)
    now_s, written, replayed = 0.0, 1, 1
    marks: list[tuple[float, int]] = []
    for seconds, more, caught in looks:
        now_s += seconds
        written += more
        replayed = min(written, replayed + caught)
        primary = Sighting(written, is_standby=False, cluster=CLUSTER)
        sighting = Sighting(replayed, is_standby=True, cluster=CLUSTER)
        marks.append((now_s, written))
        roster.primary_seen(primary, now_s)
        roster.seen(0, sighting, primary, now_s)
        first_beyond_s = next((s for s, n in marks if n > replayed), now_s)
        true_s = now_s - first_beyond_s
        told_s = roster.standings()[0].lag_s
        # Marks lie a quarter of a second apart at least, and the oldest are forgotten.
        assert told_s <= true_s + 1e-9
        assert told_s >= min(true_s, 8.0) - 0.3


@given(
    writes=st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.integers(0, 1 << 62)))
)
def test_every_worker_sees_what_any_has_written_and_nobody_is_set_back(
    writes: list[tuple[int, str, int]],
) -> None:
    cells = memoryview(array("q", bytes(8 * SessionTable.cells_for(4, sessions=64))))
    workers = [SessionTable(cells, 4, own) for own in range(4)]
    largest = dict.fromkeys("abc", 0)
    for worker, tenant, position in writes:
        workers[worker].session(tenant).wrote(position)
        largest[tenant] = max(largest[tenant], position)
        for other in workers:
            assert other.session(tenant).position >= largest[tenant]


@given(position=st.integers(0, (1 << 63) - 1))
def test_a_token_tells_the_position_on_another_machine(position: int) -> None:
    here, there = SessionTable(), SessionTable()
    here.session("a").wrote(position)
    token = here.session("a").token
    assert there.session("a", token).position == position
    # What a client claims is its own affair.
    assert there.session("a").position == 0


@given(text=st.text(max_size=40))
def test_any_text_is_a_token_or_none(text: str) -> None:
    assert 0 <= read_token(text) < 1 << 63


@given(high=st.integers(0, 2**32 - 1), low=st.integers(0, 2**32 - 1))
def test_positions_are_read_and_keep_their_order(high: int, low: int) -> None:
    assert read_lsn(f"{high:X}/{low:X}") == (high << 32) + low


def test_a_session_by_itself_starts_anywhere() -> None:
    session = Session()
    assert session.position == 0
    session.wrote(5)
    session.wrote(3)
    assert session.position == 5
