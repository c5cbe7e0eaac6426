"""Each stage by itself: what it makes of a text, and what it leaves alone."""

import importlib.util
import json
from pathlib import Path

import pytest

from headrace.prompt.compress import (
    duplicates,
    html_text,
    json_text,
    logs,
    phrases,
    protected,
    rows,
    sentences,
    traces,
    whitespace,
)
from headrace.prompt.compress.phrase_table import PHRASES
from headrace.prompt.compress.segments import split

ROOT = Path(__file__).parents[4]
NOT_IN_PHRASES = frozenset(
    ("no", "not", "never", "none", "nor", "without", "unless", "except", "can", "could", "may",
     "might", "must", "shall", "should", "will", "would", "first", "one", "two", "hundred")
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shorter"),
    [
        ('{ "a" : [ 1 , 2 ] }', '{"a":[1,2]}'),
        ('{"a": 1.0, "a": 1.00, "n": 123456789012345678901234567890}',
         '{"a":1.0,"a":1.00,"n":123456789012345678901234567890}'),
        (r'{"s": "a \"b\" \\u0041 \u00e9 \u0007 \/"}', r'{"s":"a \"b\" \\u0041 é \u0007 /"}'),
        (r'["\ud83d\ude00", "\ud83d", "\u0022"]', r'["😀","\ud83d","\u0022"]'),
        ("[NaN, -Infinity]", "[NaN,-Infinity]"),
    ],
)  # fmt: skip
def test_json_keeps_its_values_and_their_spelling(text: str, shorter: str) -> None:
    assert json_text.minify(text) == shorter
    assert json_text.is_equal(text, shorter)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.0", "1.00"), ('{"a":1,"a":2}', '{"a":2}'), ('{"a":1,"b":2}', '{"b":2,"a":1}'),
     ("1", '"1"'), ("[]", "{}"), ("{", "{")],
)  # fmt: skip
def test_json_that_differs_is_seen(one: str, other: str) -> None:
    assert not json_text.is_equal(one, other)


def table(value: object) -> str | None:
    found = json_text.parse(json.dumps(value))
    assert found is not None
    return rows.fold(found[0])


def test_rows_become_a_table_that_can_be_read_back() -> None:
    items = [{"id": n, "name": f"n {n}", "unit": "kg", "note": "1,5"} for n in range(3)]
    items[1]["tags"] = ["a", {"b": None}]
    assert table({"total": 3, "items": items, "next": None}) == (
        '{"total":3,"items":"@rows1","next":null}\n'
        '@rows1, 3 rows as CSV; in each: "unit":"kg","note":"1,5"\n'
        "id,name,tags\n"
        "0,n 0,\n"
        '1,n 1,["a",{"b":null}]\n'
        "2,n 2,"
    )


@pytest.mark.parametrize(
    "value",
    [
        [{"a": 1}, {"a": 2}],
        [{"a": 1}, {"b": 2}, {"c": 3}, {"d": 4}],
        [{"a": 1}, {"a": 2}, 3],
        {"x": "@rows1", "items": [{"a": 1}, {"a": 2}, {"a": 3}]},
        [{"": 1}, {"": 2}, {"": 3}],
    ],
)
def test_what_is_no_table_stays(value: object) -> None:
    assert table(value) is None


def test_rows_with_a_name_that_stands_twice_stay() -> None:
    found = json_text.parse('[{"a":1,"a":2},{"a":1,"a":2},{"a":1,"a":2}]')
    assert found is not None
    assert rows.fold(found[0]) is None


@pytest.mark.parametrize(
    "text", ["", "@rows1, 9 rows as CSV\na\n1", "@rows1, 1 rows as CSV\na,b\n1"]
)
def test_a_broken_table_gives_nothing(text: str) -> None:
    assert rows.unfold(text) is None


def test_a_page_becomes_the_text_it_shows() -> None:
    page = (
        "<!DOCTYPE html><html><head><title>A &amp; B</title><style>p{}</style></head><body>"
        '<h2>Head</h2><p>Some  <b>bold</b> &lt;b&gt; text<br>and <a href="/x?a=1&amp;b=2">more</a>'
        '<a href="javascript:go()">!</a></p><ul><li>one<li>two</ul><script>if (a < b) {}</script>'
        "<pre>x  =  1\n  y</pre><table><tr><td>1</td><td>2</td></tr></table>"
        '<img src="a.png" alt="A cat"><!-- gone --> a < b</body></html>'
    )
    assert html_text.is_html(page)
    assert html_text.to_text(page) == (
        "[HTML as text] A & B\n## Head\n\nSome bold <b> text\nand [more](/x?a=1&b=2)!\n\n"
        "- one\n- two\n"
        "```\nx  =  1\n  y\n```\n1 | 2 |\n\n[A cat] a < b"
    )


