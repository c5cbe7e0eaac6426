"""Everything of the cache that one engine has, put together from the settings."""

import secrets
from collections.abc import Callable

from headrace.cache.adaptive import AdaptiveTtl, LastAnswers
from headrace.cache.entry import Entry
from headrace.cache.memory import MemoryCache, OnRemoval
from headrace.cache.policy import Policy, make_policy
from headrace.cache.purges import ALL, PurgeLedger
from headrace.cache.record import Record
from headrace.cache.tiers import OnState
from headrace.cache.uses import UseCounter
from headrace.clock import Clock
from headrace.gateway.calls.errands import Errands
from headrace.gateway.plan import Plan
from headrace.gateway.spend.spending import Spending
from headrace.gateway.stock.answers import Answers
from headrace.gateway.stock.cache_desk import CacheDesk
from headrace.gateway.stock.cellar import Cellar
from headrace.gateway.stock.foresight_parts import make_foresight
from headrace.gateway.stock.lifetimes import CheckAllowance, Lifetimes
from headrace.gateway.stock.meaning_parts import EmbedTexts, make_meanings
from headrace.gateway.stock.prefetcher import AskAgain
from headrace.gateway.tasks import Spawn
from headrace.limits import EXPIRED_PER_SWEEP_MAX, USES_PER_SWEEP_MAX
from headrace.observe.metrics import Metrics
from headrace.settings import Settings
from headrace.settings.schema import CacheSettings
from headrace.store.voice import Say


class Stock:
    """Belongs to one event loop.

    Args:
        settings: what to go by.
        plan: what the settings say at the moment.
        clock: the time.
        metrics: counts.
        spawn: starts background tasks.
        on_tier: told once when a tier is left alone, and once when it is back.
        on_store: told what else happens to the store.
        ask_again: asks a provider in the background.
        embed: makes the vectors of questions in place of the embedder of the settings.
        spending: books what the cache spends, where that is wanted.

    Attributes:
        memory: the nearest tier.
        cellar: those below it.
        foresight: what will be used again, where that is foreseen.
        answers: what the pipeline asks.
        errands: ask models on Headrace's own account.
        meanings: what it asks about questions that mean the same, where that is wanted.
        desk: what the console asks.

    Raises:
        SettingsInvalid: a URL cannot be used, or a package is missing.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        plan: Callable[[], Plan],
        clock: Clock,
        metrics: Metrics,
        spawn: Spawn,
        on_tier: OnState,
        on_store: Say,
        ask_again: AskAgain,
        embed: EmbedTexts | None,
        spending: Callable[[], Spending | None],
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        cache = settings.cache
        ledger = PurgeLedger(clock, keep_s=_life_s_max(settings))
        self._ledger = ledger
        self._uses = UseCounter() if cache.durable else None
        self.memory = _memory(cache, ledger, self._count_removal, self._uses)
        self.cellar = Cellar(
            settings,
            ledger=ledger,
            clock=clock,
            metrics=metrics,
            spawn=spawn,
            on_purge=self._purged,
            on_state=on_tier,
            on_warm=self._warm,
            uses=self._uses,
            say=on_store,
        )
        self.foresight = make_foresight(
            settings,
            memory=self.memory,
            plan=plan,
            clock=clock,
            metrics=metrics,
            ask_again=ask_again,
        )
        lifetimes = _lifetimes(cache, clock)
        self.answers = self._answers(plan, lifetimes)
        self.errands = Errands(plan, clock, metrics, spending)
        self.meanings = make_meanings(
            cache.semantic,
            embed=embed,
            answers=self.answers,
            errands=self.errands,
            clock=clock,
            metrics=metrics,
            spawn=spawn,
            on_state=on_tier,
        )
        self.desk = self._desk(lifetimes)

    async def close(self) -> None:
        """Write what waits, and let go of everything."""
        if self._uses is not None:
            self._uses.count(USES_PER_SWEEP_MAX)
        if self.meanings is not None:
            self.meanings.close()
        await self.cellar.close()

    def adopt(self, settings: Settings) -> None:
        """Go by other bounds of the memory, and of answers' lives; what no longer fits leaves."""
        cache = settings.cache
        # Never shorter: answers that are stored already live on.
        self._ledger.keep_s = max(self._ledger.keep_s, _life_s_max(settings))
        self.memory.resize(bytes_max=cache.memory_mb << 20, entries_max=cache.entries_max)
        if self.foresight is not None:
            self.foresight.forget_requests()

    def sweep(self) -> None:
        """What is done a little of at a time, ten times a second."""
        self.memory.expire(self._clock.monotonic_s(), EXPIRED_PER_SWEEP_MAX)
        if self._uses is not None:
            self._uses.count(USES_PER_SWEEP_MAX)
        if self.cellar.turns is not None:
            self.cellar.turns.renew()
        if self.foresight is not None:
            self.foresight.step()

    def refresh_gauges(self) -> None:
        """Bring the gauges that nobody pushes up to date."""
        self._metrics.cache_entries.set(len(self.memory))
        self._metrics.cache_bytes.set(self.memory.bytes_held)
        self.cellar.refresh_gauges()
        if self.meanings is not None:
            self.meanings.refresh_gauges()
        if self.foresight is not None:
            self.foresight.refresh_metrics()

    def _answers(self, plan: Callable[[], Plan], lifetimes: Lifetimes | None) -> Answers:
        return Answers(
            memory=self.memory,
            tiers=self.cellar.tiers,
            turns=self.cellar.turns,
            ledger=self._ledger,
            clock=self._clock,
            metrics=self._metrics,
            plan=plan,
            uniform=secrets.SystemRandom().random,
            lifetimes=lifetimes,
            foresight=self.foresight,
        )

    def _desk(self, lifetimes: Lifetimes | None) -> CacheDesk:
        return CacheDesk(
            memory=self.memory,
            tiers=self.cellar.tiers,
            ledger=self._ledger,
            announce=self.cellar.purge,
            metrics=self._metrics,
            lifetimes=lifetimes,
            meanings=self.meanings,
            foresight=self.foresight,
        )

    def _purged(self, scope: str, number: int) -> None:
        if scope == ALL and self.foresight is not None:
            self.foresight.forget_requests()
        self.desk.purged(scope, number)

    def _warm(self, record: Record) -> bool:
        return self.answers.warm(record)

    def _count_removal(self, entry: Entry, reason: str) -> None:
        evictions = self._metrics.cache_evictions
        evictions.add(evictions.at(reason))
        if self.foresight is not None:
            self.foresight.left(entry, reason)


