from typing import Any

import msgspec
import pytest
from tests.support.prompts import tool, turn

from headrace.prompt.marks.habits import Advice
from headrace.prompt.marks.mark import mark_document
from headrace.prompt.marks.models import KEY_CHARS_MAX
from headrace.prompt.marks.prefix import Prefix, key_of, prefix_of
from headrace.prompt.marks.report import MarkRules


def prefix(dialect: Any = "openai", model: str = "m", tenant: str = "t", **fields: Any) -> Prefix:
    messages = [turn("system", "Be brief."), turn("user", "What now?")]
    return prefix_of({"messages": messages, **fields}, dialect=dialect, model=model, tenant=tenant)


def test_turns_of_one_conversation_have_everything_in_common():
    longer = [
        turn("system", "Be brief."),
        turn("user", "What now?"),
        turn("assistant", "Rest."),
        turn("user", "And then?"),
    ]
    assert prefix() == prefix(messages=longer)


def test_conversations_share_a_head():
    other = prefix(messages=[turn("system", "Be brief."), turn("user", "Who?")])
    assert other.head == prefix().head
    assert other.talk != prefix().talk


def test_tools_system_model_tenant_and_dialect_make_another_head():
    heads = [
        prefix(),
        prefix(tools=[tool("look")]),
        prefix(system="Be brief."),
        prefix(model="n"),
        prefix(tenant="u"),
        prefix(dialect="anthropic"),
        prefix(messages=[turn("user", "What now?")]),
    ]
    assert len({each.head for each in heads}) == len(heads)
    assert len({each.circle for each in heads}) == 4


def test_a_key_is_short_and_stable_and_spreads_conversations_only_if_there_are_several():
    prefixes = [prefix(messages=[turn("user", f"{n}")]) for n in range(64)]
    assert {key_of(each, 1) for each in prefixes} == {key_of(prefixes[0], 1)}
    spread = {key_of(each, 4) for each in prefixes}
    assert len(spread) == 4
    assert max(map(len, spread)) <= KEY_CHARS_MAX
    assert key_of(prefix(), 1) == "headrace-" + key_of(prefix(), 1)[9:]
    assert key_of(prefix(tenant="u"), 1) != key_of(prefix(), 1)


def test_half_of_the_conversations_keep_their_key_where_keys_double():
    prefixes = [prefix(messages=[turn("user", f"{n}")]) for n in range(256)]
    kept = sum(key_of(each, 2) == key_of(each, 4) for each in prefixes)
    assert 100 < kept < 156


def test_strange_messages_have_a_prefix_too():
    for messages in (None, "none", [], [1, "x"], [{"content": 1}], [{"role": []}]):
        assert prefix(messages=messages).talk


def test_each_dialect_is_marked_in_its_own_way():
    document = {"messages": [turn("user", "word " * 4000)], "tools": [tool("b"), tool("a")]}
    place = prefix_of(document, dialect="openai", model="gpt-5.5", tenant="t")
    rules = MarkRules(is_ordered=True)
    done, report = mark_document(
        document, dialect="openai", model="gpt-5.5", rules=rules, prefix=place, advice=Advice()
    )
    assert done["prompt_cache_key"] == report.key == key_of(place, 1)
    assert report.is_ordered
    assert [each["name"] for each in done["tools"]] == ["a", "b"]
    done, report = mark_document(
        document, dialect="anthropic", model="m", rules=MarkRules(), prefix=place, advice=Advice()
    )
    assert "prompt_cache_key" not in done
    assert [mark.place for mark in report.marks] == ["last"]
    assert not report.is_ordered


def deep(levels: int) -> Any:
    value: Any = "bottom"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("dialect", ["anthropic", "openai"])
@pytest.mark.parametrize(
    "document",
    [
        {"messages": [turn("assistant" if n % 2 else "user", "So?") for n in range(100_000)]},
        {"messages": [turn("user", "word " * 2_000_000)], "system": "word " * 2000},
        {
            "messages": [turn("user", deep(900))],
            "tools": [{"name": "t", "input_schema": deep(900)}],
        },
    ],
    ids=["many messages", "10 MB", "deep"],
)
def test_what_is_too_much_of_something_is_marked_like_anything_else(
    document: dict[str, Any], dialect: Any
):
    place = prefix_of(document, dialect=dialect, model="gpt-5.6", tenant="t")
    done, report = mark_document(
        document,
        dialect=dialect,
        model="gpt-5.6",
        rules=MarkRules(is_ordered=True),
        prefix=place,
        advice=Advice(),
    )
    assert len(done["messages"]) == len(document["messages"])
    assert len(report.marks) <= 4
    assert mark_document(
        done,
        dialect=dialect,
        model="gpt-5.6",
        rules=MarkRules(is_ordered=True),
        prefix=place,
        advice=Advice(),
    ) == (
        done,
        msgspec.structs.replace(
            report, marks=(), found=len(report.marks), key="", is_ordered=False
        ),
    )
