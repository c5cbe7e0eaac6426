"""What is left out of a conversation, what stays, and what is said in its place."""

from typing import Any

import pytest
from tests.support.conversations import Message
from tests.support.prompts import count_pieces

from headrace import fit
from headrace.dialects.anthropic import AnthropicDialect
from headrace.dialects.openai import OpenAIDialect
from headrace.errors import InvalidRequest
from headrace.model import DialectName
from headrace.prompt.window.fit import FitReport, WindowBudget, fit_document
from headrace.prompt.window.rebuild import MARKER, NOTE


def words(text: str) -> int:
    return text.count(" ") + 1


def said(role: str, number: int, size: int = 50) -> Message:
    return {"role": role, "content": f"{role}{number}" + " word" * (size - 1)}


def chat(turns: int, size: int = 50) -> list[Message]:
    return [said(role, n, size) for n in range(turns) for role in ("user", "assistant")]


def called(number: int, size: int = 100) -> list[Message]:
    """A call of a tool and its result, in OpenAI's words."""
    function = {"name": "look", "arguments": "{}"}
    call = {"id": f"c{number}", "type": "function", "function": function}
    result = {"role": "tool", "tool_call_id": f"c{number}", "content": "word " * size}
    return [{"role": "assistant", "content": None, "tool_calls": [call]}, result]


