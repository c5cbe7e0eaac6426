"""OpenAI chat streams to whole answers and back.

Strings concatenate, arrays of entries append, entries with an `index` merge by it, and of
everything else the last value that is not null stays. Both directions keep fields they do not
know, so that a provider's own additions survive.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from headrace.dialects import sse
from headrace.dialects.decoding import decode_or_none
from headrace.dialects.openai_reply import DONE
from headrace.dialects.pieces import cut_text

Json = dict[str, Any]

_OBJECT = msgspec.json.Decoder(Json)
_encode = msgspec.json.Encoder().encode
_LAST_WINS = frozenset({"role", "id", "type", "index", "object", "format"})
_NEVER_CUT = _LAST_WINS | {"name"}
_ONLY_IN_CHUNKS = ("object", "obfuscation")
_IN_EVERY_CHUNK = ("id", "created", "model", "system_fingerprint", "service_tier")


def assemble_chat(transcript: bytes) -> bytes:
    """The whole answer that a complete stream stands for; unreadable events are left out."""
    whole: Json = {"object": "chat.completion"}
    choices: dict[int, Json] = {}
    for event in sse.read_events(transcript):
        chunk = None if event.data == DONE else decode_or_none(event.data, _OBJECT)
        if chunk is None:
            continue
        for choice in _objects(chunk.pop("choices", None)):
            index = choice.get("index")
            index = index if type(index) is int else 0
            _merge_choice(choices.setdefault(index, _new_choice(index)), choice)
        for field in _ONLY_IN_CHUNKS:
            chunk.pop(field, None)
        _keep_last(whole, chunk)
    whole["choices"] = [_finished(choices[index]) for index in sorted(choices)]
    if whole.get("usage", 0) is None:
        del whole["usage"]
    return _encode(whole)


def disassemble_chat(body: bytes, *, include_usage: bool) -> bytes:
    """The events that a stream of the whole answer `body` would have sent."""
    whole = decode_or_none(body, _OBJECT) or {}
    usage = whole.pop("usage", None)
    choices = _objects(whole.pop("choices", None))
    every = {field: whole[field] for field in _IN_EVERY_CHUNK if field in whole}
    every["object"] = "chat.completion.chunk"
    first = {**whole, "object": "chat.completion.chunk"}
    events: list[bytes] = []
    for choice in choices:
        for part in _choice_chunks(choice):
            chunk: Json = {**(every if events else first), "choices": [part]}
            if include_usage:
                chunk["usage"] = None
            events.append(sse.write_event(_encode(chunk)))
    if include_usage and usage is not None:
        events.append(sse.write_event(_encode({**every, "choices": [], "usage": usage})))
    events.append(sse.write_event(DONE))
    return b"".join(events)


def _objects(value: object) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _keep_last(target: Json, source: Json) -> None:
    for field, value in source.items():
        if value is not None or field not in target:
            target[field] = value


def _new_choice(index: int) -> Json:
    return {"index": index, "message": {"role": "assistant", "content": None}, "calls": {}}


def _merge_choice(choice: Json, part: Json) -> None:
    delta = part.pop("delta", None)
    if isinstance(delta, dict):
        calls = delta.get("tool_calls")
        if isinstance(calls, list) and calls:
            del delta["tool_calls"]
            _merge_calls(choice["calls"], _objects(calls))
        _merge(choice["message"], delta)
    if "logprobs" in part:
        choice["logprobs"] = _merged("logprobs", choice.get("logprobs"), part.pop("logprobs"))
    _keep_last(choice, part)


def _finished(choice: Json) -> Json:
    calls = choice.pop("calls")
    if calls:
        choice["message"]["tool_calls"] = [calls[index] for index in sorted(calls)]
    return choice


def _merge_calls(calls: dict[int, Json], deltas: list[Json]) -> None:
    for delta in deltas:
        index = delta.pop("index", None)
        if type(index) is not int:
            # A provider that numbers nothing sends each call whole, under its own id.
            index = len(calls) if delta.get("id") or not calls else len(calls) - 1
        _merge(calls.setdefault(index, {}), delta)


def _merge(target: Json, delta: Json) -> None:
    for field, value in delta.items():
        target[field] = _merged(field, target.get(field), value)


def _merged(field: str, old: Any, new: Any) -> Any:
    if new is None or old is None:
        return old if new is None else new
    if isinstance(old, str) and isinstance(new, str):
        return _merged_text(field, old, new)
    if isinstance(old, list) and isinstance(new, list):
        return old + new
    if isinstance(old, dict) and isinstance(new, dict):
        _merge(old, new)
        return old
    return new


def _merged_text(field: str, old: str, new: str) -> str:
    if field in _LAST_WINS:
        return new or old
    # Some providers repeat the function's name in every piece of its arguments.
    return old if field == "name" and old == new else old + new


def _choice_chunks(choice: Json) -> Iterator[Json]:
    choice = dict(choice)
    index = choice.pop("index", 0)
    reason = choice.pop("finish_reason", None)
    has_logprobs = "logprobs" in choice
    logprobs = choice.pop("logprobs", None)
    message = choice.pop("message", None)
    whole = dict(message) if isinstance(message, dict) else {}
    for delta, piece_logprobs in _deltas(whole, logprobs):
        part: Json = {"index": index, "delta": delta, "finish_reason": None}
        if has_logprobs:
            part["logprobs"] = piece_logprobs
        yield part
    last: Json = {"index": index, "delta": {}, "finish_reason": reason}
    if has_logprobs:
        last["logprobs"] = None
    yield {**choice, **last}


def _deltas(message: Json, logprobs: Any) -> Iterator[tuple[Json, Any]]:
    calls = _objects(message.get("tool_calls"))
    if calls:
        del message["tool_calls"]
    streamed = {
        field: value
        for field, value in message.items()
        if isinstance(value, str) and value and field not in _NEVER_CUT
    }
    opening = {field: "" if field in streamed else value for field, value in message.items()}
    has_content = "content" in streamed
    content = streamed.pop("content", "")
    pieces = list(_content_pieces(content, logprobs)) if has_content else []
    # Logprobs that no piece of content carries go with the opening.
    yield opening, logprobs if not pieces else None
    for field, text in streamed.items():
        for piece in cut_text(text):
            yield {field: piece}, None
    for piece, piece_logprobs in pieces:
        yield {"content": piece}, piece_logprobs
    for index, call in enumerate(calls):
        for call_delta in _call_deltas(index, call):
            yield {"tool_calls": [call_delta]}, None


def _content_pieces(content: str, logprobs: Any) -> Iterator[tuple[str, Any]]:
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(tokens, list) or not _spells(tokens, content):
        for position, piece in enumerate(cut_text(content)):
            yield piece, logprobs if position == 0 else None
        return
    for position, token in enumerate(tokens):
        others = logprobs if position == 0 else dict.fromkeys(logprobs)
        yield token["token"], {**others, "content": [token]}


def _spells(tokens: list[Any], content: str) -> bool:
    words = [token.get("token") for token in tokens if isinstance(token, dict)]
    whole = [word for word in words if isinstance(word, str)]
    return len(whole) == len(tokens) and "".join(whole) == content


def _call_deltas(index: int, call: Json) -> Iterator[Json]:
    for kind, field in (("function", "arguments"), ("custom", "input")):
        inner = call.get(kind)
        text = inner.get(field) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and isinstance(text, str):
            yield {"index": index, **call, kind: {**inner, field: ""}}
            for piece in cut_text(text):
                yield {"index": index, kind: {field: piece}}
            return
    yield {"index": index, **call}
