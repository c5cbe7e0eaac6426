"""Requests of batches that somebody else sends on: they go through the pipeline like any other, and
where a provider would be asked, who is to send them is given them instead."""

from typing import Protocol

import msgspec

from headrace.gateway.flight import Flight, Sender
from headrace.gateway.order import Order, with_model
from headrace.gateway.plan import Lane
from headrace.routing.directory import Target


class Destination(msgspec.Struct, frozen=True):
    """Whom requests are collected for.

    Attributes:
        provider: its name in the settings.
        model: what it calls the model; empty for any.
    """

    provider: str
    model: str = ""


class Taker(Protocol):
    """Who sends requests on."""

    def let_go(self, order: "HandedOrder") -> None:
        """A request turned out to go to somebody else, who is asked at once.

        Raises:
            HeadraceError: nobody is to be asked.
        """
        ...

    def take(self, order: "HandedOrder", flight: Flight) -> None:
        """Send it on some time; the answer goes to the flight."""
        ...


class HandedOrder(Order, eq=False, kw_only=True):
    """A request that is sent on by another way, at the price of that way, where it goes to whom it
    is collected for: budgets, experiments and the like may have turned it to somebody else.

    Attributes:
        taker: who sends it.
        number: tells it from others of the same taker.
        to: whom it is collected for; `None` once it is asked like any other.
    """

    taker: Taker
    number: int
    to: Destination | None

    @property
    def is_handed(self) -> bool:
        """Whether it goes by the other way."""
        assert self.lane is not None, "asked before it was routed"  # noqa: S101
        return self._is_for(self.lane, self.model)

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

    def _is_for(self, lane: Lane, model: str) -> bool:
        to = self.to
        return to is not None and to.provider == lane.endpoint.name and to.model in ("", model)

    def _by_batch(self, lane: Lane, model: str) -> Lane:
        if not self._is_for(lane, model):
            return lane
        by_batch = msgspec.structs.replace(lane, is_batch=True)
        assert self.plan is not None, "asked before it was routed"  # noqa: S101
        # What was handed over may have lost its price for batches since.
        return lane if self.plan.price(by_batch, model) is None else by_batch


class Handing:
    """Gives requests to who takes them, and all others to `sender`. Implements `Sender`."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def prepare(self, order: Order) -> None:
        """Word the request, where a provider is asked at once.

        Raises:
            HeadraceError: it cannot be worded, or nobody is to be asked.
        """
        if isinstance(order, HandedOrder):
            if order.is_handed:
                return
            order.taker.let_go(order)
            order.to = None  # not by another target either, where the first one fails
        self._sender.prepare(order)

    def send(self, order: Order, flight: Flight) -> None:
        """Set out; see `Sender`."""
        if isinstance(order, HandedOrder) and order.is_handed:
            order.taker.take(order, flight)
        else:
            self._sender.send(order, flight)
