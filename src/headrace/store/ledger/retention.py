"""Room in the tables of calls: months made ahead, and what is old removed, a little at a time."""

from datetime import UTC, datetime
from typing import Final

from headrace.store.ledger.batch import Batch
from headrace.store.ledger.rollup import SECONDS_PER_DAY
from headrace.store.records.records import Records, Step

_EVERY_S: Final = 600.0
# As much as may hold up whoever else writes.
_ROWS_AT_ONCE: Final = 1000
_PORTIONS_MAX: Final = 20
# A journal that is older than this was restored from somewhere.
_REACHED_DAYS: Final = 400


class Retention:
    """Belongs to one event loop.

    Args:
        records: where calls are.
        keep_days: how long; 0 is for ever.
        content_keep_days: how long what was said is kept.
    """

    def __init__(self, records: Records, keep_days: int, content_keep_days: int) -> None:
        self._records = records
        self._keep_days = keep_days
        self._content_keep_days = content_keep_days
        self._months: set[str] = set()
        self._next_s = 0.0

    async def make_room(self, batch: Batch, now_s: float) -> None:
        """See to it that there is a table for each month of a batch, and for the next one.

        Args:
            batch: will be stored.
            now_s: seconds since the epoch.

        Raises:
            StoreFault: the store is not there.
        """
        if self._records.dialect != "postgresql":
            return
        months = {group["month"] for group in batch.months}
        months |= {month_of(now_s), month_of(now_s + 31 * SECONDS_PER_DAY)}
        for month in sorted(months - self._months):
            await self._records.write(Step("ledger.make_month", {"month": month}))
            self._months.add(month)

    async def keep(self, now_s: float) -> None:
        """Remove what is kept long enough, now and then.

        Args:
            now_s: seconds since the epoch.

        Raises:
            StoreFault: the store is not there.
        """
        if not self._next_s:  # an idle gateway opens no database at once
            self._next_s = now_s + _EVERY_S
        if now_s < self._next_s:
            return
        is_done = True
        if self._keep_days:
            before_s = now_s - self._keep_days * SECONDS_PER_DAY
            if self._records.dialect == "postgresql":
                month = {"month": month_of(before_s)}
                await self._records.write(Step("ledger.drop_months", month))
            is_done = await self._forget("ledger.forget_calls", before_s)
        before_s = now_s - self._content_keep_days * SECONDS_PER_DAY
        is_done = await self._forget("ledger.forget_contents", before_s) and is_done
        before_s = now_s - max(self._keep_days, _REACHED_DAYS) * SECONDS_PER_DAY
        await self._records.write(Step("ledger.forget_reached", {"before_s": before_s}))
        self._next_s = now_s + _EVERY_S if is_done else now_s

    async def _forget(self, query: str, before_s: float) -> bool:
        """Whether nothing is left that is older."""
        for _ in range(_PORTIONS_MAX):
            values = {"before_s": before_s, "count": _ROWS_AT_ONCE}
            (gone,) = await self._records.write(Step(query, values))
            if len(gone) < _ROWS_AT_ONCE:
                return True
        return False


def month_of(at_s: float) -> str:
    """The month of a time, such as `2026-11`. UTC.

    Args:
        at_s: seconds since the epoch.
    """
    return f"{datetime.fromtimestamp(max(at_s, 0.0), UTC):%Y-%m}"
