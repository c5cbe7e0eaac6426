"""What will be used again: which answers get room, how long they stay, what is asked for ahead.

A use is only noted where it happens; what follows from it is done several times a second, in
`step`, so that no request waits for the reckoning.
"""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Final, Protocol

from headrace.cache.entry import Answer, Entry, Terms
from headrace.cache.memory import MemoryCache
from headrace.cache.reuse.admission import AdmissionGate
from headrace.cache.reuse.lives import Lives
from headrace.clock import Clock
from headrace.gateway.call import Call
from headrace.gateway.order import Order
from headrace.gateway.plan import Plan
from headrace.gateway.stock.forecast import Forecast
from headrace.gateway.stock.prefetcher import PREFETCH, Prefetcher
from headrace.limits import ENTRY_OVERHEAD_BYTES

NOTHING_FORESEEN: Final[Mapping[str, Any]] = {"reuse": None, "prefetch": None}

_LIVES_PER_STEP: Final = 32
# What room costs is a mean over thousands: one eviction in four tells enough of it.
_EVICTIONS_PER_PRICE: Final = 4
_STAY_SMOOTHING: Final = 0.01


class Repeat(Protocol):
    """What `Answers.repeat` is."""

    def __call__(self, call: Call, digest: bytes, now_s: float) -> Answer | None: ...


