"""One key in demand at the end of its life: how often it is asked for, and who waits.

Several processes share a tier, so that what one of them was told all of them know at once. They
differ in how they keep from asking for the same thing.
"""

from heapq import heappop, heappush
from random import Random

import msgspec

from headrace.cache.freshness import EarlyRefresh, Freshness, freshness

WORKERS = 4
RATE_PER_S = 20.0
CALL_S = 3.0
TTL_S = 60.0
HOURS = 1.0


class Manner(msgspec.Struct, frozen=True):
    """How an end is met.

    Attributes:
        name: in words.
        joined: calls under way are joined: by nobody, within a process, or among all.
        stale_s: how long after its end the answer is given while it is asked for again.
        early: XFetch.
    """

    name: str
    joined: str = "nobody"
    stale_s: float = 0.0
    early: bool = False


MANNERS = (
    Manner("nothing"),
    Manner("XFetch", early=True),
    Manner("joined in each process", "process"),
    Manner("joined in each process, XFetch", "process", early=True),
    Manner("joined in each process, stale while revalidating", "process", 30.0),
    Manner("joined in each process, both", "process", 30.0, early=True),
    Manner("joined among all", "all"),
    Manner("joined among all, both", "all", 30.0, early=True),
)


class Stampede(msgspec.Struct, frozen=True):
    """What one manner came to.

    Attributes:
        calls_per_end: calls for each end of a life.
        calls: in all; early ones make lives shorter.
        waited_share: share of the requests that waited.
        stale_share: share of them that got an answer past its life.
    """

    calls_per_end: float
    calls: int
    waited_share: float
    stale_share: float


class _Key:
    def __init__(self, manner: Manner, dice: Random) -> None:
        self._manner = manner
        self._dice = dice
        self._early = EarlyRefresh(uniform=dice.random)
        self._stored_s = self._fresh_until_s = self._careful_s = -1e9
        self._late_uses = [0] * WORKERS
        self._flying: dict[int, float] = {}
        self._arrivals: list[tuple[float, int]] = []
        self.requests = self.calls = self.ends = self.waited = self.stale = 0

    def ask(self, now_s: float, worker: int) -> None:
        while self._arrivals and self._arrivals[0][0] <= now_s:
            self._arrived(*heappop(self._arrivals))
        self.requests += 1
        manner = self._manner
        state = freshness(now_s, self._stored_s, self._fresh_until_s, manner.stale_s, 0.0)
        if state is Freshness.FRESH:
            if manner.early and self._is_due(now_s, worker):
                self._call(now_s, worker)
            return
        if state is Freshness.STALE_WHILE_REVALIDATE:
            self.stale += 1
        else:
            self.waited += 1
        self._call(now_s, worker)

    def _is_due(self, now_s: float, worker: int) -> bool:
        if now_s < self._careful_s:
            return False
        self._late_uses[worker] += 1
        return self._early.is_due(
            now_s, self._careful_s, self._fresh_until_s, CALL_S, self._late_uses[worker]
        )

    def _call(self, now_s: float, worker: int) -> None:
        joined = self._manner.joined
        place = self.calls if joined == "nobody" else worker if joined == "process" else 0
        if place in self._flying:
            return
        self.ends += not self._flying
        self.calls += 1
        self._flying[place] = now_s
        heappush(self._arrivals, (now_s + CALL_S * self._dice.lognormvariate(0.0, 0.3), place))

    def _arrived(self, when_s: float, place: int) -> None:
        del self._flying[place]
        self._stored_s = when_s
        self._fresh_until_s = when_s + TTL_S
        self._careful_s = self._early.careful_s(when_s, self._fresh_until_s, CALL_S)
        self._late_uses = [0] * WORKERS


def meet(manner: Manner, seed: int) -> Stampede:
    """Let an hour of requests for one key pass."""
    dice = Random(f"{manner.name} {seed}")
    key = _Key(manner, dice)
    now_s = 0.0
    while now_s < HOURS * 3600.0:
        now_s += dice.expovariate(RATE_PER_S)
        key.ask(now_s, dice.randrange(WORKERS))
    return Stampede(
        key.calls / key.ends,
        key.calls,
        key.waited / key.requests,
        key.stale / key.requests,
    )
