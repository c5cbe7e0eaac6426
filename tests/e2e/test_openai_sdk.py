"""The OpenAI SDK against the gateway: what an application does all day."""

import base64
import json
import struct
from typing import Any

import openai
import pytest
from tests.e2e.asking import CHAT_TOOL, PIXEL, WEATHER, chat, last_body
from tests.e2e.conftest import PROVIDER_KEY

from headrace.sim.thread import ThreadedSim


def told(chunks: list[Any], index: int = 0) -> str:
    """The text of one choice of a stream."""
    deltas = (choice for chunk in chunks for choice in chunk.choices if choice.index == index)
    return "".join(choice.delta.content or "" for choice in deltas)


def test_chat_whole(gpt: openai.OpenAI, question: str) -> None:
    reply = gpt.chat.completions.create(**chat(question))
    choice = reply.choices[0]
    assert (choice.message.role, choice.finish_reason) == ("assistant", "stop")
    assert choice.message.content
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


@pytest.mark.parametrize("options", [None, {"include_usage": True}, {"include_usage": False}])
def test_chat_streamed(gpt: openai.OpenAI, question: str, options: dict[str, bool] | None) -> None:
    asked = chat(question, stream=True)
    if options is not None:
        asked["stream_options"] = options
    with gpt.chat.completions.create(**asked) as stream:
        chunks = list(stream)
    assert len(chunks) > 10
    assert len({chunk.id for chunk in chunks}) == 1
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    reported = [chunk.usage for chunk in chunks if chunk.usage]
    assert len(reported) == bool(options and options["include_usage"])
    again = gpt.chat.completions.with_raw_response.create(**chat(question))
    assert again.parse().choices[0].message.content == told(chunks)


def test_the_streaming_helper_gathers_the_answer(gpt: openai.OpenAI, question: str) -> None:
    with gpt.chat.completions.stream(**chat(question)) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        final = stream.get_final_completion()
    assert final.choices[0].message.content == text != ""


def test_tool_calls_whole_and_streamed(gpt: openai.OpenAI, question: str) -> None:
    asked = chat(question, tools=[CHAT_TOOL], tool_choice="required")
    whole = gpt.chat.completions.create(**asked)
    assert whole.choices[0].finish_reason == "tool_calls"
    (call,) = whole.choices[0].message.tool_calls or ()
    assert call.type == "function"
    assert set(json.loads(call.function.arguments)) == {"city", "days"}
    asked = chat(f"{question} Live.", tools=[CHAT_TOOL], tool_choice="required", stream=True)
    with gpt.chat.completions.create(**asked) as stream:
        deltas = [c.choices[0].delta.tool_calls for c in stream if c.choices[0].delta.tool_calls]
    assert deltas[0][0].function.name == "weather"
    assert len(deltas) > 4
    arguments = "".join(delta[0].function.arguments for delta in deltas)
    assert set(json.loads(arguments)) == {"city", "days"}


def test_a_conversation_with_a_tool_goes_on(
    gpt: openai.OpenAI, sim: ThreadedSim, question: str
) -> None:
    asked = chat(question, tools=[CHAT_TOOL], tool_choice="required")
    said = gpt.chat.completions.create(**asked).choices[0].message
    assert said.tool_calls
    result = {"role": "tool", "tool_call_id": said.tool_calls[0].id, "content": "rain"}
    asked["messages"] += [said, result]
    asked["tool_choice"] = "auto"
    assert gpt.chat.completions.create(**asked).choices[0].finish_reason == "stop"
    assert [each["role"] for each in last_body(sim)["messages"]] == ["user", "assistant", "tool"]


def test_images_in_messages(gpt: openai.OpenAI, sim: ThreadedSim, question: str) -> None:
    parts = [
        {"type": "text", "text": question},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    reply = gpt.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": parts}]
    )
    assert reply.choices[0].message.content
    assert last_body(sim)["messages"][0]["content"] == parts


def test_several_choices_with_logprobs(gpt: openai.OpenAI, question: str) -> None:
    asked = chat(question, n=3, logprobs=True, top_logprobs=2, temperature=0.5, seed=7)
    reply = gpt.chat.completions.create(**asked)
    assert len({choice.message.content for choice in reply.choices}) == 3
    for choice in reply.choices:
        assert choice.logprobs is not None
        tokens = choice.logprobs.content or []
        assert "".join(token.token for token in tokens) == choice.message.content
        assert {len(token.top_logprobs) for token in tokens} == {2}
    with gpt.chat.completions.create(**asked, stream=True) as stream:
        chunks = list(stream)
    texts = [told(chunks, index) for index in range(3)]
    assert texts == [choice.message.content for choice in reply.choices]


def test_json_mode_and_schemas(gpt: openai.OpenAI, question: str) -> None:
    reply = gpt.chat.completions.create(**chat(question, response_format={"type": "json_object"}))
    assert isinstance(json.loads(reply.choices[0].message.content or ""), dict)
    schema = {"type": "json_schema", "json_schema": {"name": "w", "schema": WEATHER}}
    reply = gpt.chat.completions.create(**chat(question, response_format=schema))
    assert isinstance(json.loads(reply.choices[0].message.content or "")["days"], int)


def test_embeddings_float_and_base64(gpt: openai.OpenAI, question: str) -> None:
    asked: dict[str, Any] = {"model": "text-embedding-3-small", "input": [question, "a mill"]}
    floats = gpt.embeddings.create(**asked, encoding_format="float")
    raw = gpt.embeddings.with_raw_response.create(**asked, encoding_format="base64")
    for plain, row in zip(floats.data, json.loads(raw.text)["data"], strict=True):
        unpacked = struct.unpack("<1536f", base64.b64decode(row["embedding"]))
        assert list(unpacked) == pytest.approx(plain.embedding, abs=1e-6)
    # Left to itself the SDK asks for base64 and decodes it.
    default = gpt.embeddings.create(**asked)
    assert default.data[1].embedding == pytest.approx(floats.data[1].embedding, abs=1e-6)
    short = gpt.embeddings.create(**asked, dimensions=8)
    assert len(short.data[0].embedding) == 8


def test_models_are_those_of_the_settings(gpt: openai.OpenAI) -> None:
    listed = [model.id for model in gpt.models.list()]
    assert listed == ["gpt-4o-mini", "text-embedding-3-small", "quick"]
    assert gpt.models.retrieve("quick").id == "quick"
    with pytest.raises(openai.NotFoundError) as caught:
        gpt.models.retrieve("no/such model")
    assert caught.value.code == "model_not_found"


def test_credentials_are_the_providers_own(
    gpt: openai.OpenAI, sim: ThreadedSim, question: str
) -> None:
    gpt.chat.completions.create(**chat(question))
    headers = sim.stats().last_requests[-1].headers
    assert headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    assert [name for name in headers if name.startswith("x-stainless")] == []


def test_several_models_under_one_name(gpt: openai.OpenAI, sim: ThreadedSim, question: str) -> None:
    raw = gpt.chat.completions.with_raw_response.create(**chat(question, model="quick"))
    assert raw.headers["x-headrace-model"] == "gpt-4o-mini"
    assert last_body(sim)["model"] == raw.parse().model == "gpt-4o-mini"
    written_out = chat(question, model="openai/gpt-4o-mini")
    raw = gpt.chat.completions.with_raw_response.create(**written_out)
    assert raw.headers["x-headrace-cache"] == "l1"
