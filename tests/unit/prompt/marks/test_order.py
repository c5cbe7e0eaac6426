from typing import Any

import msgspec
import pytest
from tests.support.prompts import chat_tool, tool

from headrace.prompt.marks.order import ordered

MARK = {"cache_control": {"type": "ephemeral"}}


def turned(value: Any) -> Any:
    """The same value with every key in the opposite order."""
    if isinstance(value, dict):
        return {key: turned(each) for key, each in reversed(value.items())}
    return [turned(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("make", [tool, chat_tool])
def test_any_order_gives_the_same_bytes(make: Any):
    tools = [make(name) for name in ("look", "find", "go")]
    documents = [
        {"model": "m", "tools": tools},
        {"model": "m", "tools": turned(tools)},
        {"model": "m", "tools": tools[::-1]},
    ]
    assert len({msgspec.json.encode(ordered(document)) for document in documents}) == 1
    assert [sorted(map(str, ordered(d)["tools"])) for d in documents]


def test_what_is_in_order_comes_back_as_it_is():
    document = ordered({"tools": [tool("look"), tool("find")]})
    assert ordered(document) is document
    for document in ({}, {"tools": []}, {"tools": "none"}, {"tools": [1]}):
        assert ordered(document) is document


def test_lists_within_a_schema_keep_their_order():
    named = {"name": "look", "input_schema": {"required": ["b", "a"], "enum": [3, 1]}}
    done = ordered({"tools": [named]})["tools"][0]
    assert done == named
    assert list(done) == ["input_schema", "name"]


def test_the_callers_breakpoint_stays_behind_the_same_tools():
    tools = [{**tool("look"), **MARK}, tool("find")]
    assert [each["name"] for each in ordered({"tools": tools})["tools"]] == ["look", "find"]
