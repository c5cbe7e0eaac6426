"""Anthropic answers: facts, streams made whole and whole messages streamed."""

from typing import Any

import anthropic
import httpx2
import msgspec
import pytest

from headrace.dialects.anthropic import AnthropicDialect
from headrace.dialects.base import Operation
from headrace.dialects.sse import read_events, write_event
from headrace.model import ReplyFacts, Usage

DIALECT = AnthropicDialect()
MESSAGES = Operation.MESSAGES
TEXT = "The capital of France is Paris,\n\n  which has been so for a long time. 首都はパリです。"
USAGE = {
    "input_tokens": 5,
    "cache_creation_input_tokens": 10,
    "cache_read_input_tokens": 100,
    "output_tokens": 9,
}
COUNTED = Usage(115, 9, cached_tokens=100, cache_write_tokens=10)
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris", "n": 1}}


def text(value: str = TEXT, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **fields}


def whole(*content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "content": list(content),
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": USAGE,
        **fields,
    }


def encoded(value: object) -> bytes:
    return msgspec.json.encode(value)


def event(kind: str, **fields: Any) -> bytes:
    return write_event(encoded({"type": kind, **fields}), kind.encode())


def block(index: int, content: dict[str, Any], *deltas: dict[str, Any]) -> bytes:
    return (
        event("content_block_start", index=index, content_block=content)
        + b"".join(event("content_block_delta", index=index, delta=delta) for delta in deltas)
        + event("content_block_stop", index=index)
    )


START = event(
    "message_start",
    message=whole(stop_reason=None, usage={**USAGE, "output_tokens": 1, "service_tier": "x"}),
)
SPOKEN = START + block(
    0,
    text(""),
    {"type": "text_delta", "text": "Hel"},
    {"type": "text_delta", "text": "lo"},
)
STOP = event("message_stop")


def end(reason: str = "end_turn", **fields: Any) -> bytes:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return event("message_delta", delta=delta, usage={"output_tokens": 9}, **fields)


def stream_facts(transcript: bytes) -> ReplyFacts:
    return DIALECT.read_stream(MESSAGES, transcript)


def assembled(transcript: bytes) -> Any:
    return msgspec.json.decode(DIALECT.assemble(MESSAGES, transcript))


def streamed(body: dict[str, Any]) -> bytes:
    return DIALECT.disassemble(MESSAGES, encoded(body), include_usage=False)


GOOD = ReplyFacts(usage=COUNTED, finish_reasons=("end_turn",), complete=True, empty=False)


@pytest.mark.parametrize(
    ("body", "facts"),
    [
        (whole(text()), {}),
        (whole(text(), stop_reason="max_tokens"), {"truncated": True}),
        (whole(text(), stop_reason="model_context_window_exceeded"), {"truncated": True}),
        (whole(text(), stop_reason="refusal"), {"filtered": True}),
        (whole(), {"empty": True}),
        (whole(text("")), {"empty": True}),
        (whole({"type": "thinking", "thinking": "Hm", "signature": "s"}), {"empty": True}),
        (whole(TOOL, stop_reason="tool_use"), {"has_tool_calls": True}),
        (whole({"type": "brand_new"}), {}),
        (whole(text(), usage=None), {"usage": None}),
        (whole(text(), stop_reason=None), {"complete": False, "finish_reasons": ()}),
    ],
)
def test_a_whole_message_is_read(body: dict[str, Any], facts: dict[str, Any]) -> None:
    reason = (body["stop_reason"],)
    wanted = msgspec.structs.replace(GOOD, **{"finish_reasons": reason, **facts})
    assert DIALECT.read_reply(MESSAGES, encoded(body)) == wanted


