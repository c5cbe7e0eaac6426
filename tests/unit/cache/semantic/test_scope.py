"""Which requests are compared by meaning, and which of them with each other."""

from collections.abc import Mapping
from typing import Any

import pytest

from headrace.cache.semantic.scope import Eligibility, Question, Unfit, read_question
from headrace.model import RequestView

RULES = Eligibility()
ASKED: Mapping[str, Any] = {
    "model": "m",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}],
}


def ask(
    document: Mapping[str, Any] = ASKED,
    *,
    base: bytes = b"tenant",
    model: str = "m",
    embedder: str = "e",
    temperature: float | None = None,
    eligibility: Eligibility = RULES,
    **fields: Any,
) -> Question | Unfit:
    return read_question(
        {**document, **fields},
        RequestView(model=model, temperature=temperature, has_tools=bool(fields.get("tools"))),
        base=base,
        model=model,
        uncounted=frozenset({"stream", "metadata"}),
        embedder=embedder,
        eligibility=eligibility,
    )


def scope(*arguments: Any, **fields: Any) -> bytes:
    question = ask(*arguments, **fields)
    assert isinstance(question, Question)
    return question.scope


def messages(*turns: tuple[str, Any]) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": role, "content": said} for role, said in turns]}


def test_the_text_is_the_last_message_of_the_user() -> None:
    question = ask()
    assert isinstance(question, Question)
    assert question.text == "Why?"
    assert len(question.scope) == 32


@pytest.mark.parametrize("content", ["How?", [{"type": "text", "text": "How?"}]])
def test_another_text_has_the_same_scope_however_it_is_wrapped(content: Any) -> None:
    assert scope() == scope(messages(("system", "Be brief."), ("user", content)))


def test_what_cannot_change_the_answer_does_not_count() -> None:
    assert scope() == scope(stream=True, metadata={"a": "b"})


def test_the_order_of_fields_does_not_count() -> None:
    assert scope(seed=1, top_p=0.5) == scope(top_p=0.5, seed=1)


OTHERS: Mapping[str, dict[str, Any]] = {
    "tenant or provider": {"base": b"another tenant"},
    "model": {"model": "n"},
    "embedder": {"embedder": "f"},
    "parameter": {"max_tokens": 5},
    "seed": {"seed": 2},
    "system field": {"system": "Be kind."},
    "response format": {"response_format": {"type": "json_object"}},
    "system prompt": {"document": messages(("system", "Be long."), ("user", "Why?"))},
    "no system prompt": {"document": messages(("user", "Why?"))},
    "role of instructions": {"document": messages(("developer", "Be brief."), ("user", "Why?"))},
}


@pytest.mark.parametrize("difference", OTHERS)
def test_whatever_else_differs_makes_another_scope(difference: str) -> None:
    assert scope(**OTHERS[difference]) != scope()


def test_earlier_turns_count_where_they_are_allowed() -> None:
    rules = Eligibility(turns_max=3)
    first, second = (
        messages(("user", begin), ("assistant", "Yes."), ("user", "Why?")) for begin in ("A?", "B?")
    )
    assert scope(first, eligibility=rules) != scope(second, eligibility=rules)


def test_other_fields_of_the_message_count() -> None:
    named = {"model": "m", "messages": [{"role": "user", "content": "Why?", "name": "Ann"}]}
    assert scope(named) != scope(messages(("user", "Why?")))


UNFIT: tuple[tuple[str, dict[str, Any]], ...] = (
    ("tools", {"tools": [{"type": "function"}]}),
    ("tools", {"functions": [{"name": "f"}]}),
    ("tools", {"tool_choice": "auto"}),
    ("tools", {"web_search_options": {"size": 1}}),
    ("temperature", {"temperature": 1.5}),
    ("temperature", {"eligibility": Eligibility(temperature_max=0.5)}),
    ("turns", {"document": messages(("user", "A?"), ("assistant", "B."), ("user", "C?"))}),
    ("not_asked", {"document": messages(("user", "A?"), ("assistant", "B"))}),
    ("no_messages", {"document": {"model": "m"}}),
    ("not_text", {"document": messages(("user", None))}),
    ("not_text", {"document": messages(("user", []))}),
    ("not_text", {"document": messages(("user", [{"type": "image_url", "image_url": {}}]))}),
    ("not_text", {"document": messages(("user", [{"type": "text", "text": "a"}] * 2))}),
    ("not_text", {"document": messages(("user", [{"type": "text", "text": "a", "cache": 1}]))}),
    ("not_text", {"document": messages(("user", [{"type": "text", "text": 3}]))}),
    ("empty", {"document": messages(("user", " \n"))}),
    ("too_long", {"document": messages(("user", "a" * 1001))}),
    ("too_long", {"document": messages(("user", "\ufdfa" * 56))}),  # of which each is 18 letters
)


@pytest.mark.parametrize(("why", "fields"), UNFIT)
def test_what_is_not_compared_says_why(why: str, fields: dict[str, Any]) -> None:
    assert ask(**fields) == Unfit(why)


@pytest.mark.parametrize("temperature", [None, 0.0, 1.0])
def test_a_temperature_up_to_the_bound_is_compared(temperature: float | None) -> None:
    assert isinstance(ask(temperature=temperature), Question)


def test_the_document_is_left_as_it_was() -> None:
    document = messages(("user", "Why?"))
    ask(document)
    assert document == messages(("user", "Why?"))
