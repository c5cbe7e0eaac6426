"""A second call for what somebody else has been asked already."""

from headrace.flow.scheduler import Priority
from headrace.gateway.calls.attempt import Attempt, Leave, worded
from headrace.gateway.calls.claims import Claim
from headrace.gateway.calls.traced import set_out
from headrace.gateway.flight import Flight
from headrace.gateway.gates.gate import Turns
from headrace.gateway.order import Order
from headrace.gateway.plan import Lane
from headrace.routing.directory import Target
from headrace.upstream.h1 import Sink


class Rival(Attempt):
    """A second call.

    Args:
        order: what is asked.
        flight: where its answer goes if it wins.
        tried: number of its target among those of the order.
        target: who is asked.
        besides: number of a key that it does not go by, from 0: the first call's.

    Attributes:
        tried: see above.
        target: see above.
        lane: the way there.
        claim: to a key, where those have quotas.
        request: what is sent.
    """

    claim: Claim | None = None

    def __init__(
        self, order: Order, flight: Flight, tried: int, target: Target, besides: int | None = None
    ) -> None:
        self._order = order
        self._flight = flight
        self._besides = besides
        self.tried = tried
        self.target = target
        self.lane: Lane = order.lane_of(target)
        self.request = b""

    def set_out(self, sink: Sink) -> None:
        """Send what is asked."""
        key = self.claim.key if self.claim is not None else 0
        self.request = worded(self._order, self.lane, self.target.model, key)
        order, lane, model = self._order, self.lane, self.target.model
        self._call = set_out(order, lane, model, self.request, sink, is_hedge=True)

    def cancel(self) -> None:
        """Give the call up."""
        if self._call is not None:
            self._call.cancel()
        self.forget()

    def _turn(self, turns: Turns) -> Leave | None:
        if turns.allowance is None:
            return super()._turn(turns)
        claim = Claim(turns.allowance, None, self._order, self._flight, Priority.NORMAL, 0.0, 0.0)
        if not claim.steps_aside(self._besides):
            return None
        self.claim = claim
        return claim
