"""Streams that break off after readers were given a part of them, and go on in another call.

Only for models whose settings say so (`models.NAME.continue_streams`), at most once for a stream,
and only where all that was said is text (`dialects/splice.py`). The rest is asked for like any
call: of the next target that may be asked, or else of the same, within its retry budget. What
comes of it goes to the readers as part of the stream that they have, and is never stored.
"""

from collections.abc import Callable
from functools import partial
from itertools import takewhile
from typing import Final

import msgspec

from headrace.cache.entry import Answer
from headrace.dialects import sse
from headrace.dialects.splice import Splice, is_error_event
from headrace.errors import HeadraceError
from headrace.flow.retry import Again, after_fault
from headrace.gateway.calls.rest import Rest
from headrace.gateway.flight import FINAL_EVENT_BYTES, Flight, Sender, Tower
from headrace.gateway.headers import is_encoded
from headrace.gateway.order import Order
from headrace.gateway.reader import Fallback, Nobody
from headrace.gateway.tasks import attempt
from headrace.model import Failure
from headrace.observe.metrics import Metrics
from headrace.routing.directory import Target
from headrace.upstream.faults import UpstreamFault
from headrace.upstream.h1 import RawHeaders

_BROKEN: Final[Failure] = "broken"

# Longer events are passed on in pieces, and their stream ends as it ends.
_EVENT_BYTES_MAX: Final = 1024 * 1024


class Continuer:
    """Makes the flights of models whose streams go on.

    Args:
        sender: who asks providers at the moment.
        metrics: counts.
    """

    def __init__(self, sender: Callable[[], Sender], metrics: Metrics) -> None:
        self.sender = sender
        self._count = metrics.streams_continued

    def flight(self, order: Order, tower: Tower) -> Flight:
        """A flight for an order, of the kind that its model is to have."""
        plan, view = order.plan, order.view
        goes_on = plan is not None and view.model in plan.continued
        if not goes_on or not view.stream or order.purpose:
            return Flight(order, tower)
        return ContinuedFlight(order, tower, self)

    def ended(self, outcome: str) -> None:
        """Count a stream that went on: `ended` where it came to its end, else `failed`."""
        self._count.add(self._count.at(outcome))


