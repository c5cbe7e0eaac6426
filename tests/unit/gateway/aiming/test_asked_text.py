"""Which text of a request says what is wanted."""

from typing import Any

import pytest

from headrace.gateway.aiming.asked_text import asked_text


def asked(*messages: Any) -> str:
    return asked_text({"messages": list(messages)}, 100)


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


SYSTEM = {"role": "system", "content": "be nice"}
REPLY = {"role": "assistant", "content": "hello to you"}


def test_the_user_s_last_words_count() -> None:
    assert asked(SYSTEM, user("hello"), REPLY, user("where is it?")) == "where is it?"
    assert asked(SYSTEM, user("hello"), REPLY) == "hello"


def test_texts_of_one_message_belong_together() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:,x"}}
    parts = [{"type": "text", "text": "look"}, image, {"type": "text", "text": "what is it?"}]
    assert asked(user(parts)) == "look\nwhat is it?"


def test_results_of_tools_are_not_what_the_user_said() -> None:
    result = {"type": "tool_result", "tool_use_id": "a", "content": "refund refund"}
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f"}]}
    assert asked(user("find it"), call, user([result])) == "find it"
    tool = {"role": "tool", "tool_call_id": "a", "content": "refund"}
    assert asked(user("find it"), call, tool) == "find it"


@pytest.mark.parametrize(
    "content",
    [None, 5, {}, [], [5], ["text"], [{"type": "text"}], [{"type": "text", "text": 5}], ""],
)
def test_what_is_no_text_counts_for_nothing(content: Any) -> None:
    assert asked(user(content)) == ""
    assert asked(user("hello"), user(content)) == "hello"


@pytest.mark.parametrize("document", [{}, {"messages": None}, {"messages": "x"}, {"messages": []}])
def test_without_messages_nothing_was_asked(document: dict[str, Any]) -> None:
    assert asked_text(document, 100) == ""


def test_of_long_texts_both_ends_are_taken() -> None:
    assert asked(user("a" * 60 + "b" * 1_000_000 + "c" * 60)) == "a" * 50 + "\n" + "c" * 50
    parts = [{"type": "text", "text": letter * 40} for letter in "abcde"]
    assert asked(user(parts)) == "\n".join(("a" * 40, "b" * 10, "d" * 10, "e" * 40))
