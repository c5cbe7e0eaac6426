"""An answer from memory is the answer, whoever asks for it in whatever shape."""

from typing import Any

import anthropic
import openai
import pytest
from tests.e2e.asking import CHAT_TOOL, MESSAGE_TOOL, calls, chat, message
from tests.e2e.conftest import ADMIN_KEY
from tests.support.gateway import Gateway

from headrace.sim.thread import ThreadedSim

USAGE = {"include_usage": True}
CHATS = {
    "plain": {},
    "tools": {"tools": [CHAT_TOOL], "tool_choice": "required"},
    "choices": {"n": 2, "logprobs": True, "top_logprobs": 1},
    "json": {"response_format": {"type": "json_object"}},
}
MESSAGES = {
    "plain": {},
    "tools": {"tools": [MESSAGE_TOOL], "tool_choice": {"type": "any"}},
}


def chunks_of(gpt: openai.OpenAI, **asked: Any) -> tuple[str, list[dict[str, Any]]]:
    """How a stream was come by, and what it says."""
    raw = gpt.chat.completions.with_raw_response.create(**asked, stream=True)
    return raw.headers["x-headrace-cache"], [chunk.model_dump() for chunk in raw.parse()]


def events_of(claude: anthropic.Anthropic, **asked: Any) -> tuple[str, list[dict[str, Any]]]:
    raw = claude.messages.with_raw_response.create(**asked, stream=True)
    return raw.headers["x-headrace-cache"], [event.model_dump() for event in raw.parse()]


def gathered(gpt: openai.OpenAI, **asked: Any) -> dict[str, Any]:
    """The whole answer as the SDK puts it together out of a stream."""
    with gpt.chat.completions.stream(**asked, stream_options=USAGE) as stream:
        stream.until_done()
        return comparable(stream.get_final_completion().model_dump())


def comparable(reply: dict[str, Any]) -> dict[str, Any]:
    """An answer without what only one of the shapes can say."""
    for choice in reply["choices"]:
        said = choice["message"]
        for name in ("parsed", "annotations"):
            said.pop(name, None)
        for call in said["tool_calls"] or ():
            call["function"].pop("parsed_arguments", None)
            call.pop("index", None)
        said["tool_calls"] = said["tool_calls"] or None
    reply["usage"].pop("prompt_tokens_details", None)
    return reply


@pytest.mark.parametrize("kind", CHATS)
def test_a_hit_is_the_miss_object_for_object(
    gpt: openai.OpenAI, sim: ThreadedSim, question: str, kind: str
) -> None:
    asked = chat(question, **CHATS[kind])
    before = calls(sim)
    replies = [gpt.chat.completions.create(**asked).model_dump() for _ in range(3)]
    assert replies[0] == replies[1] == replies[2]
    live = chat(f"{question} Live.", **CHATS[kind])
    streams = [chunks_of(gpt, **live) for _ in range(3)]
    assert [cache for cache, _ in streams] == ["miss", "l1", "l1"]
    assert streams[0][1] == streams[1][1] == streams[2][1]
    assert calls(sim) - before == 2


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_hit_is_the_miss_for_messages_too(
    claude: anthropic.Anthropic, sim: ThreadedSim, question: str, kind: str
) -> None:
    asked = message(question, **MESSAGES[kind])
    before = calls(sim)
    first, second = (claude.messages.create(**asked).model_dump() for _ in range(2))
    assert first == second
    live = message(f"{question} Live.", **MESSAGES[kind])
    miss, hit = (events_of(claude, **live) for _ in range(2))
    assert (miss[0], hit[0]) == ("miss", "l1")
    assert miss[1] == hit[1]
    assert calls(sim) - before == 2


@pytest.mark.parametrize("kind", CHATS)
def test_a_stored_stream_answers_whole_and_the_other_way_round(
    gpt: openai.OpenAI, sim: ThreadedSim, question: str, kind: str
) -> None:
    before = calls(sim)
    asked = chat(question, **CHATS[kind])
    streamed = gathered(gpt, **asked)
    whole = comparable(gpt.chat.completions.create(**asked).model_dump())
    assert whole == streamed
    asked = chat(f"{question} Whole first.", **CHATS[kind])
    whole = comparable(gpt.chat.completions.create(**asked).model_dump())
    assert gathered(gpt, **asked) == whole
    cache, chunks = chunks_of(gpt, **asked)
    assert cache == "l1"
    assert all(chunk["usage"] is None and chunk["choices"] for chunk in chunks)
    assert calls(sim) - before == 2


@pytest.mark.parametrize("kind", MESSAGES)
def test_stored_messages_answer_in_either_shape(
    claude: anthropic.Anthropic, sim: ThreadedSim, question: str, kind: str
) -> None:
    before = calls(sim)
    for asked in (
        message(question, **MESSAGES[kind]),
        message(f"{question} Whole first.", **MESSAGES[kind]),
    ):
        if "Whole" in asked["messages"][0]["content"]:
            claude.messages.create(**asked)
        with claude.messages.stream(**asked) as stream:
            final = stream.get_final_message()
        whole = claude.messages.create(**asked)
        for name in ("id", "model", "role", "stop_reason", "stop_sequence"):
            assert getattr(final, name) == getattr(whole, name)
        assert len(final.content) == len(whole.content) == 1
        assert dict(whole.content[0]).items() <= dict(final.content[0]).items()
        assert final.usage.output_tokens == whole.usage.output_tokens
        assert final.usage.input_tokens == whole.usage.input_tokens
    assert calls(sim) - before == 2


def test_embeddings_are_stored_by_their_encoding(
    gpt: openai.OpenAI, sim: ThreadedSim, question: str
) -> None:
    before = calls(sim)
    for _ in range(2):
        for encoding in ("float", "base64"):
            reply = gpt.embeddings.create(
                model="text-embedding-3-small", input=question, encoding_format=encoding
            )
            assert reply.data[0].embedding
    assert calls(sim) - before == 2


def test_tenants_do_not_share_answers(
    gateway: Gateway, gpt: openai.OpenAI, sim: ThreadedSim, question: str
) -> None:
    before = calls(sim)
    gpt.chat.completions.create(**chat(question))
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=ADMIN_KEY) as other:
        raw = other.chat.completions.with_raw_response.create(**chat(question))
    assert raw.headers["x-headrace-cache"] == "miss"
    assert calls(sim) - before == 2


def test_a_truncated_answer_is_not_kept(gpt: openai.OpenAI, question: str) -> None:
    ask = gpt.chat.completions.with_raw_response.create
    raws = [ask(**chat(question, max_tokens=3)) for _ in range(2)]
    assert [raw.headers["x-headrace-cache"] for raw in raws] == ["miss", "miss"]
    assert raws[0].parse().choices[0].finish_reason == "length"
