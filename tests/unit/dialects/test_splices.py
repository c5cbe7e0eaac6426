"""What can go on where its stream broke off, and what the request for the rest says."""

import json
from typing import Any

import pytest
from tests.support.replies import delta, event, events

from headrace.dialects.anthropic_splice import splice_message
from headrace.dialects.openai_splice import splice_chat
from headrace.dialects.splice import PLEA, added

ASKED: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "How is the water?"}],
    "temperature": 0.10,
    "max_tokens": 40,
}
SO_FAR = delta("", role="assistant") + delta("Clear ") + delta("and ")
BEGUN = b"".join(events("Clear ", "and "))
OPEN = BEGUN[: BEGUN.index(b"event: content_block_stop")]
OLD, NEW = ("claude-3-5-sonnet-20241022",), ("claude-opus-4-6",)


def body(**fields: Any) -> bytes:
    return json.dumps({**ASKED, **fields}).encode()


def chat_after(transcript: bytes) -> dict[str, Any]:
    splice = splice_chat(body(max_completion_tokens=30), transcript)
    assert splice is not None
    asked: dict[str, Any] = json.loads(splice.body)
    return asked


def test_a_chat_asks_for_the_rest() -> None:
    asked = chat_after(SO_FAR)
    assert asked["messages"] == [
        *ASKED["messages"],
        {"role": "assistant", "content": "Clear and"},
        {"role": "user", "content": PLEA},
    ]
    assert (asked["max_tokens"], asked["max_completion_tokens"]) == (38, 28)
    assert (asked["model"], asked["temperature"]) == ("m", 0.1)


@pytest.mark.parametrize("transcript", [b"", delta("", role="assistant"), delta(" \n")])
def test_where_nothing_was_said_the_same_is_asked_again(transcript: bytes) -> None:
    asked = body()
    splice = splice_chat(asked, transcript)
    assert splice is not None
    assert splice.body == asked


def test_the_tokens_left_are_never_none() -> None:
    assert chat_after(delta("water " * 100))["max_tokens"] == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 2},
        {"logprobs": True},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": {}}},
        {"audio": {"voice": "alloy"}},
    ],
    ids=str,
)
def test_chats_that_cannot_go_on_for_what_they_ask(fields: dict[str, Any]) -> None:
    assert splice_chat(body(**fields), SO_FAR) is None


@pytest.mark.parametrize(
    "last",
    [
        delta(None, tool_calls=[{"index": 0, "function": {"arguments": '{"a'}}]),
        delta(None, function_call={"name": "f"}),
        delta(None, refusal="No."),
        delta(None, reasoning_content="Hm."),
        delta("x", "stop"),
        b"data: [DONE]\n\n",
        b'data: {"choices": [{"index": 1, "delta": {"content": "x"}}]}\n\n',
        b'data: {"choices": [{"delta": {"content": "x"}, "logprobs": {"content": [1]}}]}\n\n',
        b"data: {\n\n",
    ],
)
def test_chats_that_cannot_go_on_for_what_they_said(last: bytes) -> None:
    assert splice_chat(body(), SO_FAR) is not None
    assert splice_chat(body(), SO_FAR + last) is None


@pytest.mark.parametrize(
    "fields", [{"response_format": {"type": "text"}}, {"tools": [{}], "n": 1}], ids=str
)
def test_chats_that_can(fields: dict[str, Any]) -> None:
    assert splice_chat(body(**fields), SO_FAR) is not None


def test_tool_calls_in_the_rest_are_its_own() -> None:
    splice = splice_chat(body(tools=[{}]), SO_FAR)
    assert splice is not None
    call = [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]
    rest = delta("Clear and", role="assistant") + delta(" cold.") + delta(None, tool_calls=call)
    told = splice.feed(rest + delta(None, "tool_calls"))
    chunks = [json.loads(line[6:]) for line in told.decode().split("\n\n") if line]
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"content": "cold."},
        {"tool_calls": call},
        {},
    ]


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_an_error_in_the_rest_is_seen(dialect: str) -> None:
    error = b'event: error\ndata: {"type": "error", "error": {"message": "no"}}\n\n'
    splice = (
        splice_chat(body(), SO_FAR) if dialect == "openai" else splice_message(body(), OPEN, NEW)
    )
    assert splice is not None
    assert splice.feed(error) == b""
    assert splice.is_broken


@pytest.mark.parametrize(
    ("models", "is_prefilled"),
    [
        (OLD, True),
        (("claude-opus-4-1-20250805", "claude-sonnet-4-20250514", "claude-haiku-4-5"), True),
        (("anthropic.claude-3-haiku-20240307-v1:0",), True),
        (NEW, False),
        ((*OLD, *NEW), False),
        (("claude-sonnet-4-10",), False),
        (("some-other-model",), False),
    ],
)
def test_models_that_let_it_be_go_on_from_their_own_words(
    models: tuple[str, ...], is_prefilled: bool
) -> None:
    splice = splice_message(body(), OPEN, models)
    assert splice is not None
    asked = json.loads(splice.body)
    turns = asked["messages"][1:]
    assert turns[0] == {"role": "assistant", "content": "Clear and"}
    assert turns[1:] == ([] if is_prefilled else [{"role": "user", "content": PLEA}])
    assert asked["max_tokens"] == 38


def test_who_is_to_think_is_not_made_to_go_on() -> None:
    splice = splice_message(body(thinking={"type": "enabled"}), OPEN, OLD)
    assert splice is not None
    assert len(json.loads(splice.body)["messages"]) == 3


@pytest.mark.parametrize(
    "last",
    [
        b"".join(events(block={"type": "tool_use", "id": "t", "name": "n", "input": {}})[1:2]),
        b"".join(events(block={"type": "thinking", "thinking": ""})[1:2]),
        event(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "input_json_delta", "partial_json": "{"},
            }
        ),
        event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
        event({"type": "message_stop"}),
        event({"type": "something_new"}),
    ],
)
def test_messages_that_cannot_go_on_for_what_they_said(last: bytes) -> None:
    assert splice_message(body(), OPEN, OLD) is not None
    assert splice_message(body(), OPEN + last, OLD) is None


@pytest.mark.parametrize(
    "fields", [{"output_format": {"type": "json_schema"}}, {"output_config": {"format": {}}}]
)
def test_messages_that_cannot_go_on_for_what_they_ask(fields: dict[str, Any]) -> None:
    can = fields == {"output_config": {"format": {}}}  # nothing is asked for
    assert (splice_message(body(**fields), OPEN, OLD) is not None) == can


def test_another_kind_of_block_closes_the_one_that_was_open() -> None:
    splice = splice_message(body(), OPEN, NEW)
    assert splice is not None
    block = {"type": "tool_use", "id": "t", "name": "n", "input": {}}
    told = splice.feed(b"".join(events(block=block))).decode()
    kinds = [json.loads(line[6:]) for line in told.split("\n") if line.startswith("data: ")]
    assert [(each["type"], each.get("index")) for each in kinds] == [
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_stop", 1),
        ("message_delta", None),
        ("message_stop", None),
    ]


def test_counts_are_added_and_words_are_not() -> None:
    first = {"a": 1, "in": {"b": 2, "c": None}, "tier": "x", "only": 4, "yes": True}
    second = {"a": 10, "in": {"b": 20, "c": 3}, "tier": "y", "none": None, "yes": True}
    assert added(first, second) == {
        "a": 11,
        "in": {"b": 22, "c": 3},
        "tier": "y",
        "only": 4,
        "none": None,
        "yes": True,
    }
    assert added(None, second) == second
    assert added(first, None) == first
