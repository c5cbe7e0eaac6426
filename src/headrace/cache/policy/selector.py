"""The policy that earns most on the traffic as it is, found out by watching a sample of it."""

from collections.abc import Callable
from typing import Final, Generic, Literal

import msgspec

from headrace.cache.policy.base import Key, Successor, bounded_worth
from headrace.cache.policy.contest import DEFAULT_RULES, Contest, ContestRules
from headrace.cache.policy.gdsf import GdsfPolicy
from headrace.cache.policy.lru import LruPolicy
from headrace.cache.policy.panel import Facts, Panel
from headrace.cache.policy.s3fifo import S3FifoPolicy

Score = Literal["dollars", "hits"]

CANDIDATES: Final = ("lru", "s3fifo", "gdsf")
# Keys that each insertion hands over after a change of policy.
_HANDED_OVER_PER_INSERT: Final = 2


class SelectorState(msgspec.Struct, frozen=True):
    """What a selecting policy is doing, for whoever wants to know.

    Attributes:
        policy: name of the one in charge.
        earned: what each policy earned lately on the sample, in dollars or hits.
        changes: how often another one took charge.
        is_handing_over: whether the one before still has keys.
        share: share of all keys that is in the sample.
        keys: keys of the largest shadow.
    """

    policy: str
    earned: dict[str, float]
    changes: int
    is_handing_over: bool
    share: float
    keys: int


class SelectingPolicy(Generic[Key]):
    """Lets the best of LRU, S3-FIFO and GDSF decide.

    When another policy takes charge, it gets the keys of the one before: those that are used at
    once, and two more with every insertion, in the order in which they would have left. Until it
    has half of them, evictions are the former one's. So a change takes no longer than any other
    step, however many keys are held.

    While less than half of the room is taken, nobody is watched: policies do not differ where
    nothing has to leave, and a hit costs no more than the policy in charge takes.

    Args:
        bytes_max: room of the cache.
        entries_max: likewise, in keys.
        score: what is to be saved.
        keys_max: keys that each shadow may hold.
        share_max: share of all keys that is sampled at the most.
        rules: when the policy changes.
        seed: of the sample.
    """

    __slots__ = (
        "_bytes",
        "_bytes_max",
        "_changes",
        "_contest",
        "_entries_max",
        "_former",
        "_former_keys",
        "_held",
        "_is_priced",
        "_is_watching",
        "_live",
        "_panel",
        "_touch_live",
        "_watched",
    )

    def __init__(
        self,
        *,
        bytes_max: int,
        entries_max: int,
        score: Score = "dollars",
        keys_max: int = 2048,
        share_max: float = 0.5,
        rules: ContestRules = DEFAULT_RULES,
        seed: int = 0,
    ) -> None:
        self._is_priced = score == "dollars"
        first = CANDIDATES.index("gdsf" if self._is_priced else "s3fifo")
        self._contest = Contest(len(CANDIDATES), leader=first, rules=rules)
        self._panel: Panel[Key] = Panel(
            [_policy_of(name) for name in CANDIDATES],
            bytes_max=bytes_max,
            entries_max=entries_max,
            keys_max=keys_max,
            share_max=share_max,
            seed=seed,
        )
        self._watched = self._panel.watched
        self._bytes_max = bytes_max
        self._entries_max = entries_max
        self._bytes = 0
        self._is_watching = False
        self._held: dict[Key, Facts] = {}
        self._live: Successor[Key] = _policy_of(CANDIDATES[first])
        self._touch_live: Callable[[Key], None] = self._live.touch
        # The policy that was in charge before, while it has keys, and how many these are.
        self._former: Successor[Key] = self._live
        self._former_keys = 0
        self._changes = 0

    @property
    def state(self) -> SelectorState:
        """What it is doing."""
        return SelectorState(
            policy=CANDIDATES[self._contest.leader],
            earned=dict(zip(CANDIDATES, self._contest.earned, strict=True)),
            changes=self._changes,
            is_handing_over=self._former_keys > 0,
            share=self._panel.share,
            keys=self._panel.keys,
        )

    def touch(self, key: Key) -> None:
        try:
            self._touch_live(key)
        except KeyError:
            self._take(key)
            self._touch_live(key)
        if key in self._watched:
            facts = self._watched[key]
            self._book(self._panel.use(key, facts), facts.worth)

    def insert(self, key: Key, size: int, worth: float) -> None:
        if self._former is not self._live:
            self._hand_over()
        facts = Facts(size, bounded_worth(worth) if self._is_priced else 1.0)
        self._held[key] = facts
        self._bytes += size
        self._live.insert(key, size, facts.worth)
        if self._is_watching or self._is_half_full():
            self._watch(key, facts)

    def remove(self, key: Key) -> None:
        self._bytes -= self._held.pop(key).size
        try:
            self._live.remove(key)
        except KeyError:
            self._former.remove(key)
            self._former_keys -= 1
        self._panel.remove(key)

    def evict(self) -> Key:
        if self._former_keys * 2 > len(self._held):
            key = self._former.evict()
            self._former_keys -= 1
        else:
            key = self._live.evict()
        self._bytes -= self._held.pop(key).size
        self._watched.pop(key, None)
        return key

    def resize(self, *, bytes_max: int, entries_max: int) -> None:
        self._bytes_max, self._entries_max = bytes_max, entries_max
        self._panel.resize(bytes_max=bytes_max, entries_max=entries_max)

    def _is_half_full(self) -> bool:
        self._is_watching = (
            2 * self._bytes >= self._bytes_max or 2 * len(self._held) >= self._entries_max
        )
        return self._is_watching

    def _watch(self, key: Key, facts: Facts) -> None:
        if len(self._held) < self._panel.held_min:
            self._panel.widen()
        hits = self._panel.enter(key, facts)
        if hits is not None:
            self._book(hits, facts.worth)

    def _book(self, hits: tuple[bool, ...], worth: float) -> None:
        self._contest.book(hits, worth)
        if self._contest.is_round_over:
            winner = self._contest.decide()
            if winner is not None and not self._former_keys:
                self._change(winner)

    def _change(self, winner: int) -> None:
        self._contest.crown(winner)
        self._changes += 1
        self._former = self._live
        self._former_keys = len(self._held)
        self._live = _policy_of(CANDIDATES[winner])
        self._touch_live = self._live.touch

    def _hand_over(self) -> None:
        """Get the next keys from the policy before, or let go of it when it has none."""
        for _ in range(min(_HANDED_OVER_PER_INSERT, self._former_keys)):
            self._adopt(self._former.evict())
        if not self._former_keys:
            self._former = self._live

    def _take(self, key: Key) -> None:
        """Get a key that is used from the policy before."""
        self._former.remove(key)
        self._adopt(key)

    def _adopt(self, key: Key) -> None:
        self._former_keys -= 1
        facts = self._held[key]
        self._live.adopt(key, facts.size, facts.worth)


def _policy_of(name: str) -> Successor[Key]:
    if name == "gdsf":
        return GdsfPolicy[Key]()
    return S3FifoPolicy[Key]() if name == "s3fifo" else LruPolicy[Key]()
