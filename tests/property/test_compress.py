"""What compression keeps, whatever it is given."""

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.prompts import count_pieces

from headrace.prompt.compress import html_text, json_text, logs, protected, rows, whitespace
from headrace.prompt.compress.document import compress_document
from headrace.prompt.compress.pipeline import Job, compress_text
from headrace.prompt.compress.rules import CompressRules, Place
from headrace.prompt.compress.segments import split

NAMES = st.sampled_from(("id", "name", "ok", "tags", "", "a,b", "@rows1"))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.sampled_from(("true", "1", "-0", "1e5", " a ", "@rows1", "x,y", "007", "[", "\ud800"))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)
ROWS = st.lists(
    st.fixed_dictionaries({"id": st.integers(), "name": SCALARS}, optional={"tags": VALUES}),
    min_size=3,
    max_size=8,
)
LINES = st.sampled_from(
    (
        "In order to see it, we have to look. It is not there.",
        "The quick brown fox jumps over the lazy dog, and does not look back at all today",
        "and then goes on to say the same thing that it has said before, for no reason",
        "Permission is hereby granted, free of charge, to any person obtaining a copy.",
        'He said "due to the fact that" and `in order to`; see https://a.example/in order to',
        "2026-11-21 10:00:01 INFO GET /v1/items/7 200 in 12 ms",
        "2026-11-21 10:00:02 INFO GET /v1/items/8 200 in 9 ms",
        "2026-11-21 10:00:02 INFO GET /v1/items/8 200 in 9 ms",
        "Traceback (most recent call last):",
        '  File "/srv/app/main.py", line 10, in main',
        "    run()",
        "ValueError: not a number",
        "```python",
        "```",
        "~~~",
        "    indented  code = 1;",
        '{"a": 1, "b": [1, 2, {"c": "\\u00e9"}]}',
        '[{"id": 1, "v": 1.0}, {"id": 2, "v": 1.00}, {"id": 3, "v": 1e0}]',
        "<!DOCTYPE html><html><body><p>a &lt;b&gt; c</p>",
        "<ul><li>one</li><li>two</li></ul>",
        "- an item of a list that is long enough to be said once only, it seems.",
        "name    size   date",
        "trailing   \t",
        "",
        "",
    )
)
TEXTS = st.lists(LINES, max_size=40).map("\n".join) | st.text(max_size=200)
PLACES: st.SearchStrategy[Place] = st.sampled_from(("system", "user", "result"))
RULES = st.builds(
    CompressRules,
    level=st.sampled_from(("safe", "lossy")),
    repeats=st.booleans(),
    stale=st.booleans(),
    keep_share=st.sampled_from((0.1, 0.5, 0.9)),
)
QUERIES = st.sampled_from(((), ("fox", "dog", "items"), ("permission", "charge")))


def repeated(text: str, times: int) -> str:
    return "\n".join([text] * times)


LONG_TEXTS = st.builds(repeated, TEXTS, st.integers(1, 6))


@settings(max_examples=300, deadline=None)
@given(LONG_TEXTS, PLACES, RULES, QUERIES)
def test_a_text_that_was_compressed_is_left_alone(
    text: str, place: Place, rules: CompressRules, query: tuple[str, ...]
) -> None:
    job = Job(place, rules, count_pieces, query)
    once = compress_text(text, job)
    twice = compress_text(once.text, job)
    assert twice.text == once.text
    assert once.after <= once.before == count_pieces(text)
    assert (once.text == text) is (once.after == once.before)
    assert once.after == count_pieces(once.text)


@given(TEXTS)
def test_the_stretches_of_a_text_are_the_text(text: str) -> None:
    assert "".join(each.text for each in split(text)) == text


@settings(deadline=None)
@given(LONG_TEXTS, PLACES)
def test_code_stays_byte_for_byte(text: str, place: Place) -> None:
    fence = "```python\nx  =  1   \n\n\n\nif in_order_to:   pass\n```"
    whole = f"{text}\n\nSee here:\n\n{fence}\n"
    is_outside = any(each.text.strip() == fence for each in split(whole))
    compressed = compress_text(whole, Job(place, CompressRules(), count_pieces)).text
    assert not is_outside or fence in compressed


@settings(deadline=None)
@given(LONG_TEXTS, st.sampled_from(("system", "user")))
def test_prose_of_people_loses_no_word_and_no_protected_span(text: str, place: Place) -> None:
    compressed = compress_text(text, Job(place, CompressRules(), count_pieces)).text
    if any(each.kind in ("json", "lines") for each in split(text)):
        return
    before, after = protected.words(text), protected.words(compressed)
    said_shorter = {"in", "order", "due", "the", "fact", "that"}
    assert before - after <= said_shorter
    if place == "system":
        assert text.split() == compressed.split()


