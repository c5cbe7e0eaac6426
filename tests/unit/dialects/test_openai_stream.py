"""OpenAI answers: facts, streams made whole and whole answers streamed."""

from typing import Any

import httpx2
import msgspec
import openai
import pytest

from headrace.dialects.base import Operation
from headrace.dialects.openai import OpenAIDialect
from headrace.dialects.sse import read_payloads, write_event
from headrace.model import ReplyFacts, Usage

DIALECT = OpenAIDialect()
CHAT = Operation.CHAT
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 7,
    "total_tokens": 27,
    "prompt_tokens_details": {"cached_tokens": 16},
}
TEXT = "The capital of France is Paris,\n\n  which has been so for a long time. 首都はパリです。"
CALLS = [
    {
        "id": "call_1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city": "Paris", "unit": "c"}'},
    },
    {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": ""}},
    {"id": "call_3", "type": "custom", "custom": {"name": "sql", "input": "select 1"}},
]


def whole(*choices: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": list(choices),
        **fields,
    }


def choice(index: int = 0, reason: str | None = "stop", **message: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": None, "refusal": None, **message}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": reason}


def chunk(delta: dict[str, Any], reason: str | None = None, index: int = 0, **extra: Any) -> bytes:
    part = {"index": index, "delta": delta, "finish_reason": reason, **extra}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return write_event(msgspec.json.encode({**body, "choices": [part]}))


def usage_event() -> bytes:
    return write_event(msgspec.json.encode({"id": "c", "choices": [], "usage": USAGE}))


DONE = b"data: [DONE]\n\n"
SPOKEN = (
    chunk({"role": "assistant", "content": "", "refusal": None})
    + chunk({"content": "Hel"})
    + chunk({"content": "lo"})
)
CALLED = chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f"}}]})
COUNTED = Usage(input_tokens=20, output_tokens=7, cached_tokens=16)


def encoded(value: object) -> bytes:
    return msgspec.json.encode(value)


def stream_facts(transcript: bytes) -> ReplyFacts:
    return DIALECT.read_stream(CHAT, transcript)


def assembled(transcript: bytes) -> Any:
    return msgspec.json.decode(DIALECT.assemble(CHAT, transcript))


def round_trip(body: dict[str, Any], *, include_usage: bool = True) -> Any:
    return assembled(DIALECT.disassemble(CHAT, encoded(body), include_usage=include_usage))


GOOD = ReplyFacts(finish_reasons=("stop",), complete=True, empty=False)


@pytest.mark.parametrize(
    ("body", "facts"),
    [
        (whole(choice(content="Hi")), GOOD),
        (whole(choice(content="Hi"), usage=USAGE), {"usage": COUNTED}),
        (whole(choice(content="Hi", reason="length")), {"truncated": True}),
        (whole(choice(content="Hi", reason="content_filter")), {"filtered": True}),
        (whole(choice(content="")), {"empty": True}),
        (whole(choice(refusal="No.")), {"filtered": True}),
        (whole(choice(audio={"id": "a", "data": "AA=="})), {}),
        (whole(choice(tool_calls=CALLS, reason="tool_calls")), {"has_tool_calls": True}),
        (whole(choice(function_call={"name": "f"})), {"has_tool_calls": True}),
        (whole(choice(content="Hi"), choice(1, "length", content="x")), {"truncated": True}),
        (whole(choice(content="Hi", reason=None)), {"complete": False, "finish_reasons": ()}),
        ({"error": {"message": "x"}}, ReplyFacts(is_error=True)),
        (whole(choice(content="Hi"), error={"code": 1}), {"is_error": True, "complete": False}),
        ({}, ReplyFacts()),
        (whole(), ReplyFacts()),
    ],
)
def test_a_whole_answer_is_read(body: dict[str, Any], facts: Any) -> None:
    if isinstance(facts, dict):
        reasons = tuple(c["finish_reason"] for c in body["choices"])
        facts = msgspec.structs.replace(GOOD, **{"finish_reasons": reasons, **facts})
    assert DIALECT.read_reply(CHAT, encoded(body)) == facts


GARBAGE = [b"", b"{", b"null", b"[]", b"<html>", b'{"choices":3}', b"\xff\xfe", b"[" * 9999]


@pytest.mark.parametrize("body", GARBAGE)
def test_garbage_is_never_a_whole_answer(body: bytes) -> None:
    assert not DIALECT.read_reply(CHAT, body).complete
    assert not DIALECT.read_reply(Operation.EMBEDDINGS, body).complete
    assert not stream_facts(body).complete
    assert not stream_facts(write_event(body.replace(b"\n", b"")) + DONE).complete or not body


