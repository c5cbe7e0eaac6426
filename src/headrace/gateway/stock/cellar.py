"""The tiers below memory as the settings want them, and what keeps them true to each other."""

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from headrace.cache.purge_copy import PurgeCopy
from headrace.cache.purges import PurgeLedger
from headrace.cache.record import Record
from headrace.cache.tier import Tier, TierFault
from headrace.cache.tiers import OnState, TierStack
from headrace.cache.turns import Leases, StoreLeases, Turns
from headrace.cache.uses import UseCounter
from headrace.cache.warm import warm_memory
from headrace.clock import Clock
from headrace.gateway.tasks import Spawn
from headrace.limits import WARM_ENTRIES_MAX
from headrace.observe.metrics import Metrics
from headrace.observe.tier_metrics import TierMetrics
from headrace.settings import Settings
from headrace.settings.places import data_dir
from headrace.settings.schema import CacheSettings
from headrace.store.voice import Say

if TYPE_CHECKING:
    from headrace.cache.durable import DurableTier
    from headrace.cache.store_purges import StorePurges
    from headrace.cache.valkey import ValkeyTier
    from headrace.cache.valkey_purges import ValkeyPurges

UPKEEP_S: Final = 1.0
# Uses of the same answers become one change meanwhile; purges come seldom.
_SELDOM_TICKS: Final = 10

_EVERYWHERE: Final = "every process that shares a tier"
_LATER: Final = "this process now, the others as soon as they can be told"


