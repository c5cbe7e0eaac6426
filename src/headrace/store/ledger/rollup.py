"""What calls come to by day, and by month. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from headrace.store.ledger.row import CallRow

SECONDS_PER_DAY: Final = 86_400
NAMES: Final = ("tenant", "key_name", "model", "provider", "cache", "intent", "purpose")
COUNTS: Final = (
    *("calls", "errors", "estimated", "unpriced", "input_tokens", "cached_tokens"),
    *("cache_write_tokens", "output_tokens", "cost_nano", "saved_nano"),
    *("duration_us", "upstream_us"),
)
# The year 9999: what a clock says beyond is not told apart.
_DAYS_MAX: Final = 2_932_896
_OK: Final = 200
_ERRORS: Final = 400

Group = dict[str, Any]


class Sums:
    """What calls come to for each day, caller, model, way of the cache, intent and purpose.

    A model that did not answer, and has no price, may be a name that callers made up. Such names
    have no end, so they are left out.
    """

    def __init__(self) -> None:
        self._groups: dict[tuple[Any, ...], list[int]] = {}

    def add(self, row: CallRow) -> None:
        """Add a call."""
        groups = self._groups
        model = row.model if row.status == _OK or row.cost_nano else ""
        who = row.tenant, row.key_name, model, row.provider
        key = (row.at_s // SECONDS_PER_DAY, *who, row.cache, row.intent, row.purpose)
        counts = groups.get(key)
        if counts is None:
            counts = groups[key] = [0] * len(COUNTS)
        _add(counts, row)

    def days(self) -> list[Group]:
        """What they come to, in one order, so that those who add to the same rows at the same time
        wait for each other in turn."""
        found = (
            {"day": day_name(day), **dict(zip(NAMES, names, strict=True))}
            | dict(zip(COUNTS, counts, strict=True))
            for (day, *names), counts in self._groups.items()
        )
        return merged(found, "day")


def by_month(groups: Iterable[Mapping[str, Any]]) -> list[Group]:
    """The same for each month."""
    return merged(({"month": group["day"][:7], **group} for group in groups), "month")


def day_name(day: float) -> str:
    """The name of a day, such as `2026-11-21`. UTC.

    Args:
        day: days since the epoch.
    """
    bounded = min(max(int(day), 0), _DAYS_MAX)
    return f"{datetime.fromtimestamp(bounded * SECONDS_PER_DAY, UTC):%Y-%m-%d}"


def _add(counts: list[int], row: CallRow) -> None:
    """Add a call, in the order of `COUNTS`."""
    counts[0] += 1
    counts[1] += row.status >= _ERRORS or row.error != ""
    counts[2] += row.is_estimated
    counts[3] += row.cost_nano is None
    counts[4] += row.input_tokens
    counts[5] += row.cached_tokens
    counts[6] += row.cache_write_tokens + row.cache_write_1h_tokens
    counts[7] += row.output_tokens
    counts[8] += row.cost_nano or 0
    counts[9] += row.saved_nano
    counts[10] += row.duration_us
    counts[11] += row.upstream_us


def merged(groups: Iterable[Group], period: str) -> list[Group]:
    """One group for each period and names, in their order.

    Args:
        groups: of a day or a month each.
        period: `day` or `month`.
    """
    found: dict[tuple[str, ...], Group] = {}
    for group in groups:
        key = (group[period], *(group[name] for name in NAMES))
        held = found.get(key)
        if held is None:
            found[key] = {name: group[name] for name in (period, *NAMES, *COUNTS)}
            continue
        for name in COUNTS:
            held[name] += group[name]
    return [found[key] for key in sorted(found)]