@pytest.mark.parametrize(
    "text",
    [
        "a <b>bold</b> word",
        "<?xml version='1.0'?><p></p>",
        "<template><p>x</p></template>",
        "x < y",
    ],
)
def test_what_is_no_page_is_left_alone(text: str) -> None:
    assert not html_text.is_html(text)


def test_lines_of_one_shape_become_rows() -> None:
    lines = [f"12:00:0{n} GET /v1/items/{n * 7} 200" for n in range(5)]
    folded = logs.fold("\n".join(lines))
    assert folded == (
        "@like, 5 lines: 12:00:{} GET /v1/items/{} 200\n00 0\n01 7\n02 14\n03 21\n04 28"
    )
    assert logs.unfold(folded) == "\n".join(lines)


def test_blocks_that_come_again_stand_once() -> None:
    frames = ['  File "a.py", line 3, in f', "    return f(n - 1)"] * 40
    text = "\n".join(["Traceback:", *frames, "RecursionError: too deep"])
    folded = logs.fold(text)
    assert folded.split("\n")[3] == "[the 2 lines above, 39 more times]"
    assert logs.unfold(folded) == text


def test_a_trace_that_was_shown_is_told_by_a_mark() -> None:
    frames = [f'  File "/srv/a{n}.py", line {n}, in f\n    g({n})' for n in range(4)]
    trace = "\n".join(["Traceback (most recent call last):", *frames, "ValueError: x"])
    assert traces.without_repeats(f"{trace}\nnext\n{trace}") == (
        f"{trace}\nnext\nTraceback (most recent call last):\n{traces.MARK}\nValueError: x"
    )


def test_frames_in_libraries_become_a_count() -> None:
    own = '  File "/srv/app.py", line 1, in f\n    g()'
    inside = [f'  File "/usr/lib/python3.11/site-packages/x{n}.py", line 1, in h' for n in range(5)]
    text = "\n".join([own, *inside, own, "ValueError: x"])
    assert traces.without_libraries(text) == (
        f"{own}\n  [5 frames in libraries]\n{own}\nValueError: x"
    )


def test_wrapped_paragraphs_become_lines() -> None:
    wrapped = (
        "This is a paragraph of some length that somebody broke into\n"
        "lines of sixty characters or so, as one does in mails and in\n"
        "pages of a manual.\n\n- an item\n- another\n\nroses are red\nviolets are blue"
    )
    assert whitespace.tidy(wrapped).split("\n")[0].endswith("mails and in pages of a manual.")
    assert whitespace.tidy(wrapped).endswith(
        "- an item\n- another\n\nroses are red\nviolets are blue"
    )


@pytest.mark.parametrize(("opening", "closing"), ['""', "``", "“”"])
def test_what_is_quoted_keeps_its_padding_and_its_lines(opening: str, closing: str) -> None:
    padded = (
        f"The error said {opening}expected  two, found  one of them{closing} and then it ended."
    )
    wrapped = (
        f"He read to us what stood there: {opening}The rose is red and so it was,\n"
        "the violet is as blue as ever it has been in all the years,\n"
        f"and all the rest of it is forgotten{closing}, and then he was gone."
    )
    for text in (padded, wrapped):
        assert whitespace.tidy(text) == text
        bare = text.replace(opening, "").replace(closing, "")
        assert len(whitespace.tidy(bare).split("\n")) == 1
        assert "  " not in whitespace.tidy(bare)


@pytest.mark.parametrize(
    "text",
    ["name    size    date\nfoo     1       x", "    x = 1  # a  b", "a\n\nb", "1.  one\n2.  two"],
)
def test_columns_and_indentation_stay(text: str) -> None:
    assert whitespace.tidy(text) == text


def test_phrases_are_shortened_outside_of_quotes_and_code() -> None:
    assert (
        phrases.shorten(
            'In order to win, "in order to" and `in order to` stay; due to the fact that it is so.'
        )
        == 'To win, "in order to" and `in order to` stay; because it is so.'
    )
    assert phrases.shorten("begin order to, in order-to, IN ORDER TO") == (
        "begin order to, in order-to, IN ORDER TO"
    )


