"""`/admin/usage`: what calls came to, and the calls themselves, for administrators."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final, Literal, Protocol

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from headrace.console.csv_text import csv_text
from headrace.errors import InvalidRequest, NotFound
from headrace.settings import Settings
from headrace.store.ledger.usage import NAMES, PERIODS, Question

_DAYS: Final = 30
_LIMIT: Final = 20
_LIMIT_MAX: Final = 1000
_TEXT_MAX: Final = 256
_PAGING: Final = ("limit", "after", "order", "status")
_USUAL: Final = ("from", "to", "format", *NAMES)
SUMS: Final = (
    *("calls", "errors", "input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens"),
    *("cost_usd", "saved_usd", "estimated_calls", "unpriced_calls", "duration_ms_mean"),
)
CALL_COLUMNS: Final = (
    *("id", "at", "tenant", "key", "operation", "asked", "model", "provider", "cache", "status"),
    *("error", "streams", "attempts", "duration_ms", "first_byte_ms", "upstream_ms"),
    *("input_tokens", "cached_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
    *("output_tokens", "is_estimated", "cost_usd", "saved_usd", "purpose", "intent", "template"),
    *("priority", "answer_key"),
)
_CSV: Final = "text/csv; charset=utf-8"


class Usage(Protocol):
    """What the console asks of the ledger. Everything may raise `StoreFault`."""

    @property
    def today(self) -> date: ...

    async def usage(self, question: Question, group_by: tuple[str, ...]) -> dict[str, Any]:
        """What calls came to."""
        ...

    async def calls(
        self,
        question: Question,
        *,
        limit: int,
        after: str | None = None,
        order: Literal["asc", "desc"] = "desc",
    ) -> dict[str, Any] | None:
        """A page of calls."""
        ...

    async def call(self, call_id: str) -> dict[str, Any] | None:
        """One call."""
        ...


class UsageRoom:
    """The routes as a room of a worker.

    Args:
        usage: reads the ledger.

    Attributes:
        routes: see above.
    """

    def __init__(self, usage: Usage) -> None:
        self.routes = usage_routes(usage)

    @property
    def is_busy(self) -> bool:
        """Nothing has to be waited for."""
        return False

    async def start(self) -> None:
        """Nothing has to be done."""

    def adopt(self, settings: Settings) -> None:
        """Nothing of it is set here."""

    def stop(self) -> None:
        """Nothing is under way."""

    async def close(self) -> None:
        """Nothing is left."""


def usage_routes(usage: Usage) -> list[BaseRoute]:
    """The routes.

    Args:
        usage: reads the ledger.
    """

    async def show_usage(request: Request) -> Response:
        query = _checked(request.query_params, (*_USUAL, "group_by"))
        group_by = read_group_by(query.get("group_by", "model"))
        told = await usage.usage(read_question(query, usage.today), group_by)
        if _wants_csv(request):
            return Response(csv_text(told["data"], (*group_by, *SUMS)), media_type=_CSV)
        return JSONResponse(told)

    async def show_calls(request: Request) -> Response:
        query = _checked(request.query_params, (*_USUAL, *_PAGING))
        order = query.get("order", "desc")
        if order not in ("asc", "desc"):
            raise _bad("order is asc or desc.", "order")
        question, after = read_question(query, usage.today), query.get("after")
        limit, is_csv = _number(query, "limit", _LIMIT, _LIMIT_MAX), _wants_csv(request)
        found: list[Any] = []
        while True:
            page = await usage.calls(
                question,
                limit=limit - len(found),
                after=after,
                order="asc" if order == "asc" else "desc",
            )
            if page is None:
                raise _bad("after is the id of no call that is kept.", "after")
            if not is_csv:
                return JSONResponse(page)
            # A table says not where it was cut off, so the search goes on to its end.
            found += page["data"]
            after = page["last_id"]
            if page["searched_to"] is None or len(found) >= limit:
                return Response(csv_text(found, CALL_COLUMNS), media_type=_CSV)

    async def show_call(request: Request) -> Response:
        call_id = request.path_params["id"]
        told = await usage.call(call_id) if len(call_id) <= _TEXT_MAX else None
        if told is None:
            raise NotFound("No call of this id is kept.", code="call_not_found")
        return JSONResponse(told)

    return [
        Route("/admin/usage", show_usage, methods=["GET"]),
        Route("/admin/usage/calls", show_calls, methods=["GET"]),
        Route("/admin/usage/calls/{id}", show_call, methods=["GET"]),
    ]


def read_question(query: Mapping[str, str], today: date) -> Question:
    """What a query asks: of the last 30 days, where it does not say.

    Args:
        query: `from` and `to`, both included, and what calls have to have.
        today: the day it is.

    Raises:
        InvalidRequest: a day is none, or the last is before the first.
    """
    last = _day(query, "to", today)
    usual = date.fromordinal(max(1, last.toordinal() - _DAYS + 1))
    first = _day(query, "from", usual)
    if last < first:
        raise _bad("to is before from.", "to")
    status = _number(query, "status", 0, 999) if "status" in query else None
    picks = {name: query[name][:_TEXT_MAX] for name in NAMES if name in query}
    return Question(first, last, picks, status)


def _day(query: Mapping[str, str], name: str, usual: date) -> date:
    text = query.get(name)
    if text is None:
        return usual
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _bad(f"{name} is a day such as 2026-11-21.", name) from None


def _number(query: Mapping[str, str], name: str, usual: int, most: int) -> int:
    text = query.get(name, str(usual))
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= most):
        raise _bad(f"{name} is a whole number from 1 to {most}.", name)
    return int(text)


def read_group_by(text: str) -> tuple[str, ...]:
    """What is to be told apart: names with commas between them.

    Raises:
        InvalidRequest: there is no such thing.
    """
    names = tuple(dict.fromkeys(filter(None, text.split(","))))
    known = (*PERIODS, *NAMES)
    if any(name not in known for name in names) or all(each in names for each in PERIODS):
        raise _bad(
            f"group_by names some of {', '.join(known)}; day or month, not both.", "group_by"
        )
    # The period comes first, for what is told is in its order.
    return tuple(sorted(names, key=lambda name: name not in PERIODS))


def _checked(query: QueryParams, known: tuple[str, ...]) -> QueryParams:
    """A misspelt filter would be none."""
    for name in query:
        if name not in known:
            raise _bad(f"There is no '{name[:40]}' here: {', '.join(known)}.", name[:40])
    return query


def _wants_csv(request: Request) -> bool:
    asked = request.query_params.get("format")
    if asked not in (None, "csv", "json"):
        raise _bad("format is json or csv.", "format")
    accepts = request.headers.get("accept", "")
    return asked == "csv" or (asked is None and accepts.startswith("text/csv"))


def _bad(message: str, param: str) -> InvalidRequest:
    return InvalidRequest(message, code="bad_usage_query", param=param)
