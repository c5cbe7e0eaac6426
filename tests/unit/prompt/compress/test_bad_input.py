"""What nobody should send, and somebody will: it is sent on, and takes no more than linear time.

A stage that looks at a text more than once for each of its letters would take hours here.
"""

import json
import time
from typing import Any

import pytest
from tests.support.prompts import count_pieces

from headrace.prompt.compress import logs
from headrace.prompt.compress.document import compress_document
from headrace.prompt.compress.pipeline import TEXT_CHARS_MAX, Job, compress_text
from headrace.prompt.compress.public import compress
from headrace.prompt.compress.rules import CompressRules
from headrace.prompt.compress.stale import CLEARED

TIMES = 8_000
LOSSY = CompressRules(level="lossy")


def count(text: str) -> int:
    """A counter that takes no time."""
    return len(text)


def job(rules: CompressRules = LOSSY) -> Job:
    return Job("result", rules, count, ("word", "line", "item"))


EVIL = (
    "<a ", "<!--", "<script>", '<a href="', "<html><td>", "<", "<pre>", "</pre", "<title", "&#",
    "<html><!--", "<html></script", "<ul></li></li></li></li></li></li></li></li>", "[\n", "{\n",
    '{"a":', '{"a":[\n', '"\n', "[1,\n", "\n[1]\n{", " ", "\n", " \n", "\t\n", "  a", "\n\n\n",
    "`", "```\n", "```", "~~~\n", "``` `\n", '"', "“", "{{", "${", "%(", "a-", "a.", "a'", "aaaa",
    "word ", "Word. ", "Word.\nline item ", "in order ", "In order to ", "in order to be ", "0",
    "0-", "f1 ", "12:00:01 INFO x\n", "12:00:01 INFO {}\n", "    at x\n", '  File "x", line \n',
    "1\t", "Traceback (most recent call last):\n", "def f(x):\n", "a = b;\n",
    "@like, 9 lines: {}\n", "@rows1, 1 rows as CSV\n", "[as above]\n\n", "\\u00e9",
    "[the line above, 9 more times]\n",
    '"\\', "http://", "https://a.b/", "a b c d e f g h.\n", "x = ", "f(", "(x)", "\ud800", "\x00",
    "e\u0301", "İ", "\r\n", "\u2028", "- an item of eight words or more, as it seems\n",
)  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", EVIL, ids=ascii)
def test_no_text_takes_more_than_linear_time(piece: str) -> None:
    text = piece * TIMES
    outcome = compress_text(text, job())
    assert outcome.after <= outcome.before
    assert compress_text(outcome.text, job()).text == outcome.text


