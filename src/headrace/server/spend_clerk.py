"""Who speaks with the store of what a gateway spends: one worker for all of them."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from headrace.clock import Clock
from headrace.gateway.spend.treasury import Treasury
from headrace.gateway.tasks import Keep
from headrace.identity.budgets import Leasing
from headrace.identity.leases import LENT_S
from headrace.identity.spend_share import SHARE_INTERVAL_S, SpendShare
from headrace.server.life_file import LifeFile
from headrace.server.shared_spend import SharedSpend, new_holder
from headrace.settings import Settings
from headrace.settings.places import data_dir
from headrace.store.faults import StoreFault
from headrace.store.records.records import Records
from headrace.store.voice import Say

_POLL_S: Final = 0.05
_LEAVE_S_MAX: Final = 2.0
_FORGET_FIRST_S: Final = 60.0
_FORGET_INTERVAL_S: Final = 86_400.0


class SpendClerk:
    """Belongs to one event loop. Where books are not kept, or not in the store, it does nothing.

    Args:
        settings: what to go by.
        records: the store.
        treasury: what is spent here.
        shared: what workers count together; `None` for a worker on its own.
        clock: the time.
        say: told what happens.
    """

    def __init__(
        self,
        settings: Settings,
        records: Records,
        treasury: Treasury,
        shared: SharedSpend | None,
        *,
        clock: Clock,
        say: Say,
    ) -> None:
        self._records = records
        self._treasury = treasury
        self._turn = None if shared is None else shared.turn
        self._holder = new_holder() if shared is None else shared.holder
        self._life = None if shared is None else shared.life
        # One that several processes share has to be made before there are several.
        self._folder = data_dir(settings) if shared is None else None
        self._clock = clock
        self._say = say
        self._spend = settings.spend
        self._share: SpendShare | None = None
        self._began_s = clock.monotonic_s()
        self._forget_due_s = clock.monotonic_s() + _FORGET_FIRST_S
        self._woken = asyncio.Event()
        self._speaking = asyncio.Lock()
        self._was_on = False
        self._awaited_until_s = 0.0
        self.adopt(settings)

    @property
    def is_on(self) -> bool:
        """Whether there is anything to tell."""
        return self._spend.durable and self._treasury.spending is not None

    @property
    def age_s(self) -> float:
        """For how long the store has not told what others spend, in seconds."""
        if not self.is_on:
            return 0.0
        now_s, told_s = self._clock.monotonic_s(), self._treasury.table.lent_until_s - LENT_S
        return 0.0 if self._leasing().is_fresh else now_s - max(told_s, self._began_s)

    def adopt(self, settings: Settings) -> None:
        """Go by other settings."""
        if settings.spend != self._spend:
            self._share = None
        self._spend = settings.spend
        self._treasury.lease_by(self._leasing if self._spend.durable else None)

    def prime(self) -> None:
        """There may be other budgets: have them leased before they are asked of."""
        if self.is_on and not self._was_on:
            self._awaited_until_s = self._clock.monotonic_s() + LENT_S
        self._was_on = self.is_on
        self._woken.set()

    def start(self, keep: Keep) -> None:
        """Begin to speak with the store."""
        keep(self._run)

    async def catch_up(self, timeout_s: float) -> None:
        """Wait until it is known what others have spent, within a limit."""
        if not self.is_on:
            return
        try:
            async with asyncio.timeout(timeout_s):
                while not self._leasing().is_fresh or self._sharing().is_short:
                    if self._has_turn():
                        await self._share_once()
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            return

    async def close(self) -> None:
        """Tell everything and give back what is leased, if that is quick."""
        if self.is_on and self._has_turn():
            try:
                async with asyncio.timeout(_LEAVE_S_MAX), self._speaking:
                    await self._sharing().leave()
                if self._life is not None:
                    self._life.remove()
            except (StoreFault, TimeoutError):
                self._say(
                    "warning", "spend_not_told", detail="what was spent last is not in the store"
                )
        if self._turn is not None:
            self._turn.give_back()

    async def _share_once(self) -> None:
        """Whoever catches up and whoever was woken may want to at the same time."""
        async with self._speaking:
            await self._sharing().run()

    def _leasing(self) -> Leasing:
        now_s = self._clock.monotonic_s()
        is_fresh = now_s < self._treasury.table.lent_until_s
        is_awaited = is_fresh or now_s < self._awaited_until_s
        return Leasing(is_fresh, self._spend.offline == "allow", is_awaited)

    def _has_turn(self) -> bool:
        return self._turn is None or self._turn.take()

    def _sharing(self) -> SpendShare:
        if self._share is None:
            if self._life is None and self._folder is not None:
                self._life = LifeFile(self._folder, self._holder)
            self._share = SpendShare(
                self._records,
                self._treasury.table,
                lambda: self._treasury.budgets,
                self._holder,
                self._spend.lease_share,
                clock=self._clock,
                say=self._say,
                dead=self._dead,
            )
        return self._share

    def _dead(self, holders: Iterable[str]) -> set[str]:
        return set() if self._life is None else self._life.dead(holders)

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(SHARE_INTERVAL_S):
                    await self._woken.wait()
            self._woken.clear()
            if self.is_on and self._has_turn():
                await self._share_once()
                if self._clock.monotonic_s() >= self._forget_due_s and self._leasing().is_fresh:
                    await self._forget()

    async def _forget(self) -> None:
        self._forget_due_s = self._clock.monotonic_s() + _FORGET_INTERVAL_S
        try:
            await self._sharing().forget()
        except StoreFault as fault:
            self._say("warning", "spend_not_forgotten", detail=fault.message)
