import copy
from typing import Any

import pytest
from tests.support.prompts import block, text, tool, turn

from headrace.prompt.marks.anthropic import mark_messages
from headrace.prompt.marks.habits import Advice, Outlook
from headrace.prompt.marks.report import Mark, MarkReport, MarkRules
from headrace.sim.anthropic_prefix import check_marks, without_marks

Document = dict[str, Any]
NEVER = Outlook((0.0, 0.0, 0.0), 10.0)
HOURLY = Outlook((0.0, 0.0, 1.0), 10.0)
SHORT = {"type": "ephemeral"}
LONG = {"type": "ephemeral", "ttl": "1h"}


def marked(
    document: Document, advice: Advice | None = None, ttl: Any = "auto"
) -> tuple[Document, MarkReport]:
    before = copy.deepcopy(document)
    rules, advice = MarkRules(ttl=ttl), advice or Advice()
    done, report = mark_messages(document, model="claude-sonnet-4-5", rules=rules, advice=advice)
    assert document == before
    check_marks({"messages": [], **done})
    return done, report


def request(**fields: Any) -> Document:
    return {
        "model": "claude-sonnet-4-5",
        "max_tokens": 9,
        "tools": [tool("look", 1000), tool("find", 1000)],
        "system": text(2000),
        "messages": [turn("user", "What now?")],
        **fields,
    }


def test_tools_system_and_the_last_block_are_marked():
    done, report = marked(request())
    assert report.marks == (Mark("tools", "5m"), Mark("system", "5m"), Mark("last", "5m"))
    assert "cache_control" not in done["tools"][0]
    assert done["tools"][1]["cache_control"] == SHORT
    assert done["system"] == [{"type": "text", "text": text(2000), "cache_control": SHORT}]
    last = {"type": "text", "text": "What now?", "cache_control": SHORT}
    assert done["messages"] == [turn("user", [last])]


def test_nothing_but_marks_is_added():
    document = request()
    done, _ = marked(document)
    assert without_marks(done) == without_marks(document)


def test_what_is_plainly_too_short_is_not_marked():
    document = request(tools=[tool("look", 5)], system="Be brief.")
    assert marked(document)[0] is document


def test_the_shortest_prefix_depends_on_the_model():
    document = request(tools=None, system=text(800))
    for model, marks in (("claude-opus-5", 2), ("claude-haiku-4-5", 0)):
        done, report = mark_messages(document, model=model, rules=MarkRules(), advice=Advice())
        assert len(report.marks) == marks, done


def test_what_is_not_asked_for_again_is_not_marked():
    assert marked(request(), Advice(head=NEVER, talk=NEVER))[1].marks == ()
    assert marked(request(), Advice(talk=NEVER))[1].marks == (
        Mark("tools", "5m"),
        Mark("system", "5m"),
    )
    assert marked(request(), Advice(head=NEVER))[1].marks == (Mark("last", "5m"),)


def test_an_hour_for_a_conversation_is_one_for_what_stands_before_it():
    assert [mark.ttl for mark in marked(request(), Advice(talk=HOURLY))[1].marks] == ["1h"] * 3
    head_only = marked(request(), Advice(head=HOURLY))[1].marks
    assert [mark.ttl for mark in head_only] == ["1h", "1h", "5m"]


@pytest.mark.parametrize("ttl", ["5m", "1h"])
def test_a_time_that_is_set_is_taken(ttl: Any):
    for outlook in (Outlook(), HOURLY, NEVER):
        marks = marked(request(), Advice(outlook, outlook), ttl)[1].marks
        assert [mark.ttl for mark in marks] == [ttl] * 3


def conversation(*turns: int) -> list[Document]:
    """A user and the model in turns of so many blocks each."""
    roles = ("user", "assistant")
    return [
        turn(roles[at % 2], [block(60, f"{at}.{n}") for n in range(blocks)])
        for at, blocks in enumerate(turns)
    ]


def places(document: Document) -> list[int]:
    """Numbers of the marked blocks among all blocks of the messages, from 1."""
    blocks = [block for message in document["messages"] for block in message["content"]]
    return [at for at, each in enumerate(blocks, 1) if "cache_control" in each]