def _memory(
    cache: CacheSettings, ledger: PurgeLedger, on_removal: OnRemoval, uses: UseCounter | None
) -> MemoryCache:
    bytes_max, entries_max = cache.memory_mb << 20, cache.entries_max
    policy: Policy[bytes] = make_policy(
        cache.policy, bytes_max=bytes_max, entries_max=entries_max, score=cache.policy_score
    )
    return MemoryCache(
        bytes_max=bytes_max,
        entries_max=entries_max,
        policy=policy,
        ledger=ledger,
        on_removal=on_removal,
        on_use=uses.note if uses is not None else None,
    )


def _life_s_max(settings: Settings) -> float:
    """Longest time from the beginning of a call until its answer is of no use any more."""
    cache = settings.cache
    calls_s = max(provider.total_timeout_s for provider in settings.providers.values())
    fresh_s = max(cache.ttl_s, cache.ttl_s_max, cache.adaptive.ttl_s_max)
    return calls_s + fresh_s + max(cache.stale_s, cache.stale_if_error_s)


def _lifetimes(cache: CacheSettings, clock: Clock) -> Lifetimes | None:
    adaptive = cache.adaptive
    if not adaptive.enabled:
        return None
    ttl = AdaptiveTtl(
        uniform=secrets.SystemRandom().random,
        ttl_s=min(max(cache.ttl_s, adaptive.ttl_s_min), adaptive.ttl_s_max),
        ttl_min_s=adaptive.ttl_s_min,
        ttl_max_s=adaptive.ttl_s_max,
        stale_share_max=adaptive.stale_share_max,
        shadow_share=adaptive.check_share,
        may_check=CheckAllowance(adaptive.checks_per_minute_max, clock).take,
    )
    return Lifetimes(ttl, LastAnswers())
