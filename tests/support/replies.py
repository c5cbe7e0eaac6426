"""Answers of providers by hand, whole and as streams, good ones and such that end in other ways."""

import json
from typing import Any

DONE = b"data: [DONE]\n\n"


def completion(content: str | None = "text", finish: str | None = "stop", **fields: Any) -> bytes:
    """A whole answer in OpenAI's dialect; `fields` are of its message."""
    message = {"role": "assistant", "content": content, **fields}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    document = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    return json.dumps({**document, "choices": [choice]}).encode()


def delta(content: str | None, finish: str | None = None, **fields: Any) -> bytes:
    """An event of a stream in OpenAI's dialect; `fields` are of its delta."""
    choice = {"index": 0, "delta": {"content": content, **fields}, "finish_reason": finish}
    document = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: %b\n\n" % json.dumps({**document, "choices": [choice]}).encode()


def message(text: str = "text", stop: str | None = "end_turn", *blocks: dict[str, Any]) -> bytes:
    """A whole answer in Anthropic's dialect; further blocks of content come after the text."""
    content = [{"type": "text", "text": text}] if text else []
    document = {"id": "m", "type": "message", "role": "assistant", "model": "m"}
    usage = {"input_tokens": 1, "output_tokens": 1}
    parts = {"content": [*content, *blocks], "stop_reason": stop, "usage": usage}
    return json.dumps({**document, **parts}).encode()


def events(
    *texts: str, stop: str | None = "end_turn", block: dict[str, Any] | None = None
) -> list[bytes]:
    """The events of a stream in Anthropic's dialect."""
    opening = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": []}
    block = block or {"type": "text", "text": ""}
    told: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**opening, "usage": {"input_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": text},
            }
            for text in texts
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": stop},
            "usage": {"output_tokens": 1},
        },
        {"type": "message_stop"},
    ]
    return [event(each) for each in told]


def event(document: dict[str, Any]) -> bytes:
    """One event of a stream in Anthropic's dialect."""
    return b"event: %b\ndata: %b\n\n" % (document["type"].encode(), json.dumps(document).encode())
