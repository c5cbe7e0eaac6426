"""What other gateways have told the store of money."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Final, NamedTuple

from headrace.identity.elsewhere import Spent
from headrace.identity.leases import Held
from headrace.identity.periods import Period
from headrace.store.records.records import Records

# Time zones are a day apart at most, and yesterday is told of.
_BEFORE: Final[Mapping[Period, int]] = {Period.DAY: 3, Period.MONTH: 2}
_DAY_S: Final = 86_400
_EPOCH_DAY: Final = 719_163  # 1970-01-01, as days are numbered
_MONTHS: Final = 12

Key = tuple[Period, int, str]


class Others(NamedTuple):
    """What all other gateways have told.

    Attributes:
        sums: what was spent.
        leases: what they hold of budgets.
    """

    sums: dict[Key, Spent]
    leases: dict[Key, list[Held]]


async def fetch_others(records: Records, holder: str, wall_s: float) -> Others:
    """What all gateways but one have told of the days and months that count, or may.

    Args:
        records: the store.
        holder: the one.
        wall_s: seconds since the epoch.

    Raises:
        StoreFault: the store cannot be asked.
    """
    sums: dict[Key, Spent] = {}
    leases: defaultdict[Key, list[Held]] = defaultdict(list)
    for period, number in numbers_of(wall_s).items():
        asked = {"period": int(period), "number": number - _BEFORE[period], "holder": holder}
        for row in await records.fetch("spend.sums", asked):
            spent = Spent(row["spent"], 0, row["calls"], row["input_tokens"], row["output_tokens"])
            sums[period, row["number"], row["name"]] = spent
        for row in await records.fetch("spend.leases", asked):
            held = Held(row["granted"], row["lent"], bool(row["busy"]))
            leases[period, row["number"], row["name"]].append(held)
    return Others(sums, dict(leases))


def numbers_of(wall_s: float) -> dict[Period, int]:
    """The day and the month of an instant, in UTC."""
    day = int(wall_s // _DAY_S) + _EPOCH_DAY
    today = date.fromordinal(day)
    return {Period.DAY: day, Period.MONTH: today.year * _MONTHS + today.month - 1}
