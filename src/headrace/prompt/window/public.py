"""`fit`, for programs."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from headrace.dialects.fields import check_messages
from headrace.model import DialectName
from headrace.prompt.counting.count import CountText
from headrace.prompt.counting.counters import Counters
from headrace.prompt.counting.families import model_of
from headrace.prompt.window.fit import FitReport, WindowBudget, fit_document
from headrace.prompt.window.limits import LimitTable


class Fitted(msgspec.Struct, frozen=True, kw_only=True):
    """Messages that fit, and what was done for that.

    Attributes:
        messages: what to send.
        report: tokens before and after, and what was left out or cleared.
    """

    messages: list[dict[str, Any]]
    report: FitReport


@lru_cache(maxsize=1)
def _counters() -> Counters:
    """What all calls of a process share. It never learns: what is counted stays the same."""
    return Counters()


def _room(model: str, dialect: DialectName, output_tokens: int) -> int:
    limits = _limits().find("", dialect, model)
    if limits is None:
        raise ValueError(f"it is not known what {model} has room for: say it by budget")
    return limits.prompt_tokens(output_tokens)


@lru_cache(maxsize=1)
def _limits() -> LimitTable:
    return LimitTable.load()


def fit(
    messages: Sequence[dict[str, Any]],
    budget: int | None = None,
    *,
    model: str = "gpt-4o",
    output_tokens: int = 4096,
    dialect: DialectName = "openai",
    system: str | list[Any] | None = None,
    tools: Sequence[Any] | None = None,
    keep_first: int = 1,
    step_share: float = 0.25,
    clear_tool_results: bool = True,
    count: CountText | None = None,
) -> Fitted:
    """Make a conversation fit a number of tokens.

    Old results of tools are cleared first, then the oldest messages are left out, in big steps, so
    that what is sent keeps its beginning over many turns. System text, the first messages, the
    last turn and messages with `"headrace_pin": true` stay; calls of tools stay with their results.
    What is left is a conversation that the provider takes. The same messages and budget always
    give the same.

    Args:
        messages: a conversation, in OpenAI's or Anthropic's words; it is not changed.
        budget: what messages, system text and tools may come to together, in tokens; `None`: what
            the model has room for.
        model: as whose tokens they are counted.
        output_tokens: kept free for the answer, where there is no budget.
        dialect: whose words they are.
        system: Anthropic's system text, which is counted.
        tools: what is offered to the model, which is counted.
        keep_first: how many messages at the beginning stay, system text not counted.
        step_share: by what part of the budget the cut moves at a time, above 0 and at most 0.5.
        clear_tool_results: whether old results of tools are cleared before messages are left out.
        count: tokens of a text, in place of the model's.

    Raises:
        InvalidRequest: what has to stay does not fit (`context_length_exceeded`), or these are no
            messages.
        ValueError: a budget below 0, a step that is none, or no budget for a model whose room
            nobody knows.
    """
    tokens = _room(model, dialect, output_tokens) if budget is None else budget
    if tokens < 0 or not 0 < step_share <= 0.5:
        raise ValueError("budget has to be at least 0, step_share above 0 and at most 0.5")
    rules = WindowBudget(
        tokens=tokens,
        step_share=step_share,
        keep_first=keep_first,
        clears_results=clear_tool_results,
    )
    fitted, report = fit_document(
        _document(messages, system, tools),
        dialect=dialect,
        budget=rules,
        count=count or _counters().of(model).tokens_of,
        image=model_of(model).image,
    )
    return Fitted(messages=fitted["messages"], report=report)


def _document(
    messages: Sequence[dict[str, Any]], system: str | list[Any] | None, tools: Sequence[Any] | None
) -> dict[str, Any]:
    document: dict[str, Any] = {"messages": list(messages)}
    if messages:
        check_messages(document)
    if system is not None:
        document["system"] = system
    if tools is not None:
        document["tools"] = list(tools)
    return document
