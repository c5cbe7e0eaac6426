"""The cache's own parts in a simulated gateway: one process, one upstream, one clock.

What decides is the product's code. Only what it decides about is simulated: answers, their truth,
and how long calls take. Calls for one key are joined, also with the engine that the others are
held against.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from random import Random

import msgspec

from benchmarks.adaptive_world import Arrival, Ask, Truth
from headrace.cache.adaptive import AdaptiveTtl
from headrace.cache.freshness import EarlyRefresh, Freshness, freshness, gone_at_s
from headrace.cache.policy.base import Policy
from headrace.cache.prefetch import Expiring, PrefetchPlanner, PrefetchReport
from headrace.cache.reuse.admission import AdmissionGate
from headrace.cache.reuse.facts import UseFacts, UseHistory
from headrace.cache.reuse.predictor import ReusePredictor, ReuseReport

HIT_S = 0.0005
KNEE_CALLS = 64
IDLE_CALLS = 32
UPSTREAM = "upstream"
PLAN_EVERY_S = 1.0
# What room costs is a mean over thousands: one eviction in four tells enough of it.
EVICTIONS_PER_PRICE = 4


class Parts(msgspec.Struct, frozen=True):
    """Which parts of the adaptive engine work. None of them: fixed lifetime and LRU.

    Attributes:
        ttl_s: lifetime, of every category or to begin with.
        stale_s: how long after its end an answer is given while it is asked for again; with
            `adaptive` at most as long as the lifetime. 0 for not at all.
        early: early refresh of hot keys.
        adaptive: lifetimes from observed change, aiming at `stale_share_max`.
        admission: learned admission.
        prefetch_usd: budget of prefetching an hour; 0 for none.
        second_usd: what a second that nobody waits is worth beside the price, as in
            `cache.second_usd`.
    """

    ttl_s: float = 3600.0
    stale_s: float = 0.0
    early: bool = False
    adaptive: bool = False
    admission: bool = False
    prefetch_usd: float = 0.0
    second_usd: float = 0.005
    stale_share_max: float = 0.05
    shadow_share: float = 0.01
    ttl_max_s: float = 86_400.0


class Outcome(msgspec.Struct):
    """What one run came to, the warm-up left out.

    Attributes:
        requests: how many there were.
        latencies_s: of every request.
        hits: answered from what was held.
        stale_hits: of these, those whose answer was not right any more.
        calls_usd: paid for calls that somebody waited for.
        behind_usd: paid for calls behind the callers' backs.
        behind: how many of these there were, by what for.
        refused: answers that learned admission did not let in.
    """

    latencies_s: list[float]
    requests: int = 0
    hits: int = 0
    stale_hits: int = 0
    calls_usd: float = 0.0
    behind_usd: float = 0.0
    behind: Counter[str] = msgspec.field(default_factory=Counter)
    refused: int = 0
    reuse: ReuseReport | None = None
    prefetch: PrefetchReport | None = None


class _Held(msgspec.Struct, gc=False, eq=False):
    ask: Ask
    stored_s: float
    fresh_until_s: float
    gone_s: float
    careful_s: float
    stale_s: float
    seconds: float
    version: int
    late_uses: int = 0


class Engine:
    """One run of one engine.

    Args:
        parts: what works.
        policy: which answer leaves when room is wanted.
        bytes_max: room.
        seed: of everything that is drawn while it runs.
        truth: what the right answers are.
    """

    def __init__(
        self, parts: Parts, policy: Policy[bytes], bytes_max: int, seed: int, truth: Truth
    ) -> None:
        self._parts = parts
        self._policy = policy
        self._bytes_max = bytes_max
        self._dice = Random(seed)
        self._truth = truth
        self._now_s = 0.0
        self._held: dict[bytes, _Held] = {}
        self._bytes = 0
        self._flying: dict[bytes, float] = {}
        # What was held at the end of its life, for what a new answer is compared with.
        self._last: dict[bytes, _Held] = {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._is_warm = False
        self._evictions = 0
        self.outcome = Outcome([])
        uniform = self._dice.random
        self._early = EarlyRefresh(uniform=uniform) if parts.early else None
        self._ttls = (
            AdaptiveTtl(
                uniform=uniform,
                ttl_s=parts.ttl_s,
                ttl_min_s=60.0,
                ttl_max_s=parts.ttl_max_s,
                stale_share_max=parts.stale_share_max,
                shadow_share=parts.shadow_share,
            )
            if parts.adaptive
            else None
        )
        learns = parts.admission or parts.prefetch_usd > 0.0
        self._history = UseHistory()
        self._reuse = ReusePredictor(uniform=uniform, watch_share=0.2) if learns else None
        self._gate = AdmissionGate(uniform=uniform) if parts.admission else None
        self._stay_s = parts.ttl_s
        self._planner = (
            PrefetchPlanner(
                usd_per_hour=parts.prefetch_usd,
                usd_per_second=parts.second_usd,
                reuse=self._chance_of_key,
                now_s=0.0,
            )
            if parts.prefetch_usd > 0.0
            else None
        )

    def run(self, requests: Sequence[Arrival], warm_up_s: float) -> Outcome:
        """Meet every request."""
        if self._planner is not None:
            self._at(PLAN_EVERY_S, self._plan)
        for request in requests:
            self._run_events(request.t_s)
            self._now_s = request.t_s
            self._is_warm = request.t_s >= warm_up_s
            wait_s = self._answer(request)
            if self._is_warm:
                self.outcome.latencies_s.append(wait_s)
        self.outcome.requests = len(self.outcome.latencies_s)
        self.outcome.reuse = self._reuse.report() if self._reuse else None
        self.outcome.prefetch = self._planner.report if self._planner else None
        self.outcome.refused = self._gate.refused if self._gate else 0
        return self.outcome

    # Requests.

    def _answer(self, request: Arrival) -> float:
        ask, now_s = request.ask, self._now_s
        self._note_use(ask)
        held = self._held.get(ask.key)
        if held is not None:
            state = freshness(now_s, held.stored_s, held.fresh_until_s, held.stale_s, 0.0)
            if state is Freshness.FRESH:
                self._hit(held, request)
                return HIT_S
            if state is Freshness.STALE_WHILE_REVALIDATE:
                self._hit(held, request)
                self._call(ask, request.luck, "stale")
                return HIT_S
        return self._call(ask, request.luck) - now_s

    def _hit(self, held: _Held, request: Arrival) -> None:
        ask, now_s = held.ask, self._now_s
        self._policy.touch(ask.key)
        if self._is_warm:
            self.outcome.hits += 1
            self.outcome.stale_hits += held.version != self._truth.version(ask, now_s)
        if self._ttls is not None and self._ttls.wants_check():
            self._call(ask, request.luck, "check")
        if self._early is not None and held.careful_s <= now_s < held.fresh_until_s:
            held.late_uses += 1
            if self._early.is_due(
                now_s, held.careful_s, held.fresh_until_s, held.seconds, held.late_uses
            ):
                self._call(ask, request.luck, "early")

    def _note_use(self, ask: Ask) -> None:
        if self._reuse is None:
            return
        self._reuse.expire(self._now_s)
        self._reuse.used(ask.key, self._now_s)
        self._history.use(ask.key, self._now_s)
        if self._planner is not None:
            self._planner.used(ask.key, self._now_s)

    # Calls.

    def _call(self, ask: Ask, luck: float, behind: str = "") -> float:
        """Ask the upstream, unless somebody does already; returns when it will have answered.

        Args:
            ask: what.
            luck: scales how long it takes.
            behind: what for, where nobody waits for it.
        """
        ready_s = self._flying.get(ask.key)
        if ready_s is not None:
            return ready_s
        crowd = max(1.0, len(self._flying) / KNEE_CALLS)
        took_s = ask.seconds * luck * crowd
        ready_s = self._now_s + took_s
        self._flying[ask.key] = ready_s
        self._at(ready_s, lambda: self._arrived(ask, took_s))
        if self._is_warm and behind:
            self.outcome.behind_usd += ask.cost_usd
            self.outcome.behind[behind] += 1
        elif self._is_warm:
            self.outcome.calls_usd += ask.cost_usd
        return ready_s

    def _arrived(self, ask: Ask, took_s: float) -> None:
        del self._flying[ask.key]
        # Right as of when it was asked for: it may be overtaken on its way.
        version = self._truth.version(ask, self._now_s - took_s)
        held = self._held.get(ask.key)
        old = held or self._last.pop(ask.key, None)
        if held is not None:
            self._drop(held)
        if old is not None:
            self._compare(old, version)
        self._store(ask, version, took_s, was_held=held is not None)

    def _compare(self, old: _Held, version: int) -> None:
        if self._ttls is not None:
            differs = old.version != version or self._dice.random() < old.ask.noise
            age_s = self._now_s - old.stored_s
            self._ttls.observe(old.ask.category, age_s, changed=differs)

    # Room.

    def _store(self, ask: Ask, version: int, took_s: float, *, was_held: bool) -> None:
        ttl_s = self._ttls.ttl_s(ask.category) if self._ttls else self._parts.ttl_s
        worth_usd = ask.cost_usd + took_s * self._parts.second_usd
        if ask.size > self._bytes_max or not self._is_admitted(ask, worth_usd, ttl_s, was_held):
            return
        now_s = self._now_s
        stale_s = min(self._parts.stale_s, ttl_s) if self._ttls else self._parts.stale_s
        until_s = now_s + ttl_s
        careful_s = self._early.careful_s(now_s, until_s, took_s) if self._early else until_s
        gone_s = gone_at_s(until_s, stale_s, 0.0)
        held = _Held(ask, now_s, until_s, gone_s, careful_s, stale_s, took_s, version)
        self._held[ask.key] = held
        self._bytes += ask.size
        self._policy.insert(ask.key, ask.size, worth_usd)
        self._at(gone_s, lambda: self._end(held))
        while self._bytes > self._bytes_max:
            self._evict()
        if self._planner is not None and ask.key in self._held:
            self._planner.came(ask.key, ask.cost_usd, gone_s)
            self._planner.watch(Expiring(ask.key, gone_s, ttl_s, ask.cost_usd, took_s, UPSTREAM))

    def _is_admitted(self, ask: Ask, worth_usd: float, ttl_s: float, was_held: bool) -> bool:
        if self._reuse is None:
            return True
        facts = self._facts(ask)
        horizon_s = min(ttl_s, self._stay_s)
        self._reuse.watch(ask.key, facts, horizon_s, self._now_s)
        if self._gate is None or was_held or self._bytes + ask.size <= self._bytes_max:
            return True
        return self._gate.admits(self._reuse.probability(facts, horizon_s), worth_usd, ask.size)

    def _evict(self) -> None:
        key = self._policy.evict()
        held = self._held.pop(key)
        self._last[key] = held
        self._bytes -= held.ask.size
        self._stay_s += 0.01 * (self._now_s - held.stored_s - self._stay_s)
        self._evictions += 1
        is_asked = self._evictions % EVICTIONS_PER_PRICE == 0 and self._now_s < held.gone_s
        if self._gate is not None and self._reuse is not None and is_asked:
            horizon_s = min(held.gone_s - self._now_s, self._stay_s)
            chance = self._reuse.probability(self._facts(held.ask), horizon_s)
            worth_usd = held.ask.cost_usd + held.seconds * self._parts.second_usd
            self._gate.left(chance, worth_usd, held.ask.size)
        if self._planner is not None:
            self._planner.left(key, self._now_s)

    def _end(self, held: _Held) -> None:
        if self._held.get(held.ask.key) is held:
            self._drop(held)
            self._last[held.ask.key] = held

    def _drop(self, held: _Held) -> None:
        del self._held[held.ask.key]
        self._policy.remove(held.ask.key)
        self._bytes -= held.ask.size

    # Foresight.

    def _facts(self, ask: Ask) -> UseFacts:
        return self._history.facts(
            ask.key,
            self._now_s,
            category=ask.category,
            tenant=ask.tenant,
            size_bytes=ask.size,
            hour=self._now_s / 3600.0 % 24.0,
        )

    def _chance_of_key(self, key: bytes, life_s: float) -> float:
        held = self._held.get(key)
        if held is None or self._reuse is None:
            return 0.0
        facts = self._facts(held.ask)
        self._reuse.watch(key, facts, life_s, self._now_s)
        return self._reuse.probability(facts, life_s)

    def _plan(self) -> None:
        if self._planner is not None:
            room = {UPSTREAM: IDLE_CALLS - len(self._flying)}
            for answer in self._planner.plan(self._now_s, room):
                held = self._held.get(answer.key)
                if held is not None and answer.key not in self._flying:
                    self._call(held.ask, 1.0, "prefetch")
                else:
                    self._planner.came(answer.key, 0.0, None)
        self._at(self._now_s + PLAN_EVERY_S, self._plan)

    # Time.

    def _at(self, when_s: float, what: Callable[[], None]) -> None:
        self._number += 1
        heappush(self._events, (when_s, self._number, what))

    def _run_events(self, until_s: float) -> None:
        while self._events and self._events[0][0] <= until_s:
            self._now_s, _, what = heappop(self._events)
            what()