@given(VALUES, st.sampled_from((None, 1, 4)), st.booleans())
@example({"a": 10**400, "b": [1.0, -0.0, 1e300]}, 2, True)
def test_minified_json_is_the_same_value(value: Any, indent: int | None, is_ascii: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=is_ascii)
    shorter = json_text.minify(text)
    assert len(shorter) <= len(text)
    assert json_text.is_equal(text, shorter)
    assert json.loads(shorter) == json.loads(text)
    assert json_text.minify(shorter) == shorter


@given(VALUES | ROWS | st.fixed_dictionaries({"total": st.integers(), "items": ROWS}))
def test_rows_can_be_told_from_their_table(value: Any) -> None:
    found = json_text.parse(json.dumps(value))
    assert found is not None
    folded = rows.fold(found[0])
    assert folded is None or rows.unfold(folded) == rows.plain(found[0])


@given(ROWS)
def test_rows_of_equal_shape_become_a_table(value: Any) -> None:
    found = json_text.parse(json.dumps(value))
    assert found is not None
    folded = rows.fold(found[0])
    assert folded is not None or "@rows" in json.dumps(value)


@given(LONG_TEXTS)
def test_folded_lines_unfold(text: str) -> None:
    folded = logs.fold(text)
    assert folded == text or logs.unfold(folded) == text


@given(TEXTS)
def test_white_space_changes_no_word(text: str) -> None:
    for step in (whitespace.trim, whitespace.tidy):
        assert step(text).split() == text.split()
        assert step(step(text)) == step(text)


@given(st.text(alphabet=st.sampled_from("<>/!-abpre&;\"'= \n"), max_size=300))
def test_a_broken_page_gives_some_text(text: str) -> None:
    assert html_text.to_text(text).startswith(html_text.HEAD)


CONTENTS = LONG_TEXTS | st.sampled_from(("x" * 300, "y " * 400))


@st.composite
def conversations(draw: st.DrawFn) -> tuple[str, list[dict[str, Any]]]:
    """A conversation with calls of tools in one of the dialects."""
    is_openai = draw(st.booleans())
    messages: list[dict[str, Any]] = []
    if is_openai:
        messages.append({"role": "system", "content": draw(TEXTS)})
    for number in range(draw(st.integers(0, 5))):
        messages.append({"role": "user", "content": draw(TEXTS)})
        calls = [
            (f"call_{number}_{at}", draw(st.sampled_from(("search", "read_file"))), draw(CONTENTS))
            for at in range(draw(st.integers(0, 3)))
        ]
        messages += _openai(calls) if is_openai else _anthropic(calls)
    return ("openai" if is_openai else "anthropic"), messages


def _openai(calls: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    made = [
        {"id": call, "type": "function", "function": {"name": name, "arguments": "{}"}}
        for call, name, _ in calls
    ]
    results = [{"role": "tool", "tool_call_id": call, "content": text} for call, _, text in calls]
    return [{"role": "assistant", "content": None, "tool_calls": made}, *results]


def _anthropic(calls: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    made = [{"type": "tool_use", "id": call, "name": name, "input": {}} for call, name, _ in calls]
    results = [
        {"type": "tool_result", "tool_use_id": call, "content": text, "cache_control": {}}
        for call, _, text in calls
    ]
    return [
        {"role": "assistant", "content": [{"type": "text", "text": "So:  "}, *made]},
        {"role": "user", "content": results},
    ]


@settings(max_examples=200, deadline=None)
@given(conversations(), RULES)
def test_a_message_does_not_depend_on_those_behind_it(
    conversation: tuple[Any, list[dict[str, Any]]], rules: CompressRules
) -> None:
    dialect, messages = conversation
    before = json.dumps(messages)
    whole, report = compress_document(
        {"messages": messages}, dialect=dialect, rules=rules, count=count_pieces
    )
    assert json.dumps(messages) == before, "the caller's messages were changed"
    for end in range(len(messages)):
        part, _ = compress_document(
            {"messages": messages[:end]}, dialect=dialect, rules=rules, count=count_pieces
        )
        assert part["messages"] == whole["messages"][:end]
    again, second = compress_document(whole, dialect=dialect, rules=rules, count=count_pieces)
    assert again is whole
    assert second.tokens_after == second.tokens_before == report.tokens_after


@settings(deadline=None)
@given(conversations(), RULES)
def test_only_texts_change(
    conversation: tuple[Any, list[dict[str, Any]]], rules: CompressRules
) -> None:
    dialect, messages = conversation
    sent, _ = compress_document(
        {"messages": messages, "model": "m"}, dialect=dialect, rules=rules, count=count_pieces
    )
    assert _without_texts(sent["messages"]) == _without_texts(messages)
    for new, old in zip(sent["messages"], messages, strict=True):
        if old["role"] == "assistant":
            assert new is old


def _without_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: None if name in ("text", "content") and isinstance(each, str) else each
            for name, each in ((n, _without_texts(v)) for n, v in value.items())
        }
    return [_without_texts(each) for each in value] if isinstance(value, list) else value
