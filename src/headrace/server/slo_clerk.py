"""Who speaks with the store of service levels: the worker that decides, for all of them."""

import asyncio
from typing import Final

from headrace.clock import Clock
from headrace.observe.slo_history import Totals
from headrace.observe.slo_kept import STEP_S, Heard, SloKept, step_of, steps_in, windows_s
from headrace.observe.slo_watch import SloWatch
from headrace.settings.slos import WINDOW_DAYS_MAX, Slo, level_name, level_number
from headrace.store.faults import StoreFault
from headrace.store.records.records import Records, Step
from headrace.store.voice import Say

KEEP_S: Final = 10.0
"""So long are answers counted in memory only."""
_LEAVE_S_MAX: Final = 2.0
_FORGET_INTERVAL_S: Final = 86_400.0
_KEPT_STEPS: Final = steps_in(WINDOW_DAYS_MAX * 86_400.0)

Counted = list[tuple[Slo, int, Totals]]


class SloClerk:
    """Belongs to one event loop. Where no service level is declared, the store is not asked.

    Args:
        watch: knows what was counted.
        records: the store.
        holder: names this gateway among all; that of all its workers.
        clock: the time.
        say: told when the store cannot be asked, and when it can be again.
    """

    def __init__(
        self, watch: SloWatch, records: Records, holder: str, *, clock: Clock, say: Say
    ) -> None:
        self._watch = watch
        self._kept: SloKept = watch.kept
        self._records = records
        self._holder = holder
        self._clock = clock
        self._say = say
        self._told: dict[tuple[str, int, str], int] = {}
        self._is_well = True
        self._forget_due_s = clock.monotonic_s()

    async def run(self) -> None:
        """Tell and hear, again and again."""
        while True:
            if self._watch.decides():
                await self.keep()
            await asyncio.sleep(KEEP_S)

    async def keep(self) -> None:
        """Once. What goes wrong is said, and tried again with the next time."""
        try:
            await self._keep()
        except StoreFault as fault:
            if self._is_well:
                self._is_well = False
                detail = f"{fault.message}; budgets go by what this gateway remembers"
                self._say("warning", "slos_not_kept", detail=detail)
        else:
            if not self._is_well:
                self._is_well = True
                self._say("info", "slos_kept_again", detail="the store answers")

    async def close(self) -> None:
        """Tell what was counted last, if that is quick; any worker may, for all of them."""
        try:
            async with asyncio.timeout(_LEAVE_S_MAX):
                await self._tell(self._watch.counted())
        except (StoreFault, TimeoutError):
            self._say(
                "warning", "slos_not_kept", detail="what was counted last is not in the store"
            )

    async def _keep(self) -> None:
        counted = self._watch.counted()
        if not counted:  # or what is answered meanwhile would be told of once a level is declared
            self._kept.turn({}, self._clock.wall_s())
            return
        await self._tell(counted)
        wall_s = self._clock.wall_s()
        self._kept.turn({level_number(slo): now for slo, _, now in counted}, wall_s)
        for slo, slot, now in counted:
            heard = [await self._hear(slo, window_s, wall_s) for window_s in windows_s(slo)]
            self._kept.hear(slo, slot, now, heard)
        if self._clock.monotonic_s() >= self._forget_due_s:
            await self._records.write(Step("slos.forget", {"step": step_of(wall_s) - _KEPT_STEPS}))
            self._forget_due_s = self._clock.monotonic_s() + _FORGET_INTERVAL_S

    async def _tell(self, counted: Counted) -> None:
        """Tell of the step under way, to its end where that is over, all that is not told yet."""
        step = self._kept.step(self._clock.wall_s())
        holder = f"{self._holder}-{self._kept.round}"
        rows = {
            (level_name(slo), step, holder): self._kept.counted(slo, now) for slo, _, now in counted
        }
        due = {key: now for key, now in rows.items() if round(now.every) > self._told.get(key, 0)}
        if due:
            values = [
                {
                    "level": level,
                    "step": step,
                    "holder": holder,
                    "good": round(now.good),
                    "answers": round(now.every),
                }
                for (level, step, holder), now in due.items()
            ]
            await self._records.write(Step("slos.tell", values))
        self._told = {key: round(now.every) for key, now in rows.items()}

    async def _hear(self, slo: Slo, window_s: float, wall_s: float) -> Heard:
        until = step_of(wall_s)
        values = {"level": level_name(slo), "after": until - steps_in(window_s), "until": until}
        (row,) = await self._records.fetch("slos.sums", values)
        first = row["first_step"]
        age_s = 0.0 if first is None else wall_s - first * STEP_S
        return Heard(row["good"], row["answers"], age_s)