@pytest.mark.parametrize("usage", [None, 3, [], {}, {"prompt_tokens": "9"}])
def test_odd_usage_is_no_usage(usage: object) -> None:
    facts = DIALECT.read_reply(CHAT, encoded(whole(choice(content="x"), usage=usage)))
    assert facts.complete
    assert facts.usage in (None, Usage())


def test_embeddings_are_read() -> None:
    body = {"object": "list", "data": [{"index": 0, "embedding": [0.5]}], "usage": USAGE}
    facts = DIALECT.read_reply(Operation.EMBEDDINGS, encoded(body))
    assert facts == ReplyFacts(usage=COUNTED, complete=True, empty=False)
    nothing = DIALECT.read_reply(Operation.EMBEDDINGS, encoded({**body, "data": []}))
    assert nothing.empty
    assert DIALECT.read_reply(Operation.EMBEDDINGS, b'{"error":{}, "data":[]}').complete
    assert DIALECT.read_reply(Operation.EMBEDDINGS, b'{"error":{"message":"x"}}').is_error


@pytest.mark.parametrize(
    ("transcript", "facts"),
    [
        (SPOKEN + chunk({}, "stop") + DONE, GOOD),
        (SPOKEN + chunk({}, "stop"), GOOD),
        (SPOKEN, {"complete": False, "finish_reasons": ()}),
        (SPOKEN + chunk({}, "stop")[:-1], {"complete": False, "finish_reasons": ()}),
        (SPOKEN + DONE, {"finish_reasons": ()}),
        (SPOKEN + chunk({}, "length") + DONE, {"truncated": True, "finish_reasons": ("length",)}),
        (SPOKEN + chunk({"content": "x"}, index=1) + chunk({}, "stop"), {"complete": False}),
        (
            SPOKEN + chunk({}, "stop") + usage_event() + DONE,
            {"usage": COUNTED, "has_usage_event": True},
        ),
        (SPOKEN + chunk({}, "stop", usage=None) + DONE, {}),
        (SPOKEN + write_event(b'{"error":{"message":"x"}}'), {"is_error": True}),
        (SPOKEN + b"event: error\ndata: {}\n\n" + DONE, {"is_error": True}),
        (SPOKEN + chunk({}, "error") + DONE, {"is_error": True, "finish_reasons": ("error",)}),
        (SPOKEN + write_event(b"{broken") + chunk({}, "stop") + DONE, {"complete": False}),
        (CALLED + chunk({}, "tool_calls") + DONE, {"has_tool_calls": True}),
        (chunk({"role": "assistant", "content": ""}) + chunk({}, "stop") + DONE, {"empty": True}),
        (b": hi\n\n" + SPOKEN + b"event: ping\ndata: x\n\n" + chunk({}, "stop") + DONE, {}),
        (SPOKEN + b'event: new\ndata: {"a":1}\n\n' + chunk({}, "stop") + DONE, {}),
        (SPOKEN + chunk({}, "stop") + b"event: ping\ndata: {}\n\n" + DONE, {}),
    ],
)
def test_a_stream_is_read(transcript: bytes, facts: Any) -> None:
    found = stream_facts(transcript)
    if isinstance(facts, ReplyFacts):
        assert found == facts
        return
    if facts.get("is_error"):
        facts = {"complete": False, **facts}
    for field, value in {"complete": True, "empty": False, **facts}.items():
        assert getattr(found, field) == value, field


def test_line_endings_comments_and_split_lines_do_not_matter() -> None:
    plain = SPOKEN + chunk({}, "stop") + usage_event() + DONE
    facts, body = stream_facts(plain), assembled(plain)
    multi = plain.replace(b',"choices"', b',\ndata:"choices"')
    for other in (
        plain.replace(b"\n", b"\r\n"),
        plain.replace(b"\n", b"\r"),
        plain.replace(b"data: ", b"data:"),
        plain.replace(b"data: ", b": comment\nid: 1\ndata: "),
        plain.replace(b"\n\n", b"\n\n: keep-alive\n\n"),
        multi,
    ):
        assert other != plain
        assert stream_facts(other) == facts
        assert assembled(other) == body


