"""What the ledger is told of a request that is about to be over."""

from typing import Protocol

from headrace.cache.entry import Answer
from headrace.gateway.call import Stopwatch
from headrace.gateway.ledger.ledger import Ending, Ledger
from headrace.gateway.reader import Source
from headrace.server.heads import RequestHead


class Request(Protocol):
    """A request and its answer."""

    request_id: str
    head: RequestHead
    digest: bytes
    watch: Stopwatch
    first_byte_s: float
    status: int
    is_stream: bool
    error: str | None
    source: Source | None
    answer_given: Answer | None


def enter(ledger: Ledger, request: Request) -> None:
    """Write the row of a request, where it is one that may ask a provider."""
    call = request.head.call
    if call is not None:
        end = Ending(
            request.request_id,
            request.digest,
            request.watch.began_s,
            request.first_byte_s,
            request.status,
            request.is_stream,
            request.error,
            [*request.watch.names, *request.watch.times_ms],
        )
        ledger.asked(call, request.source, request.answer_given, end)
