# ruff: noqa: ARG002 - every dialect takes what the protocol names, whether it needs it or not
"""The Anthropic dialect: messages."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headrace.dialects import sse
from headrace.dialects.anthropic_reply import (
    is_stop,
    read_message,
    read_message_stream,
    read_message_text,
    write_message,
)
from headrace.dialects.anthropic_splice import splice_message
from headrace.dialects.anthropic_stream import assemble_message, disassemble_message
from headrace.dialects.base import Grammar, Operation
from headrace.dialects.fields import (
    check_count,
    check_messages,
    missing,
    read_flag,
    read_model,
    read_temperature,
)
from headrace.dialects.splice import Splice
from headrace.errors import HeadraceError
from headrace.model import DialectName, ReplyFacts, RequestView

_encode = msgspec.json.Encoder().encode

_MESSAGES = Grammar(
    operation=Operation.MESSAGES,
    path="/messages",
    streams=True,
    uncounted=frozenset({"stream", "metadata", "cache_control"}),
    marks=("cache_control",),
)

# Anthropic's SDKs tell errors apart by these words; what is not listed keeps its own.
_WORD_BY_STATUS: Mapping[int, str] = {
    402: "billing_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
}


class AnthropicDialect:
    """The codec of Anthropic's messages API."""

    __slots__ = ("grammars",)

    name: DialectName = "anthropic"
    variant_headers = frozenset({b"anthropic-version", b"anthropic-beta"})
    default_headers: tuple[tuple[bytes, bytes], ...] = ((b"anthropic-version", b"2023-06-01"),)

    def __init__(self) -> None:
        self.grammars = {Operation.MESSAGES: _MESSAGES}

    def read_request(self, operation: Operation, document: dict[str, Any]) -> RequestView:
        """Read what matters of a decoded request.

        Raises:
            InvalidRequest: a field has the wrong type or is missing; `param` names it.
        """
        model = read_model(document)
        check_messages(document)
        tokens_max = document.get("max_tokens")
        if tokens_max is None:
            raise missing("max_tokens", "an integer of at least 1")
        check_count("max_tokens", tokens_max)
        return RequestView(
            model=model,
            stream=read_flag(document, "stream"),
            temperature=read_temperature(document),
            has_tools=bool(document.get("tools")),
        )

    def credential_headers(self, api_key: str) -> tuple[tuple[bytes, bytes], ...]:
        """The header that carries `api_key` to the provider."""
        return ((b"x-api-key", api_key.encode()),)

    def read_reply(self, operation: Operation, body: bytes) -> ReplyFacts:
        """Read what matters of a whole answer; garbage gives facts that are not complete."""
        return read_message(body)

    def read_stream(self, operation: Operation, events: bytes) -> ReplyFacts:
        """Read what matters of a streamed answer from the transcript of its events."""
        return read_message_stream(events)

    def reply_text(self, operation: Operation, body: bytes) -> str:
        """The words of a whole answer; empty where there are none."""
        return read_message_text(body)

    def is_final_event(self, tail: bytes) -> bool:
        """Whether `tail`, the last bytes of a transcript, holds the `message_stop` event."""
        return b"message_stop" in tail and any(map(is_stop, sse.read_events(tail)))

    def assemble(self, operation: Operation, events: bytes) -> bytes:
        """Turn the transcript of a complete stream into the whole answer it stands for."""
        return assemble_message(events)

    def disassemble(self, operation: Operation, body: bytes, *, include_usage: bool) -> bytes:
        """Turn a whole answer into the events of a stream, which always report usage here."""
        return disassemble_message(body)

    def write_reply(self, text: str, *, model: str, reply_id: str, created_s: int) -> bytes:
        """A whole message that says `text`, for which no tokens were used."""
        return write_message(text, model=model, reply_id=reply_id)

    def splice(self, body: bytes, transcript: bytes, models: Sequence[str]) -> Splice | None:
        """How a streamed message that broke off can go on, `None` where it cannot."""
        return splice_message(body, transcript, models)

    def without_usage_event(self, events: bytes) -> bytes:
        """The transcript as it is: no event of this dialect only reports usage."""
        return events

    def error_body(self, error: HeadraceError, request_id: str) -> bytes:
        """The error as Anthropic's JSON body, with `code` and `param` added."""
        return _encode(
            {
                "type": "error",
                "error": {
                    "type": _WORD_BY_STATUS.get(error.status, error.type),
                    "message": error.message,
                    "code": error.code,
                    "param": error.param,
                },
                "request_id": request_id,
            }
        )

    def error_event(self, error: HeadraceError, request_id: str) -> bytes:
        """The error as a server-sent event, for a stream that has already begun."""
        return sse.write_event(self.error_body(error, request_id), b"error")