@pytest.mark.parametrize(
    ("tail", "final"),
    [
        (DONE, True),
        (b'"}}]}\n\n' + DONE, True),
        (b"data:[DONE]\r\n\r\n", True),
        (b"data: [DONE]", False),
        (b"data: [DONE]\n", False),
        (chunk({"content": "data: [DONE]\n\n"}), False),
        (b'say data: [DONE]"}}]}\n\n', False),
        (b"", False),
    ],
)
def test_the_final_event_is_recognised(tail: bytes, final: bool) -> None:
    assert DIALECT.is_final_event(tail) is final


def test_a_stream_of_pieces_becomes_the_whole_it_stands_for() -> None:
    calls = [
        {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}},
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"name": "f", "arguments": '{"x"'}},
        {"index": 1, "function": {"arguments": "{}"}},
        {"index": 0, "function": {"arguments": ":1}"}},
    ]
    transcript = (
        chunk({"role": "assistant", "reasoning_content": "Let "}, system_fingerprint="no")
        + chunk({"reasoning_content": "me see"})
        + chunk({"role": "assistant", "content": "A"}, index=1)
        + b"".join(chunk({"tool_calls": [call]}) for call in calls)
        + chunk({"content": "B", "annotations": [{"n": 1}]}, index=1)
        + chunk({"annotations": [{"n": 2}]}, "stop", index=1, stop_reason=7)
        + chunk({}, "tool_calls")
        + usage_event()
        + DONE
    )
    body = assembled(transcript)
    first, second = body["choices"]
    assert first["message"] == {
        "role": "assistant",
        "content": None,
        "reasoning_content": "Let me see",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
    }
    assert first["finish_reason"] == "tool_calls"
    assert second["message"]["content"] == "AB"
    assert second["message"]["annotations"] == [{"n": 1}, {"n": 2}]
    assert second["stop_reason"] == 7
    assert body["usage"] == USAGE
    assert body["object"] == "chat.completion"


def test_calls_without_an_index_are_told_apart_by_their_ids() -> None:
    deltas = [
        [{"id": "a", "function": {"name": "f", "arguments": "{}"}}],
        [{"id": "b", "function": {"name": "g", "arguments": "{"}}],
        [{"function": {"arguments": "}"}}],
    ]
    transcript = b"".join(chunk({"tool_calls": calls}) for calls in deltas)
    calls = assembled(transcript)["choices"][0]["message"]["tool_calls"]
    assert [(c["id"], c["function"]["arguments"]) for c in calls] == [("a", "{}"), ("b", "{}")]


def test_a_name_in_pieces_and_a_name_repeated_are_one_name() -> None:
    for names in (("get_", "weather"), ("get_weather", "get_weather")):
        transcript = b"".join(
            chunk({"tool_calls": [{"index": 0, "function": {"name": name}}]}) for name in names
        )
        call = assembled(transcript)["choices"][0]["message"]["tool_calls"][0]
        assert call["function"]["name"] == "get_weather"


def test_usage_is_left_out_where_the_stream_had_none() -> None:
    transcript = write_event(b'{"id":"c","choices":[],"usage":null,"obfuscation":"x"}') + SPOKEN
    body = assembled(transcript)
    assert "usage" not in body
    assert "obfuscation" not in body


