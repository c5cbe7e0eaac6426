"""The ledger as the gateway writes it: a row for each call, in a journal, at once.

A row is written before the last byte of the answer is, so no caller has an answer that the ledger
does not know of, whatever becomes of the process. Whoever pays writes what was paid: the caller
that led the call, or, where that is gone or nobody was there, the call itself when it lands.
"""

from typing import Final, Protocol

import msgspec

from headrace.cache.entry import Answer, Shape
from headrace.clock import Clock
from headrace.gateway.call import Call
from headrace.gateway.flight import Flight
from headrace.gateway.ledger.bill import NOTHING, Bill, bill_of
from headrace.gateway.order import Order
from headrace.gateway.reader import Source
from headrace.model import Usage
from headrace.observe.metrics import Metrics
from headrace.store.ledger.row import NANO, CallRow, Row
from headrace.store.voice import Say

_MICRO: Final = 1_000_000
_OK: Final = 200
_TEXT_CHARS_MAX: Final = 256
# Bodies seen before whose callers name the model otherwise than its provider does.
_ASKED_MAX: Final = 16_384
_LEFT: Final = "left"
_NUMBER_MAX: Final = (1 << 63) - 1


class Journal(Protocol):
    """Where rows go first."""

    problem: str

    def append(self, record: bytes) -> bool:
        """Write a record; says whether there was room."""
        ...


class Contents(Protocol):
    """Keeps what was said, where that is wanted."""

    def take(self, row: CallRow, order: Order, flight: Flight) -> None:
        """Keep what was said in a call, soon."""
        ...


class Ending(msgspec.Struct, frozen=True, gc=False):
    """How a request ended, as whoever answered it knows.

    Attributes:
        request_id: as the caller was told it.
        digest: key of its body.
        began_s: when it began, monotonic seconds.
        first_s: when the first byte of the answer was written; 0 where none was.
        status: of the answer.
        streams: whether it came as events.
        error: stable code of what went wrong.
        stages: those that it passed, and then the milliseconds in each.
    """

    request_id: str
    digest: bytes
    began_s: float
    first_s: float
    status: int
    streams: bool
    error: str | None
    stages: list[str | float]


