"""A call to a provider on behalf of several callers who want embeddings, and their shares in it."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import msgspec

from headrace.dialects.openai_embeddings import EmbedAsk, split_reply, write_ask
from headrace.errors import HeadraceError
from headrace.flow.batch.queue import Entry
from headrace.gateway.flight import Flight
from headrace.gateway.headers import is_encoded
from headrace.gateway.order import Order
from headrace.gateway.reader import Nobody, Place
from headrace.gateway.tasks import attempt
from headrace.model import Price, Usage
from headrace.upstream.faults import UpstreamFault

# What a provider says of a request that is wrong or too much, and not of a caller or of the time.
_REFUSED = (400, 413, 422)


class Share:
    """One caller's part in a call. What the caller's flight takes for its call.

    Args:
        order: what it asks.
        ask: the same, read.
        flight: where its answer goes.
        group: who wants it to go together with others.

    Attributes:
        entry: its place while it waits.
        call: the call it is in, while there is one.
        is_over: whether its caller has been told how it ended, or waits no more.
    """

    __slots__ = ("_group", "ask", "call", "entry", "flight", "is_over", "order")

    def __init__(self, order: Order, ask: EmbedAsk, flight: Flight, group: "Group") -> None:
        self.order = order
        self.ask = ask
        self.flight = flight
        self._group = group
        self.entry: Entry[Share] | None = None
        self.call: Call | None = None
        self.is_over = False

    def cancel(self) -> None:
        """Its caller waits no more."""
        if not self.is_over:
            self.is_over = True
            self._group.left(self)

    def answer(self, whole: Flight, body: bytes) -> None:
        """Give it its answer.

        Args:
            whole: how the call ended.
            body: what of it is this caller's.
        """
        if self._ends(whole):
            self.order.body = b""
            self.flight.on_head(whole.status, list(whole.headers))
            self.flight.on_body(body)
            self.flight.on_end()

    def fail(self, whole: Flight, error: HeadraceError) -> None:
        """Tell it that there is no answer."""
        if self._ends(whole):
            self.flight.on_fault(error)

    def _ends(self, whole: Flight) -> bool:
        if self.is_over:
            return False
        self.is_over = True
        # Who was asked in the end may be another one than at first.
        self.order.lane, self.order.model = whole.order.lane, whole.order.model
        self.order.tried = whole.order.tried
        return True


class Group(Protocol):
    """Who sends calls, and is told how they went."""

    def now_s(self) -> float: ...

    def on_bug(self, bug: BaseException) -> None: ...

    def left(self, share: Share) -> None:
        """Its caller waits no more."""
        ...

    def ended(self, call: "Call", *, is_good: bool) -> None:
        """The call is over; `is_good` if it was answered as it was meant to be."""
        ...

    def halve(self, call: "Call") -> None:
        """The call was refused as a whole: ask for its halves."""
        ...

    def part(self, call: "Call", *, was_answered: bool) -> None:
        """The call cannot be had as one for several: ask for each alone."""
        ...


class Trial:
    """Halves of a refused call: where all is well with both, its size was what was wrong.

    Args:
        items: inputs of the larger half.
    """

    __slots__ = ("good", "items")

    def __init__(self, items: int) -> None:
        self.items = items
        self.good = 0


class Call(Nobody):
    """A call for one caller or several, with a flight of its own.

    It runs that flight (`Tower`), and is the only one to wait for it (`Reader`). One caller gets
    the very bytes of the answer, as it would by itself; of several, each gets its part.

    Args:
        shares: whose call it is.
        group: told how it went.
        trial: of which it is a part, where a call was refused before.

    Attributes:
        order: what is sent.
        flight: where the answer goes.
        began_s: when it was made, monotonic seconds.
    """

    def __init__(self, shares: Sequence[Share], group: Group, trial: Trial | None = None) -> None:
        self.shares = shares
        self._group = group
        self.trial = trial
        inputs = dict.fromkeys(each for share in shares for each in share.ask.inputs)
        self._places = {each: place for place, each in enumerate(inputs)}
        self.order = shares[0].order if len(shares) == 1 else self._merged()
        self.began_s = self.now_s()
        self._seat: Place | None = None
        self.is_over = False
        for share in shares:
            share.call = self
        self.flight = Flight(self.order, self)
        self.flight.join(self)

    @property
    def waiting(self) -> list[Share]:
        """Those whose callers wait still."""
        return [share for share in self.shares if not share.is_over]

    @property
    def items(self) -> int:
        """How many inputs are sent."""
        return len(self.shares[0].ask.inputs) if len(self.shares) == 1 else len(self._places)

    def finish(self, *, is_good: bool) -> None:
        """It is over, or nobody waits for it any more."""
        if self.is_over:
            return
        self.is_over = True
        for share in self.waiting:
            share.flight.attempts += self.flight.attempts
        # Cycles, which would be left to the garbage collector.
        del self.flight
        seat, self._seat = self._seat, None
        for share in self.shares:
            if share.call is self:
                share.call = None
        if seat is not None:
            seat.leave()
        self._group.ended(self, is_good=is_good)

    # As the only reader of its flight.

    def seated(self, seat: Place) -> None:
        self._seat = seat

    def fail(self, error: HeadraceError) -> None:
        is_too_much = isinstance(error, UpstreamFault) and error.kind == "too_large"
        if is_too_much and len(self.waiting) > 1:
            self._group.halve(self)
            return
        if self.is_over:
            return
        flight = self.flight
        self.finish(is_good=False)
        for share in self.shares:
            share.fail(flight, error)

    # As the tower of its flight.

    def ended(self, flight: Flight) -> None:  # noqa: ARG002
        bug = attempt(Call._conclude, self, self.on_bug)
        if bug is not None:
            self.fail(bug)

    def now_s(self) -> float:
        return self._group.now_s()

    def on_bug(self, bug: BaseException) -> None:
        self._group.on_bug(bug)

    def has_better(self, flight: Flight) -> bool:  # noqa: ARG002
        """Each caller's own flight knows of better answers."""
        return False

    def console(self, flight: Flight, error: HeadraceError) -> bool:  # noqa: ARG002
        """Nor is there anything to give here."""
        return False

    def price_of(self, order: Order) -> Price | None:  # noqa: ARG002
        """Each caller is told the price of its share."""
        return None

    def unreported_usd(self, flight: Flight) -> float | None:  # noqa: ARG002
        return None

    def landed(self, flight: Flight, error: HeadraceError | None = None) -> None:
        """Nobody else joins it."""

    def lost(self, order: Order, target: tuple[str, str], usage: Usage, usd: float) -> None:
        self.shares[0].flight.tower.lost(order, target, usage, usd)

    def closed(self, flight: Flight) -> None:
        """Nobody else joins it."""

    # The inside.

    def _merged(self) -> Order:
        """One order for all: of nobody's deadline, and of no purpose where anybody waits.

        It has its turn as a call of the tenant with the fewest inputs in it, to whom it would have
        been due anyway: who asks for much pays no turn of others, and nobody waits in the line of
        who asks for much.
        """
        first = self.shares[0]
        order = first.order
        orders = [share.order for share in self.shares]
        hints = msgspec.structs.replace(order.call.hints, deadline_s=None)
        inputs: Counter[str] = Counter()
        for share in self.shares:
            inputs[share.order.call.tenant] += len(share.ask.inputs)
        tenant = min(inputs, key=inputs.__getitem__)
        return msgspec.structs.replace(
            order,
            call=msgspec.structs.replace(order.call, hints=hints, tenant=tenant),
            body=write_ask(order.model, first.ask.fields, list(self._places)),
            view=msgspec.structs.replace(order.view, model=order.model),
            reader=Nobody(),  # who asked has its seat by now
            relay=None,
            trial=None,
            stale=order.stale if all(each.stale for each in orders) else None,
            purpose=order.purpose if all(each.purpose for each in orders) else "",
            lease=b"",
        )

    def _conclude(self) -> None:
        flight = self.flight
        if len(self.shares) == 1 or flight.status not in (200, *_REFUSED):
            self.finish(is_good=flight.status == 200)
            for share in self.shares:
                share.answer(flight, flight.body)
        elif flight.status == 200:
            self._share_out()
        elif len(self.waiting) > 1:
            self._group.halve(self)
        else:
            self._group.part(self, was_answered=False)

    def _share_out(self) -> None:
        flight = self.flight
        parts = None if is_encoded(flight.headers) else self._split(flight.body)
        if parts is None:
            self._group.part(self, was_answered=True)
            return
        self.finish(is_good=True)
        for share, part in zip(self.shares, parts, strict=True):
            share.answer(flight, part)

    def _split(self, body: bytes) -> list[bytes] | None:
        callers = Counter(each for share in self.shares for each in share.ask.distinct)
        weights = [
            sum(share.ask.weight(each) / callers[each] for each in share.ask.distinct)
            for share in self.shares
        ]
        wanted = [[self._places[each] for each in share.ask.inputs] for share in self.shares]
        return split_reply(body, len(self._places), wanted, weights)
