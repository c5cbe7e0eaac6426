"""What one gateway and the store tell each other of money, a few times a second.

One process of a gateway does it for all of its workers: it tells what was spent here, asks for
leases of budgets, and writes what it hears into the table that all of them read. Whatever it tells
is the whole of it, so that telling it twice is telling it once.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from headrace.clock import Clock
from headrace.identity.budgets import Budget
from headrace.identity.elsewhere import NOTHING, Lease, Spent
from headrace.identity.leases import LENT_S, HolderWatch, wanted
from headrace.identity.periods import Calendar, Period, Window
from headrace.identity.purse import BUDGET_ROW
from headrace.identity.spend_others import Key, Others, fetch_others, numbers_of
from headrace.identity.tallies import Tally, TallyTable
from headrace.store.faults import StoreFault
from headrace.store.records.records import Records, Step
from headrace.store.voice import Say

SHARE_INTERVAL_S: Final = 0.25
SIGN_INTERVAL_S: Final = 1.0
# What follows is leased so long before it begins.
AHEAD_S: Final = 60.0
# A budget that nobody has asked of for so long is not in use.
BUSY_S: Final = 5.0
# What is spent by who is alone may be told so late; a gateway that dies then forgets it.
UNTOLD_S_MAX: Final = 30.0
# Sums of days and months before these are forgotten.
_KEPT: Final[Mapping[Period, int]] = {Period.DAY: 62, Period.MONTH: 25}
_MILLI: Final = 1000
_ROWS_AT_ONCE: Final = 256


class _Row(NamedTuple):
    """A row that was written to since it was told: how often by then, and what to tell."""

    name: str
    writes: int
    sums: list[dict[str, Any]]


class _Ask(NamedTuple):
    """A lease that may be asked for; `is_new` where that would change anything."""

    key: Key
    tally: Tally
    values: dict[str, Any]
    is_new: bool


class SpendShare:
    """Belongs to one event loop.

    Args:
        records: the store.
        table: what is counted here.
        budgets: those in force.
        holder: names this gateway among all; that of all its processes.
        share: part of a budget that is kept leased ahead of need.
        clock: the time.
        say: told when the store cannot be asked, and when it can be again.
        dead: those of several gateways that are known to be dead.

    Attributes:
        is_short: whether others held so much that less was leased than is this gateway's part;
            those who are well give it back with their next look.
    """

    def __init__(
        self,
        records: Records,
        table: TallyTable,
        budgets: Callable[[], Iterable[Budget]],
        holder: str,
        share: float,
        *,
        clock: Clock,
        say: Say,
        dead: Callable[[Iterable[str]], set[str]] = lambda _: set(),
    ) -> None:
        self._records = records
        self._known_dead = dead
        self._dead: set[str] = set()
        self._table = table
        self._budgets = budgets
        self._holder = holder
        self._share = share
        self._clock = clock
        self._say = say
        self._watch = HolderWatch()
        self._counts: dict[str, int] | None = None
        self._others = Others({}, {})
        self._told: dict[str, int] = {}
        self._told_busy: dict[Key, bool] = {}
        self._busy: dict[str, tuple[int, float]] = {}
        self.is_short = False
        self._signs = 0
        self._signed_s = float("-inf")
        self._is_well = True
        self._told_s = float("-inf")

    async def run(self) -> None:
        """Once: hear and tell. What goes wrong is said, and tried again with the next time."""
        try:
            await self.share()
        except StoreFault as fault:
            if self._is_well:
                self._is_well = False
                detail = f"{fault.message}; budgets go on with what is leased"
                self._say("warning", "spend_not_shared", detail=detail)
        else:
            if not self._is_well:
                self._is_well = True
                self._say("info", "spend_shared_again", detail="the store answers")

    async def share(self) -> None:
        """Hear what others have spent, tell what was spent here, and lease.

        Raises:
            StoreFault: the store cannot be asked.
        """
        began_s = self._clock.monotonic_s()
        was_away = began_s >= self._table.lent_until_s
        counts = await self._hear()
        told = await self._changed()
        asks = self._asks(is_all=was_away)
        away = [*self._away()]
        # Who is alone has nobody to be heard by, once it is known at all.
        is_due = not self._signs or (counts and began_s - self._signed_s >= SIGN_INTERVAL_S)
        if told or asks or away or is_due:
            await self._tell_and_hear(told, asks, away, began_s)
        else:
            self._told_s = began_s
        self._table.lent_until_s = max(began_s + LENT_S, self._table.lent_until_s)

    async def leave(self) -> None:
        """Tell everything, and give back what is leased and not used; the store is not asked again.

        Raises:
            StoreFault: the store cannot be asked; others take it back after a while.
        """
        told = await self._changed()
        asks = [self._ask_of(*each, is_busy=False, is_leaving=True) for each in self._windows()]
        self._table.lent_until_s = 0.0
        await self._write(told, asks, [Step("spend.leave", {"holder": self._holder})])

    async def forget(self) -> None:
        """Forget days and months that nobody asks for any more.

        Raises:
            StoreFault: the store cannot be asked.
        """
        now = numbers_of(self._clock.wall_s())
        steps = [
            Step(query, {"period": int(period), "number": now[period] - _KEPT[period]})
            for period in Period
            for query in ("spend.forget_sums", "spend.forget_leases")
        ]
        await self._records.write(*steps)

    # Hearing.

    async def _tell_and_hear(
        self, told: Sequence[_Row], asks: Sequence[_Ask], away: Sequence[Step], began_s: float
    ) -> None:
        """Tell, and hear meanwhile: a disk that is slow to write is no store that is away."""
        is_told = asyncio.Event()

        async def tell() -> None:
            try:
                await self._tell(told, asks, away, began_s)
                self._told_s = began_s
            finally:
                is_told.set()

        async def hear() -> None:
            while not is_told.is_set():
                try:
                    async with asyncio.timeout(SHARE_INTERVAL_S):
                        await is_told.wait()
                except TimeoutError:
                    await self._stay_alone()

        await asyncio.gather(tell(), hear())

    async def _stay_alone(self) -> None:
        """Go on with what is lent: who comes now finds this gateway alive for some time."""
        began_s = self._clock.monotonic_s()
        is_lent = began_s < self._table.lent_until_s
        try:
            counts = await self._hear()
        except StoreFault:
            return
        if is_lent and not counts and began_s - self._told_s < UNTOLD_S_MAX:
            self._table.lent_until_s = began_s + LENT_S

    async def _hear(self) -> dict[str, int]:
        rows = await self._records.fetch("spend.holders")
        counts = {row["id"]: row["signs"] for row in rows if row["id"] != self._holder}
        self._watch.look(counts, self._clock.monotonic_s())
        if counts != self._counts:
            self._others = await fetch_others(self._records, self._holder, self._clock.wall_s())
            self._counts = counts
            self._dead = self._known_dead(counts)
            self._take_in()
        return counts

    def _take_in(self) -> None:
        sums, leases = self._others
        for key in sorted(sums.keys() | leases.keys()):
            period, number, name = key
            tally = self._table.find(name)
            if tally is None and not name.startswith(BUDGET_ROW):
                tally = self._table.spare(name)
            if tally is None:
                continue
            spent = sums.get(key, NOTHING)
            leased = sum(each.granted + each.lent for each in leases.get(key, ()))
            with self._table.lock:
                held = max(0, leased - spent.spent)
                tally.elsewhere.tell(period, number, spent._replace(held=held))

    # Telling.

    async def _changed(self) -> list[_Row]:
        changed = []
        for tally in self._table.rows():
            name = tally.name
            if tally.writes == self._told.get(name, 0):
                continue
            with self._table.lock:
                writes, windows = tally.writes, tally.windows()
            sums = [self._sums(name, *key, spent) for key, spent in windows.items()]
            changed.append(_Row(name, writes, sums))
            if len(changed) % _ROWS_AT_ONCE == 0:
                await asyncio.sleep(0)  # others have their turn
        return changed

    def _sums(self, name: str, period: Period, number: int, spent: Spent) -> dict[str, Any]:
        return {
            "period": int(period),
            "number": number,
            "name": name,
            "holder": self._holder,
            "spent": spent.spent,
            "calls": spent.calls,
            "input_tokens": spent.input_tokens,
            "output_tokens": spent.output_tokens,
        }

    def _windows(self) -> Iterator[tuple[Budget, Period, int, Window]]:
        """Each day and month that budgets have now, or soon."""
        wall_s = self._clock.wall_s()
        for budget in self._budgets():
            for period, limit, window in budget.windows(wall_s):
                yield budget, period, limit, window
                if window.end_s - wall_s < AHEAD_S:
                    following = Calendar(budget.terms.zone).window(period, window.end_s)
                    yield budget, period, limit, following

    def _asks(self, *, is_all: bool) -> list[_Ask]:
        """The leases that are not as they should be."""
        now_s = self._clock.monotonic_s()
        asks = (
            self._ask_of(*window, is_busy=self._is_busy(window[0].tally, now_s))
            for window in self._windows()
        )
        return [ask for ask in asks if is_all or ask.is_new]

    def _is_busy(self, tally: Tally, now_s: float) -> bool:
        """Whether a budget was asked of lately."""
        before, until_s = self._busy.get(tally.name, (0, 0.0))
        if tally.writes != before:
            until_s = now_s + BUSY_S
            self._busy[tally.name] = (tally.writes, until_s)
        return now_s < until_s or not self._counts

    def _ask_of(
        self,
        budget: Budget,
        period: Period,
        limit: int,
        window: Window,
        *,
        is_busy: bool,
        is_leaving: bool = False,
    ) -> _Ask:
        """Ask for a lease; what will not be asked for again is not used from here on."""
        tally, number = budget.tally, window.number
        key = (period, number, tally.name)
        with self._table.lock:
            used = tally.used_here(period, number)
            want = Lease(used, 0)
            if not is_leaving:
                others, chunk = self._others.leases.get(key, ()), int(limit * self._share)
                want = wanted(limit, used, others, chunk, is_busy=is_busy)
            now = tally.elsewhere.lease(period, number)
            if now is not None:
                less = Lease(min(now.granted, want.granted), min(now.lent, want.lent))
                tally.elsewhere.grant(period, number, less)
        values = {
            "period": int(period),
            "number": number,
            "name": tally.name,
            "holder": self._holder,
            "most": limit,
            "used": used,
            "granted": want.granted,
            "lent": want.lent,
            "busy": int(is_busy),
        }
        return _Ask(key, tally, values, now != want or self._told_busy.get(key) != is_busy)

    def _away(self) -> Iterator[Step]:
        """What takes leases back from those who are not heard of."""
        dead = self._watch.dead() | {
            holder: signs for holder, signs in (self._counts or {}).items() if holder in self._dead
        }
        for holder, signs in (self._watch.lapsed() | dead).items():
            values = {"holder": holder, "signs": signs}
            if holder in dead:
                yield Step("spend.reclaim", values)
                yield Step("spend.bury", values)
            else:
                yield Step("spend.lapse", values)

    async def _tell(
        self,
        told: Sequence[_Row],
        asks: Sequence[_Ask],
        away: Sequence[Step],
        began_s: float,
    ) -> None:
        self._signs = max(self._signs + 1, int(self._clock.wall_s() * _MILLI))
        sign = Step("spend.sign", {"holder": self._holder, "signs": self._signs})
        await self._write(told, asks, [sign, *away])
        self._signed_s = began_s
        if away:
            self._counts, self.is_short = None, True  # what they held is to be had: look again

    async def _write(
        self,
        told: Sequence[_Row],
        asks: Sequence[_Ask],
        more: Sequence[Step],
    ) -> None:
        rows = [sums for row in told for sums in row.sums]
        steps = [Step("spend.turn")]
        if rows:
            steps.append(Step("spend.tell", rows))
        steps += more
        leased = [Step("spend.lease", ask.values) for ask in asks]
        answers = await self._records.write(*steps, *leased)
        for row in told:
            self._told[row.name] = row.writes
        is_short = False
        with self._table.lock:
            for ask, (got,) in zip(asks, answers[len(steps) :], strict=True):
                period, number, _ = ask.key
                ask.tally.elsewhere.grant(period, number, Lease(got["granted"], got["lent"]))
                is_short |= (
                    got["granted"] + got["lent"] < ask.values["granted"] + ask.values["lent"]
                )
                self._told_busy[ask.key] = bool(ask.values["busy"])
        self.is_short = is_short