class Ledger:
    """Belongs to one event loop.

    Args:
        journal: where rows go.
        clock: the time.
        metrics: counts rows.
        say: tells that rows are lost.
        tag: makes ids that no other process makes.

    Attributes:
        contents: keeps what was said, where that is wanted.
    """

    def __init__(
        self, journal: Journal, clock: Clock, metrics: Metrics, say: Say, tag: str
    ) -> None:
        self.contents: Contents | None = None
        self._journal = journal
        self._append = journal.append
        self._encode = msgspec.msgpack.Encoder().encode
        self._now_s, self._wall_s = clock.monotonic_s, clock.wall_s
        self._say = say
        self._tag = tag
        self._made = 0
        self._asked: dict[bytes, str] = {}
        self._rows = metrics.ledger_rows
        self._written, self._dropped = self._rows.at("written"), self._rows.at("dropped")

    def repeat(
        self, call: Call, digest: bytes, answer: Answer, request_id: str, took_s: float
    ) -> None:
        """A body that was seen before gets the very answer: the shortest way there is.

        Args:
            call: what the head of the request says.
            digest: key of its body.
            answer: what it gets.
            request_id: as the caller is told it.
            took_s: how long it took, in seconds.
        """
        took_us = int(took_s * _MICRO)
        usage, usd = answer.usage or _NO_USAGE, answer.cost_usd
        asked, model = self._asked, answer.model
        self.write(
            CallRow(
                request_id,
                self._wall_s(),
                call.tenant,
                call.key,
                call.grammar.operation,
                asked.get(digest, model) if asked else model,
                model,
                answer.provider,
                "l1",
                answer.status,
                answer.shape is not _WHOLE,
                0,
                took_us,
                took_us,
                0,
                usage.input_tokens,
                usage.cached_tokens,
                usage.cache_write_tokens,
                usage.cache_write_1h_tokens,
                usage.output_tokens,
                False,
                0,
                int(usd * NANO + 0.5) if usd else 0,
                "",
                "",
                "",
                call.template,
                call.hints.priority,
                answer.key.hex() if self.contents is not None else "",
            )
        )

    def asked(self, call: Call, source: Source | None, answer: Answer | None, end: Ending) -> None:
        """A request is about to be over.

        Args:
            call: what its head says.
            source: where its answer comes from, where that is known.
            answer: the whole of it, where there is one.
            end: how it ends.
        """
        now_s, began_s, first_s = self._now_s(), end.began_s, end.first_s
        asked = model = provider = cache = intent = ""
        attempts = upstream_us = saved_nano = 0
        bill = NOTHING
        flight: Flight | None = None
        if source is not None:
            told, intent = source.told(), source.intent
            asked, model = source.asked[:_TEXT_CHARS_MAX], told.model[:_TEXT_CHARS_MAX]
            provider, cache, attempts = told.provider, told.cache, told.attempts
            if asked != model and asked and end.digest and end.status == _OK:
                self._note_asked(end.digest, asked)
            if told.is_free:
                bill, saved_nano = _given(answer)
            elif isinstance(found := source.flight, Flight):
                flight = found
                bill, upstream_us = _paid(flight, answer, now_s)
        row = CallRow(
            end.request_id,
            self._wall_s(),
            call.tenant,
            call.key,
            call.grammar.operation,
            asked,
            model,
            provider,
            cache,
            end.status,
            end.streams,
            attempts,
            int((now_s - began_s) * _MICRO),
            int((first_s - began_s) * _MICRO) if first_s else 0,
            upstream_us,
            bill.usage.input_tokens,
            bill.usage.cached_tokens,
            bill.usage.cache_write_tokens,
            bill.usage.cache_write_1h_tokens,
            bill.usage.output_tokens,
            bill.is_estimated,
            _nano(bill.cost_usd),
            saved_nano,
            end.error or "",
            "",
            intent,
            call.template,
            call.hints.priority,
            "",
            end.stages,
        )
        if flight is not None:
            self._keep_contents(row, flight, bill)
        self.write(row)

    def landed(self, flight: Flight) -> None:
        """A call to a provider has ended, or was given up: where nobody else writes what it cost,
        it is written here."""
        order = flight.order
        if order.asker_books and not order.purpose and not flight.is_left:
            return
        if not flight.attempts:
            return
        answer, call, seconds = flight.delivered, order.call, self._now_s() - flight.began_s
        bill = bill_of(flight)
        row = CallRow(
            id=self.new_id(),
            at_s=self._wall_s(),
            tenant=call.tenant,
            key_name=call.key,
            operation=call.grammar.operation,
            asked=(order.asked or order.view.model)[:_TEXT_CHARS_MAX],
            model=flight.model[:_TEXT_CHARS_MAX],
            provider=flight.provider,
            cache="miss" if order.looks_up else "bypass",
            status=answer.status if answer is not None else flight.status,
            streams=flight.is_stream,
            attempts=flight.attempts,
            duration_us=int(seconds * _MICRO),
            upstream_us=int(seconds * _MICRO),
            is_estimated=bill.is_estimated,
            cost_nano=_nano(bill.cost_usd),
            purpose=order.purpose or (_LEFT if flight.is_left else ""),
            intent=order.intent,
            template=call.template,
            priority=call.hints.priority,
        )
        _fill_usage(row, bill.usage)
        self._keep_contents(row, flight, bill)
        self.write(row)

    def errand(
        self,
        purpose: str,
        who: tuple[str, str],
        operation: str,
        target: tuple[str, str],
        usage: Usage | None,
        usd: float | None,
        seconds: float,
        *,
        is_estimated: bool = False,
    ) -> None:
        """Headrace asked a model on its own account, or gave a call up for another one.

        Args:
            purpose: why.
            who: tenant and key for whom; empty where it was for nobody in particular.
            operation: what was asked.
            target: provider and model.
            usage: what it used, as the provider tells.
            usd: what it cost, in US dollars; `None` where nobody knows.
            seconds: how long it took.
            is_estimated: whether that is not what the provider told.
        """
        took_us = int(seconds * _MICRO)
        row = CallRow(
            id=self.new_id(),
            at_s=self._wall_s(),
            tenant=who[0],
            key_name=who[1],
            operation=operation,
            asked=target[1],
            model=target[1],
            provider=target[0],
            cache="bypass",
            status=_OK,
            attempts=1,
            duration_us=took_us,
            upstream_us=took_us,
            is_estimated=is_estimated,
            cost_nano=_nano(usd),
            purpose=purpose,
        )
        _fill_usage(row, usage or _NO_USAGE)
        self.write(row)

    def write(self, row: Row) -> None:
        """Write a row; where there is no room it is lost, which is counted and told."""
        try:
            record = self._encode(row)
        except (UnicodeEncodeError, OverflowError):  # half a character; a number of 65 bits
            record = self._encode(_cleaned(row))
        if self._append(record):
            self._rows.add(self._written)
        else:
            self._lost()

    # The inside.

    def _keep_contents(self, row: CallRow, flight: Flight, bill: Bill) -> None:
        if self.contents is not None and bill is not NOTHING:
            row.answer_key = flight.order.key.hex()
            self.contents.take(row, flight.order, flight)

    def _note_asked(self, digest: bytes, asked: str) -> None:
        if len(self._asked) >= _ASKED_MAX:
            del self._asked[next(iter(self._asked))]
        self._asked[digest] = asked

    def new_id(self) -> str:
        """An id that no other call has."""
        self._made += 1
        return f"{self._tag}-c{self._made:x}"

    def _lost(self) -> None:
        self._rows.add(self._dropped)
        self._say(
            "error",
            "ledger_row_lost",
            about=self._journal.problem,
            detail="calls are not written down until there is room again",
        )


