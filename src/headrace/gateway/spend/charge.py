"""What one call may cost, from when it is admitted until it has ended."""

from typing import Final

from headrace.cache.entry import Answer
from headrace.gateway.flight import Flight
from headrace.gateway.reader import Fallback
from headrace.gateway.spend.outlook import Outlook, Outlooks
from headrace.gateway.spend.size import Size
from headrace.gateway.used import used_by_stream
from headrace.identity.purse import Reservation
from headrace.model import Price, Usage
from headrace.observe.handles import Counter

_OK: Final = 200
_ERRORS: Final = 400
# OpenAI's rule of thumb, for answers that do not say how many tokens they are.
_BYTES_PER_TOKEN: Final = 4


class Charge:
    """Settled once, by whichever of its methods comes first. Implements `gateway.order.Charged`.

    Args:
        reservation: what is held for it.
        size: of the request.
        outlooks: that of who answers learns what it did use.
        beyond: counts what it cost beyond what was held, in US dollars.
    """

    __slots__ = ("_beyond", "_lost_usd", "_outlooks", "_reservation", "_size")

    def __init__(
        self, reservation: Reservation, size: Size, outlooks: Outlooks, beyond: Counter
    ) -> None:
        self._reservation = reservation
        self._size = size
        self._outlooks = outlooks
        self._beyond = beyond
        self._lost_usd = 0.0

    def lost(self, booked_as: str, input_tokens: int, usd: float) -> None:
        """A second call for the same, or the first one, was given up for the other."""
        self._lost_usd += usd
        self._reservation.add(usd, input_tokens, booked_as)

    def answered(self, flight: Flight, answer: Answer) -> None:
        """The whole of the answer is there."""
        order, usage, cost_usd = flight.order, answer.usage, answer.cost_usd
        if usage is not None:
            if flight.fallback is not Fallback.PASSED:  # which says nothing of what answers use
                self._outlook(flight).learn(self._size, usage.input_tokens, usage.output_tokens)
        elif answer.status >= _ERRORS:
            usage, cost_usd = Usage(), 0.0
        else:
            usage = flight.booked = self._seen(flight)
        if cost_usd is None:
            price = flight.tower.price_of(order)
            cost_usd = price.cost_usd(usage) if price else 0.0
        self._settle(flight, usage, cost_usd)

    def ended(self, flight: Flight) -> None:
        """There will be no answer, or no more of it."""
        if not flight.attempts or flight.flow is None or flight.status >= _ERRORS:
            self._reservation.give_back()
            return
        order = flight.order
        usage = flight.booked = self._seen(flight)
        price: Price | None = flight.tower.price_of(order)
        self._settle(flight, usage, price.cost_usd(usage) if price else 0.0)

    def _settle(self, flight: Flight, usage: Usage, cost_usd: float) -> None:
        reservation = self._reservation
        beyond_usd = cost_usd + self._lost_usd - reservation.usd
        if beyond_usd > 0:
            self._beyond.increment(beyond_usd)
        booked_as = f"{flight.order.way.endpoint.name}/{flight.order.model}"
        reservation.settle(
            cost_usd,
            usage.input_tokens,
            usage.output_tokens,
            booked_as,
            has_answered=flight.status == _OK,
        )

    def _outlook(self, flight: Flight) -> Outlook:
        """Of who has answered, or was asked last."""
        return self._outlooks.of(flight.order.way.endpoint.name, flight.order.model)

    def _seen(self, flight: Flight) -> Usage:
        """What was used, as far as can be seen."""
        forecast = self._outlook(flight).forecast(self._size)
        if not flight.is_stream:  # it may well have been worked on
            came = flight.bytes_held if flight.delivered is not None else 0
            output = came / _BYTES_PER_TOKEN if came else forecast.usual_tokens
            return Usage(round(forecast.input_tokens), round(output))
        return used_by_stream(flight, round(forecast.input_tokens))