def test_an_error_is_read_as_one() -> None:
    body = b'{"type":"error","error":{"type":"api_error","message":"x"}}'
    assert DIALECT.read_reply(MESSAGES, body) == ReplyFacts(is_error=True)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"[]", b"<html>", b'{"content":3}', b"\xff\xfe", b"{}"]
)
def test_garbage_is_never_a_whole_message(body: bytes) -> None:
    assert not DIALECT.read_reply(MESSAGES, body).complete
    assert not stream_facts(body).complete
    if body:
        assert not stream_facts(write_event(body) + STOP).complete


@pytest.mark.parametrize(
    ("transcript", "facts"),
    [
        (SPOKEN + end() + STOP, {}),
        (SPOKEN + end(), {"complete": False}),
        (SPOKEN + end() + STOP[:-1], {"complete": False}),
        (SPOKEN + STOP, {"finish_reasons": ()}),
        (SPOKEN + event("ping") + end() + event("new_kind", delta={"text": 3}) + STOP, {}),
        (SPOKEN + end("max_tokens") + STOP, {"truncated": True}),
        (SPOKEN + end("refusal") + STOP, {"filtered": True}),
        (SPOKEN + event("error", error={"type": "overloaded_error"}), {"is_error": True}),
        (SPOKEN + b"event: x\ndata: {broken\n\n" + end() + STOP, {"complete": False}),
        (START + end() + STOP, {"empty": True}),
        (START + block(0, {**TOOL, "input": {}}) + end("tool_use") + STOP, {"empty": False}),
    ],
)
def test_a_stream_is_read(transcript: bytes, facts: dict[str, Any]) -> None:
    found = stream_facts(transcript)
    if facts.get("is_error"):
        facts = {"complete": False, **facts}
    for field, value in {"complete": True, "empty": False, **facts}.items():
        assert getattr(found, field) == value, field
    assert not found.has_usage_event


def test_usage_of_the_start_and_the_end_are_one() -> None:
    assert stream_facts(SPOKEN + end() + STOP).usage == COUNTED
    totals = {"output_tokens": 2, "input_tokens": 7, "cache_read_input_tokens": None}
    last = event("message_delta", delta={"stop_reason": "end_turn"}, usage=totals)
    assert stream_facts(SPOKEN + last + STOP).usage == Usage(117, 2, 100, 10)


def test_line_endings_comments_and_missing_names_do_not_matter() -> None:
    plain = SPOKEN + end() + STOP
    for other in (
        plain.replace(b"\n", b"\r\n"),
        plain.replace(b"data: ", b"data:"),
        plain.replace(b"\n\n", b"\n\n: keep-alive\n\n"),
        b"".join(write_event(item.data) for item in read_events(plain)),
    ):
        assert other != plain
        assert stream_facts(other) == stream_facts(plain)
        assert assembled(other) == assembled(plain)


@pytest.mark.parametrize(
    ("tail", "final"),
    [
        (STOP, True),
        (end() + STOP, True),
        (b'data: {"type": "message_stop"}\n\n', True),
        (STOP[:-1], False),
        (end(), False),
        (block(0, text(), {"type": "text_delta", "text": "message_stop"}), False),
        (b"", False),
    ],
)
def test_the_final_event_is_recognised(tail: bytes, final: bool) -> None:
    assert DIALECT.is_final_event(tail) is final


