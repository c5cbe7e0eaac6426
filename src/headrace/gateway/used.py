"""What a stream has used, as far as can be seen of what came: for calls without the provider's word
on all of it."""

from typing import Final

from headrace.dialects import sse
from headrace.gateway.flight import Flight
from headrace.limits import STREAM_EDGE_BYTES
from headrace.model import Usage

# An event of a stream is a token, about.
_EVENT: Final = b"data:"


def used_by_stream(flight: Flight, input_tokens: int) -> Usage:
    """The tokens of a stream that broke off, or whose provider never told them.

    Args:
        flight: the call.
        input_tokens: those of its request, where the provider has not told them.
    """
    events = flight.count(_EVENT)
    order = flight.order
    told = order.call.dialect.read_stream(order.call.grammar.operation, _edges(flight)).usage
    if told is None:
        return Usage(input_tokens, events)
    return Usage(
        told.input_tokens,
        max(told.output_tokens, events),
        told.cached_tokens,
        told.cache_write_tokens,
        told.cache_write_1h_tokens,
    )


def _edges(flight: Flight) -> bytes:
    """A stream, or of a long one its first events and its last: where providers tell of tokens."""
    if flight.bytes_held <= 2 * STREAM_EDGE_BYTES:
        return flight.body
    first, _ = sse.cut_off(flight.head(STREAM_EDGE_BYTES))
    # The second piece begins within an event, which nobody can read and nobody needs.
    return first + flight.tail(STREAM_EDGE_BYTES)
