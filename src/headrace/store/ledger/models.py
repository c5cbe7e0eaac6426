"""Which models the sums of a tenant's days and months tell apart: not all that callers make up.

A provider that answers to any name would have the sums, which are kept for ever, grow without end.
"""

from collections import defaultdict
from typing import Final

import msgspec

from headrace.store.ledger.batch import Batch
from headrace.store.ledger.rollup import Group, merged
from headrace.store.records.records import Records

MODELS_MAX: Final = 1000
"""Of a tenant, in a day or a month."""

OTHER: Final = "(other)"
"""What the rest is called."""

# Up to here nobody asks the store which there are: hardly anybody has so many.
_UNASKED: Final = 64
_TOLD_APART_MAX: Final = 8192


class _Known:
    """Models of a tenant in a day or a month, and whether the store was asked for them."""

    __slots__ = ("is_asked", "names")

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.is_asked = False


class Models:
    """Belongs to one event loop.

    Args:
        records: where the sums are.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._known: defaultdict[tuple[str, str], _Known] = defaultdict(_Known)

    async def bound(self, batch: Batch) -> Batch:
        """The same with the models beyond the bound as one.

        Raises:
            StoreFault: the store is not there.
        """
        if len(self._known) > _TOLD_APART_MAX:
            self._known.clear()
        days = await self._bounded(batch.days, "day")
        months = await self._bounded(batch.months, "month")
        return msgspec.structs.replace(batch, days=days, months=months)

    async def _bounded(self, groups: list[Group], period: str) -> list[Group]:
        has_other = False
        found = []
        for group in groups:
            if await self._is_beyond(period, group):
                group, has_other = {**group, "model": OTHER}, True
            found.append(group)
        return merged(found, period) if has_other else groups

    async def _is_beyond(self, period: str, group: Group) -> bool:
        model, known = group["model"], self._known[group[period], group["tenant"]]
        if not model or model == OTHER or model in known.names:
            return False
        if len(known.names) >= _UNASKED and not known.is_asked:
            rows = await self._records.fetch(
                f"ledger.models_of_{period}",
                {"period": group[period], "tenant": group["tenant"], "limit": MODELS_MAX},
            )
            known.names.update(row["model"] for row in rows)
            known.is_asked = True
        if model in known.names:
            return False
        if len(known.names) >= MODELS_MAX:
            return True
        known.names.add(model)
        return False