def test_a_stream_of_pieces_becomes_the_message_it_stands_for() -> None:
    tool = {**TOOL, "input": {}}
    transcript = (
        START
        + block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "Let "},
            {"type": "thinking_delta", "thinking": "me"},
            {"type": "signature_delta", "signature": "sig"},
        )
        + block(
            1,
            text("", citations=[]),
            {"type": "text_delta", "text": "A"},
            {"type": "citations_delta", "citation": {"n": 1}},
            {"type": "citations_delta", "citation": {"n": 2}},
        )
        + block(
            2,
            tool,
            {"type": "input_json_delta", "partial_json": ""},
            {"type": "input_json_delta", "partial_json": '{"city": "Pa'},
            {"type": "input_json_delta", "partial_json": 'ris", "n": 1}'},
        )
        + block(3, tool)
        + block(4, tool, {"type": "input_json_delta", "partial_json": '{"cut'})
        + block(5, {"type": "new", "x": "a"}, {"type": "new_delta", "x": "b", "y": 1})
        + end("tool_use", context_management={"applied_edits": []})
        + STOP
    )
    assert assembled(transcript) == whole(
        {"type": "thinking", "thinking": "Let me", "signature": "sig"},
        text("A", citations=[{"n": 1}, {"n": 2}]),
        TOOL,
        tool,
        {**tool, "input": {"INVALID_JSON": '{"cut'}},
        {"type": "new", "x": "ab", "y": 1},
        stop_reason="tool_use",
        usage={**USAGE, "service_tier": "x"},
        context_management={"applied_edits": []},
    )


WHOLES = [
    whole(text()),
    whole(text(), stop_reason="stop_sequence", stop_sequence="END"),
    whole(text("", citations=None)),
    whole(text(citations=[{"type": "char_location", "cited_text": "x"}])),
    whole(
        {"type": "thinking", "thinking": TEXT, "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "AAAA"},
        text(),
        TOOL,
        {**TOOL, "id": "toolu_2", "input": {}},
        stop_reason="tool_use",
    ),
    whole({**TOOL, "type": "server_tool_use"}, {"type": "web_search_tool_result", "content": []}),
    whole(stop_details=None, container={"id": "c"}),
    whole(text(), usage={**USAGE, "service_tier": "standard", "server_tool_use": {"n": 1}}),
]


@pytest.mark.parametrize("body", WHOLES)
def test_a_whole_message_survives_being_streamed(body: dict[str, Any]) -> None:
    assert assembled(streamed(body)) == body


@pytest.mark.parametrize("body", WHOLES)
def test_both_forms_say_the_same_of_themselves(body: dict[str, Any]) -> None:
    transcript = streamed(body)
    assert stream_facts(transcript) == DIALECT.read_reply(MESSAGES, encoded(body))
    assert DIALECT.is_final_event(transcript[-120:])
    assert DIALECT.without_usage_event(transcript) == transcript


def test_a_streamed_message_comes_in_the_official_order() -> None:
    names = [item.name.decode() for item in read_events(streamed(whole(text(), TOOL)))]
    assert names[:3] == ["message_start", "content_block_start", "ping"]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert names.count("content_block_start") == names.count("content_block_stop") == 2
    assert names.count("content_block_delta") > 6
    start = msgspec.json.decode(read_events(streamed(whole(text())))[0].data)["message"]
    assert (start["content"], start["stop_reason"]) == ([], None)


@pytest.mark.parametrize("body", WHOLES[:5])
def test_the_official_sdk_reads_both_forms(body: dict[str, Any]) -> None:
    transcript = streamed(body)

    def answer(request: httpx2.Request) -> httpx2.Response:
        if b'"stream":true' in request.content.replace(b" ", b""):
            kind = {"content-type": "text/event-stream"}
            return httpx2.Response(200, headers=kind, content=transcript)
        return httpx2.Response(200, json=assembled(transcript))

    messages: Any = [{"role": "user", "content": "Hi"}]
    with (
        httpx2.Client(transport=httpx2.MockTransport(answer)) as http,
        anthropic.Anthropic(api_key="k", http_client=http, max_retries=0) as client,
    ):
        answered = client.messages.create(model="m", max_tokens=9, messages=messages)
        with client.messages.stream(model="m", max_tokens=9, messages=messages) as stream:
            final = stream.get_final_message()
    assert answered.to_dict() == body
    dumped = final.to_dict()
    for item in dumped["content"]:  # type: ignore[attr-defined]
        item.pop("parsed_output", None)
    wanted = {field: value for field, value in body.items() if field != "stop_details"}
    assert {field: dumped.get(field) for field in wanted} == wanted
