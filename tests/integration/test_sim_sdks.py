"""The simulator, driven by the official SDKs."""

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from headrace.sim.batch_api import BatchTerms
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

ASK = [{"role": "user", "content": "How deep is the pond?"}]
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}


@pytest.fixture(scope="module")
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions(seed=4)) as server:
        yield server


@pytest.fixture(scope="module")
def gpt(sim: ThreadedSim) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{sim.url}/v1", api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def claude(sim: ThreadedSim) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=sim.url, api_key="k", max_retries=0) as client:
        yield client


def test_chat_whole_and_streamed_say_the_same(gpt: openai.OpenAI):
    whole = gpt.chat.completions.create(model="m", messages=ASK)
    with gpt.chat.completions.create(
        model="m", messages=ASK, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    told = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert told == whole.choices[0].message.content
    assert whole.choices[0].finish_reason == "stop"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage == whole.usage
    assert chunks[-1].choices == []
    assert whole.usage.completion_tokens == len(chunks) - 3  # role, finish, usage
    assert 20 <= whole.usage.completion_tokens <= 200
    assert {c.id for c in chunks} == {whole.id}


def test_chat_without_usage_has_none(gpt: openai.OpenAI):
    with gpt.chat.completions.create(model="m", messages=ASK, stream=True) as stream:
        assert all(chunk.usage is None and chunk.choices for chunk in stream)


def test_chat_several_choices_with_logprobs(gpt: openai.OpenAI):
    reply = gpt.chat.completions.create(
        model="m", messages=ASK, n=3, logprobs=True, top_logprobs=2, max_completion_tokens=5
    )
    assert len({choice.message.content for choice in reply.choices}) == 3
    for choice in reply.choices:
        assert choice.finish_reason == "length"
        assert "".join(t.token for t in choice.logprobs.content) == choice.message.content
        assert [len(t.top_logprobs) for t in choice.logprobs.content] == [2] * 5
    assert reply.usage.completion_tokens == 15
    with gpt.chat.completions.create(
        model="m", messages=ASK, n=3, logprobs=True, max_tokens=5, stream=True
    ) as stream:
        texts = ["", "", ""]
        for chunk in stream:
            choice = chunk.choices[0]
            texts[choice.index] += choice.delta.content or ""
            assert bool(choice.logprobs) == bool(choice.delta.content)
    assert texts == [choice.message.content for choice in reply.choices]


@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "weather"}}]
)
def test_chat_tool_calls(gpt: openai.OpenAI, choice: object):
    reply = gpt.chat.completions.create(model="m", messages=ASK, tools=[TOOL], tool_choice=choice)
    (call,) = reply.choices[0].message.tool_calls
    assert reply.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "weather"
    assert set(json.loads(call.function.arguments)) == {"city", "days"}
    with gpt.chat.completions.create(
        model="m", messages=ASK, tools=[TOOL], tool_choice=choice, stream=True
    ) as stream:
        deltas = [c.choices[0].delta.tool_calls for c in stream if c.choices[0].delta.tool_calls]
    assert len(deltas) > 4
    assert deltas[0][0].id == call.id
    pieces = [delta[0].function.arguments for delta in deltas]
    assert "".join(pieces) == call.function.arguments


def test_chat_json_and_tools_left_alone(gpt: openai.OpenAI):
    reply = gpt.chat.completions.create(
        model="m", messages=ASK, response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(reply.choices[0].message.content), dict)
    schema = {"name": "w", "schema": WEATHER}
    reply = gpt.chat.completions.create(
        model="m", messages=ASK, response_format={"type": "json_schema", "json_schema": schema}
    )
    assert isinstance(json.loads(reply.choices[0].message.content)["days"], int)
    reply = gpt.chat.completions.create(model="m", messages=ASK, tools=[TOOL], tool_choice="auto")
    assert reply.choices[0].message.tool_calls is None


def test_embeddings_float_and_base64_agree(gpt: openai.OpenAI):
    floats = gpt.embeddings.create(model="e", input=["a b", "c"], encoding_format="float")
    packed = gpt.embeddings.with_raw_response.create(
        model="e", input=["a b", "c"], encoding_format="base64"
    )
    for plain, row in zip(floats.data, json.loads(packed.text)["data"], strict=True):
        unpacked = struct.unpack("<1536f", base64.b64decode(row["embedding"]))
        assert list(unpacked) == pytest.approx(plain.embedding, abs=1e-6)
    default = gpt.embeddings.create(model="e", input="a b")
    assert default.data[0].embedding == pytest.approx(floats.data[0].embedding, abs=1e-6)
    assert len(gpt.embeddings.create(model="e", input=[1, 2], dimensions=8).data[0].embedding) == 8


def test_models_and_headers(gpt: openai.OpenAI):
    assert next(model.id for model in gpt.models.list()) == "sim-large"
    assert gpt.models.retrieve("anything").id == "anything"
    raw = gpt.chat.completions.with_raw_response.create(model="m", messages=ASK)
    assert raw.headers["x-request-id"].startswith("req_")
    assert {"openai-processing-ms", "x-ratelimit-remaining-requests"} <= set(raw.headers)


