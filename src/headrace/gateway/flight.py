"""One call to a provider on behalf of everyone who asks the same: what is asked, and its relay."""

from typing import Protocol

import msgspec

from headrace.cache.entry import Answer, Shape
from headrace.errors import HeadraceError, UpstreamBroken
from headrace.gateway.call import Hints
from headrace.gateway.headers import TEXT_MARK, content_type, is_encoded
from headrace.gateway.order import Order
from headrace.gateway.reader import TEXTS, Fallback, Remarks, Told
from headrace.gateway.relay import Relay
from headrace.model import CacheResult, Price, ReplyFacts, Usage
from headrace.upstream.faults import UpstreamFault, speaks_tls, wants_tls
from headrace.upstream.h1 import RawHeaders

_ERRORS = 400
_REFUSED = 400
# The code of a provider's error in whose place something better is given: no caller sees it.
_MADE_GOOD = "provider_error"

# Longer than the last event of any dialect.
FINAL_EVENT_BYTES = 512


class Agent(Protocol):
    """Who asks for the answer, if need be again and of somebody else."""

    @property
    def claim(self) -> object: ...  # None where heads of good answers are of no interest
    def takes_back(self, status: int, headers: RawHeaders) -> bool: ...
    def takes_back_refusal(self, body: bytes) -> bool: ...
    def survives(self, error: HeadraceError) -> bool: ...
    def begun(self) -> None: ...
    def ended(self) -> None: ...
    def broken_off(self) -> None: ...
    def cancel(self) -> None: ...


class Tower(Protocol):
    """Whoever runs flights and is told how they go."""

    def has_better(self, flight: "Flight") -> bool: ...
    def console(self, flight: "Flight", error: HeadraceError) -> bool: ...
    def price_of(self, order: Order) -> Price | None: ...
    def unreported_usd(self, flight: "Flight") -> float | None: ...
    def ended(self, flight: "Flight") -> None: ...
    def landed(self, flight: "Flight", error: HeadraceError | None = None) -> None: ...
    def lost(self, order: Order, target: tuple[str, str], usage: Usage, usd: float) -> None: ...
    def closed(self, flight: "Flight") -> None: ...
    def now_s(self) -> float: ...
    def on_bug(self, bug: BaseException) -> None: ...


class Sender(Protocol):
    """Who asks providers."""

    def prepare(self, order: Order) -> None:
        """Word the request."""
        ...

    def send(self, order: Order, flight: "Flight") -> None:
        """Set out; the answer goes to the flight, whose `call` can be cancelled from now on."""
        ...


