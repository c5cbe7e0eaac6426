"""Anthropic answers: what a message or a stream of one says about itself; a plain one, written."""

from typing import Any

import msgspec

from headrace.dialects import sse
from headrace.dialects.decoding import as_count, decode_all, decode_or_none
from headrace.model import ReplyFacts, Usage

_TRUNCATED = frozenset({"max_tokens", "model_context_window_exceeded"})
_FILTERED = frozenset({"refusal"})
_SILENT_BLOCKS = frozenset({"text", "thinking", "redacted_thinking"})


class _Block(msgspec.Struct, gc=False):
    """A content block or a delta of one; unknown fields are skipped."""

    type: Any = None
    text: Any = None


class _Message(msgspec.Struct, gc=False):
    """A whole message, or the one that opens a stream."""

    type: Any = None
    content: list[_Block] | None = None
    stop_reason: Any = None
    usage: Any = None
    error: Any = None


class _Delta(msgspec.Struct, gc=False):
    text: Any = None
    stop_reason: Any = None


class _Event(msgspec.Struct, gc=False):
    type: Any = None
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: Any = None


class _Typed(msgspec.Struct, gc=False):
    type: Any = None


_MESSAGE = msgspec.json.Decoder(_Message)
_EVENT = msgspec.json.Decoder(_Event)
_EVENTS = msgspec.json.Decoder(list[_Event])
_TYPE = msgspec.json.Decoder(_Typed)
_UNREADABLE = ReplyFacts()


def read_usage(usage: object) -> Usage | None:
    """Usage in Anthropic's words, where `input_tokens` leaves out those of the prompt cache."""
    if not isinstance(usage, dict):
        return None
    cached = as_count(usage.get("cache_read_input_tokens"))
    written = as_count(usage.get("cache_creation_input_tokens"))
    by_life = usage.get("cache_creation")
    for_an_hour = 0
    if isinstance(by_life, dict):
        for_an_hour = as_count(by_life.get("ephemeral_1h_input_tokens"))
        written = max(written, for_an_hour + as_count(by_life.get("ephemeral_5m_input_tokens")))
    return Usage(
        as_count(usage.get("input_tokens")) + written + cached,
        as_count(usage.get("output_tokens")),
        cached,
        written - for_an_hour,
        for_an_hour,
    )


def read_message_text(body: bytes) -> str:
    """The words of a whole message, of all its blocks of text."""
    message = decode_or_none(body, _MESSAGE)
    blocks = (message.content or []) if message is not None else []
    words = [block.text for block in blocks if block.type == "text"]
    return "\n".join(text for text in words if isinstance(text, str))


def read_message(body: bytes) -> ReplyFacts:
    """The facts of a whole message."""
    message = decode_or_none(body, _MESSAGE)
    if message is None:
        return _UNREADABLE
    return _facts(
        reason=message.stop_reason,
        blocks=message.content or [],
        has_text=False,
        usage=message.usage,
        is_error=message.type == "error" or bool(message.error),
        complete=message.type == "message" and isinstance(message.stop_reason, str),
    )


def read_message_stream(transcript: bytes) -> ReplyFacts:
    """The facts of a streamed message."""
    payloads = sse.read_payloads(transcript)
    events, sound = decode_all(payloads, _EVENTS, _EVENT)
    reason: object = None
    blocks: list[_Block] = []
    usage: dict[str, Any] | None = None
    has_text = False
    for event in events:
        usage = _merge_usage(usage, event.message.usage if event.message else event.usage)
        if event.content_block is not None:
            blocks.append(event.content_block)
        if event.delta is not None:
            has_text = has_text or bool(event.delta.text)
            reason = event.delta.stop_reason or reason
    kinds = {event.type for event in events if isinstance(event.type, str)}
    return _facts(
        reason=reason,
        blocks=blocks,
        has_text=has_text,
        usage=usage,
        is_error="error" in kinds,
        complete=sound and {"message_start", "message_stop"} <= kinds,
    )


def write_message(text: str, *, model: str, reply_id: str) -> bytes:
    """A whole message that says `text`, for which no tokens were used."""
    return msgspec.json.encode(
        {
            "id": f"msg_{reply_id}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
    )


def is_stop(event: sse.Event) -> bool:
    """Whether an event is the `message_stop` that ends a stream."""
    if b"message_stop" not in event.data:
        return False
    decoded = decode_or_none(event.data, _TYPE)
    return decoded is not None and decoded.type == "message_stop"


def _merge_usage(usage: dict[str, Any] | None, update: object) -> dict[str, Any] | None:
    if not isinstance(update, dict):
        return usage
    counted = {field: count for field, count in update.items() if count is not None}
    return {**(usage or {}), **counted}


def _facts(
    *,
    reason: object,
    blocks: list[_Block],
    has_text: bool,
    usage: object,
    is_error: bool,
    complete: bool,
) -> ReplyFacts:
    reasons = (reason,) if isinstance(reason, str) else ()
    kinds = [block.type for block in blocks if isinstance(block.type, str)]
    return ReplyFacts(
        usage=read_usage(usage),
        finish_reasons=reasons,
        complete=complete and not is_error,
        truncated=not _TRUNCATED.isdisjoint(reasons),
        filtered=not _FILTERED.isdisjoint(reasons),
        empty=not has_text
        and not any(block.text for block in blocks)
        and _SILENT_BLOCKS.issuperset(kinds),
        has_tool_calls=any(kind.endswith("tool_use") for kind in kinds),
        is_error=is_error,
    )
