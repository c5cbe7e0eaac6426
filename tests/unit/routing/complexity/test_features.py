"""What is read of requests, and that nothing that is sent can make it fail or take long."""

from typing import Any

import msgspec
import pytest

from headrace.routing.complexity.features import (
    MESSAGES_MAX,
    TEXT_CHARS_MAX,
    Reading,
    read_features,
)


def read(*messages: Any, **fields: Any) -> Reading:
    document = {"model": "auto", "messages": list(messages), **fields}
    return read_features(document, len(msgspec.json.encode(document)))


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


@pytest.mark.parametrize("kind", [[], {}, None, 5, [{}]])
def test_a_part_may_be_of_any_kind(kind: Any) -> None:
    parts = [{"type": kind}, {"type": kind, "text": "prove it"}]
    assert read(user(parts)).features.hard_words == 0.25


def test_hard_words_are_counted_once_each_and_whole() -> None:
    assert read(user("Prove it. PROVE it! Why? What is the root cause?")).features.hard_words == 1.0
    assert read(user("prove prove prove")).features.hard_words == 0.25
    assert read(user("approved, improvement")).features.hard_words == 0.0


def test_easy_words_are_counted() -> None:
    features = read(user("Translate this list, please")).features
    assert features.easy_words == 1.0
    assert features.hard_words == 0.0


def test_only_the_last_turn_of_the_user_is_read_for_words() -> None:
    features = read(user("prove the theorem"), {"role": "assistant", "content": "why"}, user("ok"))
    assert features.features.hard_words == 0.0
    assert features.features.depth > 0.0


@pytest.mark.parametrize(
    ("text", "is_code"),
    [
        ("```\nx\n```", True),
        ("def f():\n    return 1\nclass A:\n    x = 1;", True),
        ("int main() {\n  a();\n  b();\n}", True),
        ("I would like to return the shoes that I bought.", False),
        ("", False),
    ],
)
def test_code_is_seen(text: str, *, is_code: bool) -> None:
    assert (read(user(text)).features.code >= 0.5) is is_code


def test_formulas_questions_and_steps_are_seen() -> None:
    features = read(user("Let f(x) = x^2.\n1. Find the integral?\n2. Why?\n- third")).features
    assert features.math == 1.0
    assert features.questions == 0.5
    assert features.steps == 3 / 8


def test_errors_of_tools_count_in_either_dialect() -> None:
    openai = read(
        user("go on"),
        {"role": "tool", "tool_call_id": "1", "content": "Traceback (most recent call last):"},
        {"role": "tool", "tool_call_id": "2", "content": "3 files changed"},
    )
    told = [{"type": "tool_result", "tool_use_id": "1", "is_error": True, "content": "no"}]
    text = [{"type": "tool_result", "tool_use_id": "1", "content": [_text("exit code 2")]}]
    fine = [{"type": "tool_result", "tool_use_id": "1", "content": "exit code 0"}]
    assert openai.features.tool_errors == pytest.approx(1 / 3)
    anthropic = read(user("go on"), user(told), user(text), user(fine))
    assert anthropic.features.tool_errors == pytest.approx(2 / 3)
    # Results alone are no turn of the user.
    assert anthropic.features.depth == 0.0


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


@pytest.mark.parametrize(
    ("content", "is_error"),
    [
        ('{"ok": true, "error": null}', False),
        ('{"errors": [], "rows": 3}', False),
        ("14 passed, 0 errors", False),
        ('{"error": {"code": 4}}', True),
        ("ls: cannot access: Permission denied", True),
        ("done, exit status 0", False),
        ("exit code: 127", True),
    ],
)
def test_what_tells_of_an_error_is_told_from_what_tells_of_none(
    content: str, *, is_error: bool
) -> None:
    features = read(user("go"), {"role": "tool", "content": content}).features
    assert (features.tool_errors > 0) is is_error


def test_tools_schema_and_effort_are_read() -> None:
    features = read(
        user("x"),
        tools=[{}] * 63,
        response_format={"type": "json_schema"},
        reasoning_effort="high",
    ).features
    assert (features.tools, features.schema, features.effort) == (1.0, 1.0, 1.0)
    thinking = read(user("x"), thinking={"type": "enabled"}, tool_choice={"type": "any"}).features
    assert (thinking.schema, thinking.effort) == (1.0, 1.0)
    plain = read(user("x"), tool_choice="auto", thinking={"type": "disabled"}).features
    assert (plain.tools, plain.schema, plain.effort) == (0.0, 0.0, 0.0)


def test_longer_is_longer() -> None:
    lengths = [read(user("word " * count)).features.length for count in (1, 10, 100, 1000, 10_000)]
    assert lengths == sorted(set(lengths))
    assert lengths[-1] <= 1.0


@pytest.mark.parametrize(
    "content",
    [
        "",
        "   ",
        None,
        [],
        [{"type": "image_url", "image_url": {"url": "x"}}],
        [_text("what is this"), {"type": "image", "source": {}}],
        "Докажите теорему о простых числах",
        "证明这个定理",
    ],
)
def test_what_words_are_not_made_for_is_not_read(content: Any) -> None:
    assert not read(user(content)).is_read


def test_an_image_of_an_earlier_turn_does_not_matter() -> None:
    image = user([_text("see"), {"type": "image_url", "image_url": {"url": "x"}}])
    assert read(image, {"role": "assistant", "content": "a cat"}, user("and why")).is_read


def test_text_with_some_other_letters_is_read() -> None:
    assert read(user("Explain the naïve Ünïcode façade — why is it used in Łódź?")).is_read


@pytest.mark.parametrize(
    "messages",
    [
        None,
        "text",
        [],
        [None, 3, "text", []],
        [{"role": "user"}],
        [{"role": "user", "content": [None, 3, {"type": "text", "text": 4}, {"text": None}]}],
        [{"role": ["user"], "content": {"text": "x"}}],
        [{"role": "tool", "content": [{"type": "text"}]}],
    ],
)
def test_whatever_is_sent_gives_features(messages: Any) -> None:
    reading = read_features({"messages": messages, "tools": 3, "thinking": "x"}, 100)
    assert not reading.is_read
    assert all(0.0 <= value <= 1.0 for value in msgspec.structs.astuple(reading.features))


def test_lone_surrogates_are_text() -> None:
    assert read_features({"messages": [user("prove \ud800 it")]}, 99).features.hard_words == 0.25


def test_a_long_text_is_read_at_both_ends_only() -> None:
    filler = "x " * TEXT_CHARS_MAX
    features = read(user("prove " + filler + " derive")).features
    assert features.hard_words == 0.5
    assert read(user(filler + " prove " + filler)).features.hard_words == 0.0


def test_only_the_newest_of_very_many_messages_are_looked_at() -> None:
    error = {"role": "tool", "content": "error"}
    old = [error] * 10 + [user("hello")] * 100_000
    features = read_features({"messages": old}, 2_000_000).features
    assert features.tool_errors == 0.0
    assert features.depth == 1.0
    assert MESSAGES_MAX > 64  # what `depth` tells apart


def test_ten_megabytes_are_read_like_any() -> None:
    text = "prove " + "a b\n" * 2_500_000
    reading = read_features({"messages": [user(text)]}, len(text))
    assert reading.features.length == 1.0
    assert reading.features.hard_words == 0.25
