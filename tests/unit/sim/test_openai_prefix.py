from typing import Any

import msgspec
import pytest
from tests.support.prompts import chat_tool, text, turn

from headrace.clock import ManualClock
from headrace.errors import InvalidRequest
from headrace.sim import openai
from headrace.sim.openai_prefix import has_breakpoints
from headrace.sim.prefixes import ClockShift, PrefixStore, Shelf

Document = dict[str, Any]
HERE = {"prompt_cache_breakpoint": {"mode": "explicit"}}


class Asking:
    """One account that asks, with a key, and what its usage says."""

    def __init__(self, model: str = "gpt-5.5") -> None:
        self.store = PrefixStore(ManualClock(), seed=1)
        self._model = model

    def details(self, *messages: Document, **fields: Any) -> Document:
        document = {
            "model": self._model,
            "messages": messages,
            "prompt_cache_key": "key",
            **fields,
        }
        shelf = Shelf(self.store, b"account")
        reply = openai.chat(1, msgspec.json.encode(document), 5, 0, shelf)
        self.store.keep(reply.bill.kept)
        details: Document = msgspec.json.decode(reply.body)["usage"]["prompt_tokens_details"]
        return details

    def cached(self, *messages: Document, **fields: Any) -> int:
        cached: int = self.details(*messages, **fields)["cached_tokens"]
        return cached


SYSTEM = turn("system", text(2000))


@pytest.mark.parametrize(
    ("tokens", "cached"), [(1000, 0), (1021, 1024), (1148, 1024), (1149, 1152)]
)
def test_prefixes_are_cached_from_1024_tokens_in_steps_of_128(tokens: int, cached: int):
    asking = Asking()
    prompt = turn("user", text(tokens))
    assert asking.cached(prompt) == 0
    assert asking.cached(prompt) == cached


def test_only_what_begins_alike_is_read():
    asking = Asking()
    asking.cached(SYSTEM, turn("user", "What now?"))
    assert asking.cached(SYSTEM, turn("user", "And now?")) == 1920
    assert asking.cached(turn("system", "Listen. " + text(2000)), turn("user", "What now?")) == 0


def test_tools_come_first_and_the_order_of_their_keys_counts():
    asking = Asking()
    tools = [chat_tool("look", 1500)]
    asking.cached(turn("user", "What now?"), tools=tools)
    assert asking.cached(turn("user", "And now?"), tools=tools) >= 1024
    turned = [dict(reversed(tools[0].items()))]
    assert asking.cached(turn("user", "And now?"), tools=turned) == 0


def test_it_ends_after_minutes_without_use_and_needs_the_same_key():
    asking = Asking()
    asking.cached(SYSTEM)
    assert asking.cached(SYSTEM, prompt_cache_key="other") == 0
    asking.store.leap(ClockShift(299))
    assert asking.cached(SYSTEM) == 1920
    asking.store.leap(ClockShift(301))
    assert asking.cached(SYSTEM) == 0


def test_older_models_tell_no_writes():
    assert "cache_write_tokens" not in Asking().details(SYSTEM)


def test_from_5_6_on_the_last_message_of_the_caller_is_a_breakpoint():
    asking = Asking("gpt-5.6")
    first = asking.details(SYSTEM, turn("user", "What now?"))
    assert (first["cached_tokens"], first["cache_write_tokens"]) == (0, 2009)
    other = asking.details(SYSTEM, turn("user", "And now?"))
    assert (other["cached_tokens"], other["cache_write_tokens"]) == (0, 2009)
    grown = (SYSTEM, turn("user", "What now?"), turn("assistant", "Rest."), turn("user", "Yes."))
    again = asking.details(*grown)
    assert (again["cached_tokens"], again["cache_write_tokens"]) == (2009, 10)
    asking.store.leap(ClockShift(1801))
    assert asking.cached(*grown) == 0


def test_an_explicit_breakpoint_is_found_by_another_conversation():
    asking = Asking("gpt-5.6-sol")
    system = turn("system", [{"type": "text", "text": text(2000), **HERE}])
    first = asking.details(system, turn("user", "What now?"))
    assert first["cache_write_tokens"] == 2009
    other = asking.details(system, turn("user", "And now?"))
    assert (other["cached_tokens"], other["cache_write_tokens"]) == (2003, 6)
    only = {"prompt_cache_options": {"mode": "explicit"}}
    third = asking.details(system, turn("user", "Or now?"), **only)
    assert (third["cached_tokens"], third["cache_write_tokens"]) == (2003, 0)
    assert asking.details(SYSTEM, turn("user", "Or now?"), **only)["cached_tokens"] == 0


def test_breakpoints_do_not_change_the_answer():
    plain = {"model": "gpt-5.6", "messages": [SYSTEM]}
    marked = {**plain, "messages": [turn("system", [{"type": "text", "text": text(2000), **HERE}])]}
    bodies = [openai.chat(1, msgspec.json.encode(each), None, 0).body for each in (plain, marked)]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [turn("user", [{"type": "text", "text": "a", **HERE}])]},
        {"prompt_cache_options": {"mode": "implicit"}},
        {"prompt_cache_key": "k" * 65},
        {"messages": [turn("assistant", [{"type": "refusal", "refusal": "no", **HERE}])]},
    ],
)
def test_fields_that_the_api_refuses_of_an_older_model(fields: Document):
    document = {"model": "gpt-5.5", "messages": [turn("user", "What now?")], **fields}
    with pytest.raises(InvalidRequest):
        openai.chat(1, msgspec.json.encode(document), 5, 0)


@pytest.mark.parametrize(
    ("model", "has"),
    [
        ("gpt-5.6", True),
        ("gpt-5.6-luna", True),
        ("gpt-6", True),
        ("gpt-5.5-pro", False),
        ("gpt-5", False),
        ("gpt-4o", False),
        ("o3", False),
    ],
)
def test_models_with_breakpoints(model: str, has: bool):
    assert has_breakpoints(model) is has