class Cellar:
    """Belongs to one event loop. Making it opens nothing.

    Args:
        settings: what to go by; its tiers do not change with a reload.
        ledger: what has been purged.
        clock: the time.
        metrics: counts.
        spawn: starts background tasks.
        on_purge: told of every purge, wherever it came from, once the ledger knows it.
        on_state: told once when a tier is left alone, and once when it is back.
        on_warm: takes in what is brought up at boot; says whether there is room for more.
        uses: counts uses of what is in memory, where there is a durable tier that goes by them.
        say: told what else happens to the store, such as a damaged file.

    Raises:
        SettingsInvalid: a URL cannot be used, or a package is missing.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        ledger: PurgeLedger,
        clock: Clock,
        metrics: Metrics,
        spawn: Spawn,
        on_purge: Callable[[str, int], None],
        on_state: OnState,
        on_warm: Callable[[Record], bool],
        uses: UseCounter | None,
        say: Say,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._clock = clock
        self._spawn = spawn
        self._on_purge = on_purge
        self._on_state = on_state
        self._on_warm = on_warm
        self._uses = uses
        self._say = say
        self._meter = TierMetrics(metrics)
        self._background: list[asyncio.Task[None]] = []
        self._is_checked = asyncio.Event()
        self._is_caught_up = asyncio.Event()
        self._was_cut_off = False
        self._store_leases: StoreLeases | None = None
        self._shared: ValkeyTier | None
        self._shared_purges: ValkeyPurges | None
        self._durable: DurableTier | None
        self._store_purges: StorePurges | None
        self._shared, self._shared_purges = self._make_shared(settings.cache)
        self._durable, self._store_purges = self._make_durable(settings)
        self._purges = self._shared_purges or self._store_purges
        self._purge_copy = self._make_copy()
        tiers: list[Tier] = [tier for tier in (self._shared, self._durable) if tier is not None]
        self.tiers = self._stack(tiers, on_state) if tiers else None
        leases = self._shared or self._store_leases
        self.turns = self._turns(leases, self.tiers) if leases and self.tiers else None

    @property
    def states(self) -> Mapping[str, str]:
        """How each tier is: `up`, `read-only` or `down`."""
        return self.tiers.states if self.tiers is not None else {}

    def start(self) -> None:
        """Begin to follow purges and to look after what is kept."""
        if self._shared_purges is not None:
            self._background.append(self._spawn(self._shared_purges.follow()))
        if self._durable is not None:
            self._background.append(self._spawn(self._open(self._durable)))
            self._background.append(self._spawn(self._keep_up(self._durable)))
            self._background.append(self._spawn(self._warm(self._durable)))

    async def caught_up(self, timeout_s: float) -> None:
        """Wait until it is known whether the store is of use, and what was purged while this
        process was not there, up to a limit.

        Until then nothing of the tiers below counts.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                if self._durable is not None:
                    await self._is_checked.wait()
                if self._purges is not None:
                    await self._is_caught_up.wait()

    async def purge(self, scope: str) -> str:
        """Purge a scope wherever these tiers are shared; says how far that reached."""
        if self._purges is None:
            self._on_purge(scope, self._ledger.issue(scope))
            return "this process"
        is_told = await self._purges.publish(scope) is not None
        if self._purge_copy is not None:
            is_told = await self._purge_copy.write() and is_told
        if self._durable is not None:
            self._spawn(self._clear_out(self._durable, scope))
        return _EVERYWHERE if is_told else _LATER

    def refresh_gauges(self) -> None:
        """Bring the gauges of the tiers up to date."""
        if self.tiers is not None:
            waiting = self.tiers.waiting
            for tier, state in self.tiers.states.items():
                self._meter.is_now(tier, is_up=state != "down", waiting=waiting[tier])

    async def close(self) -> None:
        """Write what waits, and let go of every tier."""
        for task in self._background:
            task.cancel()
        if self._shared_purges is not None:
            await self._shared_purges.close()
        if self._durable is not None:
            self._pass_uses_on(self._durable)
        if self.tiers is not None:
            await self.tiers.close()

    def _stack(self, tiers: list[Tier], on_state: OnState) -> TierStack:
        cache = self._settings.cache
        return TierStack(
            tiers,
            ledger=self._ledger,
            clock=self._clock,
            timeout_s=cache.tier_timeout_ms / 1000,
            compress_above_bytes=cache.compress_above_kb << 10,
            spawn=self._spawn,
            meter=self._meter,
            on_state=on_state,
        )

    def _turns(self, leases: Leases, tiers: TierStack) -> Turns:
        timeout_s = self._settings.cache.tier_timeout_ms / 1000
        providers = self._settings.providers.values()
        return Turns(
            leases,
            tiers,
            self._clock,
            timeout_s=timeout_s,
            spawn=self._spawn,
            call_s_max=max(provider.total_timeout_s for provider in providers),
        )

    def _make_shared(
        self, cache: CacheSettings
    ) -> "tuple[ValkeyTier, ValkeyPurges] | tuple[None, None]":
        if cache.shared is None:
            return None, None
        from headrace.cache.valkey import ValkeyTier
        from headrace.cache.valkey_purges import ValkeyPurges

        url = cache.shared.reveal()
        tier = ValkeyTier(
            url,
            prefix=cache.shared_prefix,
            timeout_s=cache.tier_timeout_ms / 1000,
            spawn=self._spawn,
        )
        purges = ValkeyPurges(
            url,
            prefix=cache.shared_prefix,
            ledger=self._ledger,
            on_purge=self._on_purge,
            on_state=self._purges_known,
            clock=self._clock,
            uniform=secrets.SystemRandom().random,
            spawn=self._spawn,
        )
        return tier, purges

    def _make_durable(
        self, settings: Settings
    ) -> "tuple[DurableTier, StorePurges] | tuple[None, None]":
        if not settings.cache.durable:
            return None, None
        from headrace.cache.durable import DurableTier
        from headrace.cache.store_purges import StorePurges
        from headrace.store.bounds import StoreBounds
        from headrace.store.open import open_store

        bounds = StoreBounds(bytes_max=settings.cache.durable_mb << 20)
        url = settings.store.url.reveal()
        store = open_store(url, data_dir(settings), bounds=bounds, say=self._say)
        if url != "sqlite" or settings.listen.workers > 1:  # else there is nobody else to ask
            self._store_leases = StoreLeases(store, self._clock)
        purges = StorePurges(
            store,
            ledger=self._ledger,
            clock=self._clock,
            spawn=self._spawn,
            on_purge=self._on_purge,
            on_state=self._purges_known,
        )
        return DurableTier(store, self._clock), purges

    def _make_copy(self) -> PurgeCopy | None:
        if self._shared_purges is None or self._durable is None:
            return None
        return PurgeCopy(
            self._durable.known_purges,
            server=self._shared_purges,
            ledger=self._ledger,
            clock=self._clock,
            on_purge=self._on_purge,
        )

    async def _copy_purges(self, copy: PurgeCopy) -> None:
        await copy.write()  # where that fails, it is tried again every second

    def _purges_known(self, is_known: bool, why: str) -> None:
        if is_known and self._purge_copy is not None:
            self._spawn(self._copy_purges(self._purge_copy))
        if is_known and not self._is_caught_up.is_set() and not self._was_cut_off:
            self._is_caught_up.set()  # as it should be: nothing to tell
            return
        self._is_caught_up.set()
        self._was_cut_off = True
        self._on_state("purges", is_known, why)

    async def _open(self, durable: "DurableTier") -> None:
        """Open the store ahead of the first request; where that fails, try until it is open."""
        while self.tiers is not None:
            is_open = await self.tiers.check(durable.name, durable.ready)
            if is_open and self._purge_copy is not None:
                await self._purge_copy.read()
                self._background.append(self._spawn(self._purge_copy.follow()))
            if not self._is_checked.is_set():
                self._is_checked.set()
                # Only now: what is wrong with the store has been told, or mended, by now.
                if self._shared_purges is None and self._store_purges is not None:
                    self._store_purges.start()
            if is_open:
                break
            await asyncio.sleep(UPKEEP_S)

    async def _warm(self, durable: "DurableTier") -> None:
        await self._is_checked.wait()
        await self._is_caught_up.wait()
        if self.tiers is not None:
            await warm_memory(
                durable, limit=WARM_ENTRIES_MAX, check=self.tiers.checked, take=self._on_warm
            )

    async def _keep_up(self, durable: "DurableTier") -> None:
        for tick in itertools.count():
            await asyncio.sleep(UPKEEP_S)
            try:
                await durable.maintain()
                if tick % _SELDOM_TICKS == 0:
                    self._pass_uses_on(durable)
                    await durable.forget_purges(self._ledger.keep_s)
            except TierFault:
                continue  # whoever looks something up finds out, and tells

    def _pass_uses_on(self, durable: "DurableTier") -> None:
        if self._uses is not None:
            for key, times in self._uses.take().items():
                durable.note_use(key, times)

    async def _clear_out(self, durable: "DurableTier", scope: str) -> None:
        """Let what was purged leave the disk; it is certain already that it does not count."""
        try:
            await durable.purge(scope)
        except TierFault:
            return
