import copy
from typing import Any

import pytest
from tests.support.prompts import text, turn

from headrace.prompt.marks.habits import Advice, Outlook
from headrace.prompt.marks.models import takes_breakpoints
from headrace.prompt.marks.openai import mark_chat
from headrace.prompt.marks.report import Mark, MarkReport
from headrace.sim.openai_prefix import check, has_breakpoints

Document = dict[str, Any]
HERE = {"prompt_cache_breakpoint": {"mode": "explicit"}}
NEVER = Outlook((0.0, 0.0, 0.0), 10.0)


def marked(
    document: Document, model: str = "gpt-5.6", advice: Advice | None = None
) -> tuple[Document, MarkReport]:
    before = copy.deepcopy(document)
    done, report = mark_chat(document, model=model, key="key", advice=advice or Advice())
    assert document == before
    check({**done, "model": model})
    return done, report


def request(*messages: Document, **fields: Any) -> Document:
    return {"model": "m", "messages": list(messages or (SYSTEM, ASKS)), **fields}


SYSTEM = turn("system", "Be brief.")
ASKS = turn("user", "What now?")


def test_older_models_get_a_key_and_nothing_else():
    document = request()
    done, report = marked(document, "gpt-5.5")
    assert done == {**document, "prompt_cache_key": "key"}
    assert report == MarkReport(key="key")


def test_the_callers_key_stays():
    document = request(prompt_cache_key="mine")
    done, report = marked(document, "gpt-5.5")
    assert done is document
    assert report.key == ""


def test_newer_models_get_a_breakpoint_behind_the_system_prompt():
    done, report = marked(request(turn("developer", "You help."), SYSTEM, ASKS))
    assert done["messages"] == [
        turn("developer", "You help."),
        turn("system", [{"type": "text", "text": "Be brief.", **HERE}]),
        ASKS,
    ]
    assert report.marks == (Mark("system", "30m"),)
    assert "prompt_cache_options" not in done


def test_a_list_is_marked_at_its_last_part():
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "u"}}]
    done, _ = marked(request(turn("system", parts), ASKS))
    assert done["messages"][0]["content"] == [parts[0], {**parts[1], **HERE}]


@pytest.mark.parametrize(
    "messages",
    [
        [ASKS],
        [ASKS, SYSTEM],
        [turn("system", ""), ASKS],
        [turn("system", None), ASKS],
        [turn("system", []), ASKS],
        [turn("system", [{"type": "refusal", "refusal": "no"}]), ASKS],
        [turn("system", ["text"]), ASKS],
    ],
)
def test_where_no_breakpoint_may_be_there_is_none(messages: list[Document]):
    document = request(*messages)
    done, report = marked(document)
    assert done == {**document, "prompt_cache_key": "key"}
    assert report.marks == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt_cache_options": {"mode": "implicit"}},
        {"messages": [turn("user", [{"type": "text", "text": "a", **HERE}])]},
    ],
)
def test_a_caller_who_sets_breakpoints_gets_no_more(fields: Document):
    document = {**request(), **fields, "prompt_cache_key": "mine"}
    assert marked(document)[0] is document


def test_what_is_not_asked_for_again_is_not_written():
    done, report = marked(request(), advice=Advice(talk=NEVER))
    assert done["prompt_cache_options"] == {"mode": "explicit"}
    assert report.is_declined
    assert report.marks == (Mark("system", "30m"),)
    done, report = marked(request(), advice=Advice(head=NEVER, talk=NEVER))
    assert done["prompt_cache_options"] == {"mode": "explicit"}
    assert report.marks == ()


@pytest.mark.parametrize("messages", ["none", None, [1, None], [{"role": "system"}]])
def test_what_no_provider_would_take_goes_through(messages: Any):
    document = {"model": "m", "messages": messages}
    done, _ = mark_chat(document, model="gpt-5.6", key="key", advice=Advice())
    assert done == {**document, "prompt_cache_key": "key"}


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        ("gpt-5.6", True),
        ("gpt-5.6-sol-2026-07-09", True),
        ("openai/gpt-5.6-luna", True),
        ("gpt-5.10", True),
        ("gpt-6", True),
        ("gpt-5.5", False),
        ("gpt-5", False),
        ("gpt-4o-mini", False),
        ("my-gpt-9", False),
        ("o3", False),
        (f"gpt-{'9' * 5000}", False),
    ],
)
def test_models_that_take_breakpoints(model: str, takes: bool):
    assert takes_breakpoints(model) is takes


@pytest.mark.parametrize("model", ["gpt-5.6-terra", "gpt-5.5-pro", "gpt-4.1", "gpt-7.2"])
def test_the_simulator_and_the_gateway_agree_on_models(model: str):
    assert takes_breakpoints(model) is has_breakpoints(model)


def test_long_text_is_marked_like_any_other():
    done, _ = marked(request(turn("system", text(5000)), ASKS))
    assert done["messages"][0]["content"][0]["text"] == text(5000)
