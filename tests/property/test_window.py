"""Whatever a conversation is, what is left of it is one that its provider takes, and fits."""

from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.conversations import Message, Talker
from tests.support.dialect_rules import anthropic_faults, openai_faults

from headrace.errors import InvalidRequest
from headrace.model import DialectName
from headrace.prompt.window.fit import FitReport, WindowBudget, fit_document
from headrace.prompt.window.groups import PIN
from headrace.prompt.window.rebuild import MARKER, NOTE
from headrace.prompt.window.weights import Scale

DIALECTS = st.sampled_from(["openai", "anthropic"])


def words(text: str) -> int:
    return text.count(" ") + 1


def faults(dialect: str, messages: list[Message]) -> list[str]:
    return openai_faults(messages) if dialect == "openai" else anthropic_faults(messages)


def weight(dialect: DialectName, document: dict[str, Any]) -> int:
    scale = Scale(words, dialect)
    return scale.frame(document) + sum(map(scale.message, document["messages"]))


def fitted_or_refused(
    document: dict[str, Any], dialect: DialectName, budget: WindowBudget
) -> tuple[dict[str, Any], FitReport] | str:
    """What is left, or the code of the refusal."""
    try:
        return fit_document(document, dialect=dialect, budget=budget, count=words)
    except InvalidRequest as error:
        return error.code


def said_by_model(messages: list[Message]) -> list[Message]:
    return [each for each in messages if each["role"] == "assistant"]


def without_pin(message: Message) -> Message:
    return {name: value for name, value in message.items() if name != PIN}


def is_in_order(some: list[Message], among: list[Message]) -> bool:
    rest = iter(among)
    return all(each in rest for each in some)


@settings(max_examples=150, deadline=None)
@given(
    dialect=DIALECTS,
    seed=st.integers(0, 2**32),
    turns=st.integers(1, 30),
    share=st.floats(0.02, 1.2),
    pins=st.sampled_from([0.0, 0.05]),
    keep_first=st.integers(0, 3),
    clears=st.booleans(),
    whole=st.booleans(),
    step_share=st.floats(0.05, 0.5),
    recent_share=st.floats(0, 0.5),
)
def test_what_is_left_is_valid_and_fits(
    dialect: DialectName,
    seed: int,
    turns: int,
    share: float,
    pins: float,
    keep_first: int,
    clears: bool,
    whole: bool,
    step_share: float,
    recent_share: float,
) -> None:
    messages = Talker(dialect, seed).conversation(turns, pins=pins, whole=whole)
    pinned = [without_pin(each) for each in messages if each.get(PIN)]
    bare = [without_pin(each) for each in messages]
    assert faults(dialect, bare) == []
    document = {"model": "m", "messages": messages, "tools": [{"name": "look"}], "extra": {"a": 1}}
    before = deepcopy(document)
    total = weight(dialect, {**document, "messages": bare})
    budget = WindowBudget(
        tokens=max(1, int(total * share)),
        keep_first=keep_first,
        clears_results=clears,
        step_share=step_share,
        recent_share=recent_share,
    )
    found = fitted_or_refused(document, dialect, budget)
    assert document == before
    if isinstance(found, str):
        assert found == "context_length_exceeded"
        assert total > budget.tokens
        return
    fitted, report = found
    left = fitted["messages"]
    assert faults(dialect, left) == []
    assert {**fitted, "messages": None} == {**document, "messages": None}
    assert weight(dialect, fitted) == report.tokens_after <= budget.tokens
    assert is_in_order(said_by_model(left), said_by_model(bare))
    for each in pinned:  # a user's message may have been joined with the one before or behind it
        assert each in left or each["role"] == "user"
    assert [each for each in left if each["role"] in ("system", "developer")] == [
        each for each in bare if each["role"] in ("system", "developer")
    ]
    if total <= budget.tokens:
        assert left == bare
        assert (fitted is document) is all(PIN not in each for each in messages)
    else:
        again, _ = fit_document(fitted, dialect=dialect, budget=budget, count=words)
        assert again is fitted


