"""Requests in both dialects: what is read of them and how wrong ones are answered."""

from typing import Any

import pytest

from headrace.dialects.anthropic import AnthropicDialect
from headrace.dialects.base import Dialect, Operation
from headrace.dialects.openai import OpenAIDialect
from headrace.errors import InvalidRequest
from headrace.model import RequestView

OPENAI: Dialect = OpenAIDialect()
ANTHROPIC: Dialect = AnthropicDialect()
USER = {"role": "user", "content": "Hi"}
CHAT: dict[str, Any] = {"model": "m", "messages": [USER]}
MESSAGES: dict[str, Any] = {**CHAT, "max_tokens": 10}
EMBEDDINGS: dict[str, Any] = {"model": "m", "input": "text"}

BASES = {
    Operation.CHAT: (OPENAI, CHAT),
    Operation.EMBEDDINGS: (OPENAI, EMBEDDINGS),
    Operation.MESSAGES: (ANTHROPIC, MESSAGES),
}


def read(operation: Operation, document: dict[str, Any]) -> RequestView:
    return BASES[operation][0].read_request(operation, document)


@pytest.mark.parametrize("operation", list(Operation))
def test_the_least_request_is_read(operation: Operation) -> None:
    assert read(operation, BASES[operation][1]) == RequestView(model="m")


def test_everything_that_matters_of_a_chat_is_read() -> None:
    view = read(
        Operation.CHAT,
        {
            **CHAT,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 1,
            "n": 3,
            "tools": [{"type": "function"}],
            "unheard_of": {"x": [1]},
        },
    )
    assert view == RequestView(
        model="m", stream=True, include_usage=True, temperature=1.0, choices=3, has_tools=True
    )
    assert type(view.temperature) is float
    assert read(Operation.CHAT, {**CHAT, "functions": [{}]}).has_tools


def test_null_is_as_good_as_missing() -> None:
    nothing = dict.fromkeys(("stream", "stream_options", "temperature", "n", "tools"))
    assert read(Operation.CHAT, {**CHAT, **nothing}) == RequestView(model="m")
    view = read(Operation.CHAT, {**CHAT, "stream_options": {"include_usage": None}})
    assert not view.include_usage


def test_an_embedding_has_no_stream() -> None:
    assert read(Operation.EMBEDDINGS, {**EMBEDDINGS, "stream": True}) == RequestView(model="m")
    assert read(Operation.EMBEDDINGS, {"model": "m", "input": [1, 2]}) == RequestView(model="m")


WRONG_IN_BOTH: list[tuple[dict[str, Any], str, str]] = [
    ({"model": None}, "model", "missing"),
    ({"model": ""}, "model", "empty"),
    ({"model": 3}, "model", "an integer"),
    ({"messages": None}, "messages", "missing"),
    ({"messages": []}, "messages", "empty"),
    ({"messages": {}}, "messages", "an object"),
    ({"messages": "Hi"}, "messages", "a string"),
    ({"messages": [USER, "Hi"]}, "messages[1]", "a string"),
    ({"messages": [USER, USER, {"content": "x"}]}, "messages[2].role", "missing"),
    ({"messages": [USER, {"role": 1.5}]}, "messages[1].role", "a number"),
    ({"stream": "true"}, "stream", "a string"),
    ({"stream": 1}, "stream", "an integer"),
    ({"temperature": "hot"}, "temperature", "a string"),
    ({"temperature": True}, "temperature", "a boolean"),
    ({"temperature": 10**400}, "temperature", "too large"),
]
WRONG: list[tuple[Operation, dict[str, Any], str, str]] = [
    *[(Operation.CHAT, *wrong) for wrong in WRONG_IN_BOTH],
    *[(Operation.MESSAGES, *wrong) for wrong in WRONG_IN_BOTH],
    (Operation.CHAT, {"n": 0}, "n", "is 0"),
    (Operation.CHAT, {"n": True}, "n", "a boolean"),
    (Operation.CHAT, {"n": 1.5}, "n", "a number"),
    (Operation.CHAT, {"stream_options": True}, "stream_options", "a boolean"),
    (
        Operation.CHAT,
        {"stream_options": {"include_usage": 1}},
        "stream_options.include_usage",
        "an integer",
    ),
    (Operation.MESSAGES, {"max_tokens": None}, "max_tokens", "missing"),
    (Operation.MESSAGES, {"max_tokens": 0}, "max_tokens", "is 0"),
    (Operation.MESSAGES, {"max_tokens": "9"}, "max_tokens", "a string"),
    (Operation.EMBEDDINGS, {"model": []}, "model", "an array"),
    (Operation.EMBEDDINGS, {"input": None}, "input", "missing"),
    (Operation.EMBEDDINGS, {"input": []}, "input", "empty"),
    (Operation.EMBEDDINGS, {"input": {}}, "input", "an object"),
]


@pytest.mark.parametrize(("operation", "fields", "param", "found"), WRONG)
def test_a_wrong_field_is_named_with_what_was_found(
    operation: Operation, fields: dict[str, Any], param: str, found: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(operation, {**BASES[operation][1], **fields})
    assert caught.value.param == param
    assert found in caught.value.message
    assert f"`{param}`" in caught.value.message


def test_credentials_travel_the_way_each_provider_wants() -> None:
    assert OPENAI.credential_headers("sk-1") == ((b"authorization", b"Bearer sk-1"),)
    assert OPENAI.default_headers == ()
    assert ANTHROPIC.credential_headers("sk-2") == ((b"x-api-key", b"sk-2"),)
    assert ANTHROPIC.default_headers == ((b"anthropic-version", b"2023-06-01"),)


def test_grammars_say_how_operations_are_addressed() -> None:
    assert {op: OPENAI.grammars[op].path for op in OPENAI.grammars} == {
        Operation.CHAT: "/chat/completions",
        Operation.EMBEDDINGS: "/embeddings",
    }
    assert ANTHROPIC.grammars[Operation.MESSAGES].path == "/messages"
    assert not OPENAI.grammars[Operation.EMBEDDINGS].streams
    assert "user" not in OPENAI.grammars[Operation.CHAT].uncounted
