"""However purges, tellings and answers fall, nothing that a process knows to be purged is given.

The world here is one server that numbers purges, and processes that hear of them late, twice, out
of order and after a loss of its memory; each compares what it holds as the memory cache does.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headrace.cache.purges import ALL, NUMBER_STEP, Held, PurgeLedger
from headrace.clock import ManualClock

NODES = st.integers(0, 1)
TAGS = ("tag:a", "tag:b", "tag:c", "tag:d")
SCOPES = st.sampled_from((*TAGS, "tag:a", "tag:b", ALL))
PARTS = st.sampled_from(((), ("tag:a",), ("tag:b",), ("tag:a", "tag:b"), ("tag:c", "tag:d")))
WHICH = st.integers(0, 10**6)


class Kept:
    """One answer, and what an entry of it in memory knows."""

    def __init__(self, scopes: tuple[str, ...], stamp: int, began: int) -> None:
        self.scopes = scopes
        self.stamp = stamp
        self.began = began
        self.compared: dict[int, int] = {}


class Node:
    """A process: its ledger, and when it learned of which purge."""

    def __init__(self) -> None:
        self.ledger = PurgeLedger(ManualClock(), scopes_max=2)
        self.latest = 0
        self.known: set[int] = set()
        self.held: dict[int, Held] = {}


class World(RuleBasedStateMachine):
    """Events have places in one order; a purge concerns the answers whose calls began before."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes = [Node() for _ in range(2)]
        self.purges: list[tuple[int, str]] = []  # number, scope; numbered in the order of events
        self.asked: dict[int, int] = {}  # a purge's place among events
        self.last = 0
        self.event = 0
        self.kept: list[Kept] = []

    def _number(self, scope: str, step: int) -> int:
        self.last += NUMBER_STEP * step
        self.purges.append((self.last, scope))
        self.event += 1
        self.asked[self.last] = self.event
        return self.last

    def _hear(self, node: Node, number: int, scope: str) -> None:
        node.ledger.apply(scope, number)
        node.known.add(number)

    @rule(who=NODES, scope=SCOPES, step=st.integers(1, 3), is_heard=st.booleans())
    def purge(self, who: int, scope: str, step: int, is_heard: bool) -> None:
        number = self._number(scope, step)
        if is_heard:
            self._hear(self.nodes[who], number, scope)

    @rule(who=NODES, which=WHICH)
    def hear_any(self, who: int, which: int) -> None:
        node = self.nodes[who]
        news = [purge for purge in self.purges if purge[0] not in node.known] or self.purges
        if news:
            self._hear(node, *news[which % len(news)])

    @rule(who=NODES)
    def read_all(self, who: int) -> None:
        node = self.nodes[who]
        for number, scope in self.purges:
            self._hear(node, number, scope)
        node.ledger.learn(self.last)

    @rule(who=NODES, scope=SCOPES)
    def purge_in_vain(self, who: int, scope: str) -> None:
        node = self.nodes[who]
        self.event += 1
        node.held[self.event] = node.ledger.hold(scope)
        self.asked[-self.event] = self.event

    @rule(who=NODES)
    def settle(self, who: int) -> None:
        node = self.nodes[who]
        for event, held in list(node.held.items()):
            self._hear(node, self._number(held.scope, 1), held.scope)
            node.ledger.release(held)
            del node.held[event]

    @rule(who=NODES, scopes=PARTS)
    def begin_a_call(self, who: int, scopes: tuple[str, ...]) -> None:
        self.event += 1
        kept = Kept(scopes, self.nodes[who].ledger.latest, self.event)
        kept.compared[who] = kept.stamp
        self.kept.append(kept)

    @rule(who=NODES)
    def give_all(self, who: int) -> None:
        for kept in self.kept:
            self._give(who, kept)

    def _give(self, who: int, kept: Kept) -> None:
        """Give an answer out of memory, where only its number is compared if nothing changed."""
        node = self.nodes[who]
        compared = kept.compared.get(who, kept.stamp)
        latest = node.ledger.latest
        is_compared = who in kept.compared and compared >= latest
        if is_compared or node.ledger.is_valid(compared, kept.scopes):
            kept.compared[who] = latest
            self._assert_not_purged(node, kept)

    def _assert_not_purged(self, node: Node, kept: Kept) -> None:
        for number, scope in self.purges:
            if number in node.known and (scope == ALL or scope in kept.scopes):
                assert self.asked[number] < kept.began, (number, scope)
        for event, held in node.held.items():
            if held.scope == ALL or held.scope in kept.scopes:
                assert event < kept.began, held

    @invariant()
    def nothing_goes_back_or_grows(self) -> None:
        for node in self.nodes:
            assert node.ledger.latest >= node.latest
            node.latest = node.ledger.latest
            assert len(node.ledger) <= 2

    def teardown(self) -> None:
        """Once everybody has heard everything, what begins is valid everywhere."""
        for who, node in enumerate(self.nodes):
            self.settle(who)
            node.ledger.learn(self.last)
        for who in range(len(self.nodes)):
            self.read_all(who)
        self._number("tag:a", 1)
        for who in range(len(self.nodes)):
            self.read_all(who)
        stamp = self.nodes[0].ledger.latest
        assert [node.ledger.is_valid(stamp, TAGS) for node in self.nodes] == [True] * 2


World.TestCase.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
TestWorld = World.TestCase
