"""One call to a provider on behalf of everyone who asks the same: what is asked, and its relay."""

from typing import Protocol

import msgspec

from headrace.cache.entry import Answer, Shape
from headrace.gateway.call import Call
from headrace.gateway.headers import content_type, is_encoded
from headrace.gateway.plan import Lane
from headrace.gateway.relay import Relay
from headrace.model import Price, ReplyFacts, RequestView
from headrace.upstream.faults import UpstreamFault
from headrace.upstream.pool import UpstreamCall

# Longer than the last event of any dialect.
FINAL_EVENT_BYTES = 512


class Errand(msgspec.Struct, frozen=True, gc=False):
    """One request, read and routed: everything that is to be known before it is sent.

    Attributes:
        lane: the way to its provider.
        model: what the provider calls the model.
        key: canonical key of what is asked, the same for every shape.
        flight_key: the same for requests that can share one call.
        digest: key of the raw body.
        shape: the shape the caller wants.
        cacheable: whether its answer may be stored.
        looks_up: whether a stored answer, or one under way, will do.
    """

    call: Call
    view: RequestView
    lane: Lane
    model: str
    key: bytes
    flight_key: bytes
    digest: bytes
    shape: Shape
    cacheable: bool
    looks_up: bool


class Tower(Protocol):
    """Whoever runs flights and is told how they go."""

    def price_of(self, errand: Errand) -> Price | None: ...
    def landed(self, flight: "Flight", answer: Answer | None) -> None: ...
    def closed(self, flight: "Flight") -> None: ...
    def now_s(self) -> float: ...


class Flight(Relay):
    """A call under way and its relay."""

    __slots__ = ("_began_s", "_tower", "call", "errand", "facts", "followers")

    def __init__(self, errand: Errand, tower: Tower) -> None:
        super().__init__()
        self.errand = errand
        self.facts = _NO_FACTS
        self.call: UpstreamCall | None = None
        self.followers = 0  # requests that would have been calls of their own
        self._tower = tower
        self._began_s = tower.now_s()

    def concluded(self) -> Answer:
        errand = self.errand
        if self.is_stream:
            self._read_stream()
        elif self.status == 200:
            self._read_whole()
        usage = self.facts.usage
        price = self._tower.price_of(errand) if usage else None
        return Answer(
            self.status,
            self.headers,
            self.body,
            errand.shape if self.is_stream else Shape.WHOLE,
            errand.lane.endpoint.name,
            errand.model,
            usage,
            price.cost_usd(usage) if price and usage else 0.0,
            self._tower.now_s() - self._began_s,
        )

    def delivered(self, answer: Answer) -> None:
        self.call = None
        self._tower.landed(self, answer)

    def failed(self) -> None:
        self.call = None
        self._tower.landed(self, None)

    def closed(self) -> None:
        self._tower.closed(self)

    def abandoned(self) -> None:
        call, self.call = self.call, None
        self._tower.landed(self, None)
        if call:
            call.cancel()

    def _read_stream(self) -> None:
        errand = self.errand
        dialect = errand.call.dialect
        self.facts = dialect.read_stream(errand.call.grammar.operation, self.body)
        if self.facts.complete or dialect.is_final_event(self.tail(FINAL_EVENT_BYTES)):
            return
        if is_encoded(self.headers):  # unasked for and unread: passed on, never stored
            return
        raise UpstreamFault("cut", errand.lane.endpoint.name, received=True)

    def _read_whole(self) -> None:
        errand = self.errand
        body = self.body
        self.facts = errand.call.dialect.read_reply(errand.call.grammar.operation, body)
        if self.facts.complete or not content_type(self.headers).startswith(b"application/json"):
            return
        if is_encoded(self.headers):
            return
        try:
            msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise UpstreamFault("garbage", errand.lane.endpoint.name, received=True) from None


_NO_FACTS = ReplyFacts()