@pytest.mark.parametrize(
    "text",
    [
        "They get along with it and get together with friends.", "Look it up until noon.",
        "The majority of the users are here.", "It is on the other hand side.",
        "She switched it off of course.", "The inside of the box and the outside of it.",
        "In the second half of the year.", "The call fails in some cases, in many cases or most.",
        "It was returned as a result of the call.", "At the point at which the two lines cross.",
        "Soon at an early date in its history.", "He went to the place where it was found.",
        "The handler in the event that is emitted.",
        "It is done in a manner that is safe.", "They differ in the manner of payment.",
        "It is open at all times of the day.", "For the reason that was given.",
        "During the period of time that is known.", "Changes in the course of the river.",
        "It depends on the condition that is named in the case that was filed.",
        "They were in a situation in which it rose, as did the number in cases in which it fell.",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_phrase_stays(text: str) -> None:
    assert phrases.shorten(text) == text


def test_no_phrase_changes_how_sure_or_how_many() -> None:
    for phrase, short, saved in PHRASES:
        assert not NOT_IN_PHRASES & {*phrase.split(), *short.split()}, phrase
        assert saved > 0
        assert protected.spans(phrase) == []
        assert phrases.shorten(short) == short, "what is written is shortened again"


def test_every_phrase_of_the_table_wins_on_the_tokenizers() -> None:
    path = ROOT / "scripts" / "build_phrases.py"
    spec = importlib.util.spec_from_file_location("build_phrases", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.table() == script.TABLE.read_text("utf-8"), "run scripts/build_phrases.py"


def test_paragraphs_that_say_the_same_stand_once() -> None:
    one = "This is a paragraph that is long enough to be worth a second look by somebody."
    other = one.replace("second", "third")
    again = one.upper().replace(" ", "  ")
    text = f"{one}\n\n{other}\n\n{again}\n\n{one}\n\nend"
    assert duplicates.without_paragraphs(text) == f"{one}\n\n{other}\n\n[as above]\n\nend"


def test_numbers_and_negations_make_a_difference() -> None:
    one = "- the first item of the list has 12 parts and is not for sale."
    text = "\n".join([one, one.replace("12", "13"), one.replace("not ", ""), one])
    assert duplicates.without_lines(text) == "\n".join([*text.split("\n")[:3], "[as above]"])


@pytest.mark.parametrize(
    ("one", "other"),
    ["≥≤", "≥≠", "✅❌", "¥₹", "~≈", "!?", ("5", ".5"), ("(a)", "[a]"), ('"x"', "x")],
)
def test_signs_make_a_difference(one: str, other: str) -> None:
    line = "- the size of the second part of it is {} than that."
    text = "\n".join([line.format(one), line.format(other)])
    assert duplicates.without_lines(text) == text
    paragraphs = text.replace("\n", "\n\n").replace("- the", "So it is said that the")
    assert duplicates.without_paragraphs(paragraphs) == paragraphs
    stops = "\n".join([line.format(one), line.format(one).replace("that.", "that:")])
    assert duplicates.without_lines(stops).endswith("\n[as above]")


def test_sentences_that_answer_the_question_are_kept() -> None:
    filler = "The weather of this place is said to be mild all the year round. " * 12
    answer = "The password of the router is reset by holding the button for ten seconds."
    text = f"It is a house. {filler}\n\n{answer} {filler}"
    query = sentences.terms("How do I reset the password of my router?")
    selected = sentences.select(text, query, 0.3)
    assert answer in selected
    assert sentences.MARK in selected
    assert len(selected) < 0.4 * len(text)
    assert sentences.select(selected, query, 0.3) == selected


@pytest.mark.parametrize("query", ["", "zebra giraffe"])
def test_nothing_is_cut_without_something_to_choose_by(query: str) -> None:
    text = "A sentence about nothing in particular, as it seems. " * 40
    assert sentences.select(text, sentences.terms(query), 0.3) == text


def test_terms_keep_negations_and_numbers() -> None:
    assert sentences.terms("Why is it not 404, never, without two?") == (
        "not", "404", "never", "without", "two",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Some prose.\n\n```py\nx = 1\n```\nMore.", ["prose", "code", "prose"]),
        ("Some prose.\n```py\nx = 1\nnever closed", ["prose", "code"]),
        ('Found 2 things, and here they are:\n[{"a": 1, "b": [1, 2, 3, 4, 5, 6, 7, 8, 9]}]\nBye.',
         ["prose", "json", "prose"]),
        ('{"a": 1}\n{"a": 2}\n', ["lines"]),
        ("{not json}", ["code"]),
        ("[link]: see [this] for more", ["prose"]),
        ("def f(x):\n    return {\n        1: 2,\n    }", ["code"]),
        ("     1\timport os\n     2\tx", ["code"]),
        ("diff --git a/x b/x\n@@ -1 +1 @@\n-a\n+b", ["code"]),
        ("\n".join(f"2026-01-01T00:00:0{n}Z INFO x" for n in range(8)), ["log"]),
        ("Error: x\n    at f (/a.js:1:2)\n    at g (/b.js:3:4)", ["log"]),
        ("<!doctype html><p>x", ["html"]),
        ("@rows1, 3 rows as CSV\na\n1\n2\n3", ["folded"]),
        ("   \n", ["code"]),
    ],
)  # fmt: skip
def test_texts_are_taken_apart_by_kind(text: str, kinds: list[str]) -> None:
    found = split(text)
    assert [each.kind for each in found] == kinds
    assert "".join(each.text for each in found) == text