def used(number: int, size: int = 100) -> list[Message]:
    """The same in Anthropic's."""
    thought = {"type": "thinking", "thinking": "hm", "signature": f"s{number}"}
    use = {"type": "tool_use", "id": f"c{number}", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": f"c{number}", "content": "word " * size}
    return [
        {"role": "assistant", "content": [thought, use]},
        {"role": "user", "content": [result]},
    ]


def shortened(
    messages: list[Message], tokens: int, dialect: DialectName = "openai", **budget: Any
) -> tuple[list[Message], FitReport]:
    rules = WindowBudget(tokens=tokens, **budget)
    fitted, report = fit_document(
        {"messages": messages}, dialect=dialect, budget=rules, count=words
    )
    return fitted["messages"], report


def texts(messages: list[Message]) -> list[str]:
    return [str(each["content"]).split(" ", maxsplit=1)[0] for each in messages]


def test_what_fits_is_left_alone() -> None:
    document = {"messages": chat(3), "tools": [{"a": 1}]}
    rules = WindowBudget(tokens=1000)
    fitted, report = fit_document(document, dialect="openai", budget=rules, count=words)
    assert fitted is document
    assert not report.is_changed
    assert report.tokens_before == report.tokens_after <= 1000


def test_the_first_message_the_last_turn_and_a_note_stay() -> None:
    system = {"role": "system", "content": "be brief"}
    messages, report = shortened([system, *chat(20), said("user", 20)], 600)
    assert messages[0] == system
    assert messages[1]["content"].startswith("user0 ")
    assert NOTE in messages[1]["content"]
    assert messages[-1] == said("user", 20)
    assert report.messages_dropped == 42 - len(messages) - 1  # two of the user's became one
    assert report.left_out[0][0] == 2


def test_results_are_cleared_before_anything_is_left_out() -> None:
    messages = [said("user", 0)]
    for number in range(10):
        messages += called(number)
    left, report = shortened(messages, 900)
    assert len(left) == len(messages)
    assert report.results_cleared > 0 == report.messages_dropped
    cleared = [each for each in left if each.get("content") == MARKER]
    assert len(cleared) == report.results_cleared
    assert left[2]["content"] == MARKER  # the oldest
    assert left[-1] == messages[-1]  # the recent ones stay
    _, plain = shortened(messages, 900, clears_results=False)
    assert plain.messages_dropped > 0 == plain.results_cleared


def test_thoughts_and_results_of_anthropic_stay_with_their_turn() -> None:
    messages = [said("user", 0)]
    for number in range(10):
        messages += used(number)
    left, report = shortened(messages, 900, "anthropic")
    assert left[1] == messages[1]
    assert left[2]["content"][0] == {**messages[2]["content"][0], "content": MARKER}
    left, report = shortened(messages, 300, "anthropic")
    assert report.messages_dropped % 2 == 0
    assert left[-2:] == messages[-2:]
    assert left[0]["content"] == f"{messages[0]['content']}\n\n{NOTE}"


def test_a_turn_that_is_cut_in_two_keeps_what_opened_it() -> None:
    messages = [*chat(4), said("user", 4)]
    for number in range(20):
        messages += called(number, 60)
    left, _ = shortened(messages, 900, clears_results=False)
    assert texts(left)[0] == "user0"
    assert "user4 " in left[0]["content"]  # joined with the first one, for roles to alternate
    assert left[1]["role"] == "assistant"


def test_pins_stay_and_are_not_sent() -> None:
    messages = chat(20)
    messages[8] = {**messages[8], "headrace_pin": True}
    messages[10] = {**messages[10], "headrace_pin": False}
    left, _ = shortened(messages, 600)
    assert any("user4" in each["content"] for each in left)
    assert not any("user5" in each["content"] for each in left)
    assert not any("headrace_pin" in each for each in left)
    same, _ = shortened(messages, 100_000)
    assert same == chat(20)


def test_a_pin_that_is_neither_true_nor_false_is_told() -> None:
    with pytest.raises(InvalidRequest, match="true") as caught:
        shortened([{**said("user", 0), "headrace_pin": "yes"}], 600)
    assert caught.value.param == "messages[0].headrace_pin"


@pytest.mark.parametrize(
    ("dialect", "wording"),
    [("openai", "maximum context length"), ("anthropic", "prompt is too long: ")],
)
def test_what_cannot_fit_is_told_in_the_words_of_the_api(
    dialect: DialectName, wording: str
) -> None:
    with pytest.raises(InvalidRequest, match="shorten") as caught:
        shortened([said("user", 0, 5000)], 600, dialect)
    error = caught.value
    assert (error.status, error.code, error.param) == (400, "context_length_exceeded", "messages")
    assert wording in error.message
    codec = OpenAIDialect() if dialect == "openai" else AnthropicDialect()
    assert wording.encode() in codec.error_body(error, "r")


def test_what_must_stay_is_sent_while_it_may_fit() -> None:
    messages = [*chat(10), said("user", 10, 580)]
    left, report = shortened(messages, 600, tokens_max=800)
    assert report.tokens_after > 600
    assert [each["role"] for each in left] == ["user"]


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        shortened(chat(1), 0)


def test_the_end_of_a_broken_conversation_is_the_callers() -> None:
    orphan = {"role": "tool", "tool_call_id": "gone", "content": "word " * 60}
    messages = [*chat(3), orphan, *chat(3), called(1)[0]]
    left, _ = shortened(messages, 500)
    assert orphan not in left
    assert left[-1] == called(1)[0]  # the provider will tell


@pytest.mark.parametrize("content", [True, False, 5, 0, 0.5, {"text": "word"}])
def test_what_is_no_content_stays_as_it_is(content: Any) -> None:
    messages = [*chat(10), {"role": "user", "content": content}]
    left, report = shortened(messages, 100)
    assert report.messages_dropped
    assert left[-1] == messages[-1]  # the provider will tell
    left, report = shortened([messages[-1], *messages], 150)
    assert report.messages_dropped
    assert (left[0], left[-1]) == (messages[-1], messages[-1])


def test_names_keep_users_apart() -> None:
    messages = [{**each, "name": "ann"} if each["role"] == "user" else each for each in chat(20)]
    messages[0] = {**messages[0], "name": "bob"}
    left, _ = shortened(messages, 600)
    assert left[0] == messages[0]
    assert left[1]["content"].startswith(NOTE)
    assert left[1]["name"] == "ann"


def test_what_was_left_out_can_be_summed_up() -> None:
    messages = [*chat(20), said("user", 20)]
    seen: list[list[Message]] = []

    def recall(gone: list[Message]) -> str:
        seen.append(gone)
        return "they spoke of words"

    rules = WindowBudget(tokens=700, summary_tokens=100)
    fitted, report = fit_document(
        {"messages": messages}, dialect="openai", budget=rules, count=words, recall=recall
    )
    assert report.summarised
    assert "they spoke of words" in fitted["messages"][0]["content"]
    assert seen == [messages[slice(*report.left_out[0])]]


def test_a_summary_keeps_to_its_room() -> None:
    rules = WindowBudget(tokens=700, summary_tokens=64)
    fitted, report = fit_document(
        {"messages": [*chat(20), said("user", 20)]},
        dialect="openai",
        budget=rules,
        count=words,
        recall=lambda gone: "more " * 5000,
    )
    assert report.tokens_after <= 700
    assert 40 < fitted["messages"][0]["content"].count("more") <= 64


def test_images_and_documents_count_and_base64_does_not() -> None:
    data = "QUJD" * 50_000
    image = {"type": "image", "source": {"type": "base64", "data": data}}
    paper = {"type": "document", "source": {"type": "base64", "data": data}}
    text = {"type": "document", "source": {"type": "text", "data": "word " * 10}}
    for block, least, most in ((image, 1000, 2000), (paper, 3000, 20_000), (text, 10, 40)):
        _, report = shortened([{"role": "user", "content": [block]}], 10**6, "anthropic")
        assert least < report.tokens_before < most


def test_halves_of_characters_are_no_hindrance() -> None:
    tool = {"type": "tool_use", "id": "c", "name": "\ud800", "input": {"a": "\udfff" * 20}}
    result = {"type": "tool_result", "tool_use_id": "c", "content": "\ud800 " * 500}
    messages = [said("user", 0), {"role": "assistant", "content": [tool]}]
    messages += [{"role": "user", "content": [result]}, *chat(10)]
    _, report = shortened(messages, 700, "anthropic")
    assert report.is_changed


def test_ten_megabytes_in_one_message_are_told_apart_from_ten_in_many() -> None:
    with pytest.raises(InvalidRequest, match="shorten"):
        shortened([said("user", 0, 2_000_000)], 100_000)
    messages = [*chat(100, 10_000), said("user", 100)]
    _, report = shortened(messages, 100_000)
    assert report.tokens_after <= 100_000
    middle = [said("user", 0), {**called(1)[0]}, {**called(1, 2_000_000)[1]}, *chat(3)]
    _, report = shortened(middle, 1000)
    assert report.messages_dropped + report.results_cleared > 0
    assert report.tokens_after <= 1000


def test_deep_json_is_counted() -> None:
    deep: Any = "end"
    for _ in range(900):
        deep = {"a": [deep]}
    use = {"type": "tool_use", "id": "c", "name": "look", "input": deep}
    result = {"type": "tool_result", "tool_use_id": "c", "content": [deep]}
    messages = [said("user", 0), {"role": "assistant", "content": [use]}]
    messages += [{"role": "user", "content": [result]}, *chat(10)]
    left, _ = shortened(messages, 600, "anthropic")
    assert left[-1] == messages[-1]


def test_a_hundred_thousand_messages_are_cut() -> None:
    left, report = shortened(chat(50_000, 3), 7000)
    assert report.tokens_after <= 7000
    assert len(left) > 500
    assert report.messages_dropped > 98_000


def test_fit_counts_for_programs() -> None:
    found = fit(chat(40), 1000, model="gpt-4o")
    assert found.report.tokens_after <= 1000
    assert found.report.messages_dropped > 0
    assert fit([], 10).messages == []
    assert fit(chat(2), model="gpt-4o").messages == chat(2)
    assert fit(chat(40), 1000, count=words).report.tokens_before == 40 * 2 * 54 + 3


def test_fit_tells_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="budget"):
        fit(chat(1), -1)
    with pytest.raises(ValueError, match="step_share"):
        fit(chat(1), 10, step_share=0.9)
    with pytest.raises(ValueError, match="nobody-knows"):
        fit(chat(1), model="nobody-knows")
    with pytest.raises(InvalidRequest, match="role"):
        fit([{"content": "no role"}], 10)


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_a_refusal_tells_the_room_and_not_what_would_still_be_sent(dialect: DialectName) -> None:
    budget = WindowBudget(tokens=80, tokens_max=126, room=100)
    document = {"messages": [{"role": "user", "content": "word " * 2000}]}
    with pytest.raises(InvalidRequest) as refused:
        fit_document(document, dialect=dialect, budget=budget, count=count_pieces)
    assert "100 " in refused.value.message
    assert "126" not in refused.value.message