class Foresight:
    """Belongs to one event loop.

    Args:
        forecast: tells the chance that a key is used.
        memory: what is held.
        plan: what the settings say at the moment.
        clock: the time.
        gate: lets answers into memory when it is full; `None` where all come in.
        lives: how long they stay; `None` where it is their whole life.
        prefetcher: asks for what expires; `None` where nobody does.
    """

    def __init__(
        self,
        forecast: Forecast,
        *,
        memory: MemoryCache,
        plan: Callable[[], Plan],
        clock: Clock,
        gate: AdmissionGate | None,
        lives: Lives | None,
        prefetcher: Prefetcher | None,
    ) -> None:
        self._forecast = forecast
        self._memory = memory
        self._plan = plan
        self._now_s = clock.monotonic_s
        self._gate = gate
        self._lives = lives
        self._prefetcher = prefetcher
        # When each key was used last since the notes were taken. However often a key is asked for
        # within one step, that is one use: a tenth of a second says nothing of the next hour.
        self._notes: dict[bytes, float] = {}
        self.note: Callable[[bytes, float], None] = self._notes.__setitem__
        # How long those stayed that left for want of room: nothing counts beyond it.
        self._stay_s = inf
        self._evictions = 0
        self._let_go = 0

    # What Answers says.

    def noting(self, repeat: Repeat) -> Repeat:
        """The same, with each answer noted as a use."""
        note = self.note

        def noted(call: Call, digest: bytes, now_s: float) -> Answer | None:
            answer = repeat(call, digest, now_s)
            if answer is not None:
                note(answer.key, now_s)
            return answer

        return noted

    def asked(self, order: Order, now_s: float) -> None:
        """A caller looks for an answer, be it there or not."""
        if not order.purpose:
            self.note(order.key, now_s)
        if self._prefetcher is not None:
            order.kept = order.body

    def admits(self, key: bytes, answer: Answer, terms: Terms) -> bool:
        """Whether an answer that came is worth the room that others would have to leave."""
        now_s = self._now_s()
        if terms.expires_s <= now_s:
            return True  # memory itself will not have it
        self._take_notes()
        facts = self._forecast.facts(key, answer, terms.tenant, now_s)
        horizon_s = min(terms.expires_s - now_s, self._stay_s)
        self._forecast.watch(key, facts, horizon_s, now_s)
        if self._gate is None or self._memory.has_room_for(key, len(answer.body)):
            return True
        chance = self._forecast.chance(facts, horizon_s)
        return self._gate.admits(chance, self._plan().worth_usd(answer), _weight(answer))

    def stored(self, order: Order, answer: Answer, terms: Terms) -> None:
        """An answer was taken into memory, from its provider or from a tier below."""
        now_s = self._now_s()
        if self._memory.peek(order.key, now_s) is None:  # not worth anybody else's place
            return
        if self._lives is not None and order.call.hints.ttl_s is None:
            whole_s = terms.expires_s - now_s
            facts = self._forecast.facts(order.key, answer, terms.tenant, now_s)
            self._give_time(self._lives, order.key, whole_s, self._forecast.chance(facts, whole_s))
        if self._prefetcher is not None:
            self._prefetcher.stored(order, answer, terms)

    def asked_again(self, order: Order, answer: Answer, *, is_stored: bool) -> None:
        """A provider has answered what the cache itself wanted to know."""
        if self._prefetcher is not None and order.purpose == PREFETCH:
            self._prefetcher.came(order, answer, is_stored=is_stored)

    # What memory says.

    def left(self, entry: Entry, reason: str) -> None:
        """An entry left memory."""
        if self._prefetcher is not None:
            self._prefetcher.left(entry.key, is_replaced=reason == "removed")
        if self._lives is not None:
            self._lives.end(entry.key)
        if self._gate is not None and reason == "capacity":
            self._learn_price(self._gate, entry)

    # What the engine says.

    def step(self) -> None:
        """Do what there is time for now, within bounds; called several times a second."""
        now_s = self._now_s()
        self._take_notes()
        self._forecast.learn(now_s)
        if self._lives is not None:
            self._end_lives(self._lives, now_s)
        if self._prefetcher is not None:
            self._prefetcher.step(now_s)

    def forget_requests(self) -> None:
        """Ask for nothing again: other settings are in force, or everything was purged."""
        if self._prefetcher is not None:
            self._prefetcher.clear()

    def refresh_metrics(self) -> None:
        """Bring what is counted here up to date in the metrics."""
        if self._prefetcher is not None:
            self._prefetcher.refresh_metrics()

    def told(self) -> dict[str, Any]:
        """How well it goes, as plain data: what is foreseen, and what is asked for ahead."""
        self._take_notes()
        reuse = self._forecast.told()
        if self._gate is not None:
            reuse |= {"refused": self._gate.refused, "usd_per_mb": self._gate.price * (1 << 20)}
        if self._lives is not None:
            reuse |= {"let_go": self._let_go, "shortened": len(self._lives)}
        prefetcher = self._prefetcher
        return {"reuse": reuse, "prefetch": prefetcher.told() if prefetcher is not None else None}

    def _take_notes(self) -> None:
        prefetcher, used = self._prefetcher, self._forecast.used
        for key, now_s in self._notes.items():
            used(key, now_s)
            if prefetcher is not None:
                prefetcher.used(key, now_s)
        self._notes.clear()

    def _give_time(self, lives: Lives, key: bytes, whole_s: float, chance: float) -> None:
        ttl_s = lives.ttl_s(chance, whole_s)
        if ttl_s < whole_s:
            lives.begin(key, self._now_s(), ttl_s)

    def _end_lives(self, lives: Lives, now_s: float) -> None:
        """Whoever was used gets more time, as likely as it is now; the others leave."""
        for stay in lives.due(now_s, _LIVES_PER_STEP):
            entry = self._memory.peek(stay.key, now_s)
            if entry is None:
                continue
            if not self._forecast.used_since(stay.key, stay.began_s):
                self._memory.let_go(stay.key)
                self._let_go += 1
                continue
            left_s = entry.terms.expires_s - now_s
            chance = self._forecast.chance_of(entry, left_s, now_s)
            self._give_time(lives, stay.key, left_s, chance)

    def _learn_price(self, gate: AdmissionGate, entry: Entry) -> None:
        now_s = self._now_s()
        stayed_s = now_s - entry.terms.stored_s
        if self._stay_s == inf:
            self._stay_s = stayed_s
        self._stay_s += _STAY_SMOOTHING * (stayed_s - self._stay_s)
        self._evictions += 1
        if self._evictions % _EVICTIONS_PER_PRICE == 0:
            horizon_s = min(entry.terms.expires_s - now_s, self._stay_s)
            answer = entry.answers[0]
            chance = self._forecast.chance_of(entry, horizon_s, now_s)
            gate.left(chance, self._plan().worth_usd(answer), _weight(answer))


def _weight(answer: Answer) -> int:
    return len(answer.body) + ENTRY_OVERHEAD_BYTES
