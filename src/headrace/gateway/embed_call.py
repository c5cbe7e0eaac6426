"""A call to a provider on behalf of several callers who want embeddings, and their shares in it."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from headrace.dialects.openai_embeddings import EmbedAsk, split_reply, write_ask
from headrace.errors import HeadraceError
from headrace.flow.batch.queue import Entry
from headrace.gateway.headers import is_encoded
from headrace.gateway.order import Order, with_model
from headrace.gateway.relay import Cancellable
from headrace.gateway.tasks import OnBug, attempt
from headrace.upstream.faults import UpstreamFault
from headrace.upstream.h1 import Flow, RawHeaders, Sink

# What a provider says of a request that is wrong or too much, and not of a caller or of the time.
_REFUSED = (400, 413, 422)


class Share:
    """One caller's part in a call. What the caller takes for its call, and for its connection.

    Args:
        order: what it asks.
        ask: the same, read.
        sink: where its answer goes.
        group: who wants it to go together with others.

    Attributes:
        entry: its place while it waits.
        call: the call it is in, once there is one.
        is_over: whether its caller has been told how it ended, or waits no more.
    """

    __slots__ = ("_flow", "_group", "ask", "call", "entry", "is_over", "order", "sink")

    def __init__(self, order: Order, ask: EmbedAsk, sink: Sink, group: "Group") -> None:
        self.order = order
        self.ask = ask
        self.sink = sink
        self._group = group
        self._flow: Flow | None = None
        self.entry: Entry[Share] | None = None
        self.call: Call | None = None
        self.is_over = False

    def cancel(self) -> None:
        """Its caller waits no more."""
        if not self.is_over:
            self.is_over = True
            self._group.left(self)

    # What its caller asks of the connection.

    def attempted(self, flow: Flow | None) -> None:
        """Its call goes out; `flow` is the connection where that is its own."""
        self._flow = flow
        self.sink.on_attempt(self)

    def pause(self) -> None:
        if self._flow is not None:
            self._flow.pause()

    def resume(self) -> None:
        if self._flow is not None:
            self._flow.resume()

    def redirect(self, sink: Sink) -> None:
        """What comes from now on goes elsewhere."""
        self.sink = sink
        self.resume()

    # How it ends.

    def answer(self, status: int, headers: RawHeaders, body: bytes) -> None:
        """The whole answer."""
        if not self.is_over:
            self.is_over = True
            self.sink.on_head(status, headers)
            self.sink.on_body(body)  # perhaps another one by now
            self.sink.on_end()

    def fail(self, error: HeadraceError) -> None:
        """There is none."""
        if not self.is_over:
            self.is_over = True
            self.sink.on_fault(error)


class Group(Protocol):
    """Who sends calls, and is told how they went."""

    on_bug: OnBug

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


class Call:
    """What the two kinds of calls have in common.

    Args:
        shares: whose call it is.
        group: told how it went.
        trial: of which it is a part, where a call was refused before.

    Attributes:
        upstream: what ends it before its time.
        began_s: when it was sent, monotonic seconds.
    """

    __slots__ = ("_group", "began_s", "is_over", "shares", "trial", "upstream")

    def __init__(self, shares: Sequence[Share], group: Group, trial: Trial | None = None) -> None:
        self.shares = shares
        self._group = group
        self.trial = trial
        self.upstream: Cancellable | None = None
        self.began_s = 0.0
        self.is_over = False
        for share in shares:
            share.call = self

    @property
    def waiting(self) -> list[Share]:
        """Those whose callers wait still."""
        return [share for share in self.shares if not share.is_over]

    @property
    def items(self) -> int:
        """How many inputs are sent."""
        return sum(len(share.ask.inputs) for share in self.shares)

    def over(self, *, is_good: bool) -> bool:
        """Note that it has ended; says whether that is new."""
        if self.is_over:
            return False
        self.is_over = True
        self._group.ended(self, is_good=is_good)
        return True


class Alone(Call):
    """A call for one caller, which gets the very bytes of the answer. Implements `Sink`."""

    __slots__ = ("_share", "_status")

    def __init__(self, share: Share, group: Group, trial: Trial | None = None) -> None:
        super().__init__([share], group, trial)
        self._share = share
        self._status = 0

    def request(self) -> bytes:
        """What is sent: the body as it came, but for the model's name."""
        order = self._share.order
        body = order.body
        if order.model != order.view.model:
            body = with_model(body, order.model)
        return _request(order, body)

    def on_attempt(self, flow: Flow) -> None:
        self._share.attempted(flow)

    def on_head(self, status: int, headers: RawHeaders) -> None:
        self._status = status
        self._share.sink.on_head(status, headers)

    def on_body(self, chunk: bytes, framed: bytes | None = None) -> None:
        self._share.sink.on_body(chunk, framed)

    def on_end(self) -> None:
        if self.over(is_good=self._status == 200):
            self._share.is_over = True
            self._share.sink.on_end()

    def on_fault(self, error: HeadraceError) -> None:
        if self.over(is_good=False):
            self._share.fail(error)