TOKENS: list[dict[str, Any]] = [
    {"token": piece, "logprob": -0.5, "bytes": None, "top_logprobs": []}
    for piece in ("Par", "is", "", ".")
]
WHOLES = [
    whole(choice(content=TEXT), usage=USAGE),
    whole(choice(content=TEXT), choice(1, "length", content="short"), system_fingerprint="fp"),
    whole(choice(tool_calls=CALLS, reason="tool_calls"), service_tier="default"),
    whole(choice(content=TEXT, tool_calls=CALLS[:1], reason="tool_calls")),
    whole(choice(refusal="I would rather not do that.")),
    whole(choice(content="", tool_calls=[], annotations=[])),
    whole(choice(content=TEXT, reasoning_content=TEXT, annotations=[{"type": "url"}])),
    whole(choice(content="x", function_call={"name": "f", "arguments": "{}"})),
    whole(choice(content="x", audio={"id": "a", "data": "AAAA", "transcript": "x"})),
    whole({**choice(content="Paris."), "logprobs": {"content": TOKENS, "refusal": None}}),
    whole({**choice(content="Paris."), "logprobs": {"content": TOKENS}}),
    whole({**choice(content="Other"), "logprobs": {"content": TOKENS, "refusal": None}}),
    whole({**choice(refusal="No."), "logprobs": {"content": None, "refusal": TOKENS}}),
    whole({**choice(content="x"), "content_filter_results": {"hate": False}}, provider="P"),
    whole(choice(content=[{"type": "thinking", "thinking": []}])),
    whole({"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}),
]


@pytest.mark.parametrize("body", WHOLES)
def test_a_whole_answer_survives_being_streamed(body: dict[str, Any]) -> None:
    assert round_trip(body) == body
    without = {field: value for field, value in body.items() if field != "usage"}
    assert round_trip(body, include_usage=False) == without


@pytest.mark.parametrize("body", WHOLES)
def test_both_forms_say_the_same_of_themselves(body: dict[str, Any]) -> None:
    transcript = DIALECT.disassemble(CHAT, encoded(body), include_usage=True)
    streamed = msgspec.structs.replace(stream_facts(transcript), has_usage_event=False)
    assert streamed == DIALECT.read_reply(CHAT, encoded(body))
    assert DIALECT.is_final_event(transcript[-40:])


def test_a_streamed_answer_looks_like_a_stream() -> None:
    body = whole(choice(content=TEXT), usage=USAGE)
    transcript = DIALECT.disassemble(CHAT, encoded(body), include_usage=True)
    *chunks, last = read_payloads(transcript)
    assert last == b"[DONE]"
    first, *middle, finish, usage = map(msgspec.json.decode, chunks)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    pieces = [part["choices"][0]["delta"]["content"] for part in middle]
    assert "".join(pieces) == TEXT
    assert len(pieces) >= 5
    assert finish["choices"][0] == {
        "index": 0,
        "delta": {},
        "finish_reason": "stop",
        "logprobs": None,
    }
    assert (usage["choices"], usage["usage"]) == ([], USAGE)
    assert {part["object"] for part in (first, *middle, finish)} == {"chat.completion.chunk"}


def test_logprobs_travel_with_their_tokens() -> None:
    body = whole({**choice(content="Paris."), "logprobs": {"content": TOKENS, "refusal": None}})
    transcript = DIALECT.disassemble(CHAT, encoded(body), include_usage=False)
    parts = [msgspec.json.decode(data)["choices"][0] for data in read_payloads(transcript)[1:-2]]
    assert [part["delta"]["content"] for part in parts] == ["Par", "is", "", "."]
    assert [part["logprobs"]["content"][0]["token"] for part in parts] == ["Par", "is", "", "."]


def test_only_the_usage_event_is_dropped() -> None:
    azure = write_event(b'{"choices":[],"prompt_filter_results":[],"usage":null}')
    spoken = azure + b": ping\n\n" + SPOKEN + chunk({"content": '"usage":{}'}, usage={"a": 1})
    rest = chunk({}, "stop") + DONE
    assert DIALECT.without_usage_event(spoken + usage_event() + rest) == spoken + rest
    assert DIALECT.without_usage_event(spoken + rest) == spoken + rest


@pytest.mark.parametrize(
    "body",
    [
        whole(choice(content=TEXT), usage=USAGE),
        whole(choice(content=TEXT), choice(1, content="short"), system_fingerprint="fp"),
        whole(choice(tool_calls=CALLS[:2], reason="tool_calls"), service_tier="default"),
        whole(choice(refusal="I would rather not do that.")),
        whole({**choice(content="Paris."), "logprobs": {"content": TOKENS, "refusal": None}}),
    ],
)
def test_the_official_sdk_reads_both_forms(body: dict[str, Any]) -> None:
    transcript = DIALECT.disassemble(CHAT, encoded(body), include_usage=True)

    def answer(request: httpx2.Request) -> httpx2.Response:
        if b'"stream":true' in request.content.replace(b" ", b""):
            kind = {"content-type": "text/event-stream"}
            return httpx2.Response(200, headers=kind, content=transcript)
        return httpx2.Response(200, json=assembled(transcript))

    messages: Any = [{"role": "user", "content": "Hi"}]
    with (
        httpx2.Client(transport=httpx2.MockTransport(answer)) as http,
        openai.OpenAI(api_key="k", http_client=http, max_retries=0) as client,
    ):
        answered = client.chat.completions.create(model="m", messages=messages)
        with client.chat.completions.stream(model="m", messages=messages, n=2) as stream:
            finals = list(stream)
            final = stream.get_final_completion()
    assert finals
    for got, wanted in zip(final.choices, answered.choices, strict=True):
        assert (
            got.message.content
            == wanted.message.content
            == body["choices"][wanted.index]["message"].get("content")
        )
        assert got.finish_reason == wanted.finish_reason
        names = [getattr(call, "id", None) for call in got.message.tool_calls or ()]
        assert names == [call.id for call in wanted.message.tool_calls or ()]
