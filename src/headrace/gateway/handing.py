"""Requests of batches that somebody else sends on: they go through the pipeline like any other, and
where a provider would be asked, who is to send them is given them instead."""

from typing import Protocol

import msgspec

from headrace.gateway.flight import Flight, Sender
from headrace.gateway.order import Order, with_model
from headrace.gateway.plan import Lane
from headrace.routing.directory import Target


class Taker(Protocol):
    """Who sends requests on."""

    def takes(self, lane: Lane, model: str) -> bool:
        """Whether it sends what goes to a model of a provider."""
        ...

    def take(self, order: "HandedOrder", flight: Flight) -> None:
        """Send it on some time; the answer goes to the flight."""
        ...


class HandedOrder(Order, eq=False, kw_only=True):
    """A request that is sent on by another way, where there is one, at the price of that way.

    Attributes:
        taker: who sends it.
        number: tells it from others of the same taker.
    """

    taker: Taker
    number: int

    @property
    def is_handed(self) -> bool:
        """Whether it goes by the other way."""
        assert self.lane is not None, "asked before it was routed"  # noqa: S101
        return self.taker.takes(self.lane, self.model)

    @property
    def way(self) -> Lane:
        assert self.lane is not None, "asked before it was routed"  # noqa: S101
        return self._by_batch(self.lane, self.model)

    def lane_of(self, target: Target) -> Lane:
        return self._by_batch(super().lane_of(target), target.model)

    @property
    def sent_on(self) -> bytes:
        """The body as the provider is to get it."""
        body, lane, model = self.body, self.way, self.model
        if self.draft is not None:
            body = self.drafted(self.draft, lane, model)
        return with_model(body, model) if model != self.view.model else body

    def _by_batch(self, lane: Lane, model: str) -> Lane:
        if not self.taker.takes(lane, model):
            return lane
        return msgspec.structs.replace(lane, is_batch=True)


class Handing:
    """Gives requests to who takes them, and all others to `sender`. Implements `Sender`."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def prepare(self, order: Order) -> None:
        """Word the request, where a provider is asked at once."""
        if not (isinstance(order, HandedOrder) and order.is_handed):
            self._sender.prepare(order)

    def send(self, order: Order, flight: Flight) -> None:
        """Set out; see `Sender`."""
        if isinstance(order, HandedOrder) and order.is_handed:
            order.taker.take(order, flight)
        else:
            self._sender.send(order, flight)