class Merged(Call):
    """A call for several callers, each of which gets its part. Implements `Sink`."""

    __slots__ = ("_headers", "_parts", "_places", "_status")

    def __init__(self, shares: Sequence[Share], group: Group, trial: Trial | None = None) -> None:
        super().__init__(shares, group, trial)
        inputs = dict.fromkeys(each for share in shares for each in share.ask.inputs)
        self._places = {each: place for place, each in enumerate(inputs)}
        self._status = 0
        self._headers: RawHeaders = []
        self._parts: list[bytes] = []

    @property
    def items(self) -> int:
        return len(self._places)

    def request(self) -> bytes:
        """What is sent: every input once."""
        first = self.shares[0]
        body = write_ask(first.order.model, first.ask.fields, list(self._places))
        return _request(first.order, body)

    def on_attempt(self, flow: Flow) -> None:  # noqa: ARG002  # nobody may hold up the others
        for share in self.waiting:
            share.attempted(None)

    def on_head(self, status: int, headers: RawHeaders) -> None:
        self._status = status
        self._headers = headers

    def on_body(self, chunk: bytes, framed: bytes | None = None) -> None:  # noqa: ARG002
        self._parts.append(chunk)

    def on_end(self) -> None:
        if self.is_over:
            return
        bug = attempt(Merged._conclude, self, self._group.on_bug)
        if bug is not None:
            self._fail(bug)

    def on_fault(self, error: HeadraceError) -> None:
        if self.is_over:
            return
        is_too_much = isinstance(error, UpstreamFault) and error.kind == "too_large"
        if is_too_much and len(self.waiting) > 1:
            self._group.halve(self)
        else:
            self._fail(error)

    def _conclude(self) -> None:
        body = b"".join(self._parts)
        if self._status == 200:
            parts = None if is_encoded(tuple(self._headers)) else self._split(body)
            if parts is None:
                self._group.part(self, was_answered=True)
                return
            self.over(is_good=True)
            for share, part in zip(self.shares, parts, strict=True):
                share.answer(200, self._headers, part)
        elif self._status not in _REFUSED:
            self.over(is_good=False)
            for share in self.shares:
                share.answer(self._status, self._headers, body)
        elif len(self.waiting) > 1:
            self._group.halve(self)
        else:
            self._group.part(self, was_answered=False)

    def _split(self, body: bytes) -> list[bytes] | None:
        callers = Counter(each for share in self.shares for each in share.ask.distinct)
        weights = [
            sum(share.ask.weight(each) / callers[each] for each in share.ask.distinct)
            for share in self.shares
        ]
        wanted = [[self._places[each] for each in share.ask.inputs] for share in self.shares]
        return split_reply(body, len(self._places), wanted, weights)

    def _fail(self, error: HeadraceError) -> None:
        self.over(is_good=False)
        for share in self.shares:
            share.fail(error)


def _request(order: Order, body: bytes) -> bytes:
    call = order.call
    return order.way.endpoint.request(b"POST", call.grammar.path, call.forwarded, body)
