"""An answer in its dialect's words, before it is put on the wire."""

from typing import ClassVar, Protocol

import msgspec

from headrace.errors import HeadraceError
from headrace.sim.prefixes import NO_BILL, Bill
from headrace.sim.rate import Quota


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer, or the server-sent events of a streamed one.

    Attributes:
        model: the model that was asked, empty where none is.
        charge: tokens that a limit counts: input, and the most output that was asked for.
        tokens: output tokens; with the pace they decide when a whole answer is sent.
        inputs: texts that were asked for at once, where a request may hold several.
        bill: what the prompt cache had, and what it holds from now on.
        body: the whole answer; empty for a stream.
        stream: whether this is a stream.
        lead: events that go out with the first token.
        frames: one event for each token.
        tail: events that go out with the last token.
    """

    model: str = ""
    charge: int = 0
    tokens: int = 0
    inputs: int = 1
    bill: Bill = NO_BILL
    body: bytes = b""
    stream: bool = False
    lead: bytes = b""
    frames: tuple[bytes, ...] = ()
    tail: bytes = b""


class Grammar(Protocol):
    """How a dialect words what is not an answer."""

    id_header: ClassVar[bytes]
    """Name of the header that carries the request's id."""

    def error_body(self, error: HeadraceError, request_id: str) -> bytes:
        """The error as JSON."""
        ...

    def headers(self, quota: Quota | None, processing_ms: int, wall_s: float) -> bytes:
        """Header lines of every answer but its id; `quota` is `None` where nothing limits."""
        ...
