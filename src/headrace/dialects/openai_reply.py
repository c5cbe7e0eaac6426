"""OpenAI answers: what a whole one or a stream of one says about itself; a plain one, written."""

import re
from typing import Any

import msgspec

from headrace.dialects import sse
from headrace.dialects.decoding import as_count, decode_all, decode_or_none
from headrace.model import ReplyFacts, Usage

DONE = b"[DONE]"
_TRUNCATED = frozenset({"length", "model_length", "max_tokens"})
_FILTERED = frozenset({"content_filter"})


class _Message(msgspec.Struct, gc=False):
    """A message or a delta of one; unknown fields are skipped."""

    content: Any = None
    refusal: Any = None
    audio: Any = None
    tool_calls: Any = None
    function_call: Any = None


class _Choice(msgspec.Struct, gc=False):
    index: Any = 0
    message: _Message | None = None
    delta: _Message | None = None
    finish_reason: Any = None


class _Reply(msgspec.Struct, gc=False):
    """A completion, or a chunk of one."""

    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None


class _EmbeddingReply(msgspec.Struct, gc=False):
    data: list[msgspec.Raw] | None = None
    usage: Any = None
    error: Any = None


_REPLY = msgspec.json.Decoder(_Reply)
_REPLIES = msgspec.json.Decoder(list[_Reply])
_EMBEDDINGS = msgspec.json.Decoder(_EmbeddingReply)
_USAGE_FIELD = re.compile(rb'"usage"\s*:\s*\{')
_NAMES = frozenset({b"", b"message", b"error"})
_UNREADABLE = ReplyFacts()
_STOPPED = ("stop",)


def read_usage(usage: object) -> Usage | None:
    """Usage in OpenAI's words, `None` where there is none."""
    if not isinstance(usage, dict):
        return None
    cached = written = 0
    details = usage.get("prompt_tokens_details")
    if isinstance(details, dict):
        cached = as_count(details.get("cached_tokens"))
        written = as_count(details.get("cache_write_tokens"))
    return Usage(
        as_count(usage.get("prompt_tokens")),
        as_count(usage.get("completion_tokens")),
        cached,
        written,
    )


def read_chat_text(body: bytes) -> str:
    """The words of a whole chat completion, of all its choices."""
    reply = decode_or_none(body, _REPLY)
    messages = [choice.message for choice in (reply.choices or [] if reply else [])]
    words = [message.content for message in messages if message is not None]
    return "\n".join(text for text in words if isinstance(text, str))


def read_chat_reply(body: bytes) -> ReplyFacts:
    """The facts of a whole chat completion."""
    reply = decode_or_none(body, _REPLY)
    if reply is None:
        return _UNREADABLE
    choices = reply.choices or []
    if len(choices) == 1 and not reply.error and _is_plain(choices[0]):
        return ReplyFacts(read_usage(reply.usage), _STOPPED, complete=True, empty=False)
    return _facts(
        reasons=[choice.finish_reason for choice in choices],
        messages=[choice.message for choice in choices if choice.message is not None],
        usage=reply.usage,
        is_error=bool(reply.error),
    )


def _is_plain(choice: _Choice) -> bool:
    """Whether a choice is a text that ended of itself, as most are."""
    message = choice.message
    return (
        choice.finish_reason == "stop"
        and message is not None
        and bool(message.content)
        and not (message.tool_calls or message.function_call or message.refusal)
    )


def read_embeddings_reply(body: bytes) -> ReplyFacts:
    """The facts of an answer with embeddings; it has no finish reasons."""
    reply = decode_or_none(body, _EMBEDDINGS)
    if reply is None:
        return _UNREADABLE
    is_error = bool(reply.error)
    return ReplyFacts(
        usage=read_usage(reply.usage),
        complete=reply.data is not None and not is_error,
        empty=not reply.data,
        is_error=is_error,
    )


def read_chat_stream(transcript: bytes) -> ReplyFacts:
    """The facts of a streamed chat completion."""
    payloads, has_error_event = _payloads(transcript)
    done = DONE in payloads
    if done:
        payloads = [payload for payload in payloads if payload != DONE]
    chunks, sound = decode_all(payloads, _REPLIES, _REPLY)
    reasons: dict[int, object] = {}
    messages: list[_Message] = []
    usage: object = None
    has_usage_event = False
    for chunk in chunks:
        if isinstance(chunk.usage, dict):
            usage = chunk.usage
            has_usage_event = has_usage_event or not chunk.choices
        for choice in chunk.choices or ():
            if choice.delta is not None:
                messages.append(choice.delta)
            index = choice.index if type(choice.index) is int else 0
            reasons[index] = choice.finish_reason or reasons.get(index)
    return _facts(
        reasons=[reasons[index] for index in sorted(reasons)],
        messages=messages,
        usage=usage,
        is_error=has_error_event or any(chunk.error for chunk in chunks),
        done=done,
        sound=sound,
        has_usage_event=has_usage_event,
    )


def is_usage_block(block: bytes) -> bool:
    """Whether the block of an event has no choices and only reports usage."""
    if _USAGE_FIELD.search(block) is None:
        return False
    event = sse.read_block(block)
    chunk = None if event is None else decode_or_none(event.data, _REPLY)
    return chunk is not None and not chunk.choices and isinstance(chunk.usage, dict)


def write_chat_reply(text: str, *, model: str, reply_id: str, created_s: int) -> bytes:
    """A whole chat completion that says `text`, for which no tokens were used."""
    message = {"role": "assistant", "content": text, "refusal": None}
    return msgspec.json.encode(
        {
            "id": f"chatcmpl-{reply_id}",
            "object": "chat.completion",
            "created": created_s,
            "model": model,
            "choices": [
                {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        }
    )


def _payloads(transcript: bytes) -> tuple[list[bytes], bool]:
    """The chunks of a stream, and whether it holds an event that is called an error."""
    if b"event:" not in transcript:
        return sse.read_payloads(transcript), False
    events = sse.read_events(transcript)
    # A provider's events under names of their own, such as pings, need not be chunks.
    payloads = [e.data for e in events if e.name in _NAMES or e.data.startswith(b"{")]
    return payloads, any(event.name == b"error" for event in events)


def _facts(
    *,
    reasons: list[object],
    messages: list[_Message],
    usage: object,
    is_error: bool,
    done: bool = False,
    sound: bool = True,
    has_usage_event: bool = False,
) -> ReplyFacts:
    words = tuple(reason for reason in reasons if isinstance(reason, str))
    ended = done or 0 < len(reasons) == len(words)
    is_error = is_error or "error" in words
    has_tool_calls = has_content = has_refusal = False
    for message in messages:
        has_refusal = has_refusal or bool(message.refusal)
        if message.tool_calls or message.function_call:
            has_tool_calls = True
        elif not has_content and (message.content or message.refusal or message.audio):
            has_content = True
    return ReplyFacts(
        usage=read_usage(usage),
        finish_reasons=words,
        complete=ended and sound and not is_error,
        truncated=not _TRUNCATED.isdisjoint(words),
        filtered=has_refusal or not _FILTERED.isdisjoint(words),
        empty=not has_tool_calls and not has_content,
        has_tool_calls=has_tool_calls,
        is_error=is_error,
        has_usage_event=has_usage_event,
    )