@pytest.mark.heavy
@settings(max_examples=25, deadline=None)
@given(
    dialect=DIALECTS,
    seed=st.integers(0, 2**32),
    clears=st.booleans(),
    keep_first=st.integers(0, 1),
)
def test_the_cut_holds_while_a_conversation_grows(
    dialect: DialectName,
    seed: int,
    clears: bool,
    keep_first: int,
) -> None:
    """Otherwise a provider would have to read everything anew with each turn."""
    talker = Talker(dialect, seed, words_max=30, images=False)
    budget = WindowBudget(tokens=4000, keep_first=keep_first, clears_results=clears)
    messages: list[Message] = []
    sent: list[list[Message]] = []
    total = 0
    for _ in range(90):
        messages = [*messages, talker.user()]
        while True:
            document = {"messages": messages}
            total = weight(dialect, document)
            fitted, _ = fit_document(document, dialect=dialect, budget=budget, count=words)
            sent.append(fitted["messages"])
            if talker.text().count(" ") < 15:
                break
            messages = [*messages, *talker.tools()]
        messages = [*messages, talker.assistant()]
    breaks = sum(after[: len(before)] != before for before, after in pairwise(sent))
    assert breaks <= (total - budget.tokens) / (budget.tokens * budget.step_share) + 2
    assert len(sent) > 100


@pytest.mark.heavy
@settings(max_examples=25, deadline=None)
@given(dialect=DIALECTS, seed=st.integers(0, 2**32))
def test_what_goes_next_is_told_before_it_goes(dialect: DialectName, seed: int) -> None:
    talker = Talker(dialect, seed, words_max=30, images=False)
    budget = WindowBudget(tokens=4000, summary_tokens=200)
    messages: list[Message] = []
    foretold: list[tuple[tuple[int, int], ...]] = []
    cuts = hits = 0
    report = FitReport(tokens_before=0, tokens_after=0, budget_tokens=0)
    for _ in range(120):
        messages = [*messages, *talker.turn()]
        before = report.left_out
        _, report = fit_document(
            {"messages": messages}, dialect=dialect, budget=budget, count=words
        )
        if report.left_out != before:
            cuts += 1
            hits += report.left_out in foretold
        if report.next_out and (not foretold or foretold[-1] != report.next_out):
            foretold.append(report.next_out)
    assert cuts >= 1
    assert hits >= cuts - 1


@given(st.lists(st.sampled_from(["user", "assistant", "tool", "function", "system", "odd"])))
def test_broken_conversations_raise_nothing_else(roles: list[str]) -> None:
    odd: list[Any] = [None, "", 7, [], {}, [{"type": 3}], [None], "text " * 50]
    messages: list[dict[str, Any]] = [
        {
            "role": role,
            "content": odd[place % len(odd)],
            "tool_calls": odd[(place * 3) % 7],
            "tool_call_id": odd[(place * 5) % 7],
            "name": odd[(place * 2) % 7],
        }
        for place, role in enumerate(roles)
    ]
    dialects: tuple[DialectName, ...] = ("openai", "anthropic")
    for dialect in dialects:
        for tokens in (0, 1, 50, 100, 10_000):
            budget = WindowBudget(tokens=tokens)
            found = fitted_or_refused({"messages": messages}, dialect, budget)
            assert not isinstance(found, str) or found == "context_length_exceeded"


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_the_rules_see_what_is_wrong(dialect: str) -> None:
    talker = Talker(dialect, 3)
    called = talker.tools()
    user, assistant = talker.user(), talker.assistant()
    assert faults(dialect, [user, *called, assistant]) == []
    assert faults(dialect, [user, *called[:1], assistant])
    assert faults(dialect, [user, *called[1:], assistant])
    assert faults(dialect, [user, called[0]])
    assert faults(dialect, [{**user, PIN: True}])
    assert NOTE != MARKER
