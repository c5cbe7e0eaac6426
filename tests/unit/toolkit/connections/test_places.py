"""Who has which connection: never more than there may be, and nobody is forgotten."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headrace.toolkit.connections.places import Places
from headrace.toolkit.connections.terms import Terms

TIMES = ("keepalive_s", "connect_timeout_s", "read_timeout_s", "total_timeout_s", "pool_timeout_s")


def terms(pool_size: int = 3, max_keepalive: int = 2) -> Terms:
    times: dict[str, float | None] = dict.fromkeys(TIMES, 30.0)
    return Terms.checked(
        times, pool_size=pool_size, max_keepalive=max_keepalive, retries=0, answer_bytes_max=1
    )


class Link:
    """A connection that only has a place."""

    def __init__(self) -> None:
        self.idle_since_s = 0.0


class Caller:
    """Waits for a place."""

    def __init__(self) -> None:
        self.granted: list[Link | None] = []
        self.is_gone = False

    def grant(self, connection: Link | None) -> bool:
        if self.is_gone:
            return False
        self.granted.append(connection)
        return True

    def refuse(self) -> None:
        self.is_gone = True


def test_the_last_used_goes_out_first() -> None:
    places: Places[Link] = Places(terms())
    first, second = Link(), Link()
    assert places.may_open()
    assert places.may_open()
    assert places.put(first, 1.0)
    assert places.put(second, 2.0)
    assert places.take(3.0) is second
    assert places.take(3.0) is first
    assert places.take(3.0) is None


def test_idle_ones_expire() -> None:
    places: Places[Link] = Places(terms())
    old, new = Link(), Link()
    for link, now_s in ((old, 0.0), (new, 10.0)):
        assert places.may_open()
        places.put(link, now_s)
    assert places.expire(29.9) == []
    assert places.expire(30.0) == [old]
    assert places.take(40.0) is None
    assert places.expire(40.0) == [new]
    assert places.is_unused


def test_who_waits_is_served_in_order() -> None:
    places: Places[Link] = Places(terms(pool_size=1))
    assert places.may_open()
    callers = [Caller(), Caller(), Caller()]
    places.waiters.extend(callers)
    callers[0].is_gone = True
    assert not places.may_open()
    link = Link()
    assert places.put(link, 0.0)
    places.drop()
    assert [caller.granted for caller in callers] == [[], [link], [None]]
    assert places.taken == 1


def test_nobody_overtakes_who_waits() -> None:
    places: Places[Link] = Places(terms())
    places.waiters.append(Caller())
    assert not places.may_open()


class PlacesMachine(RuleBasedStateMachine):
    """Any order of steps keeps the bounds, and loses neither connection nor caller."""

    def __init__(self) -> None:
        super().__init__()
        self.places: Places[Link] = Places(terms())
        self.now_s = 0.0
        self.out: list[Link] = []
        self.opening = 0
        self.callers: list[Caller] = []

    @rule(wait=st.booleans())
    def call(self, wait: bool) -> None:
        link = self.places.take(self.now_s)
        if link is not None:
            self.out.append(link)
            return
        self.places.expire(self.now_s)
        if self.places.may_open():
            self.opening += 1
        elif wait:
            caller = Caller()
            self.places.waiters.append(caller)
            self.callers.append(caller)

    @precondition(lambda self: self.opening)
    @rule(works=st.booleans())
    def opened(self, works: bool) -> None:
        self.opening -= 1
        if works:
            self.out.append(Link())
        else:
            self.places.drop()
        self.collect()

    @precondition(lambda self: self.out)
    @rule(data=st.data(), alive=st.booleans())
    def give_back(self, data: st.DataObject, alive: bool) -> None:
        link = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        if alive:
            self.places.put(link, self.now_s)
        else:
            self.places.drop()
        self.collect()

    @precondition(lambda self: self.callers)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        caller = self.callers.pop(data.draw(st.integers(0, len(self.callers) - 1)))
        caller.is_gone = True
        if data.draw(st.booleans()):
            self.places.withdraw(caller)

    @rule(seconds=st.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds

    def collect(self) -> None:
        for caller in list(self.callers):
            if caller.granted:
                self.callers.remove(caller)
                (link,) = caller.granted
                if link is None:
                    self.opening += 1
                else:
                    self.out.append(link)

    @invariant()
    def bounds_hold(self) -> None:
        assert self.places.taken == len(self.out) + self.opening
        assert self.places.taken + len(self.places.idle) <= 3
        assert len(self.places.idle) <= 2
        assert len({*map(id, self.out), *map(id, self.places.idle)}) == len(self.out) + len(
            self.places.idle
        )
        if self.callers:  # whoever waits does so for a reason
            assert self.places.taken > 0


TestPlaces = PlacesMachine.TestCase
TestPlaces.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