LOG_HEAD = "12:00:01 INFO x\n" * 8
SURROUNDINGS = (
    (LOG_HEAD, ""),
    (LOG_HEAD, "\nthe end"),
    ("<html>", ""),
    ("<html>", "</svg></script></pre></a>-->"),
    ("Some words of prose to begin with, and so on.\n\n", "\n\nand to end with"),
)
OFTEN = (
    "<svg/>", "<script/>", "<pre/>", "<a/>", "<pre></pre>", "&#1", "\nx\n", "\n \n", "\n\n\nx",
)  # fmt: skip
"""Pieces that are so small a part of the work that it takes many of them to tell in it."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("around", SURROUNDINGS, ids=lambda each: ascii(each[0][:9] + each[1][:9]))
@pytest.mark.parametrize(
    ("piece", "times"),
    [*((piece, TIMES // 2) for piece in EVIL), *((piece, TIMES * 4) for piece in OFTEN)],
    ids=ascii,
)
def test_nothing_around_a_text_makes_it_take_more(
    piece: str, times: int, around: tuple[str, str]
) -> None:
    """Sixteen times the text takes sixteen times the work, not 256 times: what a machine that is
    busy adds has room in between.
    """
    before, after = around
    large = _work_s(before + piece * times + after)
    assert large < WORK_S_SEEN or large < 64 * _work_s(before + piece * (times // 16) + after)


WORK_S_SEEN = 0.2
"""Less work than this is done before anything but the size of a text tells in it."""


def _work_s(text: str) -> float:
    start = time.thread_time()
    outcome = compress_text(text, job())
    worked = time.thread_time() - start
    assert outcome.after <= outcome.before
    return worked


def test_runs_of_blank_lines_are_no_blocks_and_are_looked_at_once() -> None:
    """White space takes them out, though they are nearly all of the text; folding passes them."""
    text = LOG_HEAD + "\n" * 16_000 + "the end"
    assert logs.fold(text).count("\n") > 16_000
    shorter = compress_text(text, job(CompressRules())).text
    assert shorter.endswith("\n\nthe end")
    assert len(shorter) < len(LOG_HEAD) + 20


def test_a_number_beyond_reading_stays_in_the_page() -> None:
    page = f"<html><body><p>a &amp; b</p>&#{'1' * 4400}; &amp;<p>end</p></body></html>"
    shorter = compress_text(page, job(CompressRules())).text
    assert shorter.startswith("[HTML as text]\na & b")
    assert f"&#{'1' * 4400};" in shorter


@pytest.mark.parametrize("depth", range(300, 1000, 50))
def test_rows_beside_deep_json_are_sent_on(depth: int) -> None:
    rows = [{"name": f"number {n}", "city": "Ghent"} for n in range(9)]
    deep = "[" * depth + "]" * depth
    value = f'{{"items": {json.dumps(rows)}, "deep": {deep}}}'
    lines = "\n".join(f'{{"n": {n}, "deep": {deep}}}' for n in range(4))
    for text in (value, lines):
        outcome = compress_text(text, job(CompressRules()))
        assert outcome.after <= outcome.before
        assert deep in outcome.text


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", ["[", '{"a":', "[[1,"])
def test_deep_json_is_sent_as_it_came(piece: str) -> None:
    closing = {"[": "]", '{"a":': "}", "[[1,": "]]"}[piece]
    text = piece * 100_000 + "1" + closing * 100_000
    assert compress_text(text, job()).text is text
    padded = piece * 300 + " 1 " + closing * 300
    shorter = compress_text(padded, job(CompressRules())).text
    assert json.loads(shorter) == json.loads(padded)


@pytest.mark.heavy
@pytest.mark.timeout(240)
def test_ten_megabytes() -> None:
    prose = "It goes on in order to go on, and then it says what it has said.   \n" * 150_000
    rows = json.dumps([{"id": n, "name": f"n{n}"} for n in range(60_000)])
    short = "ab cd, ef\n" * 100_000
    messages = [
        {"role": "user", "content": prose},
        {"role": "tool", "content": rows},
        {"role": "tool", "content": short},
    ]
    found, report = compress_document(
        {"messages": messages}, dialect="openai", rules=CompressRules(), count=count
    )
    assert len(prose) > 10_000_000
    assert report.changed == 2
    assert len(found["messages"][0]["content"]) < 0.9 * len(prose)
    assert len(found["messages"][1]["content"]) < len(rows) / 1.8


def test_a_text_without_end_is_not_looked_at() -> None:
    text = " " * TEXT_CHARS_MAX + "x"
    assert compress_text(text, job()).text is text


@pytest.mark.heavy
@pytest.mark.timeout(120)
@pytest.mark.parametrize("rules", [CompressRules(), pytest.param(LOSSY, marks=pytest.mark.heavy)])
def test_a_hundred_thousand_messages(rules: CompressRules) -> None:
    messages: list[dict[str, Any]] = []
    for turn in range(25_000):
        made = {"id": f"c{turn}", "function": {"name": "ask", "arguments": f"{turn % 7}"}}
        messages += [
            {"role": "user", "content": f"Turn {turn}   \n\n\n\nis here"},
            {"role": "assistant", "content": None, "tool_calls": [made]},
            {"role": "tool", "tool_call_id": f"c{turn}", "content": f"{turn} words " * 30},
            {"role": "assistant", "content": "I see."},
        ]
    found, report = compress_document(
        {"messages": messages}, dialect="openai", rules=rules, count=count
    )
    assert report.changed >= 25_000
    assert len(found["messages"]) == 100_000
    is_cleared = any(each["content"] == CLEARED for each in found["messages"])
    assert is_cleared is (rules.level == "lossy")


def test_lone_surrogates_stay_where_they_are() -> None:
    text = "Half a pair: \ud83d   \n\n\n\nand \udc00 the other"
    outcome = compress_text(text, Job("user", CompressRules(), count_pieces))
    assert outcome.text == "Half a pair: \ud83d\n\nand \udc00 the other"
    rows = '[{"a":"\ud83d"},{"a":"x"},{"a":"y"},{"a":"long enough to pay"}]'
    assert "\ud83d" in compress_text(rows, job()).text.encode("utf-8", "backslashreplace").decode(
        "unicode_escape", "surrogatepass"
    )


@pytest.mark.parametrize(
    "message",
    [
        None, 1, "x", [], {}, {"role": None}, {"role": "user"}, {"role": "user", "content": None},
        {"role": "user", "content": 5}, {"role": "user", "content": {"type": "text"}},
        {"role": "user", "content": [None, 1, "x", {}, {"type": "text"}]},
        {"role": "user", "content": [{"type": "text", "text": 5}]},
        {"role": "user", "content": [{"type": "tool_result"}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": [], "content": {}}]},
        {"role": "assistant", "tool_calls": [None, {"id": {}, "function": None}]},
        {"role": "assistant", "tool_calls": {"id": 1}, "content": [{"type": "tool_use"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": [], "input": {1: object}}]},
        {"role": "tool", "tool_call_id": {}, "content": [{"type": "text", "text": ""}]},
        {"role": "tool", "name": 5, "content": ""}, {"role": "oracle", "content": "x   \n"},
        {"role": [], "content": "x   \n"}, {"role": {}, "content": "   "},
    ],
)  # fmt: skip
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_what_is_no_message_is_sent_on(message: Any, dialect: Any) -> None:
    for document in (
        {"messages": [message, message]},
        {"messages": message},
        {"messages": [], "system": message},
        {},
    ):
        found, report = compress_document(document, dialect=dialect, rules=LOSSY, count=count)
        assert found is document
        assert report.changed == 0


@pytest.mark.parametrize("messages", ["hi there", b"hi", None, 5, {"role": "user", "content": "a"}])
def test_what_is_no_list_is_refused(messages: Any) -> None:
    with pytest.raises(TypeError, match="expected a list of messages, such as"):
        compress(messages)


def test_what_is_no_message_is_refused() -> None:
    with pytest.raises(TypeError, match=r"messages\[0\]: expected a mapping, not int"):
        compress([1, 2])  # type: ignore[list-item]
