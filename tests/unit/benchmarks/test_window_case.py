"""What the figures of fitted conversations are made of."""

from itertools import islice

import pytest
from benchmarks.prompt.window import table
from benchmarks.prompt.window_case import SHAPES, Row, of_tokens, talk
from tests.support.dialect_rules import anthropic_faults, openai_faults

from headrace.model import DialectName
from headrace.prompt.window.weights import Scale


def words(text: str) -> int:
    return text.count(" ") + 1


@pytest.mark.parametrize("shape", SHAPES)
def test_conversations_are_what_providers_take(shape: str) -> None:
    for dialect, faults in (("openai", openai_faults), ("anthropic", anthropic_faults)):
        name: DialectName = "openai" if dialect == "openai" else "anthropic"
        messages = [each for added in islice(talk(shape, name), 40) for each in added]
        assert faults(messages) == []
        assert messages == [each for added in islice(talk(shape, name), 40) for each in added]


def test_they_are_as_long_as_is_asked() -> None:
    scale = Scale(words, "openai")
    messages = of_tokens("agent", "openai", 5000, scale)
    assert 5000 <= sum(map(scale.message, messages)) < 7000


def test_promises_that_are_not_kept_stand_out() -> None:
    rows = [Row("a", 1.0, "ms"), Row("b", 60.0, "ms", "below 50", is_kept=False)]
    assert list(table(rows).columns[3].cells) == ["", "MISSED"]
