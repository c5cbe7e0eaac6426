"""One call to a provider on behalf of everyone who asks the same: what is asked, and its relay."""

import asyncio
from typing import Protocol

import msgspec

from headrace.cache.entry import Answer, Shape
from headrace.errors import HeadraceError
from headrace.gateway.call import Call
from headrace.gateway.headers import content_type
from headrace.gateway.plan import Lane
from headrace.gateway.relay import Relay
from headrace.model import Price, ReplyFacts, RequestView
from headrace.upstream.faults import UpstreamFault

# Longer than the last event of any dialect.
FINAL_EVENT_BYTES = 512


class Errand(msgspec.Struct, frozen=True):
    """One request, read and routed: everything that is to be known before it is sent.

    Attributes:
        lane: the way to its provider.
        model: what the provider calls the model.
        key: canonical key of what is asked, the same for every shape.
        digest: key of the raw body.
        shape: the shape the caller wants.
        cacheable: whether its answer may come from the cache and be shared.
    """

    call: Call
    view: RequestView
    lane: Lane
    model: str
    key: bytes
    digest: bytes
    shape: Shape
    cacheable: bool

    @property
    def looks_up(self) -> bool:
        """Whether a stored answer will do."""
        return self.cacheable and self.call.hints.looks_up

    @property
    def flight_key(self) -> bytes:
        """What is the same for requests that can share one call."""
        return self.key + bytes((self.shape,))


class Tower(Protocol):
    """Whoever runs flights and is told how they go."""

    def price_of(self, errand: Errand) -> Price | None: ...
    def landed(self, flight: "Flight", answer: Answer | None) -> None: ...
    def closed(self, flight: "Flight") -> None: ...
    def now_s(self) -> float: ...


class Flight:
    """A call under way. Implements the relay's `Course`."""

    def __init__(self, errand: Errand, tower: Tower) -> None:
        self.errand = errand
        self.relay = Relay(self)
        self.facts = ReplyFacts()
        self.task: asyncio.Task[None] | None = None
        self.followers = 0  # requests that would have been calls of their own
        self._tower = tower
        self._began_s = tower.now_s()

    def concluded(self, relay: Relay) -> Answer:
        if relay.is_stream:
            self._read_stream(relay)
        elif relay.status == 200:
            self._read_whole(relay)
        usage = self.facts.usage
        price = self._tower.price_of(self.errand) if usage else None
        return Answer(
            status=relay.status,
            headers=relay.headers,
            body=relay.body,
            shape=self.errand.shape if relay.is_stream else Shape.WHOLE,
            provider=self.errand.lane.endpoint.name,
            model=self.errand.model,
            usage=usage,
            cost_usd=price.cost_usd(usage) if price and usage else 0.0,
            seconds=self._tower.now_s() - self._began_s,
        )

    def delivered(self, relay: Relay, answer: Answer) -> None:  # noqa: ARG002
        self._tower.landed(self, answer)

    def failed(self, relay: Relay, error: HeadraceError) -> None:  # noqa: ARG002
        self._tower.landed(self, None)

    def closed(self, relay: Relay) -> None:  # noqa: ARG002
        self._tower.closed(self)

    def abandoned(self, relay: Relay) -> None:  # noqa: ARG002
        self._tower.landed(self, None)
        if self.task:
            self.task.cancel()

    def _read_stream(self, relay: Relay) -> None:
        errand = self.errand
        dialect = errand.call.dialect
        self.facts = dialect.read_stream(errand.call.grammar.operation, relay.body)
        if self.facts.complete or dialect.is_final_event(relay.tail(FINAL_EVENT_BYTES)):
            return
        raise UpstreamFault("cut", errand.lane.endpoint.name, received=True)

    def _read_whole(self, relay: Relay) -> None:
        errand = self.errand
        body = relay.body
        self.facts = errand.call.dialect.read_reply(errand.call.grammar.operation, body)
        if self.facts.complete or not content_type(relay.headers).startswith(b"application/json"):
            return
        try:
            msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise UpstreamFault("garbage", errand.lane.endpoint.name, received=True) from None
