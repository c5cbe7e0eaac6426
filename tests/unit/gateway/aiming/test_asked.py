"""Which requests are one conversation."""

from typing import Any

from headrace.dialects.anthropic import AnthropicDialect
from headrace.dialects.base import Operation
from headrace.dialects.openai import OpenAIDialect
from headrace.gateway.aiming.asked import Asked, Session
from headrace.gateway.call import Hints, make_call

FIRST = {"role": "user", "content": "hello"}
REPLY = {"role": "assistant", "content": "hello to you"}
OTHER = {"role": "assistant", "content": "good day"}
NEXT = {"role": "user", "content": "why?"}


def session(*messages: Any, tenant: str = "t", name: bytes = b"", **fields: Any) -> Session:
    call = make_call(OpenAIDialect(), Operation.CHAT, tenant, Hints(session=name), ())
    document = {"model": "auto", "messages": list(messages), **fields}
    return Asked(call, document, 100, counts=True, now_s=0.0).session


def test_a_conversation_is_the_same_from_its_first_reply_on() -> None:
    begun, second = session(FIRST), session(FIRST, REPLY, NEXT)
    third = session(FIRST, REPLY, NEXT, OTHER, NEXT)
    assert second == third
    assert begun.opening == begun.key == second.opening
    assert begun.key != second.key
    assert (begun.is_new, second.is_new) == (True, False)


def test_who_begins_alike_is_told_apart_by_the_reply() -> None:
    assert session(FIRST, REPLY, NEXT).key != session(FIRST, OTHER, NEXT).key


def test_system_prompts_and_tenants_part_conversations() -> None:
    keys = {
        session(FIRST).key,
        session(FIRST, tenant="u").key,
        session({"role": "system", "content": "s"}, FIRST).key,
        session(FIRST, system="s").key,
    }
    assert len(keys) == 4


def test_marks_that_move_make_no_other_conversation() -> None:
    def text(**marks: Any) -> list[dict[str, Any]]:
        return [{"type": "text", "text": "hello", **marks}]

    def begun(content: Any) -> Session:
        call = make_call(AnthropicDialect(), Operation.MESSAGES, "t", Hints(), ())
        document = {"messages": [{"role": "user", "content": content}, REPLY, NEXT]}
        return Asked(call, document, 100, counts=True, now_s=0.0).session

    assert begun(text(cache_control={"type": "ephemeral"})) == begun(text())


def test_what_is_nested_too_deeply_is_for_others_to_refuse() -> None:
    deep: Any = "x"
    for _ in range(20_000):
        deep = [deep]
    assert session({"role": "user", "content": deep}).is_new


def test_a_name_counts_above_all() -> None:
    named = session(FIRST, name=b"a")
    assert named == session(NEXT, REPLY, name=b"a")
    assert named != session(FIRST, name=b"b")
    assert named != session(FIRST, name=b"a", tenant="u")
    assert not named.is_new


def test_whatever_is_sent_has_a_session() -> None:
    for messages in ([], [None], ["text"], [{"role": "assistant"}], [{"content": {}}]):
        assert session(*messages).key
    call = make_call(OpenAIDialect(), Operation.CHAT, "t", Hints(), ())
    assert Asked(call, {"messages": 3}, 10, counts=True, now_s=0.0).session.key


def test_a_session_by_name_has_repeats_of_its_own_only_where_models_are_chosen_by_it() -> None:
    def call(name: bytes, *, by_session: bool) -> bytes:
        hints = Hints(session=name)
        made = make_call(OpenAIDialect(), Operation.CHAT, "t", hints, (), by_session=by_session)
        return made.repeat_scope

    assert call(b"a", by_session=False) == call(b"b", by_session=False)
    assert call(b"a", by_session=True) != call(b"b", by_session=True)
    assert call(b"", by_session=True) == call(b"", by_session=False)
