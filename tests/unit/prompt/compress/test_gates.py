"""What is taken back: stages that save nothing, save too much, or break what has to hold."""

from typing import Any

import pytest
from tests.support.prompts import count_pieces

from headrace.prompt.compress import pipeline
from headrace.prompt.compress.pipeline import Job, compress_text
from headrace.prompt.compress.rules import CompressRules, CountText

PADDED = "A line with padding.   \n\n\n\nAnd another one.\n"


def job(count: CountText = count_pieces) -> Job:
    return Job("result", CompressRules(), count)


def test_a_stage_that_saves_no_tokens_is_taken_back() -> None:
    outcome = compress_text(PADDED, job(lambda text: 7))
    assert outcome.text is PADDED
    assert outcome.effects == (("whitespace", 0, True),)
    assert (outcome.before, outcome.after) == (7, 7)


def test_a_stage_that_saves_too_much_is_taken_back() -> None:
    page = f"<html><script>{'x = 1; ' * 20_000}</script><p>word</p></html>"
    outcome = compress_text(page, job())
    assert outcome.text is page
    assert outcome.effects == (("html", 0, True),)


@pytest.mark.parametrize(
    ("module", "broken"),
    [
        ("whitespace.tidy", lambda text: text.replace("another one", "one")),
        ("phrases.shorten", lambda text: text.replace('"as it is"', '"so"')),
        ("duplicates.without_lines", lambda text: text.replace("not ", "")),
    ],
)
def test_a_stage_that_loses_something_is_taken_back(
    module: str, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = 'And another one, "as it is", and not otherwise.'
    monkeypatch.setattr(f"{pipeline.__name__}.{module}", broken)
    outcome = compress_text(text, job())
    assert outcome.text is text
    assert [is_reverted for *_, is_reverted in outcome.effects] == [True]


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("json_text.minify", '{"a": 1.0, "b": [1, 2]}'),
        ("rows.fold", '[{"a":1,"b":"x"},{"a":2,"b":"y"},{"a":3,"b":"z"}]'),
        ("logs.fold", "\n".join(f"2026-01-01T00:00:0{n}Z INFO number {n}" for n in range(9))),
    ],
)
def test_a_value_that_changes_is_taken_back(
    module: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorter = {"json_text.minify": '{"a":1,"b":[1,2]}', "rows.fold": "@rows1", "logs.fold": "x"}
    monkeypatch.setattr(f"{pipeline.__name__}.{module}", lambda _: shorter[module])
    outcome = compress_text(text, job())
    assert outcome.text == text
    assert any(is_reverted for *_, is_reverted in outcome.effects)


def test_what_does_not_come_to_rest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_less(text: str) -> str:
        head, _, tail = text.rpartition("  ")
        return f"{head} {tail}" if tail else text

    text = "a  " * 50
    monkeypatch.setattr(f"{pipeline.__name__}.whitespace.tidy", one_less)
    outcome = compress_text(text, job(len))
    assert outcome.text is text
    assert outcome.effects == ()
