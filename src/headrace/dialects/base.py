"""What a dialect is: the grammar of one provider API as pure functions from bytes to facts.

No codec does I/O, keeps state or knows the time. A dialect reads requests, reads answers (whole
or streamed), turns one into the other and words errors the way its SDKs expect them.
"""

import enum
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from headrace.dialects.splice import Splice
from headrace.errors import HeadraceError
from headrace.model import DialectName, ReplyFacts, RequestView


class Operation(enum.StrEnum):
    """What a caller may ask of a provider."""

    CHAT = "chat"
    EMBEDDINGS = "embeddings"
    MESSAGES = "messages"


class Grammar(msgspec.Struct, frozen=True):
    """How one operation of a dialect is addressed and cached.

    Attributes:
        operation: the operation.
        path: path below the provider's versioned base URL, such as `/chat/completions`.
        streams: whether the caller may ask for server-sent events.
        uncounted: top-level request fields that cannot change the answer, left out of cache keys.
        marks: the same of fields of blocks, which tell the provider what to keep of a prompt.
    """

    operation: Operation
    path: str
    streams: bool
    uncounted: frozenset[str]
    marks: tuple[str, ...] = ()


class Dialect(Protocol):
    """The codec of one provider API. Stateless; one instance serves every request."""

    name: DialectName
    grammars: dict[Operation, Grammar]
    variant_headers: frozenset[bytes]
    """Lower-case request headers that are forwarded and can change the answer."""
    default_headers: tuple[tuple[bytes, bytes], ...]
    """Lower-case request headers the provider wants, each sent where the caller sends none."""

    def read_request(self, operation: Operation, document: dict[str, Any]) -> RequestView:
        """Read what matters of a decoded request.

        Raises:
            InvalidRequest: a field has the wrong type or is missing; `param` names it.
        """
        ...

    def credential_headers(self, api_key: str) -> tuple[tuple[bytes, bytes], ...]:
        """The headers that carry `api_key` to the provider."""
        ...

    def read_reply(self, operation: Operation, body: bytes) -> ReplyFacts:
        """Read what matters of a whole answer; garbage gives facts that are not complete."""
        ...

    def read_stream(self, operation: Operation, events: bytes) -> ReplyFacts:
        """Read what matters of a streamed answer from the transcript of its events."""
        ...

    def reply_text(self, operation: Operation, body: bytes) -> str:
        """The words of a whole answer, of all its choices; empty where there are none."""
        ...

    def is_final_event(self, tail: bytes) -> bool:
        """Whether `tail`, the last bytes of a transcript, holds the event that ends a stream."""
        ...

    def assemble(self, operation: Operation, events: bytes) -> bytes:
        """Turn the transcript of a complete stream into the whole answer it stands for."""
        ...

    def disassemble(self, operation: Operation, body: bytes, *, include_usage: bool) -> bytes:
        """Turn a whole answer into the events that a stream of it would have sent."""
        ...

    def write_reply(self, text: str, *, model: str, reply_id: str, created_s: int) -> bytes:
        """A whole answer that says `text`, for which no tokens were used.

        Args:
            text: what it says.
            model: who says it.
            reply_id: what tells it from others.
            created_s: seconds since the epoch.
        """
        ...

    def splice(self, body: bytes, transcript: bytes, models: Sequence[str]) -> Splice | None:
        """How a stream that broke off can go on, `None` where it cannot.

        Args:
            body: the request.
            transcript: the events so far, all of them whole.
            models: the providers' names of those who may be asked.
        """
        ...

    def without_usage_event(self, events: bytes) -> bytes:
        """The same transcript without the event that only reports usage."""
        ...

    def error_body(self, error: HeadraceError, request_id: str) -> bytes:
        """The error as the dialect's own JSON body."""
        ...

    def error_event(self, error: HeadraceError, request_id: str) -> bytes:
        """The error as a server-sent event, for a stream that has already begun."""
        ...