class ContinuedFlight(Flight):
    """A flight whose stream may go on in another call. Implements `Whole` for that one.

    Readers are given whole events only: half of one could not be taken back.
    """

    __slots__ = ("_asked", "_continuer", "_held", "_rest", "_said_usd")

    def __init__(self, order: Order, tower: Tower, continuer: Continuer) -> None:
        super().__init__(order, tower)
        self._continuer = continuer
        self._asked = order.body  # gone once the stream cannot go on any more
        self._held = b""
        self._rest: Rest | None = None
        self._said_usd = 0.0

    # What the provider says that was asked first.

    def on_head(self, status: int, headers: RawHeaders) -> None:
        if self.order.draft is not None:
            self._asked = self.order.draft.sent(self.provider, self.model)
        super().on_head(status, headers)
        if self.is_stream and is_encoded(self.headers):
            self._asked = b""

    def on_body(self, chunk: bytes, framed: bytes | None = None) -> None:
        if self._rest is not None:
            return  # what a provider has to say after an error
        if not self.is_stream or not self._asked:
            super().on_body(chunk, framed)
            return
        events, held = sse.cut_off(self._held + chunk if self._held else chunk)
        if b"error" in events and self._has_broken_off(events):
            return
        if events:
            super().on_body(events, framed if events is chunk else None)
        self._held = held
        if len(held) > _EVENT_BYTES_MAX:
            self._asked = b""
            self._pass_held()

    def on_end(self) -> None:
        if self._rest is not None:
            return
        if self._asked and self.is_stream and not self._is_complete() and self._goes_on():
            self.order.way.meter.failed("cut")
            return
        self._pass_held()
        super().on_end()

    def on_fault(self, error: HeadraceError) -> None:
        if self._rest is not None:
            return
        if self.is_stream and not self.is_over:
            if _may_go_on(error) and self._goes_on():
                return
            self._pass_held()
        super().on_fault(error)

    # What the rest says.

    def goes_on_with(self, events: bytes) -> None:
        """Give readers more."""
        super().on_body(events)

    def comes_to_its_end(self) -> None:
        """The rest is whole, and so is the stream."""
        self.fallback = Fallback.CONTINUED
        self._continuer.ended("ended")
        super().on_end()

    def ends_all_the_same(self) -> None:
        """There is no rest: tell readers that the stream broke off."""
        self._continuer.ended("failed")
        super().on_fault(UpstreamFault("cut", self.provider, received=True))

    def concluded(self) -> Answer:
        answer = super().concluded()
        if self._rest is not None:
            cost_usd = self._rest.cost_usd
            answer.cost_usd = None if cost_usd is None else self._said_usd + cost_usd
        return answer

    # The inside.

    def _has_broken_off(self, events: bytes) -> bool:
        """Whether events hold an error that readers are not told, because the stream goes on."""
        blocks = sse.split_blocks(events)
        good = list(takewhile(_is_good, blocks))
        if len(good) == len(blocks):
            return False
        if good:
            super().on_body(_joined(good))
        if self._goes_on():
            self.order.way.meter.failed("cut")
            return True
        self._asked = b""
        super().on_body(_joined(blocks[len(good) :]))
        return True

    def _is_complete(self) -> bool:
        dialect = self.order.call.dialect
        # The last event may lack the blank line that ends it.
        if dialect.is_final_event(self.tail(FINAL_EVENT_BYTES) + self._held + b"\n\n"):
            return True
        return dialect.read_stream(self.order.call.grammar.operation, self.body).complete

    def _pass_held(self) -> None:
        held, self._held = self._held, b""
        if held:
            super().on_body(held)

    def _goes_on(self) -> bool:
        """Ask for the rest, where that is possible and allowed; says whether."""
        asked, self._asked = self._asked, b""
        if not asked or not self.is_intact or self.is_over:
            return False
        order = self.order
        targets = _next_targets(order)
        models = [target.model for target in targets]
        make = partial(order.call.dialect.splice, asked, models=models)
        splice = attempt(make, self.body, self.on_bug)
        if splice is None or isinstance(splice, HeadraceError):
            return False
        if len(targets) == 1 and not order.way.gates.budget.try_spend(self.tower.now_s()):
            return False
        self._break_off()
        rest = self._rest = self.call = self._flow = Rest(
            self, _order(order, targets, splice), splice
        )
        self.slowed()
        unsent = attempt(self._send, rest, self.on_bug)
        if isinstance(unsent, HeadraceError):
            rest.fail(unsent)
        return True

    def _send(self, rest: Rest) -> None:
        sender = self._continuer.sender()
        sender.prepare(rest.order)
        rest.order.way.meter.retried()
        sender.send(rest.order, rest.flight)

    def _break_off(self) -> None:
        """Let go of the call that came to no good end."""
        order = self.order
        agent, self.agent = self.agent, None
        if agent is not None:
            agent.broken_off()
        if self._flow is not None:
            self._flow.resume()  # what it has to say still is read and dropped
        self._held = b""
        order.note(Target(order.way.endpoint.name, order.model), _BROKEN)
        usage = order.call.dialect.read_stream(order.call.grammar.operation, self.body).usage
        price = self.tower.price_of(order) if usage else None
        if usage and price:
            self._said_usd = price.cost_usd(usage)
        order.cacheable = False
        order.trial = None
        self.closed()


def _is_good(block: bytes) -> bool:
    event = sse.read_block(block)
    return event is None or not is_error_event(event)


def _joined(blocks: list[bytes]) -> bytes:
    return b"".join(block + b"\n\n" for block in blocks)


def _may_go_on(error: HeadraceError) -> bool:
    return isinstance(error, UpstreamFault) and after_fault(error.kind) is not Again.NEVER


def _next_targets(order: Order) -> tuple[Target, ...]:
    """Who may be asked for the rest: those behind the one that broke off, and that one at last."""
    broken = Target(order.way.endpoint.name, order.model)
    names = [(target.provider, target.model) for target in order.targets]
    at = names.index((broken.provider, broken.model))
    return (*(each for each in order.targets[at + 1 :] if _BROKEN in each.after), broken)


def _order(order: Order, targets: tuple[Target, ...], splice: Splice) -> Order:
    """The request for the rest: of nobody's but the whole's, and kept nowhere."""
    first = targets[0]
    return msgspec.structs.replace(
        order,
        body=splice.body,
        reader=Nobody(),
        targets=targets,
        draft=None,
        choice=None,  # settled: whoever broke off comes last
        lane=order.lane_of(first),
        model=first.model,
        relay=None,
        stale=None,
        lease=b"",
        aimed=None,  # what becomes of the whole is booked once
    )
