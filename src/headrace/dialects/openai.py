# ruff: noqa: ARG002 - every dialect takes what the protocol names, whether it needs it or not
"""The OpenAI dialect: chat completions and embeddings."""

from collections.abc import Sequence
from typing import Any

import msgspec

from headrace.dialects import sse
from headrace.dialects.base import Grammar, Operation
from headrace.dialects.fields import (
    check_count,
    check_messages,
    missing,
    read_flag,
    read_model,
    read_temperature,
    wrong,
)
from headrace.dialects.openai_reply import (
    DONE,
    is_usage_block,
    read_chat_reply,
    read_chat_stream,
    read_chat_text,
    read_embeddings_reply,
    write_chat_reply,
)
from headrace.dialects.openai_splice import splice_chat
from headrace.dialects.openai_stream import assemble_chat, disassemble_chat
from headrace.dialects.splice import Splice
from headrace.errors import HeadraceError, InvalidRequest
from headrace.model import DialectName, ReplyFacts, RequestView

_encode = msgspec.json.Encoder().encode

_CHAT = Grammar(
    operation=Operation.CHAT,
    path="/chat/completions",
    streams=True,
    uncounted=frozenset(
        {
            "stream",
            "stream_options",
            "metadata",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
        }
    ),
    # Some who sell Claude in this dialect take Anthropic's mark.
    marks=("prompt_cache_breakpoint", "cache_control"),
)
_EMBEDDINGS = Grammar(
    operation=Operation.EMBEDDINGS, path="/embeddings", streams=False, uncounted=frozenset()
)


class OpenAIDialect:
    """The codec of OpenAI's API and of the many providers that speak it."""

    __slots__ = ("grammars",)

    name: DialectName = "openai"
    variant_headers = frozenset({b"openai-beta"})
    default_headers: tuple[tuple[bytes, bytes], ...] = ()

    def __init__(self) -> None:
        self.grammars = {Operation.CHAT: _CHAT, Operation.EMBEDDINGS: _EMBEDDINGS}

    def read_request(self, operation: Operation, document: dict[str, Any]) -> RequestView:
        """Read what matters of a decoded request.

        Raises:
            InvalidRequest: a field has the wrong type or is missing; `param` names it.
        """
        if operation is Operation.EMBEDDINGS:
            return _read_embeddings(document)
        return _read_chat(document)

    def credential_headers(self, api_key: str) -> tuple[tuple[bytes, bytes], ...]:
        """The header that carries `api_key` to the provider."""
        return ((b"authorization", b"Bearer " + api_key.encode()),)

    def read_reply(self, operation: Operation, body: bytes) -> ReplyFacts:
        """Read what matters of a whole answer; garbage gives facts that are not complete."""
        if operation is Operation.EMBEDDINGS:
            return read_embeddings_reply(body)
        return read_chat_reply(body)

    def read_stream(self, operation: Operation, events: bytes) -> ReplyFacts:
        """Read what matters of a streamed answer from the transcript of its events."""
        return read_chat_stream(events)

    def reply_text(self, operation: Operation, body: bytes) -> str:
        """The words of a whole answer, of all its choices; empty where there are none."""
        return read_chat_text(body)

    def is_final_event(self, tail: bytes) -> bool:
        """Whether `tail`, the last bytes of a transcript, holds `[DONE]` as an event."""
        return DONE in tail and any(event.data == DONE for event in sse.read_events(tail))

    def assemble(self, operation: Operation, events: bytes) -> bytes:
        """Turn the transcript of a complete stream into the whole answer it stands for."""
        return assemble_chat(events)

    def disassemble(self, operation: Operation, body: bytes, *, include_usage: bool) -> bytes:
        """Turn a whole answer into the events that a stream of it would have sent."""
        return disassemble_chat(body, include_usage=include_usage)

    def write_reply(self, text: str, *, model: str, reply_id: str, created_s: int) -> bytes:
        """A whole chat completion that says `text`, for which no tokens were used."""
        return write_chat_reply(text, model=model, reply_id=reply_id, created_s=created_s)

    def splice(self, body: bytes, transcript: bytes, models: Sequence[str]) -> Splice | None:
        """How a streamed chat that broke off can go on, `None` where it cannot."""
        return splice_chat(body, transcript)

    def without_usage_event(self, events: bytes) -> bytes:
        """The same transcript, its newlines LF, without the event that only reports usage."""
        blocks = sse.split_blocks(events)
        return b"".join(block + b"\n\n" for block in blocks if not is_usage_block(block))

    def error_body(self, error: HeadraceError, request_id: str) -> bytes:
        """The error as OpenAI's JSON body; the request's id travels in a header."""
        return _encode(
            {
                "error": {
                    "message": error.message,
                    "type": error.type,
                    "param": error.param,
                    "code": error.code,
                }
            }
        )

    def error_event(self, error: HeadraceError, request_id: str) -> bytes:
        """The error as a server-sent event, for a stream that has already begun."""
        return sse.write_event(self.error_body(error, request_id))


def _read_chat(document: dict[str, Any]) -> RequestView:
    model = read_model(document)
    check_messages(document)
    choices = document.get("n")
    return RequestView(
        model=model,
        stream=read_flag(document, "stream"),
        include_usage=_read_include_usage(document),
        temperature=read_temperature(document),
        choices=1 if choices is None else check_count("n", choices),
        has_tools=bool(document.get("tools") or document.get("functions")),
    )


def _read_include_usage(document: dict[str, Any]) -> bool:
    options = document.get("stream_options")
    if options is None:
        return False
    if type(options) is not dict:
        raise wrong("stream_options", options, "an object")
    return read_flag(options, "include_usage", "stream_options.")


def _read_embeddings(document: dict[str, Any]) -> RequestView:
    model = read_model(document)
    value = document.get("input")
    if type(value) is not str and type(value) is not list:
        if value is None:
            raise missing("input", "a string or an array of strings")
        raise wrong("input", value, "a string or an array of strings")
    if not value:
        raise InvalidRequest(
            "`input` is empty: send the text to embed.", param="input", code="invalid_value"
        )
    return RequestView(model=model)