def _paid(flight: Flight, answer: Answer | None, now_s: float) -> tuple[Bill, int]:
    """What whoever led a call pays for it, and the microseconds that it has taken."""
    if answer is None and not flight.is_over:
        flight.is_left = True  # others wait for it; what it costs is written when it lands
        return NOTHING, 0
    return bill_of(flight), int((now_s - flight.began_s) * _MICRO)


def _given(answer: Answer | None) -> tuple[Bill, int]:
    """What somebody else pays for, or has paid, and what is saved by it."""
    if answer is None:
        return NOTHING, 0
    usd = answer.cost_usd
    saved_nano = int(usd * NANO + 0.5) if usd and answer.status == _OK else 0
    return Bill(answer.usage or _NO_USAGE, 0.0, is_estimated=False), saved_nano


def _nano(usd: float | None) -> int | None:
    return None if usd is None else int(usd * NANO + 0.5)


def _fill_usage(row: CallRow, usage: Usage) -> None:
    row.input_tokens, row.output_tokens = usage.input_tokens, usage.output_tokens
    if usage.has_cached:
        row.cached_tokens = usage.cached_tokens
        row.cache_write_tokens = usage.cache_write_tokens
        row.cache_write_1h_tokens = usage.cache_write_1h_tokens


def _cleaned(row: Row) -> Row:
    fields: dict[str, str | int] = {}
    for name, value in msgspec.structs.asdict(row).items():
        if isinstance(value, str):
            fields[name] = value.encode("utf-8", "replace").decode()
        elif isinstance(value, int) and value > _NUMBER_MAX:
            fields[name] = _NUMBER_MAX
    return msgspec.structs.replace(row, **fields)


_NO_USAGE: Final = Usage()
_WHOLE: Final = Shape.WHOLE
