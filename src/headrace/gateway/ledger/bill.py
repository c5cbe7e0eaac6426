"""What a call to a provider cost, however it ended."""

from typing import Final

import msgspec

from headrace.gateway.flight import Flight
from headrace.gateway.used import used_by_stream
from headrace.model import Usage

_ERRORS: Final = 400
# OpenAI's rule of thumb.
_BYTES_PER_TOKEN: Final = 4


class Bill(msgspec.Struct, frozen=True, gc=False):
    """What a call used and cost.

    Attributes:
        usage: tokens.
        cost_usd: in US dollars; `None` where the price is not known.
        is_estimated: whether the provider did not tell.
    """

    usage: Usage
    cost_usd: float | None
    is_estimated: bool


NOTHING: Final = Bill(Usage(), 0.0, is_estimated=False)


def bill_of(flight: Flight) -> Bill:
    """What a call that has ended, or was cut off, is billed at.

    The provider's word is the truth. Where there is none, what budgets have booked counts, or,
    where none holds it, what came: it was paid for.
    """
    answer = flight.delivered
    if answer is not None:
        if flight.is_consoled or answer.status >= _ERRORS:
            return NOTHING
        if answer.usage is not None:
            return Bill(answer.usage, answer.cost_usd, is_estimated=False)
    elif not flight.attempts or flight.flow is None or flight.status >= _ERRORS:
        return NOTHING
    usage = flight.booked if flight.booked is not None else _seen(flight)
    if answer is not None and answer.cost_usd is not None:  # counted, and said to the caller
        return Bill(usage, answer.cost_usd, is_estimated=True)
    price = flight.tower.price_of(flight.order)
    return Bill(usage, price.cost_usd(usage) if price else None, is_estimated=True)


def _seen(flight: Flight) -> Usage:
    """What was used, as far as can be seen."""
    input_tokens = flight.order.sent_bytes // _BYTES_PER_TOKEN
    if not flight.order.call.grammar.streams:
        return Usage(input_tokens)  # vectors
    if not flight.is_stream:
        return Usage(input_tokens, flight.bytes_held // _BYTES_PER_TOKEN)
    return used_by_stream(flight, input_tokens)
