"""Answers of any shape survive being streamed, and any transcript can be read."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from headrace.dialects.anthropic import AnthropicDialect
from headrace.dialects.base import Dialect, Operation
from headrace.dialects.openai import OpenAIDialect
from headrace.dialects.pieces import cut_text

OPENAI: Dialect = OpenAIDialect()
ANTHROPIC: Dialect = AnthropicDialect()

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=120) | st.text(
    "ab \n\t\r\"'\\{}é首😀", max_size=200
)
names = st.text("abc_", min_size=1, max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
counts = st.integers(0, 10**9)

functions = st.fixed_dictionaries(
    {
        "id": names,
        "type": st.just("function"),
        "function": st.fixed_dictionaries({"name": names, "arguments": texts}),
    }
)
openai_messages = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": st.none() | texts},
    optional={
        "refusal": st.none() | texts,
        "reasoning_content": st.none() | texts,
        "tool_calls": st.none() | st.lists(functions, max_size=3),
        "function_call": st.fixed_dictionaries({"name": names, "arguments": texts}),
        "annotations": st.lists(st.dictionaries(names, texts, max_size=2), max_size=2),
        "x_provider": json_values,
        "name": names,
    },
)
tokens = st.lists(st.fixed_dictionaries({"token": texts, "logprob": st.integers(-9, 0)}))
logprobs = st.none() | st.fixed_dictionaries(
    {"content": st.none() | tokens}, optional={"refusal": st.none() | tokens}
)
openai_usage = st.fixed_dictionaries(
    {"prompt_tokens": counts, "completion_tokens": counts, "total_tokens": counts}
)


@st.composite
def openai_wholes(draw: st.DrawFn) -> dict[str, Any]:
    choices = []
    for index in range(draw(st.integers(1, 3))):
        choice = {
            "index": index,
            "message": draw(openai_messages),
            "finish_reason": draw(st.sampled_from(["stop", "length", "tool_calls"])),
        }
        if draw(st.booleans()):
            choice["logprobs"] = draw(logprobs)
        if draw(st.booleans()):
            choice["x_choice"] = draw(json_values)
        choices.append(choice)
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": draw(names)}
    extra = st.fixed_dictionaries(
        {},
        optional={"system_fingerprint": st.none() | names, "usage": openai_usage, "x": json_values},
    )
    return {**body, **draw(extra), "choices": choices}


anthropic_blocks = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("text"), "text": texts},
        optional={"citations": st.none() | st.lists(st.dictionaries(names, texts), max_size=3)},
    ),
    st.fixed_dictionaries(
        {"type": st.just("thinking"), "thinking": texts}, optional={"signature": texts}
    ),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["tool_use", "server_tool_use"]),
            "id": names,
            "name": names,
            "input": st.dictionaries(names, json_values, max_size=3),
        }
    ),
    st.fixed_dictionaries({"type": st.just("x_new"), "content": json_values, "input": json_values}),
)
anthropic_wholes = st.fixed_dictionaries(
    {
        "id": names,
        "type": st.just("message"),
        "role": st.just("assistant"),
        "model": names,
        "content": st.lists(anthropic_blocks, max_size=4),
        "stop_reason": st.sampled_from(["end_turn", "max_tokens", "tool_use"]),
        "stop_sequence": st.none() | texts,
        "usage": st.fixed_dictionaries(
            {"input_tokens": counts, "output_tokens": counts},
            optional={"cache_read_input_tokens": st.none() | counts, "x": json_values},
        ),
    },
    optional={"container": json_values, "x": json_values},
)


def round_trip(dialect: Dialect, operation: Operation, body: Any, usage: bool = True) -> Any:
    encoded = msgspec.json.encode(body)
    events = dialect.disassemble(operation, encoded, include_usage=usage)
    return msgspec.json.decode(dialect.assemble(operation, events))


@given(openai_wholes(), st.booleans())
def test_a_completion_survives_being_streamed(body: dict[str, Any], usage: bool) -> None:
    wanted = body if usage else {field: body[field] for field in body if field != "usage"}
    assert round_trip(OPENAI, Operation.CHAT, body, usage) == wanted


@given(openai_wholes())
def test_a_streamed_completion_has_the_same_facts(body: dict[str, Any]) -> None:
    encoded = msgspec.json.encode(body)
    events = OPENAI.disassemble(Operation.CHAT, encoded, include_usage=True)
    facts = OPENAI.read_stream(Operation.CHAT, events)
    assert facts.has_usage_event == ("usage" in body)
    same = msgspec.structs.replace(facts, has_usage_event=False)
    assert same == OPENAI.read_reply(Operation.CHAT, encoded)
    without = OPENAI.disassemble(Operation.CHAT, encoded, include_usage=False)
    stripped = OPENAI.read_stream(Operation.CHAT, OPENAI.without_usage_event(events))
    assert stripped == OPENAI.read_stream(Operation.CHAT, without)


@given(anthropic_wholes)
def test_a_message_survives_being_streamed(body: dict[str, Any]) -> None:
    assert round_trip(ANTHROPIC, Operation.MESSAGES, body) == body


@given(anthropic_wholes)
def test_a_streamed_message_has_the_same_facts(body: dict[str, Any]) -> None:
    encoded = msgspec.json.encode(body)
    events = ANTHROPIC.disassemble(Operation.MESSAGES, encoded, include_usage=False)
    facts = ANTHROPIC.read_stream(Operation.MESSAGES, events)
    assert facts == ANTHROPIC.read_reply(Operation.MESSAGES, encoded)


@given(openai_wholes(), st.data())
def test_a_cut_stream_is_complete_only_once_every_choice_has_ended(
    body: dict[str, Any], data: st.DataObject
) -> None:
    one = {**body, "choices": body["choices"][:1]}
    encoded = msgspec.json.encode(one)
    events = OPENAI.disassemble(Operation.CHAT, encoded, include_usage=False)
    finished = events.rindex(b"data: [DONE]")
    cut = data.draw(st.integers(0, finished - 1))
    assert not OPENAI.read_stream(Operation.CHAT, events[:cut]).complete
    assert not OPENAI.is_final_event(events[:cut])
    assert OPENAI.read_stream(Operation.CHAT, events[:finished]).complete


@given(anthropic_wholes, st.data())
def test_a_cut_message_is_not_complete(body: dict[str, Any], data: st.DataObject) -> None:
    encoded = msgspec.json.encode(body)
    events = ANTHROPIC.disassemble(Operation.MESSAGES, encoded, include_usage=False)
    cut = data.draw(st.integers(0, len(events) - 1))
    assert not ANTHROPIC.read_stream(Operation.MESSAGES, events[:cut]).complete
    assert not ANTHROPIC.is_final_event(events[:cut])


fields = st.sampled_from(
    ["choices", "delta", "index", "usage", "type", "content", "tool_calls", "message", "error"]
)
odd_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["message_stop", "text", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields, inner, max_size=4),
    max_leaves=12,
)
odd_payloads = odd_json.map(msgspec.json.encode) | st.binary(max_size=30)
framings = st.sampled_from([b"data: %b\n\n", b"data:%b\r\n\r\n", b"event: error\ndata: %b\n\n"])
transcripts = st.lists(
    st.tuples(framings, odd_payloads).map(lambda pair: pair[0] % pair[1]), max_size=5
).map(b"".join)


@given(transcripts | st.binary(max_size=80))
def test_any_transcript_can_be_read(transcript: bytes) -> None:
    for dialect, operation in ((OPENAI, Operation.CHAT), (ANTHROPIC, Operation.MESSAGES)):
        dialect.read_stream(operation, transcript)
        dialect.is_final_event(transcript)
        dialect.without_usage_event(transcript)
        assert isinstance(msgspec.json.decode(dialect.assemble(operation, transcript)), dict)


@given(odd_payloads)
def test_any_body_can_be_read(body: bytes) -> None:
    for dialect, operation in (
        (OPENAI, Operation.CHAT),
        (OPENAI, Operation.EMBEDDINGS),
        (ANTHROPIC, Operation.MESSAGES),
    ):
        dialect.read_reply(operation, body)
        if operation is not Operation.EMBEDDINGS:
            dialect.disassemble(operation, body, include_usage=True)


@given(texts)
def test_pieces_make_up_the_text(text: str) -> None:
    pieces = cut_text(text)
    assert "".join(pieces) == text
    assert all(pieces)
    assert all(len(piece.split()) <= 3 for piece in pieces)
