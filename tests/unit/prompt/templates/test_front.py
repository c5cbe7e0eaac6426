import string
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from headrace.prompt.templates import front
from headrace.prompt.templates.front import read_yaml, split_front

WORDS = st.text(
    string.ascii_letters + string.digits + " ,.;()'/?!+*=-:#\"[]{}&|>%@`~\t", max_size=12
)
NAMES = st.text(string.ascii_letters + string.digits + "_?()", min_size=1, max_size=6)
LINES = st.builds(
    lambda indent, name, colon, words: f"{' ' * indent}{name}{colon}{words}",
    st.sampled_from((0, 0, 0, 2, 2, 4)),
    NAMES,
    st.sampled_from((": ", ":", ":  ")),
    WORDS | st.sampled_from(("", "true", "No", "null", "~", "1", "-3", "01", "1e3", "0.5", "1.50")),
)


@given(st.lists(LINES | st.sampled_from(("", "# said", "  - a", "---")), max_size=6))
def test_plain_lines_mean_what_yaml_makes_of_them(lines: list[str]) -> None:
    text = "\n".join(lines)
    plain = front._plain_lines(text)
    if plain is not None:
        assert plain == front._Composed(text, 1).value()
        assert plain == (yaml.safe_load(text) or {})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("# nothing\n", {}),
        ("a: b c, d\n", {"a": "b c, d"}),
        ("a: 1\nb: 0.25\nc: -2\n", {"a": 1, "b": 0.25, "c": -2}),
        ("a:\n  b: c\n  d?: e\nf: g\n", {"a": {"b": "c", "d?": "e"}, "f": "g"}),
        ("a(array, of words): string", {"a(array, of words)": "string"}),
        ("a: yes\nb: null\nc:\n", {"a": True, "b": None, "c": None}),
        ("a: 2026-01-01\nb: 1:30", {"a": "2026-01-01", "b": "1:30"}),
        ("a: 'x: y'\nb: [1, {c: d}]", {"a": "x: y", "b": [1, {"c": "d"}]}),
        ("a: >\n  long\n  words\n", {"a": "long words\n"}),
        ("a: 010\nb: 0x1f", {"a": "010", "b": 31}),
    ],
)
def test_values_of_front_matter(text: str, value: dict[str, Any]) -> None:
    assert read_yaml(text) == value


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_front_and_body_are_told_apart(end: str) -> None:
    text = end.join(("---", "model: m", "---", "body", "---", "more"))
    assert split_front(text) == ("model: m\n", "body\n---\nmore", 4)


def test_a_file_without_front_matter_is_all_body() -> None:
    assert split_front("--- not a fence\nbody") == ("", "--- not a fence\nbody", 1)