class Flight(Relay):
    """A call under way and its relay.

    Attributes:
        began_s: when it was made, monotonic seconds.
        followers: requests that would have been calls of their own.
        is_left: whether who led it, and pays for it, went away before it ended.
        booked: what budgets take it to have used, where the provider did not tell.
    """

    __slots__ = ("agent", "began_s", "booked", "facts", "followers", "is_left", "order", "tower")

    def __init__(self, order: Order, tower: Tower) -> None:
        super().__init__()
        self.order = order
        self.agent: Agent | None = None
        self.facts = _NO_FACTS
        self.followers = 0
        self.is_left = False
        self.booked: Usage | None = None
        self.tower = tower
        self.began_s = tower.now_s()

    @property
    def target(self) -> tuple[str, str]:
        """Who is asked, provider and model; of an answer that was stored, who gave it."""
        given = self.delivered if self.found_in else None
        return (given.provider, given.model) if given else self.order.target

    @property
    def provider(self) -> str:
        """Who is asked; of an answer that was stored, who gave it."""
        return self.target[0]

    @property
    def model(self) -> str:
        """What that provider calls the model."""
        return self.target[1]

    @property
    def is_consoled(self) -> bool:
        """Whether what was given is not what a provider answered to this call."""
        return self.found_in is not None or self.fallback in TEXTS

    def told(self, cache: CacheResult, remarks: Remarks) -> Told:
        """What is said of it to one of those who wait.

        Args:
            cache: how the cache answered that one.
            remarks: what stages said of that one's request.
        """
        order = self.order
        return Told(
            cache,
            *self.target,
            self.attempts,
            order.tried,
            remarks + order.remarks,
            self.stale,
            self.similarity,
            self.fallback,
        )

    def suits(self, hints: Hints) -> bool:
        """Whether what comes of it will do, though it may turn out to be a stored answer."""
        limit_s, asked_s = hints.age_s_max, self.order.call.hints.age_s_max
        if limit_s is None or (asked_s is not None and asked_s <= limit_s):
            return True
        return self.call is not None and self.order.stale is None  # a provider is being asked

    def on_head(self, status: int, headers: RawHeaders) -> None:
        agent = self.agent
        if (
            agent is not None
            and (status >= _ERRORS or agent.claim is not None)
            and agent.takes_back(status, headers)
        ):
            return
        super().on_head(status, headers)
        if agent is not None and self.is_stream:
            agent.begun()

    def on_end(self) -> None:
        # Why a request was refused stands in the body.
        agent = self.agent if self.status == _REFUSED else None
        if agent is not None and agent.takes_back_refusal(self.body):
            self.begin_again()
        else:
            super().on_end()

    def on_fault(self, error: HeadraceError) -> None:
        agent = self.agent
        if agent is None or self.is_over:
            super().on_fault(error)
        elif not self.is_stream and agent.survives(error):
            self.begin_again(error)
        else:
            self.agent = None  # a cycle, which would be left to the garbage collector
            agent.broken_off()
            super().on_fault(error)

    def concluded(self) -> Answer:
        order = self.order
        if self.status >= _ERRORS and self.tower.has_better(self):
            order.way.meter.done(self.status, self.tower.now_s() - self.began_s)
            told = f"Provider '{order.way.endpoint.name}' answered {self.status}."
            raise UpstreamBroken(told, code=_MADE_GOOD)
        if self.is_stream:
            self._read_stream()
        elif self.status == 200:
            self._read_whole()
        elif self.status == 400:
            self._read_refusal()
        usage = self.facts.usage
        if TEXT_MARK in self.headers:
            self.fallback = Fallback.PASSED
            usage = usage or _NO_USAGE
        if usage is None:
            cost_usd = self.tower.unreported_usd(self)
        else:
            price = self.tower.price_of(order)
            cost_usd = price.cost_usd(usage) if price else None
        return Answer(
            self.status,
            self.headers,
            self.body,
            order.shape if self.is_stream else Shape.WHOLE,
            order.way.endpoint.name,
            order.model,
            usage,
            cost_usd,
            self.tower.now_s() - self.began_s,
        )

    def consoled(self, error: HeadraceError) -> bool:
        return self.tower.console(self, error)

    def ended(self) -> None:
        self.call = None
        agent, self.agent = self.agent, None  # a cycle otherwise
        if agent is not None:
            agent.ended()
        self.tower.ended(self)

    def failed(self, error: HeadraceError) -> None:
        self.call = None
        if self.attempts:
            self.order.book(None)
        self.tower.landed(self, error)

    def closed(self) -> None:
        self.tower.closed(self)

    def on_bug(self, bug: BaseException) -> None:
        self.tower.on_bug(bug)

    def abandoned(self) -> None:
        call, self.call = self.call, None
        self.agent = None
        self.tower.landed(self)
        if call:
            call.cancel()

    def _read_stream(self) -> None:
        order = self.order
        dialect = order.call.dialect
        self.facts = dialect.read_stream(order.call.grammar.operation, self.body)
        if self.facts.complete or dialect.is_final_event(self.tail(FINAL_EVENT_BYTES)):
            return
        if is_encoded(self.headers):  # unasked for and unread: passed on, never stored
            return
        order.way.meter.failed("cut")
        raise UpstreamFault("cut", order.way.endpoint.name, received=True)

    def _read_whole(self) -> None:
        order = self.order
        body = self.body
        self.facts = order.call.dialect.read_reply(order.call.grammar.operation, body)
        if self.facts.complete or not content_type(self.headers).startswith(b"application/json"):
            return
        if is_encoded(self.headers):
            return
        try:
            msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            order.way.meter.failed("garbage")
            raise UpstreamFault("garbage", order.way.endpoint.name, received=True) from None

    def _read_refusal(self) -> None:
        endpoint = self.order.way.endpoint
        if endpoint.is_tls or content_type(self.headers).startswith(b"application/json"):
            return
        if wants_tls(self.body):
            self.order.way.meter.failed("tls")
            raise speaks_tls(endpoint.name)


_NO_FACTS = ReplyFacts()
_NO_USAGE = Usage()
