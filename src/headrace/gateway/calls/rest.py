"""The call for the rest of a stream that broke off: its own flight, and what it brings to whom."""

import asyncio
from typing import Protocol

from headrace.cache.entry import Answer, Headers
from headrace.dialects import sse
from headrace.dialects.splice import Splice
from headrace.errors import HeadraceError
from headrace.gateway.flight import Flight, Tower
from headrace.gateway.headers import TEXT_MARK
from headrace.gateway.order import Order
from headrace.gateway.reader import Nobody, Place
from headrace.gateway.tasks import attempt
from headrace.model import Price, Usage
from headrace.upstream.h1 import Sink


class Whole(Protocol):
    """The stream as its readers have it, of which the rest is wanted."""

    tower: Tower
    order: Order
    attempts: int

    def goes_on_with(self, events: bytes) -> None: ...
    def comes_to_its_end(self) -> None: ...
    def ends_all_the_same(self) -> None: ...


class Rest(Nobody):
    """The call for the rest of a stream.

    It runs a flight of its own (`Tower`), is the only one to read it (`Reader`), and stands to the
    readers of the whole for its connection (`Flow`).

    Args:
        whole: the stream that goes on.
        order: the request for the rest.
        splice: makes what comes a part of the whole.

    Attributes:
        flight: its flight.
        cost_usd: what it cost in US dollars, where that is known.
    """

    def __init__(self, whole: Whole, order: Order, splice: Splice) -> None:
        self.order = order
        self.cost_usd: float | None = None
        self._whole = whole
        self._tower = whole.tower
        self._splice = splice
        self._held = b""
        self._is_over = False
        self._seat: Place | None = None
        self.flight = Flight(order, self)
        self.flight.join(self)

    # As what readers of the whole hold back, or give up.

    def pause(self) -> None:
        if self._seat is not None:
            self._seat.pause()

    def resume(self) -> None:
        if self._seat is not None:
            self._seat.resume()

    def redirect(self, sink: Sink) -> None:
        """What follows is of no use to anybody else."""

    def cancel(self) -> None:
        if not self._is_over:
            seat = self._seat
            self._end()
            if seat is not None:
                seat.leave()

    # As the only reader of its flight.

    def seated(self, seat: Place) -> None:
        self._seat = seat

    def begin(self, status: int, headers: Headers) -> None:  # noqa: ARG002
        if TEXT_MARK in headers:  # of another gateway, in place of an answer: no rest of anything
            self._fail()

    def feed(self, chunk: bytes, framed: bytes | None = None) -> None:  # noqa: ARG002
        if self._is_over:
            return
        events, self._held = sse.cut_off(self._held + chunk)
        spliced = attempt(self._splice.feed, events, self.on_bug)
        if isinstance(spliced, HeadraceError):
            self._fail()
            return
        if spliced:
            self._whole.goes_on_with(spliced)
        if self._splice.is_broken:
            self._fail()

    def answer(self, answer: Answer, age_s: float | None = None) -> None:  # noqa: ARG002
        self.order.way.meter.done(answer.status, answer.seconds)
        self._fail()

    def end(self, answer: Answer) -> None:
        if not self._is_over:
            self._finish(answer)

    def fail(self, error: HeadraceError) -> None:  # noqa: ARG002
        self._fail()

    # As the tower of its flight.

    def ended(self, flight: Flight) -> None:
        flight.conclude()
        flight.deliver()

    def now_s(self) -> float:
        return self._tower.now_s()

    def on_bug(self, bug: BaseException) -> None:
        self._tower.on_bug(bug)

    def price_of(self, order: Order) -> Price | None:
        return self._tower.price_of(order)

    def unreported_usd(self, flight: Flight) -> float | None:
        return self._tower.unreported_usd(flight)

    def has_better(self, flight: Flight) -> bool:  # noqa: ARG002
        return False

    def console(self, flight: Flight, error: HeadraceError) -> bool:  # noqa: ARG002
        return False

    def landed(self, flight: Flight, error: HeadraceError | None = None) -> None:
        """Nobody else joins it."""

    def lost(self, order: Order, target: tuple[str, str], usage: Usage, usd: float) -> None:
        self._tower.lost(order, target, usage, usd)

    def closed(self, flight: Flight) -> None:
        """Nobody else joins it."""

    # The inside.

    def _finish(self, answer: Answer) -> None:
        """The whole is booked as the answer of whoever brought it to its end."""
        whole = self._end()
        whole.order.lane, whole.order.model = self.order.lane, self.order.model
        self.cost_usd = answer.cost_usd
        whole.comes_to_its_end()

    def _fail(self) -> None:
        if self._is_over:
            return
        seat = self._seat
        self._end().ends_all_the_same()
        if seat is not None:  # later: whoever hands on what came has not done with its connection
            asyncio.get_running_loop().call_soon(seat.leave)

    def _end(self) -> Whole:
        """Nothing more of the rest counts."""
        whole = self._whole
        self._is_over = True
        self._seat = None
        whole.order.tried = self.order.tried
        whole.attempts += self.flight.attempts
        del self._whole, self.flight  # cycles, which would be left to the garbage collector
        return whole
