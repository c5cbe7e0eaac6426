"""The Responses API over a provider of chats, by the official SDK, which checks every field."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests.e2e.asking import PIXEL, last_body
from tests.e2e.conftest import APP_KEY
from tests.support.gateway import Gateway
from tests.support.response_events import check_event

from headrace.sim.thread import ThreadedSim

TOOL: dict[str, Any] = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
        "additionalProperties": False,
    },
    "strict": True,
}
MODEL = "gpt-4o-mini"


class Trip(openai.BaseModel):
    city: str
    days: int


@pytest.fixture
def gpt(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{gateway.url}/v1",
        api_key=APP_KEY,
        max_retries=0,
        _strict_response_validation=True,
    ) as client:
        yield client


def checked(events: list[Any]) -> list[str]:
    """The types of events, each of which is what OpenAI says it is, numbered from 0."""
    for event in events:
        check_event(event.model_dump(by_alias=True, warnings=False))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    return [event.type for event in events]


def test_a_text_and_its_answer(gpt: openai.OpenAI, question: str) -> None:
    response = gpt.responses.create(
        model=MODEL,
        input=question,
        instructions="Be brief.",
        temperature=0,
        metadata={"run": "1"},
        store=False,
    )
    assert response.id.startswith("resp_")
    assert (response.object, response.status, response.error) == ("response", "completed", None)
    assert response.output_text
    assert [item.type for item in response.output] == ["message"]
    assert response.instructions == "Be brief."
    assert response.metadata == {"run": "1"}
    assert response.temperature == 0
    assert response.usage is not None
    usage = response.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 0


def test_what_the_provider_is_asked(gpt: openai.OpenAI, sim: ThreadedSim, question: str) -> None:
    image = f"data:image/png;base64,{PIXEL}"
    gpt.responses.create(
        model=MODEL,
        instructions="Be brief.",
        input=[
            {"role": "developer", "content": "You know cities."},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": question},
                    {"type": "input_image", "image_url": image, "detail": "low"},
                ],
            },
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "rain"},
        ],
        tools=[TOOL],  # type: ignore[list-item]
        tool_choice="none",
        max_output_tokens=40,
        parallel_tool_calls=False,
        store=False,
    )
    body = last_body(sim)
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": "You know cities."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": question},
                {"type": "image_url", "image_url": {"url": image, "detail": "low"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": "{}"},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    ]
    function = {name: TOOL[name] for name in ("name", "description", "parameters", "strict")}
    assert body["tools"] == [{"type": "function", "function": function}]
    assert (body["tool_choice"], body["max_tokens"]) == ("none", 40)
    assert body["parallel_tool_calls"] is False
    assert not {"input", "store", "metadata", "instructions"} & set(body)


def test_a_stream_has_its_events_in_their_order(gpt: openai.OpenAI, question: str) -> None:
    stream = gpt.responses.create(model=MODEL, input=question, stream=True, store=False)
    events = list(stream)
    types = checked(events)
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 5
    assert types == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * len(deltas),
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == "".join(deltas)
    assert last.response.usage is not None
    assert {event.response.id for event in (events[0], last)} == {last.response.id}  # type: ignore[union-attr]


def test_a_stream_of_what_is_stored_says_the_same(gpt: openai.OpenAI, question: str) -> None:
    whole = gpt.responses.create(model=MODEL, input=question, store=False)
    raw = gpt.responses.with_raw_response.create(
        model=MODEL, input=question, stream=True, store=False
    )
    assert raw.headers["x-headrace-cache"] == "l1"
    events = list(raw.parse())
    checked(events)
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == whole.output_text
    assert last.response.id != whole.id


def test_a_chat_of_the_same_words_is_the_same_answer(gpt: openai.OpenAI, question: str) -> None:
    response = gpt.responses.create(model=MODEL, input=question, store=False)
    raw = gpt.chat.completions.with_raw_response.create(
        model=MODEL, messages=[{"role": "user", "content": question}]
    )
    assert raw.headers["x-headrace-cache"] == "l1"
    assert raw.parse().choices[0].message.content == response.output_text


@pytest.mark.parametrize("streams", [False, True])
def test_calls_of_tools(gpt: openai.OpenAI, question: str, streams: bool) -> None:
    asked: dict[str, Any] = {
        "model": MODEL,
        "input": question,
        "tools": [TOOL],
        "tool_choice": "required",
        "store": False,
    }
    if streams:
        events = list(gpt.responses.create(**asked, stream=True))
        types = checked(events)
        assert types.count("response.function_call_arguments.delta") > 1
        assert types[-3:] == [
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.completed",
        ]
        response = events[-1].response
    else:
        response = gpt.responses.create(**asked)
    (call,) = response.output
    assert call.type == "function_call"
    assert call.name == "weather"
    assert set(json.loads(call.arguments)) == {"city", "days"}
    answered = gpt.responses.create(
        **{**asked, "tool_choice": "none"}
        | {
            "input": [
                {"role": "user", "content": question},
                call.model_dump(exclude_none=True),
                {"type": "function_call_output", "call_id": call.call_id, "output": "rain"},
            ]
        }
    )
    assert answered.output_text


def test_an_answer_of_a_form(gpt: openai.OpenAI, question: str) -> None:
    parsed = gpt.responses.parse(model=MODEL, input=question, text_format=Trip, store=False)
    assert isinstance(parsed.output_parsed, Trip)


def test_the_helper_for_streams_gathers_the_response(gpt: openai.OpenAI, question: str) -> None:
    with gpt.responses.stream(model=MODEL, input=question, store=False) as stream:
        text = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert final.output_text == text != ""


@pytest.mark.parametrize("streams", [False, True])
def test_an_answer_that_is_cut_is_incomplete(
    gpt: openai.OpenAI, question: str, streams: bool
) -> None:
    asked: dict[str, Any] = {
        "model": MODEL,
        "input": question,
        "max_output_tokens": 3,
        "store": False,
    }
    if streams:
        last = list(gpt.responses.create(**asked, stream=True))[-1]
        assert last.type == "response.incomplete"
        response = last.response
    else:
        response = gpt.responses.create(**asked)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"background": True}, "background"),
        ({"input": [{"type": "computer_call"}]}, "input[0].type"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice.type"),
    ],
)
def test_what_chats_cannot_do_is_refused(
    gpt: openai.OpenAI, question: str, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError, match="cannot be served over chat") as refused:
        gpt.responses.create(**{"model": MODEL, "input": question, **fields})
    assert refused.value.param == param
    assert refused.value.code == "unsupported_parameter"


def test_a_provider_that_refuses_is_told_as_it_is(gpt: openai.OpenAI, question: str) -> None:
    with pytest.raises(openai.NotFoundError):
        gpt.responses.create(model="nobody-has-this", input=question)
