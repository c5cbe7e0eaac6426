"""What a user said last, and templates in its place: nothing else of a conversation moves."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.prompt.templates.template import Message
from headrace.prompt.templates.turn import Turn, in_place, last_turn

SYSTEM = Message("system", "Be kind.")
WORDS = Message("user", "They ask: why?")
EXAMPLE = Message("assistant", "Because.")
HISTORY = Message("history", "")
IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


@pytest.mark.parametrize(
    ("content", "text", "parts"),
    [
        ("why?", "why?", []),
        ([{"type": "text", "text": "why"}, {"type": "text", "text": "so?"}], "why\nso?", []),
        ([IMAGE, {"type": "text", "text": "what?"}], "what?", [IMAGE]),
        ([{"type": "text", "text": 1}, {"type": "text", "text": "x"}, 3], "x",
         [{"type": "text", "text": 1}, 3]),
    ],
)  # fmt: skip
def test_the_words_of_the_last_turn(content: Any, text: str, parts: list[Any]) -> None:
    found = last_turn({"messages": [user(content)]})
    assert found == Turn([], text, parts, [])


@pytest.mark.parametrize(
    "messages",
    [None, 3, [], [user("")], [user(None)], [user([IMAGE])], [{"role": "assistant"}]],
)
def test_no_words_no_turn(messages: Any) -> None:
    assert last_turn({"messages": messages}) is None


def test_results_of_tools_are_behind_the_turn() -> None:
    call = {"role": "assistant", "tool_calls": []}
    result = user([{"type": "tool_result", "tool_use_id": "a", "content": "12"}])
    found = last_turn({"messages": [user("before"), user("why?"), call, result]})
    assert found == Turn([user("before")], "why?", [], [call, result])


def test_what_came_before_goes_behind_the_system_text() -> None:
    turn = Turn([user("before")], "why?", [], [EXAMPLE])
    said = in_place(turn, [SYSTEM, WORDS], keeps_system=True)
    assert [each if isinstance(each, Message) else each["content"] for each in said] == [
        "Be kind.", "before", "They ask: why?", EXAMPLE,
    ]  # fmt: skip
    assert in_place(turn, [SYSTEM, WORDS], keeps_system=False) == said[1:]


def test_or_where_the_template_has_it() -> None:
    turn = Turn([user("before")], "why?", [], [])
    said = in_place(turn, [WORDS, EXAMPLE, HISTORY, WORDS, HISTORY], keeps_system=True)
    assert [each["content"] for each in said] == [
        "They ask: why?", "Because.", "before", "They ask: why?",
    ]  # fmt: skip


def test_images_go_with_the_last_words_of_the_user() -> None:
    turn = Turn([], "why?", [IMAGE], [])
    text = {"type": "text", "text": WORDS.content}
    assert in_place(turn, [WORDS, EXAMPLE, WORDS, EXAMPLE], keeps_system=True) == [
        user(WORDS.content),
        {"role": "assistant", "content": "Because."},
        user([IMAGE, text]),
        {"role": "assistant", "content": "Because."},
    ]
    assert in_place(turn, [SYSTEM], keeps_system=False) == [user([IMAGE])]


MESSAGES = st.lists(
    st.builds(lambda role, text: {"role": role, "content": text},
              st.sampled_from(["user", "assistant", "tool", "system"]), st.text(max_size=3)),
    max_size=6,
)  # fmt: skip
PARTS = st.lists(st.sampled_from([SYSTEM, WORDS, EXAMPLE, HISTORY]), max_size=6)


@given(MESSAGES, PARTS, st.booleans())
def test_nothing_else_is_lost_said_twice_or_moved(
    messages: list[Any], parts: list[Message], keeps_system: bool
) -> None:
    turn = last_turn({"messages": messages})
    if turn is None:
        return
    assert [*turn.before, user(turn.text), *turn.after] == messages
    said = in_place(turn, parts, keeps_system=keeps_system)
    own = [id(each) for each in messages if any(each is one for one in said)]
    assert own == [id(each) for each in (*turn.before, *turn.after)]
    assert own == [id(each) for each in said if any(each is one for one in messages)]
    assert said[len(said) - len(turn.after) :] == list(turn.after)
    is_kept = [each.role != "history" and (keeps_system or each is not SYSTEM) for each in parts]
    assert len(said) == len(own) + sum(is_kept)
