"""Patterns of models stand for what shells would take them for."""

import fnmatch
import time

from hypothesis import example, given
from hypothesis import strategies as st

from headrace.identity.model_patterns import allows, matches

# Few letters, so that patterns and names meet.
NAMES = st.text("ab/-", max_size=8)
PATTERNS = st.text("ab/-*", max_size=8)


@given(PATTERNS, NAMES)
@example("a*a", "a")
@example("*", "")
@example("**", "a")
@example("a*b*a", "aba")
@example("a*ab*ba", "aba")
def test_they_match_as_in_a_shell(pattern: str, name: str) -> None:
    assert matches(pattern, name) == fnmatch.fnmatchcase(name, pattern)


def test_nothing_else_is_special() -> None:
    assert not matches("gpt-?", "gpt-4")
    assert not matches("gpt-[45]", "gpt-4")
    assert not matches("gpt.4", "gpt-4")
    assert matches("gpt-4o*", "gpt-4o-mini")
    assert not matches("gpt-4o*", "openai/gpt-4o-mini")
    assert not matches("GPT-4o", "gpt-4o")


def test_any_of_several_will_do_and_none_allows_nothing() -> None:
    assert allows(("a", "b*"), "bc")
    assert not allows(("a", "b*"), "c")
    assert not allows((), "a")


def test_what_is_made_to_take_long_does_not() -> None:
    began_s = time.process_time()
    assert not matches("a*" * 100 + "b", "a" * 10_000)
    assert time.process_time() - began_s < 5  # backtracking would take longer than the universe
