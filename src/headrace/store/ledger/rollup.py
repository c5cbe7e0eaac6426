"""What calls come to by day, and by month. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from headrace.store.ledger.row import CallRow

SECONDS_PER_DAY: Final = 86_400
# The year 9999: what a clock says beyond is not told apart.
_DAYS_MAX: Final = 2_932_896
_ERRORS: Final = 400
_REFUSED: Final = range(400, 499)

Group = dict[str, Any]


class Days:
    """The names of days, each spelt once. UTC.

    A batch of calls is of one day, or two.
    """

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def name(self, at_s: float) -> str:
        """The day of a time, such as `2026-11-21`."""
        day = min(max(int(at_s // SECONDS_PER_DAY), 0), _DAYS_MAX)
        name = self._names.get(day)
        if name is None:
            name = self._names[day] = f"{datetime.fromtimestamp(day * SECONDS_PER_DAY, UTC):%F}"
        return name


def sums(rows: Iterable[CallRow]) -> list[Group]:
    """What calls come to for each day, caller, model, way of the cache, intent and purpose.

    In one order, so that those who add to the same rows at the same time wait for each other in
    turn. The names of models that were refused are whatever callers made up, so they are left out.
    """
    days = Days()
    groups: dict[tuple[str, ...], Group] = {}
    for row in rows:
        model = "" if row.status in _REFUSED else row.model
        who = row.tenant, row.key, model, row.provider
        key = (days.name(row.at_s), *who, row.cache, row.intent, row.purpose)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _group(key)
        _add(group, row)
    return [groups[key] for key in sorted(groups)]


def by_month(groups: Iterable[Mapping[str, Any]]) -> list[Group]:
    """The same for each month."""
    months: dict[tuple[str, ...], Group] = {}
    for group in groups:
        key = (group["day"][:7], *(group[name] for name in NAMES))
        month = months.get(key)
        if month is None:
            month = months[key] = {"month": key[0], **{name: group[name] for name in NAMES}}
            month |= dict.fromkeys(COUNTS, 0)
        for name in COUNTS:
            month[name] += group[name]
    return [months[key] for key in sorted(months)]


NAMES: Final = ("tenant", "key_name", "model", "provider", "cache", "intent", "purpose")
COUNTS: Final = (
    *("calls", "errors", "estimated", "unpriced", "input_tokens", "cached_tokens"),
    *("cache_write_tokens", "output_tokens", "cost_nano", "saved_nano"),
    *("duration_us", "upstream_us"),
)


def _group(key: tuple[str, ...]) -> Group:
    return dict(zip(("day", *NAMES), key, strict=True)) | dict.fromkeys(COUNTS, 0)


def _add(group: Group, row: CallRow) -> None:
    group["calls"] += 1
    group["errors"] += row.status >= _ERRORS or row.error != ""
    group["estimated"] += row.is_estimated
    group["unpriced"] += row.cost_nano is None
    group["input_tokens"] += row.input_tokens
    group["cached_tokens"] += row.cached_tokens
    group["cache_write_tokens"] += row.cache_write_tokens + row.cache_write_1h_tokens
    group["output_tokens"] += row.output_tokens
    group["cost_nano"] += row.cost_nano or 0
    group["saved_nano"] += row.saved_nano
    group["duration_us"] += row.duration_us
    group["upstream_us"] += row.upstream_us
