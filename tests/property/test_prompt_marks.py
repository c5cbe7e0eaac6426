"""Marks on any conversation: accepted by a provider, found again by it, and nothing but marks."""

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.prompts import block, text, tool, turn

from headrace.clock import ManualClock
from headrace.errors import InvalidRequest
from headrace.prompt.marks.habits import Habits
from headrace.prompt.marks.mark import mark_document
from headrace.prompt.marks.prefix import prefix_of
from headrace.prompt.marks.report import MarkReport, MarkRules
from headrace.sim import anthropic
from headrace.sim.anthropic_prefix import MARK, check_marks, tokens_min, without_marks
from headrace.sim.prefixes import PrefixStore, Shelf

Document = dict[str, Any]
MODEL = "claude-sonnet-4-5"
MARKS = st.sampled_from([None, None, None, "5m", "1h"])


def mark(document: Document, habits: Habits, now_s: float = 0.0) -> tuple[Document, MarkReport]:
    prefix = prefix_of(document, dialect="anthropic", model=MODEL, tenant="t")
    advice, rules = habits.note(prefix, now_s), MarkRules()
    before = copy.deepcopy(document)
    done = mark_document(
        document, dialect="anthropic", model=MODEL, rules=rules, prefix=prefix, advice=advice
    )
    assert document == before
    return done


@st.composite
def blocks(draw: st.DrawFn, kinds: tuple[str, ...], marked: bool) -> list[Document]:
    found: list[Document] = []
    for number in range(draw(st.integers(1, 30))):
        kind, ttl = draw(st.sampled_from(kinds)), draw(MARKS) if marked else None
        if kind == "text":
            found.append(block(draw(st.sampled_from([1, 40, 700])), f"{number}", ttl))
        elif kind == "thinking":
            found.append({"type": "thinking", "thinking": text(20), "signature": "s"})
        elif kind == "tool_use":
            found.append({"type": kind, "id": f"t{number}", "name": "look", "input": {}})
        else:
            found.append({"type": kind, "tool_use_id": f"t{number}", "content": [block(30)]})
    return found


@st.composite
def conversations(draw: st.DrawFn, *, marked: bool) -> Document:
    messages = []
    for number in range(2 * draw(st.integers(1, 5)) - 1):
        if number % 2 == 0:
            content = draw(blocks(("text", "text", "tool_result"), marked))
            messages.append(turn("user", content))
        else:
            messages.append(
                turn("assistant", draw(blocks(("text", "thinking", "tool_use"), False)))
            )
    document: Document = {"model": MODEL, "max_tokens": 9, "messages": messages}
    if draw(st.booleans()):
        document["tools"] = [tool(f"tool{n}", draw(st.sampled_from([9, 900]))) for n in range(3)]
    if draw(st.booleans()):
        ttl = draw(MARKS) if marked else None
        document["system"] = draw(st.sampled_from([text(900), [block(900, "s", ttl)]]))
    return document


def refused(document: Document) -> bool:
    try:
        check_marks(document)
    except InvalidRequest:
        return True
    return False


@given(conversations(marked=True))
def test_what_a_provider_accepts_it_accepts_with_marks(document: Document):
    done, report = mark(document, Habits())
    if not refused(document):
        assert not refused(done)
    assert without_marks(done) == without_marks(document)
    theirs = msgspec.json.encode(document).count(MARK.encode())
    assert msgspec.json.encode(done).count(MARK.encode()) == theirs + len(report.marks)
    assert mark(done, Habits())[0] == done


@pytest.mark.heavy
@given(conversations(marked=False))
def test_each_turn_reads_all_that_the_turn_before_it_has_written(document: Document):
    habits, store = Habits(), PrefixStore(ManualClock(), seed=1)
    shelf, kept = Shelf(store, b"key"), 0
    for end in range(1, len(document["messages"]) + 1, 2):
        asked = {**document, "messages": document["messages"][:end]}
        done, _ = mark(asked, habits)
        reply = anthropic.messages(1, msgspec.json.encode(done), 5, 0, shelf)
        store.keep(reply.bill.kept)
        assert reply.bill.read == kept
        whole = anthropic.read_messages(msgspec.json.encode(asked)).input_tokens - 3
        kept = reply.bill.read + reply.bill.written_5m
        if whole >= tokens_min(MODEL) and done["messages"][-1]["content"][-1].get("text") != "":
            assert kept == whole


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda e: (
            st.lists(e)
            | st.dictionaries(
                st.sampled_from(["type", "text", "content", "role", "cache_control", "name"]), e
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_goes_through(value: Any):
    for document in ({"messages": value}, {"system": value, "messages": [value]}, {"tools": value}):
        mark(document, Habits())
