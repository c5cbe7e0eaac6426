"""Requests of the Responses API: what becomes of them, and what is wrong with bad ones."""

from typing import Any

import msgspec
import pytest

from headrace.dialects.responses.items import item_text, read_items
from headrace.dialects.responses.messages import to_messages
from headrace.dialects.responses.request import chat_body, read_request
from headrace.errors import InvalidRequest

CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "rain"}
USER = {"role": "user", "content": "hello"}


def chat(**fields: Any) -> dict[str, Any]:
    """The chat that a request becomes."""
    body = chat_body(read_request({"model": "m", "input": "hello", **fields}))
    return msgspec.json.decode(body, type=dict[str, Any])


def refused(**fields: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        chat(**fields)
    return caught.value


def test_a_text_becomes_a_message_as_a_chat_of_the_same_words_has_it() -> None:
    assert chat() == {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def test_two_parts_stay_parts_and_marks_stay_where_they_are() -> None:
    mark = {"mode": "explicit"}
    content = [
        {"type": "input_text", "text": "a", "prompt_cache_breakpoint": mark},
        {"type": "input_text", "text": "b"},
    ]
    (message,) = chat(input=[{"role": "user", "content": content}])["messages"]
    assert message["content"] == [
        {"type": "text", "text": "a", "prompt_cache_breakpoint": mark},
        {"type": "text", "text": "b"},
    ]


def test_calls_that_follow_each_other_are_one_message() -> None:
    other = {**CALL, "call_id": "c2", "name": "g"}
    said = {"role": "assistant", "content": [{"type": "output_text", "text": "I look."}]}
    items = [USER, said, CALL, other, {**RESULT, "call_id": "c2"}, RESULT]
    messages = chat(input=items)["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool"]
    assert messages[1]["content"] == "I look."
    assert [call["id"] for call in messages[1]["tool_calls"]] == ["c1", "c2"]
    assert [message.get("tool_call_id") for message in messages[2:]] == ["c2", "c1"]


def test_what_is_said_between_a_call_and_its_result_stands_beside_the_call() -> None:
    items = [USER, CALL, {"role": "assistant", "content": "one moment"}, RESULT]
    messages = chat(input=items)["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    assert messages[1]["content"] == "one moment"


def test_an_id_of_a_call_may_come_again_once_it_has_its_result() -> None:
    messages = chat(input=[USER, CALL, RESULT, CALL, RESULT])["messages"]
    assert [message["role"] for message in messages] == ["user", *["assistant", "tool"] * 2]


@pytest.mark.parametrize(
    ("items", "code", "words"),
    [
        ([USER, RESULT], "unknown_tool_call", "no item before it makes"),
        ([USER, CALL, RESULT, RESULT], "unknown_tool_call", "has one already"),
        ([USER, CALL, {**RESULT, "call_id": "c2"}], "unknown_tool_call", "'c2'"),
        ([USER, CALL, CALL, RESULT], "duplicate_tool_call", "input[2]"),
        ([USER, CALL], "missing_tool_output", "No tool output found for function call c1"),
        ([USER, CALL, USER, RESULT], "missing_tool_output", "input[2]"),
    ],
)
def test_results_and_calls_that_do_not_match(items: Any, code: str, words: str) -> None:
    error = refused(input=items)
    assert (error.code, error.param) == (code, "input")
    assert words in error.message


def test_a_call_of_the_conversation_so_far_has_its_result_in_this_request() -> None:
    asked = read_request({"model": "m", "input": [RESULT]})
    history = read_items([USER, CALL])
    messages = msgspec.json.decode(chat_body(asked, history))["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    with pytest.raises(InvalidRequest, match="an item of the conversation so far"):
        to_messages([*history, *read_items([USER])], before=3)


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"input": 3}, "input", "invalid_type"),
        ({"input": None}, "input", "missing_field"),
        ({"input": []}, "input", "missing_field"),
        ({"input": ["x"]}, "input[0]", "invalid_type"),
        ({"input": [{}]}, "input[0].type", "missing_field"),
        ({"input": [{"type": 1}]}, "input[0].type", "invalid_type"),
        ({"input": [{"type": "web_search_call"}]}, "input[0].type", "unsupported_parameter"),
        ({"input": [{"type": "item_reference"}]}, "input[0].id", "missing_field"),
        ({"input": [{"id": 3}]}, "input[0].id", "invalid_type"),
        ({"input": [{"role": "boss", "content": "x"}]}, "input[0].role", "invalid_value"),
        ({"input": [{"role": "user"}]}, "input[0].content", "missing_field"),
        ({"input": [{"role": "user", "content": 1}]}, "input[0].content", "invalid_type"),
        ({"input": [{"role": "user", "content": [1]}]}, "input[0].content[0]", None),
        ({"input": [{"role": "user", "content": [{"type": "x"}]}]}, None, "unsupported_parameter"),
        ({"input": [{**CALL, "arguments": {}}]}, "input[0].arguments", "invalid_type"),
        ({"input": [{**CALL, "call_id": None}]}, "input[0].call_id", "missing_field"),
        ({"input": [{**CALL, "status": "x"}]}, "input[0].status", "invalid_value"),
        ({"input": [{**RESULT, "output": {}}]}, "input[0].output", "invalid_type"),
        ({"input": [{"type": "reasoning", "summary": 1}]}, "input[0].summary", "invalid_type"),
        ({"model": None}, "model", "missing_field"),
        ({"instructions": ["x"]}, "instructions", "invalid_type"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"store": 1}, "store", "invalid_type"),
        ({"max_output_tokens": 0}, "max_output_tokens", "invalid_value"),
        ({"max_output_tokens": "9"}, "max_output_tokens", "invalid_type"),
        ({"tools": {}}, "tools", "invalid_type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name", "missing_field"),
        ({"tools": [{"type": "mcp"}]}, "tools[0].type", "unsupported_parameter"),
        ({"tool_choice": "any"}, "tool_choice", "invalid_type"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.tools", "invalid_type"),
        ({"text": "x"}, "text", "invalid_type"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type", "unsupported_parameter"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.name", "missing_field"),
        ({"reasoning": 1}, "reasoning", "invalid_type"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "invalid_value"),
        ({"metadata": {"a": "x" * 513}}, "metadata", "invalid_value"),
        ({"truncation": "some"}, "truncation", "invalid_type"),
        ({"previous_response_id": 1}, "previous_response_id", "invalid_type"),
        ({"previous_response_id": ""}, "previous_response_id", "invalid_value"),
        ({"conversation": {}}, "conversation.id", "missing_field"),
        (
            {"conversation": "conv_1", "previous_response_id": "resp_1"},
            "previous_response_id",
            "invalid_value",
        ),
        ({"messages": [USER]}, "messages", "unsupported_parameter"),
        ({"n": 2}, "n", "unsupported_parameter"),
        ({"background": True}, "background", "unsupported_parameter"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
    ],
)
def test_bad_fields_are_named(fields: dict[str, Any], param: str | None, code: str | None) -> None:
    error = refused(**fields)
    assert param in (None, error.param)
    assert code in (None, error.code)
    assert error.status == 400


def test_forms_of_answers_and_choices_of_tools() -> None:
    schema = {"type": "json_schema", "name": "trip", "schema": {"type": "object"}, "strict": True}
    tool = {"type": "function", "name": "f", "parameters": None, "strict": False}
    made = chat(
        text={"format": schema, "verbosity": "low"},
        tools=[tool],
        tool_choice={
            "type": "allowed_tools",
            "mode": "auto",
            "tools": [{"type": "function", "name": "f"}],
        },
        reasoning={"effort": "high"},
        max_output_tokens=9,
        top_logprobs=2,
        seed=7,
    )
    del schema["type"]
    assert made["response_format"] == {"type": "json_schema", "json_schema": schema}
    assert made["verbosity"] == "low"
    assert made["tools"] == [{"type": "function", "function": {"name": "f", "strict": False}}]
    assert made["tool_choice"] == {
        "type": "allowed_tools",
        "allowed_tools": {
            "mode": "auto",
            "tools": [{"type": "function", "function": {"name": "f"}}],
        },
    }
    assert made["reasoning_effort"] == "high"
    assert (made["max_tokens"], made["seed"]) == (9, 7)
    assert (made["logprobs"], made["top_logprobs"]) == (True, 2)


def test_a_choice_without_tools_is_not_sent_on() -> None:
    assert set(chat(tool_choice="none", parallel_tool_calls=True)) == {"model", "messages"}


def test_a_stream_asks_for_its_usage() -> None:
    made = chat(stream=True)
    assert made["stream"] is True
    assert made["stream_options"] == {"include_usage": True}


def test_a_model_that_reasons_is_bounded_by_its_own_field() -> None:
    assert chat(model="o4-mini", max_output_tokens=5)["max_completion_tokens"] == 5


def test_the_words_of_items() -> None:
    items = read_items(
        [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "a"},
                    {"type": "input_image", "image_url": "u"},
                    {"type": "refusal", "refusal": "b"},
                ],
            },
            CALL,
            RESULT,
            {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "why"}]},
        ]
    )
    assert [item_text(item) for item in items] == ["a\nb", "f {}", "rain", "why"]
