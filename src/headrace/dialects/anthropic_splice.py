"""Going on with a streamed Anthropic message that broke off. Pure."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from headrace.dialects import sse
from headrace.dialects.splice import PLEA, Json, Seam, added, read_object, with_turns

_encode = msgspec.json.Encoder().encode

# Later models, from 4.6 on, refuse a conversation that ends with the assistant's words.
_TAKES_PREFILL: Final = re.compile(
    r"claude-(?:2|instant|3|(?:opus|sonnet|haiku)-4(?:-[015](?!\d)|-20\d{6}|$))"
)


class _Partial:
    """What a stream said until it broke off.

    Attributes:
        has_start: whether it had begun.
        open: number of the block of text that is not closed.
        blocks: how many there are.
        pieces: in how many the text came.
    """

    def __init__(self) -> None:
        self.has_start = False
        self.open: int | None = None
        self.blocks = 0
        self.text = ""
        self.pieces = 0
        self.usage: Json | None = None

    def takes(self, event: Json) -> bool:
        """Take an event in; says whether it is text, or what belongs to it, and nothing else."""
        kind = event.get("type")
        if kind == "message_start":
            message = event.get("message")
            self.has_start = isinstance(message, dict) and not message.get("content")
            self.usage = message.get("usage") if isinstance(message, dict) else None
            return self.has_start
        if kind == "content_block_start":
            return self._takes_block(event)
        if kind == "content_block_delta":
            return self._takes_delta(event)
        if kind == "content_block_stop":
            self.open = None
            return True
        return kind == "ping"

    def _takes_block(self, event: Json) -> bool:
        block, index = event.get("content_block"), event.get("index")
        if not isinstance(block, dict) or block.get("type") != "text" or block.get("citations"):
            return False
        if type(index) is not int:
            return False
        self.open = index
        self.blocks = index + 1
        return self._takes_text(block)

    def _takes_delta(self, event: Json) -> bool:
        delta = event.get("delta")
        is_text = isinstance(delta, dict) and delta.get("type") == "text_delta"
        return is_text and self._takes_text(delta)

    def _takes_text(self, part: Any) -> bool:
        text = part.get("text")
        if not isinstance(text, str):
            return False
        self.text += text
        self.pieces += bool(text)
        return True


class MessageSplice:
    """Implements `Splice`.

    Args:
        body: the request for the rest.
        partial: what was said so far.
        is_prefilled: whether the rest comes from where the model itself left off.
    """

    def __init__(self, body: bytes, partial: _Partial, *, is_prefilled: bool) -> None:
        self.body = body
        self.is_broken = False
        self._partial = partial
        self._open = partial.open
        self._seam = Seam(partial.text, sees_repeats=not is_prefilled)
        self._usage: Json = {}
        self._shift: int | None = None  # from the numbers of the rest's blocks to the whole's
        self._is_first = False  # whether the rest is in its first block of text

    def feed(self, events: bytes) -> bytes:
        spliced: list[bytes] = []
        for read in sse.read_events(events):
            event = read_object(read.data)
            if event is None or event.get("type") == "error":
                self.is_broken = True
                break
            spliced.extend(_written(each) for each in self._adapted(event))
        return b"".join(spliced)

    def _adapted(self, event: Json) -> list[Json]:
        kind = event.get("type")
        if kind == "message_start":
            return self._started(event)
        if kind == "content_block_start":
            return self._block_started(event)
        if kind == "message_delta":
            return self._ended(event)
        index = event.get("index")
        if type(index) is int:
            event["index"] = index + (self._shift or 0)
        if kind == "content_block_delta" and self._is_first:
            return self._said(event)
        if kind == "content_block_stop" and self._is_first:
            self._is_first = False
            return [*self._late(event), event]
        return [event]

    def _started(self, event: Json) -> list[Json]:
        message = event.get("message")
        usage = message.get("usage") if isinstance(message, dict) else None
        self._usage = usage if isinstance(usage, dict) else {}
        return [] if self._partial.has_start else [event]

    def _block_started(self, event: Json) -> list[Json]:
        block, index = event.get("content_block"), event.get("index")
        index = index if type(index) is int else 0
        is_text = isinstance(block, dict) and block.get("type") == "text"
        before: list[Json] = []
        if self._shift is None:
            self._is_first = is_text
            if self._open is not None and is_text:
                self._shift, self._open = self._open - index, None
                text = {"type": "text_delta", "text": block.get("text") if block else ""}
                return self._said(_delta(index + self._shift, text)) if text["text"] else []
            before = self._closed()
            self._shift = self._partial.blocks - index
        event["index"] = index + self._shift
        return [*before, event]

    def _said(self, event: Json) -> list[Json]:
        delta = event.get("delta")
        if not isinstance(delta, dict) or delta.get("type") != "text_delta":
            return [*self._late(event), event]
        text = delta.get("text")
        delta["text"] = self._seam.feed(text) if isinstance(text, str) else ""
        return [event] if delta["text"] else []

    def _ended(self, event: Json) -> list[Json]:
        usage = event.get("usage")
        if self._partial.has_start and isinstance(usage, dict):
            counted = {name: count for name, count in usage.items() if count is not None}
            event["usage"] = added(self._partial.usage, {**self._usage, **counted})
        return [*self._closed(), event]

    def _closed(self) -> list[Json]:
        """The end of the block that was open, where the rest has nothing to add to it."""
        index, self._open = self._open, None
        return [] if index is None else [{"type": "content_block_stop", "index": index}]

    def _late(self, event: Json) -> list[Json]:
        """What was held back until more of it could not come."""
        text = self._seam.flush()
        if not text:
            return []
        return [_delta(event.get("index", 0), {"type": "text_delta", "text": text})]


def splice_message(body: bytes, transcript: bytes, models: Sequence[str]) -> MessageSplice | None:
    """How a message goes on whose stream broke off, `None` where it cannot.

    It cannot where anything but text was asked for or given: structured output, tools in use,
    thinking, citations; or where it had come to its end.

    Args:
        body: the request.
        transcript: the events so far, all of them whole.
        models: who may be asked; where all of them let it be, they are made to go on from the
            text so far as their own.
    """
    document = read_object(body)
    if document is None or not _asks_for_text(document):
        return None
    partial = _Partial()
    for read in sse.read_events(transcript):
        event = read_object(read.data)
        if event is None or not partial.takes(event):
            return None
    text = partial.text.rstrip()
    is_prefilled = not document.get("thinking") and all(map(_TAKES_PREFILL.search, models))
    if text:
        turns: list[Json] = [{"role": "assistant", "content": text}]
        if not is_prefilled:
            turns.append({"role": "user", "content": PLEA})
        body = with_turns(body, turns, ("max_tokens",), partial.text, partial.pieces)
    return MessageSplice(body, partial, is_prefilled=is_prefilled)


def _asks_for_text(document: Json) -> bool:
    config = document.get("output_config")
    format_ = config.get("format") if isinstance(config, dict) else None
    is_plain = not document.get("output_format") and not format_
    return is_plain and isinstance(document.get("messages"), list)


def _delta(index: int, delta: Json) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def _written(event: Json) -> bytes:
    kind = event.get("type")
    return sse.write_event(_encode(event), kind.encode() if isinstance(kind, str) else b"")
