"""A stream that went on is one stream, wherever it broke off and however the rest was cut."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from headrace.dialects import sse
from headrace.dialects.anthropic import AnthropicDialect
from headrace.dialects.base import Dialect, Operation
from headrace.dialects.openai import OpenAIDialect
from headrace.dialects.splice import Seam

OPENAI: Dialect = OpenAIDialect()
ANTHROPIC: Dialect = AnthropicDialect()
PREFILLED = ("claude-3-5-haiku",)
ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "?"}]}

# Few letters and blanks, so that texts overlap often; and any others.
texts = st.text("ab \n", max_size=40) | st.text(st.characters(exclude_categories=["Cs"]))
words = st.lists(st.sampled_from(["water", " wheel", "\n", " the", "."]), max_size=12).map("".join)
said = texts | words


def trimmed(before: str, after: str, *, sees_repeats: bool) -> str:
    """What a seam is to do, said in another way."""
    tail = before[-200:]
    for size in range(len(after), 0, -1):
        head = after[:size]
        is_words = sees_repeats and size >= 8 and any(each.isalnum() for each in head)
        if tail.endswith(head) and (head.isspace() or is_words):
            return after[size:]
    return after


@given(said, said, st.booleans(), st.data())
def test_a_seam_is_the_same_however_the_rest_is_cut(
    before: str, after: str, sees_repeats: bool, data: st.DataObject
) -> None:
    seam, told, left = Seam(before, sees_repeats=sees_repeats), "", after
    while left:
        size = data.draw(st.integers(1, len(left)))
        told += seam.feed(left[:size])
        left = left[size:]
    assert told + seam.flush() == trimmed(before, after, sees_repeats=sees_repeats)
    assert seam.flush() == ""


@given(said, st.integers(1, 19))
def test_what_is_repeated_to_the_letter_is_said_once(start: str, size: int) -> None:
    again = "the wheel turns in the water"[-8 - size :]
    before = f"{start}The wheel turns in the water"
    seam = Seam(before, sees_repeats=True)
    assert seam.feed(again) + seam.feed(" slowly.") + seam.flush() == " slowly."


def chat(text: str, name: str, tokens: int) -> bytes:
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": tokens, "completion_tokens": tokens, "total_tokens": 2 * tokens}
    whole = {"id": name, "created": tokens, "model": name, "choices": [choice], "usage": usage}
    return OPENAI.disassemble(Operation.CHAT, msgspec.json.encode(whole), include_usage=True)


def message(blocks: list[str], name: str, tokens: int) -> bytes:
    whole = {
        "id": name,
        "type": "message",
        "role": "assistant",
        "model": name,
        "content": [{"type": "text", "text": text} for text in blocks],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": tokens, "output_tokens": tokens},
    }
    body = msgspec.json.encode(whole)
    return ANTHROPIC.disassemble(Operation.MESSAGES, body, include_usage=True)


def begun(transcript: bytes, data: st.DataObject, left_out: int) -> bytes:
    """The beginning of a stream, without its last events at least."""
    blocks = sse.split_blocks(transcript)
    size = data.draw(st.integers(0, len(blocks) - left_out))
    return b"".join(block + b"\n\n" for block in blocks[:size])


def fed(splice: Any, rest: bytes, data: st.DataObject) -> bytes:
    """What a splice makes of events that come in pieces."""
    told, held = b"", b""
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        events, held = sse.cut_off(held + rest[:size])
        rest = rest[size:]
        told += splice.feed(events)
    assert not splice.is_broken
    assert held == b""
    return told


def decoded(transcript: bytes) -> list[dict[str, Any]]:
    payloads = [event.data for event in sse.read_events(transcript)]
    return [msgspec.json.decode(data) for data in payloads if data != b"[DONE]"]


@given(said, said, st.data())
def test_a_chat_that_went_on_is_one(before: str, after: str, data: st.DataObject) -> None:
    first = begun(chat(before, "first", 3), data, left_out=3)
    splice = OPENAI.splice(msgspec.json.encode(ASKED), first, ("m",))
    assert splice is not None
    whole = first + fed(splice, chat(after, "second", 5), data)
    chunks = decoded(whole)
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    so_far = [c["choices"][0]["delta"].get("content", "") for c in decoded(first)]
    told = [choice["delta"].get("content", "") for choice in choices]
    assert "".join(told) == "".join(so_far) + trimmed("".join(so_far), after, sees_repeats=True)
    assert [choice["delta"]["role"] for choice in choices if "role" in choice["delta"]] == [
        "assistant"
    ]
    ends = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    assert ends == ["stop"]
    assert whole.count(b"data: [DONE]\n\n") == 1
    assert whole.endswith(b"data: [DONE]\n\n")
    assert len({(c["id"], c["model"], c["created"], c["object"]) for c in chunks}) == 1
    facts = OPENAI.read_stream(Operation.CHAT, whole)
    assert facts.complete
    assert facts.usage is not None
    assert facts.usage.output_tokens == 5  # the first one never came to say its own


@given(st.lists(said, max_size=3), st.lists(said, max_size=3), st.booleans(), st.data())
def test_a_message_that_went_on_is_one(
    before: list[str], after: list[str], is_prefilled: bool, data: st.DataObject
) -> None:
    first = begun(message(before, "first", 3), data, left_out=2)
    models = PREFILLED if is_prefilled else ("claude-opus-4-6",)
    splice = ANTHROPIC.splice(msgspec.json.encode({**ASKED, "max_tokens": 9}), first, models)
    assert splice is not None
    whole = first + fed(splice, message(after, "second", 5), data)
    events = decoded(whole)
    kinds = [event["type"] for event in events]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert [kinds.count(kind) for kind in ("message_start", "message_delta", "message_stop")] == [
        1,
        1,
        1,
    ]
    so_far, told = text_of(decoded(first)), text_of(events)
    rest = trimmed(so_far, after[0], sees_repeats=not is_prefilled) if after else ""
    assert told == so_far + rest + "".join(after[1:])
    assert_blocks_follow_each_other(events)
    facts = ANTHROPIC.read_stream(Operation.MESSAGES, whole)
    assert facts.complete
    assert facts.usage is not None
    # Of the first one its beginning alone has told anything.
    assert facts.usage.input_tokens == (8 if first else 5)
    assert facts.usage.output_tokens == (6 if first else 5)


names = st.sampled_from(
    ["type", "index", "delta", "text", "content_block", "message", "usage", "choices", "content"]
)
kinds = st.sampled_from(
    [
        *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "text", "text_delta", "other"),
    ]
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.text("ab", max_size=3) | kinds,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("index", "delta", "content_block", "message", "usage", "choices")
fields = dict.fromkeys(FIELDS, anything)
strange = st.lists(st.fixed_dictionaries({"type": kinds}, optional=fields) | anything, max_size=6)


@given(strange, strange, st.booleans())
def test_whatever_comes_is_put_up_with(before: Any, after: Any, has_begun: bool) -> None:
    for dialect, start in ((OPENAI, chat("so", "m", 1)), (ANTHROPIC, message(["so"], "m", 1))):
        opening = b"".join(each + b"\n\n" for each in sse.split_blocks(start)[:2])
        first = opening if has_begun else b"".join(map(event_of, before))
        splice = dialect.splice(msgspec.json.encode(ASKED), first, PREFILLED)
        for each in after if splice is not None else ():
            assert isinstance(splice.feed(event_of(each)), bytes)


def event_of(value: Any) -> bytes:
    return sse.write_event(msgspec.json.encode(value))


def text_of(events: list[dict[str, Any]]) -> str:
    parts = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    return "".join(part["text"] for part in parts)


def assert_blocks_follow_each_other(events: list[dict[str, Any]]) -> None:
    """Blocks are numbered one by one, and each is closed before the next one begins."""
    opened, current = 0, None
    for event in events:
        kind = event["type"]
        if kind == "content_block_start":
            assert (current, event["index"]) == (None, opened)
            current, opened = opened, opened + 1
        elif kind == "content_block_delta":
            assert event["index"] == current
        elif kind == "content_block_stop":
            assert event["index"] == current
            current = None
        elif kind == "message_delta":
            assert current is None
