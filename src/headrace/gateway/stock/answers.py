"""Stored answers as the pipeline sees them: found, judged fresh or stale, taken in, stored, purged.

Memory answers at once; the tiers below it take time, so they are asked by whoever leads a call.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from headrace.cache.entry import Answer, Entry, Shape, Terms
from headrace.cache.freshness import EarlyRefresh, Freshness, freshness, gone_at_s
from headrace.cache.memory import MemoryCache
from headrace.cache.purges import PurgeLedger
from headrace.cache.record import Record
from headrace.cache.rules import Body, store_refusal
from headrace.cache.shapes import reshape
from headrace.cache.tiers import Found, TierStack
from headrace.cache.turns import Turns
from headrace.clock import Clock
from headrace.gateway.call import Call
from headrace.gateway.flight import Flight
from headrace.gateway.order import Order, whole_body
from headrace.gateway.plan import Plan
from headrace.gateway.stock.foresight import Foresight
from headrace.gateway.stock.lifetimes import Lifetimes
from headrace.limits import WARM_SHARE_MAX
from headrace.model import Usage
from headrace.observe.metrics import Metrics

REFRESH: Final = "refresh"
REVALIDATE: Final = "revalidate"
# Times of one answer, told by two clocks and back, differ by less.
_SAME_S: Final = 1e-3


class Held(msgspec.Struct, frozen=True, gc=False):
    """An answer that was found.

    Attributes:
        is_stale: its time is over; it may be given only on terms.
        due: why it should be asked for again in the background; empty where it should not.
        is_given: it may be given now; otherwise only where the provider fails.
    """

    answer: Answer
    is_stale: bool = False
    due: str = ""
    is_given: bool = True


class Answers:
    """Everything stored. Belongs to one event loop.

    Args:
        memory: the nearest tier.
        tiers: those below it.
        turns: who of all processes asks.
        ledger: what has been purged.
        clock: tells the time.
        metrics: counts.
        plan: what the settings say at the moment.
        uniform: draws from [0, 1).
        lifetimes: how long answers are fresh, where that is learnt.
        foresight: what will be used again, where that is foreseen.
    """

    def __init__(
        self,
        *,
        memory: MemoryCache,
        tiers: TierStack | None,
        turns: Turns | None,
        ledger: PurgeLedger,
        clock: Clock,
        metrics: Metrics,
        plan: Callable[[], Plan],
        uniform: Callable[[], float],
        lifetimes: Lifetimes | None,
        foresight: Foresight | None,
    ) -> None:
        self.memory = memory
        self.tiers = tiers
        self.turns = turns
        self._ledger = ledger
        self._clock = clock
        self._metrics = metrics
        self._plan = plan
        self._early = EarlyRefresh(uniform=uniform)
        self._lifetimes = lifetimes
        self._foresight = foresight
        self._is_check_due = False
        if foresight is not None:  # asked here once, and not by every repeat
            self.repeat = foresight.noting(self.repeat)  # type: ignore[method-assign]

    @property
    def purge_seq(self) -> int:
        """Number of the last purge that is known."""
        return self._ledger.latest

    def repeat(self, call: Call, digest: bytes, now_s: float) -> Answer | None:
        """The answer to this very body, where nothing has to be weighed.

        Args:
            call: what the head of the request says.
            digest: key of its scope and body.
            now_s: monotonic seconds.
        """
        hints = call.hints
        if not hints.looks_up:
            return None
        answer = self.memory.repeat(digest, now_s)
        if answer is None:
            return None
        if hints.age_s_max is not None and now_s - answer.stored_s > hints.age_s_max:
            return None
        if self._lifetimes is not None and self._lifetimes.wants_check():
            self._is_check_due = True  # by the way that follows, which knows what was asked
            return None
        self.count_saved("l1", answer, answer.seconds)
        return answer

    def find(self, order: Order) -> Held | None:
        """What memory holds for a request whose body was read."""
        now_s = self._clock.monotonic_s()
        if self._foresight is not None:
            self._foresight.asked(order, now_s)
        entry = self.memory.find(order.key, now_s)
        return self._judge(order, entry, now_s) if entry is not None else None

    def take_in(self, order: Order, found: Found) -> Held | None:
        """Bring up what a tier had, and judge it as if it had been here."""
        if found.record.tenant != order.call.tenant:
            return None  # the key says whose it is: somebody else has put this there
        now_s = self._clock.monotonic_s()
        return self._judge(order, self._bring_up_for(order, found, now_s), now_s)

    def renew(self, order: Order, found: Found) -> bool:
        """Bring up what a tier had, where it is fresh and newer than what is here; says whether."""
        now_s = self._clock.monotonic_s()
        held = self.memory.peek(order.key, now_s)
        if found.record.tenant != order.call.tenant:
            return False
        terms = self._bring_up_for(order, found, now_s).terms
        is_newer = held is None or terms.stored_s > held.terms.stored_s + _SAME_S
        return is_newer and now_s < terms.fresh_until_s

    async def under(self, key: bytes, order: Order) -> Answer | None:
        """The fresh answer stored under another key, in the shape that is asked for.

        The body of the request does not lead to it: whether it will do is asked each time.
        """
        now_s = self._clock.monotonic_s()
        entry = self.memory.find(key, now_s)
        if entry is None:
            found = await self.tiers.find(key) if self.tiers is not None else None
            if found is None or found.record.tenant != order.call.tenant:
                return None
            now_s = self._clock.monotonic_s()
            entry = self._bring_up(found, now_s)
        call, terms = order.call, entry.terms
        age_s_max = call.hints.age_s_max
        if now_s >= terms.fresh_until_s:
            return None
        if age_s_max is not None and now_s - terms.stored_s > age_s_max:
            return None
        answer = reshape(call.dialect, call.grammar.operation, entry, order.shape)
        if answer is not None:
            self.memory.add_shape(entry, answer)
            if self._foresight is not None:
                self._foresight.note(key, now_s)
        return answer

    def holds(self, key: bytes) -> bool:
        """Whether memory has an answer under a key, fresh or stale, in whatever shape."""
        return self.memory.peek(key, self._clock.monotonic_s()) is not None

    def warm(self, record: Record) -> bool:
        """Take in a record that nobody has asked for yet; says whether there is room for more."""
        now_s = self._clock.monotonic_s()
        if self.memory.find(record.key, now_s) is None:
            answer, terms = self._unpack(record, now_s)
            self._hold(record.key, answer, terms)
        return self.memory.bytes_held < WARM_SHARE_MAX * self.memory.bytes_max

    def store(self, flight: Flight, answer: Answer) -> bool:
        """Store what came, where it may be stored; says whether it was."""
        order, plan = flight.order, self._plan()
        body = Body(
            len(answer.body),
            flight.is_intact,
            flight.is_stream == order.view.stream,
            lambda: whole_body(order, answer),
        )
        refusal = store_refusal(flight.facts, answer.status, plan.rules, body)
        if refusal is not None:
            refusals = self._metrics.cache_refusals
            refusals.add(refusals.at(refusal))
            return False
        # What the provider said of this one call (limits, ids, times) is not true of the next.
        answer.headers = tuple([pair for pair in answer.headers if pair[0] == b"content-type"])
        now_s, ttl_s = self._clock.monotonic_s(), plan.ttl(order.call.hints.ttl_s)
        if self._lifetimes is not None:
            self._lifetimes.came(order, answer, now_s)
            if order.call.hints.ttl_s is None:
                ttl_s = self._lifetimes.ttl_s(order)
        fresh_until_s = now_s + ttl_s
        expires_s = now_s
        if ttl_s > 0:
            expires_s = gone_at_s(fresh_until_s, plan.stale_s, plan.stale_if_error_s)
        terms = Terms(
            order.call.tenant,
            order.call.hints.tags,
            order.purge_seq,
            now_s,
            fresh_until_s,
            expires_s,
            self._early.careful_s(now_s, fresh_until_s, answer.seconds),
        )
        return self._take_up(order, answer, terms)

    def asked_again(self, order: Order, answer: Answer, *, is_stored: bool) -> None:
        """Book a call that was made for the cache's own sake."""
        self._metrics.cache_spent(order.purpose, answer.cost_usd or 0.0)
        if self._foresight is not None:
            self._foresight.asked_again(order, answer, is_stored=is_stored)

    def count_stale(self, why: str) -> None:
        """Book an answer that was given although its time was over."""
        stale = self._metrics.cache_stale
        stale.add(stale.at(why))

    def count_saved(self, by: str, answer: Answer, seconds: float) -> None:
        """Book what an answer saved that no provider was asked for.

        Args:
            by: what saved it, as the metric names it.
            answer: what was given.
            seconds: time that nobody waited.
        """
        self._metrics.saved(by, answer.usage or _NO_USAGE, answer.cost_usd or 0.0, seconds)

    def _take_up(self, order: Order, answer: Answer, terms: Terms) -> bool:
        """Put what came into every tier, memory only where it is worth the room."""
        foresight, key = self._foresight, order.key
        if foresight is not None and not foresight.admits(key, answer, terms):
            refusals = self._metrics.cache_refusals
            refusals.add(refusals.at("not_worth"))
            if self.tiers is None:
                return False
        elif not self._hold(key, answer, terms, order.digest):
            return False
        else:
            self._metrics.cache_stores.increment()
            if foresight is not None:
                foresight.stored(order, answer, terms)
        if self.tiers is not None:
            self.tiers.put(_record(key, answer, terms, self._clock))
        return True

    def _hold(self, key: bytes, answer: Answer, terms: Terms, digest: bytes = b"") -> bool:
        worth_usd = self._plan().worth_usd(answer)
        return self.memory.store(key, answer, digest=digest, worth_usd=worth_usd, terms=terms)

    def _bring_up_for(self, order: Order, found: Found, now_s: float) -> Entry:
        entry = self._bring_up(found, now_s)
        if self._foresight is not None:
            self._foresight.stored(order, entry.answers[0], entry.terms)
        return entry

    def _bring_up(self, found: Found, now_s: float) -> Entry:
        key = found.record.key
        answer, terms = self._unpack(found.record, now_s)
        held = self.memory.peek(key, now_s)
        if held is not None and held.terms.stored_s > terms.stored_s:
            return held  # a provider has answered while the tier was asked
        # Under no body yet: it may be another shape that was asked for.
        self._hold(key, answer, terms)
        entry = self.memory.peek(key, now_s)  # the tier has counted this use
        if entry is None:  # no room for it, but it can be given all the same
            entry = Entry(key, terms, terms.seq)
            entry.hold(answer)
        return entry

    def _unpack(self, record: Record, now_s: float) -> tuple[Answer, Terms]:
        ahead_s = now_s - self._clock.wall_s()
        answer = Answer(
            record.status,
            record.headers,
            record.body,
            Shape(record.shape),
            record.provider,
            record.model,
            record.usage,
            record.cost_usd,
            record.seconds,
        )
        fresh_until_s = record.fresh_until_s + ahead_s
        # One that seems to come from the future was stored by a clock that is a little ahead.
        stored_s = min(record.stored_s + ahead_s, now_s)
        terms = Terms(
            record.tenant,
            record.tags,
            record.seq,
            stored_s,
            fresh_until_s,
            record.expires_s + ahead_s,
            self._early.careful_s(stored_s, fresh_until_s, record.seconds),
        )
        return answer, terms

    def _judge(self, order: Order, entry: Entry, now_s: float) -> Held | None:
        call, plan, terms = order.call, self._plan(), entry.terms
        age_s_max = call.hints.age_s_max
        if age_s_max is not None and now_s - terms.stored_s > age_s_max:
            return None
        answer = reshape(call.dialect, call.grammar.operation, entry, order.shape)
        if answer is None:
            return None
        self.memory.add_shape(entry, answer)
        if order.plan is plan:  # or the same body may mean something else by now
            self.memory.add_repeat(order.digest, entry, answer)
        state = freshness(
            now_s, terms.stored_s, terms.fresh_until_s, plan.stale_s, plan.stale_if_error_s
        )
        if state is Freshness.FRESH:
            return Held(answer, due=self._due(entry, answer, now_s))
        if state is Freshness.STALE_WHILE_REVALIDATE:
            return Held(answer, is_stale=True, due=REFRESH)
        if state is Freshness.STALE_IF_ERROR:
            return Held(answer, is_stale=True, is_given=False)
        return None

    def _due(self, entry: Entry, answer: Answer, now_s: float) -> str:
        is_checked, self._is_check_due = self._is_check_due, False
        if is_checked or (self._lifetimes is not None and self._lifetimes.wants_check()):
            return REVALIDATE
        terms = entry.terms
        if now_s < terms.careful_s:
            return ""
        entry.late_uses += 1
        is_early = self._early.is_due(
            now_s, terms.careful_s, terms.fresh_until_s, answer.seconds, entry.late_uses
        )
        return REFRESH if is_early else ""


def _record(key: bytes, answer: Answer, terms: Terms, clock: Clock) -> Record:
    ahead_s = clock.wall_s() - clock.monotonic_s()
    return Record(
        key,
        terms.tenant,
        answer.provider,
        answer.model,
        terms.tags,
        answer.shape,
        answer.status,
        answer.headers,
        answer.body,
        answer.usage,
        answer.cost_usd,
        answer.seconds,
        terms.stored_s + ahead_s,
        terms.fresh_until_s + ahead_s,
        terms.expires_s + ahead_s,
        terms.seq,
    )


_NO_USAGE = Usage()
