"""Going on with a streamed chat completion that broke off. Pure."""

from typing import Any, Final

import msgspec

from headrace.dialects import sse
from headrace.dialects.openai_reply import DONE
from headrace.dialects.splice import PLEA, Json, Seam, added, read_object, with_turns

_IDENTITY: Final = ("id", "object", "created", "model", "system_fingerprint", "service_tier")
_LIMITS: Final = ("max_tokens", "max_completion_tokens")
_PLAIN_FORMATS: Final = (None, "text")
_encode = msgspec.json.Encoder().encode


class _Partial:
    """What a stream said until it broke off.

    Attributes:
        first: what every chunk says of the whole.
        has_role: whether it said who speaks.
        pieces: in how many the text came.
    """

    def __init__(self) -> None:
        self.first: Json = {}
        self.has_role = False
        self.text = ""
        self.pieces = 0
        self.usage: Json | None = None

    def takes(self, chunk: Json) -> bool:
        """Take a chunk in; says whether it is text and nothing else."""
        if not self.first:
            self.first = {field: chunk[field] for field in _IDENTITY if field in chunk}
        if isinstance(chunk.get("usage"), dict):
            self.usage = chunk["usage"]
        choices = chunk.get("choices") or []
        return isinstance(choices, list) and all(map(self._takes_choice, choices))

    def _takes_choice(self, choice: Any) -> bool:
        if not isinstance(choice, dict) or choice.get("index") or choice.get("logprobs"):
            return False
        if choice.get("finish_reason"):
            return False
        delta = choice.get("delta") or {}
        if not isinstance(delta, dict):
            return False
        for field, value in delta.items():
            if field == "role":
                self.has_role = True
            elif field == "content" and isinstance(value, str):
                self.text += value
                self.pieces += bool(value)
            elif value:
                return False
        return True


class ChatSplice:
    """Implements `Splice`.

    Args:
        body: the request for the rest.
        partial: what was said so far.
    """

    def __init__(self, body: bytes, partial: _Partial) -> None:
        self.body = body
        self.is_broken = False
        self._partial = partial
        self._seam = Seam(partial.text, sees_repeats=True)

    def feed(self, events: bytes) -> bytes:
        spliced: list[bytes] = []
        for event in sse.read_events(events):
            if event.data == DONE:
                spliced.append(self._late() + sse.write_event(DONE))
                continue
            chunk = read_object(event.data)
            if chunk is None or chunk.get("error"):
                self.is_broken = True
                break
            if self._adapt(chunk):
                spliced.append(sse.write_event(_encode(chunk)))
        return b"".join(spliced)

    def _adapt(self, chunk: Json) -> bool:
        """Make a chunk one of the whole's; says whether anything is left of it."""
        partial = self._partial
        chunk.update(partial.first)
        usage, choices = chunk.get("usage"), chunk.get("choices")
        if isinstance(usage, dict):
            chunk["usage"] = added(partial.usage, usage)
        if not isinstance(choices, list) or not choices:
            return True
        kept = [each for each in choices if isinstance(each, dict) and self._adapt_choice(each)]
        chunk["choices"] = kept
        return bool(kept) or isinstance(usage, dict)

    def _adapt_choice(self, choice: Json) -> bool:
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            delta = {}
        if self._partial.has_role:
            delta.pop("role", None)
        content = delta.pop("content", None)
        text = self._seam.feed(content) if isinstance(content, str) else ""
        is_end = bool(choice.get("finish_reason"))
        if is_end or any(delta.values()):
            text += self._seam.flush()
        if text:
            delta["content"] = text
        choice["delta"] = delta
        return is_end or any(delta.values())

    def _late(self) -> bytes:
        """What was held back until the very end."""
        text = self._seam.flush()
        if not text:
            return b""
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
        return sse.write_event(_encode({**self._partial.first, "choices": [choice]}))


def splice_chat(body: bytes, transcript: bytes) -> ChatSplice | None:
    """How a chat goes on whose stream broke off, `None` where it cannot.

    It cannot where anything but text was asked for or given: several choices, logprobs,
    structured output, tool calls, refusals, reasoning, audio; or where it had come to its end.

    Args:
        body: the request.
        transcript: the events so far, all of them whole.
    """
    document = read_object(body)
    if document is None or not _asks_for_text(document):
        return None
    partial = _Partial()
    for event in sse.read_events(transcript):
        chunk = read_object(event.data)
        if chunk is None or not partial.takes(chunk):
            return None
    text = partial.text.rstrip()
    if text:
        turns: list[Json] = [
            {"role": "assistant", "content": text},
            {"role": "user", "content": PLEA},
        ]
        body = with_turns(body, turns, _LIMITS, partial.text, partial.pieces)
    return ChatSplice(body, partial)


def _asks_for_text(document: Json) -> bool:
    format_ = document.get("response_format")
    kind = format_.get("type") if isinstance(format_, dict) else format_
    return (
        document.get("n") in (None, 1)
        and not document.get("logprobs")
        and not document.get("audio")
        and kind in _PLAIN_FORMATS
        and isinstance(document.get("messages"), list)
    )