def test_openai_errors_are_the_sdks_own(gpt: openai.OpenAI):
    with pytest.raises(openai.NotFoundError) as caught:
        gpt.chat.completions.create(model="no-such-model", messages=ASK)
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as wrong:
        gpt.chat.completions.create(model="m", messages=[])
    assert wrong.value.param == "messages"


def test_messages_whole_and_streamed_say_the_same(claude: anthropic.Anthropic):
    image = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    asked = {
        "model": "c",
        "max_tokens": 500,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": [{"type": "image", "source": image}]}],
    }
    whole = claude.messages.create(**asked)
    with claude.messages.stream(**asked) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert "".join(pieces) == whole.content[0].text == final.content[0].text
    assert final.usage.output_tokens == whole.usage.output_tokens == len(pieces)
    assert final.usage.input_tokens == whole.usage.input_tokens == 85 + 3 + 3 + 3
    assert (whole.stop_reason, final.stop_reason) == ("end_turn", "end_turn")
    assert whole.id == final.id
    counted = claude.messages.count_tokens(
        model="c", system="Be brief.", messages=asked["messages"]
    )
    assert counted.input_tokens == whole.usage.input_tokens


def test_messages_events_come_in_the_order_of_the_api(claude: anthropic.Anthropic):
    with claude.messages.create(model="c", max_tokens=3, messages=ASK, stream=True) as stream:
        events = list(stream)
    kinds = [event.type for event in events]
    # The SDK keeps pings to itself.
    assert [kind for kind in kinds if kind != "ping"] == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 3,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    (delta,) = (event for event in events if event.type == "message_delta")
    assert (delta.delta.stop_reason, delta.usage.output_tokens) == ("max_tokens", 3)


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "weather"}])
def test_messages_tool_use(claude: anthropic.Anthropic, choice: dict[str, str]):
    asked = {
        "model": "c",
        "max_tokens": 500,
        "messages": ASK,
        "tools": [{"name": "weather", "input_schema": WEATHER}],
        "tool_choice": choice,
    }
    whole = claude.messages.create(**asked)
    with claude.messages.stream(**asked) as stream:
        final = stream.get_final_message()
    assert whole.stop_reason == final.stop_reason == "tool_use"
    assert whole.content[0].name == "weather"
    assert set(whole.content[0].input) == {"city", "days"}
    assert final.content[0].input == whole.content[0].input
    assert final.content[0].id == whole.content[0].id


def test_anthropic_errors_models_and_headers(claude: anthropic.Anthropic):
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.create(model="no-such-model", max_tokens=9, messages=ASK)
    assert next(model.id for model in claude.models.list()) == "sim-large"
    raw = claude.messages.with_raw_response.create(model="c", max_tokens=9, messages=ASK)
    assert raw.headers["request-id"].startswith("req_")
    assert "anthropic-ratelimit-requests-reset" in raw.headers


def test_batches_as_openai_has_them(gpt: openai.OpenAI, sim: ThreadedSim) -> None:
    def line(name: str, model: str = "m", url: str = "/v1/chat/completions") -> str:
        body = {"model": model, "messages": ASK}
        whole = {"custom_id": name, "method": "POST", "url": url, "body": body}
        return json.dumps(whole)

    def begin(*lines: str) -> str:
        content = "\n".join(lines).encode()
        file = gpt.files.create(file=("a.jsonl", content), purpose="batch")
        assert gpt.files.content(file.id).content == content
        return gpt.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"token": lines[0]},
        ).id

    def results(file_id: str | None) -> dict[str, dict[str, Any]]:
        assert file_id is not None
        told = map(json.loads, gpt.files.content(file_id).text.splitlines())
        return {each["custom_id"]: each for each in told}

    done = gpt.batches.retrieve(begin(line("a"), line("b", url="/v1/embeddings")))
    assert done.request_counts is not None
    assert (done.status, done.request_counts.completed) == ("completed", 1)
    answer = gpt.chat.completions.create(model="m", messages=ASK)  # type: ignore[arg-type]
    told = results(done.output_file_id)["a"]["response"]
    assert told["body"]["choices"][0]["message"]["content"] == answer.choices[0].message.content
    assert results(done.error_file_id)["b"]["response"]["status_code"] == 400
    mixed = gpt.batches.retrieve(begin(line("a"), line("b", "n")))
    assert (mixed.status, mixed.output_file_id) == ("failed", None)

    sim.batch_by(BatchTerms(delay_s=None, answered_max=1))
    cancelled = begin(line("a"), line("b"))
    assert gpt.batches.retrieve(cancelled).status == "in_progress"
    assert gpt.batches.cancel(cancelled).status in ("cancelling", "cancelled")
    assert list(results(gpt.batches.retrieve(cancelled).output_file_id)) == ["a"]

    sim.batch_by(BatchTerms(ending="expired", answered_max=1))
    expired = gpt.batches.retrieve(begin(line("a"), line("b")))
    assert (expired.status, list(results(expired.output_file_id))) == ("expired", ["a"])
    assert results(expired.error_file_id)["b"]["error"]["code"] == "batch_expired"

    assert [each.id for each in gpt.batches.list(limit=1)] == [
        expired.id,
        cancelled,
        mixed.id,
        done.id,
    ]
    sim.reset()
    assert list(gpt.batches.list()) == []