def test_a_long_history_is_marked_every_fifteen_blocks_from_the_end():
    document = request(tools=None, messages=conversation(20, 1, 5, 1, 5, 1, 6))
    # The call before ended at block 32, within reach of the last; then come steps.
    done, report = marked(document)
    assert places(done) == [30, 32, 39]
    assert [mark.place for mark in report.marks] == ["system", "history", "history", "last"]


def test_where_a_turn_is_long_the_end_of_the_call_before_is_marked():
    document = request(messages=conversation(20, 1, 5, 10, 40))
    done, report = marked(document)
    assert places(done) == [26, 76]
    assert [mark.place for mark in report.marks] == ["tools", "system", "history", "last"]


@pytest.mark.parametrize("last", [{"type": "thinking", "thinking": "hm"}, block(0), {"type": "x"}])
def test_what_takes_no_mark_is_passed_over(last: Document):
    document = request(messages=[turn("user", [block(50), last])])
    done, _ = marked(document)
    assert done["messages"][0]["content"][0]["cache_control"] == SHORT
    assert done["messages"][0]["content"][1] is last


def test_deferred_tools_are_passed_over():
    tools = [tool("look", 2000), {**tool("find", 2000), "defer_loading": True}]
    done, _ = marked(request(tools=tools))
    assert done["tools"][0]["cache_control"] == SHORT
    assert done["tools"][1] is tools[1]


def test_sections_that_the_caller_marked_are_left_alone():
    system = [block(1500, "a", "5m"), block(500, "b")]
    done, report = marked(request(system=system))
    assert done["system"] is system
    assert [mark.place for mark in report.marks] == ["tools", "last"]
    assert report.found == 1
    whole = request(cache_control=SHORT)
    assert [mark.place for mark in marked(whole)[1].marks] == ["tools", "system"]


def test_the_callers_times_keep_their_order():
    document = request(messages=[turn("user", [block(50, ttl="1h")])])
    assert [mark.ttl for mark in marked(document)[1].marks] == ["1h", "1h"]
    document = request(system=[block(1500, "a", "5m")])
    _, report = marked(document, Advice(HOURLY, HOURLY))
    assert [mark.ttl for mark in report.marks] == ["1h", "5m"]


def test_four_of_the_caller_are_enough():
    parts = [block(500, f"{n}", "5m") for n in range(4)]
    document = request(messages=[turn("user", parts)])
    done, report = marked(document)
    assert done is document
    assert (report.marks, report.found) == ((), 4)


def test_five_of_the_caller_are_the_providers_to_refuse():
    parts = [block(500, f"{n}", "5m") for n in range(5)]
    document = request(messages=[turn("user", parts)])
    rules, advice = MarkRules(), Advice()
    done, report = mark_messages(document, model="m", rules=rules, advice=advice)
    assert done is document
    assert report.found == 5


def test_marks_within_a_result_count():
    result = {"type": "tool_result", "tool_use_id": "t", "content": [block(9, "a", "5m")] * 3}
    document = request(messages=[turn("user", [result])])
    assert [mark.place for mark in marked(document)[1].marks] == ["system"]


def test_marking_twice_is_marking_once():
    once, _ = marked(request(messages=conversation(20, 1, 5, 10, 40)))
    assert marked(once)[0] is once


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": "none"},
        {"messages": ["none", {"role": "user"}, {"role": 1, "content": 7}]},
        {"messages": [turn("user", [1, None, "x", [], {"text": 3}])]},
        {"tools": {"a": 1}, "system": 5},
        {"tools": [1, "x"], "system": [None, {"type": "text", "text": None}]},
        {"system": [{"type": "text", "text": "a", "cache_control": 7}], "cache_control": "x"},
    ],
)
def test_what_no_provider_would_take_goes_through(fields: Document):
    document = request(**fields)
    done, _ = mark_messages(document, model="m", rules=MarkRules(), advice=Advice())
    assert done.keys() == document.keys()


def test_the_last_hour_is_found_where_it_is():
    assert LONG in [
        each.get("cache_control") for each in marked(request(), Advice(HOURLY))[0]["system"]
    ]
