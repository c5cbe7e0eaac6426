"""Anthropic message streams to whole messages and back.

Both directions keep blocks and fields they do not know, so that new ones survive.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from headrace.dialects import sse
from headrace.dialects.decoding import decode_or_none
from headrace.dialects.pieces import cut_text

Json = dict[str, Any]

_OBJECT = msgspec.json.Decoder(Json)
_encode = msgspec.json.Encoder().encode
_PARTIAL_JSON = "partial_json"
_IN_MESSAGE_DELTA = ("stop_reason", "stop_sequence", "stop_details", "container")
_USAGE_AT_END = ("output_tokens", "output_tokens_details", "server_tool_use")


def assemble_message(transcript: bytes) -> bytes:
    """The whole message that a complete stream stands for; unreadable events are left out."""
    message: Json = {}
    blocks: dict[int, Json] = {}
    for event in sse.read_events(transcript):
        value = decode_or_none(event.data, _OBJECT)
        if value is not None:
            _apply(message, blocks, value)
    message["content"] = [_finished(blocks[index]) for index in sorted(blocks)]
    return _encode(message)


def disassemble_message(body: bytes) -> bytes:
    """The events that a stream of the whole message `body` would have sent."""
    message = decode_or_none(body, _OBJECT) or {}
    usage = message.get("usage")
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    at_end = {field: message[field] for field in _IN_MESSAGE_DELTA if field in message}
    start: Json = {**message, "content": [], **dict.fromkeys(at_end)}
    end: Json = {"type": "message_delta", "delta": at_end}
    if isinstance(usage, dict):
        start["usage"], end["usage"] = _split_usage(usage)
    events = [_event({"type": "message_start", "message": start})]
    for index, block in enumerate(block for block in blocks if isinstance(block, dict)):
        events.append(_event(_block_start(index, block)))
        if index == 0:
            events.append(_event({"type": "ping"}))
        events.extend(
            _event({"type": "content_block_delta", "index": index, "delta": delta})
            for delta in _block_deltas(block)
        )
        events.append(_event({"type": "content_block_stop", "index": index}))
    events.append(_event(end))
    events.append(_event({"type": "message_stop"}))
    return b"".join(events)


def _event(value: Json) -> bytes:
    return sse.write_event(_encode(value), value["type"].encode())


def _apply(message: Json, blocks: dict[int, Json], event: Json) -> None:
    kind = event.get("type")
    index = event.get("index")
    if kind == "message_start" and isinstance(event.get("message"), dict):
        message.update(event["message"])
    elif kind == "content_block_start" and isinstance(event.get("content_block"), dict):
        blocks[index if type(index) is int else len(blocks)] = event["content_block"]
    elif kind == "content_block_delta" and isinstance(event.get("delta"), dict):
        if type(index) is int and index in blocks:
            _apply_delta(blocks[index], event["delta"])
    elif kind == "message_delta":
        _apply_end(message, event)


def _apply_end(message: Json, event: Json) -> None:
    delta = event.pop("delta", None)
    usage = event.pop("usage", None)
    del event["type"]
    message.update(event)
    if isinstance(delta, dict):
        message.update(delta)
    if isinstance(usage, dict):
        # Counts of a message_delta are totals, not increments.
        old = message.get("usage")
        known = old if isinstance(old, dict) else {}
        new = {k: v for k, v in usage.items() if v is not None or k not in known}
        message["usage"] = {**known, **new}


def _apply_delta(block: Json, delta: Json) -> None:
    kind = delta.pop("type", None)
    if kind == "citations_delta":
        block["citations"] = [*(block.get("citations") or ()), delta.get("citation")]
        return
    for field, value in delta.items():
        old = block.get(field)
        grows = isinstance(old, str) and isinstance(value, str) and kind != "signature_delta"
        block[field] = old + value if grows else value


def _finished(block: Json) -> Json:
    text = block.pop(_PARTIAL_JSON, "")
    if isinstance(text, str) and text:
        block["input"] = _parse_input(text)
    return block


def _parse_input(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        # How Anthropic's own documentation wraps arguments that a model left malformed.
        return {"INVALID_JSON": text}


def _split_usage(usage: Json) -> tuple[Json, Json]:
    at_end = {field: usage[field] for field in _USAGE_AT_END if field in usage}
    at_start = {field: count for field, count in usage.items() if field not in at_end}
    if "output_tokens" in at_end:
        at_start["output_tokens"] = 1 if at_end["output_tokens"] else 0
    return at_start, at_end


def _block_start(index: int, block: Json) -> Json:
    emptied = {field: _emptied(block, field) for field in block}
    return {"type": "content_block_start", "index": index, "content_block": emptied}


def _emptied(block: Json, field: str) -> Any:
    value = block[field]
    if field in _streamed_fields(block) and isinstance(value, str):
        return ""
    if field == "citations" and block.get("type") == "text" and value:
        return []
    return {} if _streams_input(block) and field == "input" else value


def _streamed_fields(block: Json) -> tuple[str, ...]:
    if block.get("type") == "text":
        return ("text",)
    return ("thinking", "signature") if block.get("type") == "thinking" else ()


def _streams_input(block: Json) -> bool:
    return isinstance(block.get("input"), dict) and str(block.get("type")).endswith("tool_use")


def _block_deltas(block: Json) -> Iterator[Json]:
    kind = block.get("type")
    if kind == "text":
        yield from _text_deltas("text_delta", "text", block.get("text"))
        for citation in block.get("citations") or ():
            yield {"type": "citations_delta", "citation": citation}
    elif kind == "thinking":
        yield from _text_deltas("thinking_delta", "thinking", block.get("thinking"))
        if block.get("signature"):
            yield {"type": "signature_delta", "signature": block["signature"]}
    elif _streams_input(block):
        yield {"type": "input_json_delta", _PARTIAL_JSON: ""}
        if block["input"]:
            arguments = _encode(block["input"]).decode()
            yield from _text_deltas("input_json_delta", _PARTIAL_JSON, arguments)


def _text_deltas(kind: str, field: str, text: object) -> Iterator[Json]:
    for piece in cut_text(text) if isinstance(text, str) else ():
        yield {"type": kind, field: piece}
