"""Reading the ledger: sums of days and months, and pages of calls."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from math import inf, nextafter
from typing import Any, Final, Literal

import msgspec

from headrace.clock import Clock
from headrace.store.ledger.rollup import COUNTS
from headrace.store.ledger.row import NANO
from headrace.store.records.records import Records

PERIODS: Final = ("day", "month")
# What sums can be told apart by, and calls be picked by, as callers name it.
NAMES: Final[Mapping[str, str]] = {
    "tenant": "tenant",
    "key": "key_name",
    "model": "model",
    "provider": "provider",
    "cache": "cache",
    "intent": "intent",
    "purpose": "purpose",
}
GROUPS_MAX: Final = 10_000
WALK: Final = 20_000
"""So many calls are looked at in one search for few; the next one goes on."""
_FIRST_S: Final = -1e18
_LAST_S: Final = 1e18

Told = dict[str, Any]
Row = dict[str, Any]


class Question(msgspec.Struct, frozen=True):
    """What is asked of the ledger.

    Attributes:
        first: the first day that counts.
        last: the last one.
        picks: what calls have to have, by the names of `NAMES`.
        status: the status they have to have; calls only.
    """

    first: date
    last: date
    picks: Mapping[str, str] = {}
    status: int | None = None

    @property
    def is_picky(self) -> bool:
        """Whether calls have to have something that no index leads to."""
        return self.status is not None or any(name != "tenant" for name in self.picks)

    @property
    def filters(self) -> dict[str, object]:
        """Values of the filters of a query."""
        return {column: self.picks.get(name) for name, column in NAMES.items()}


class UsageReader:
    """Belongs to one event loop. Everything may raise `StoreFault`.

    Args:
        records: where the ledger is.
        clock: the time.
    """

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    @property
    def today(self) -> date:
        """The day it is, UTC."""
        return datetime.fromtimestamp(self._clock.wall_s(), UTC).date()

    async def usage(self, question: Question, group_by: tuple[str, ...]) -> Told:
        """What calls came to.

        Args:
            question: which.
            group_by: what to tell apart: names of `NAMES`, and `day` or `month`. By `month` whole
                months count.

        Returns:
            `data`, the dearest of each day or month first, and its `total`; `truncated` where
            there are more than `GROUPS_MAX`.
        """
        period = "month" if "month" in group_by else "day"
        length = len("2026-11" if period == "month" else "2026-11-21")
        values: dict[str, object] = {
            **question.filters,
            "first": question.first.isoformat()[:length],
            "last": question.last.isoformat()[:length],
            "limit": GROUPS_MAX + 1,
            f"by_{period}": int(period in group_by),
            **{f"by_{column}": int(name in group_by) for name, column in NAMES.items()},
        }
        rows = await self._records.fetch(f"ledger.usage_by_{period}", values)
        rows = [row for row in rows if row["calls"]]  # a sum of nothing is a row
        groups = [_group(row, group_by) for row in rows[:GROUPS_MAX]]
        is_truncated = len(rows) > GROUPS_MAX
        if is_truncated:  # those that are left out count too
            whole = dict.fromkeys((f"by_{name}" for name in (period, *NAMES.values())), 0)
            rows = await self._records.fetch(f"ledger.usage_by_{period}", values | whole)
        return {
            "from": values["first"],
            "to": values["last"],
            "group_by": list(group_by),
            "data": groups,
            "total": _sums({name: sum(row[name] for row in rows) for name in COUNTS}),
            "truncated": is_truncated,
        }

    async def calls(
        self,
        question: Question,
        *,
        limit: int,
        after: str | None = None,
        order: Literal["asc", "desc"] = "desc",
    ) -> Told | None:
        """A page of calls, of `WALK` that are looked at: where few of them are picked, it may hold
        less than `limit`, or none, and the next one goes on.

        Args:
            question: which.
            limit: most of them.
            after: id of the call that the page comes after.
            order: `desc` for the newest first.

        Returns:
            A list as OpenAI's API has them, with `searched_to` where it ended at that bound: the
            time of the call `last_id`, up to which it came. `None` where there is no call `after`.
        """
        is_new = order == "desc"
        at_s, call_id = (_LAST_S if is_new else _FIRST_S), ""
        if after is not None:
            found = await self._records.fetch("ledger.call", {"id": after})
            if not found:
                return None
            at_s, call_id = found[0]["at_s"], after
        tenant = question.picks.get("tenant")
        where: dict[str, object] = {
            "at_s": at_s,
            "id": call_id,
            "first_s": _start_s(question.first),
            "end_s": _start_s(question.last) + 86_400.0,
            **({} if tenant is None else {"tenant": tenant}),
        }
        way = ("new" if is_new else "old") + ("" if tenant is None else "_of_tenant")
        ends = []
        if question.is_picky:
            ends = await self._records.fetch(f"ledger.reach_{way}", {**where, "walk": WALK})
        reached = ends[0] if ends else None
        values = {
            **question.filters,
            **where,
            **_reach(reached, is_new=is_new),
            "status": question.status,
            "limit": limit + 1,
        }
        if tenant is None:
            del values["tenant"]
        rows = await self._records.fetch(f"ledger.calls_{way}", values)
        return _page(rows, reached, limit)

    async def call(self, call_id: str) -> Told | None:
        """One call, with what was said in it where that was kept; `None` where there is none."""
        rows = await self._records.fetch("ledger.call", {"id": call_id})
        if not rows:
            return None
        said = await self._records.fetch("ledger.content", {"id": call_id})
        return {**told_call(rows[0]), "content": said[0] if said else None}


def told_call(row: Mapping[str, Any]) -> Told:
    """A call as it is told: times in milliseconds, money in dollars, and when in words."""
    told = dict(row)
    cost_nano = told.pop("cost_nano")
    told["key"] = told.pop("key_name")
    told["at"] = spelt_time(row["at_s"])
    told["cost_usd"] = None if cost_nano is None else cost_nano / NANO
    told["saved_usd"] = told.pop("saved_nano") / NANO
    stages = msgspec.json.decode(row["stages"] or "[]", type=list[tuple[str, float]])
    told["stages"] = [{"stage": stage, "ms": took_ms} for stage, took_ms in stages]
    for name in ("streams", "is_estimated"):
        told[name] = bool(told[name])
    for name in ("duration", "first_byte", "upstream"):
        told[f"{name}_ms"] = told.pop(f"{name}_us") / 1000
    return told


def _without_stages(call: Told) -> Told:
    """As lists tell it."""
    del call["stages"]
    return call


def spelt_time(at_s: float) -> str:
    """A time as RFC 3339 has it, UTC; one that is beyond all calendars is the nearest in one."""
    moment = datetime.fromtimestamp(0, UTC)
    bounded_s = min(max(at_s, 0.0), 253_402_300_799.0)
    return (moment + timedelta(seconds=bounded_s)).isoformat(timespec="milliseconds")


def _page(rows: list[Row], reached: Row | None, limit: int) -> Told:
    """A page as a list, of rows up to one more than it holds."""
    page = [_without_stages(told_call(row)) for row in rows[:limit]]
    is_cut = reached is not None and len(rows) <= limit
    last = reached if is_cut else next(iter(rows[:limit][-1:]), None)
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": last["id"] if last else None,
        "has_more": len(rows) > limit or is_cut,
        "searched_to": spelt_time(last["at_s"]) if last and is_cut else None,
    }


def _reach(reached: Mapping[str, Any] | None, *, is_new: bool) -> dict[str, object]:
    """Where a page ends that ends at its bound. As days as well, for SQLite goes by one bound of
    the time alone."""
    if reached is None:
        return {"reach_s": _FIRST_S if is_new else _LAST_S, "reach": ""}
    at_s = reached["at_s"]
    days = {"first_s": at_s} if is_new else {"end_s": nextafter(at_s, inf)}
    return {"reach_s": at_s, "reach": reached["id"], **days}


def _start_s(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _group(row: Mapping[str, Any], group_by: tuple[str, ...]) -> Told:
    return {name: row[NAMES.get(name, name)] for name in group_by} | _sums(row)


def _sums(row: Mapping[str, Any]) -> Told:
    return {
        "calls": row["calls"],
        "errors": row["errors"],
        "input_tokens": row["input_tokens"],
        "cached_tokens": row["cached_tokens"],
        "cache_write_tokens": row["cache_write_tokens"],
        "output_tokens": row["output_tokens"],
        "cost_usd": row["cost_nano"] / NANO,
        "saved_usd": row["saved_nano"] / NANO,
        "estimated_calls": row["estimated"],
        "unpriced_calls": row["unpriced"],
        "duration_ms_mean": row["duration_us"] / max(1, row["calls"]) / 1000,
    }
