"""Streams of chats as events of responses, where providers do what they should not."""

import itertools
import json
from typing import Any

import msgspec
import pytest
from tests.support.replies import DONE, completion, delta

from headrace.dialects import sse
from headrace.dialects.responses.making import read_completion
from headrace.dialects.responses.output import Heading, write_response
from headrace.dialects.responses.request import read_request
from headrace.dialects.responses.stream import ResponseStream
from headrace.errors import RateLimited, UpstreamBroken
from headrace.limits import RELAY_BYTES_MAX

HEADING = Heading("resp_1", 1, "m", read_request({"model": "m", "input": "x"}).told)


def stream_of() -> ResponseStream:
    count = itertools.count()
    return ResponseStream(HEADING, lambda prefix: f"{prefix}_{next(count)}")


def told(*pieces: bytes) -> list[dict[str, Any]]:
    stream = stream_of()
    written = b"".join(map(stream.feed, pieces))
    closing, reply = stream.close()
    written += closing + stream.end(write_response(HEADING, reply))
    return [msgspec.json.decode(event.data) for event in sse.read_events(written)]


def text(events: list[dict[str, Any]]) -> str:
    return "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")


def test_halves_of_a_character_that_come_apart_are_joined() -> None:
    halves = (b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % half
              for half in (b"a\\ud83d", b"\\ude00b"))  # fmt: skip
    events = told(*halves, DONE)
    assert text(events) == "a😀b"
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "a😀b"


def test_half_a_character_alone_is_replaced() -> None:
    half = b'data: {"choices":[{"index":0,"delta":{"content":"a\\ud83d"}}]}\n\n'
    assert text(told(half, delta("b"), DONE)) == "a\ufffdb"
    assert text(told(half, DONE)) == "a\ufffd"


def test_half_a_character_in_a_name_is_replaced() -> None:
    call = (b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"\\ud83d",'
            b'"function":{"name":"f\\udc00","arguments":"{}"}}]}}]}\n\n')  # fmt: skip
    (item,) = told(call, DONE)[-1]["response"]["output"]
    assert (item["call_id"], item["name"]) == ("\ufffd", "f\ufffd")


@pytest.mark.parametrize("junk", [b"data: 3\n\n", b"data: {\n\n", b": hello\n\n", b"data: []\n\n"])
def test_what_is_no_chunk_is_left_out(junk: bytes) -> None:
    assert text(told(junk, delta("a"), junk, delta("b", "stop"), DONE)) == "ab"


def test_other_choices_are_left_out() -> None:
    other = json.dumps({"choices": [{"index": 1, "delta": {"content": "other"}}]}).encode()
    assert text(told(b"data: %b\n\n" % other, delta("a", "stop"), DONE)) == "a"


def test_an_error_in_the_middle_is_kept_for_who_asks() -> None:
    stream = stream_of()
    stream.feed(delta("a") + b'data: {"error": {"message": "out of \\ud83d memory"}}\n\n')
    assert stream.error is not None
    assert "out of \ufffd memory" in stream.error.message


def test_a_failure_tells_what_came_before() -> None:
    stream = stream_of()
    stream.begin()
    stream.feed(delta("half an ans"))
    (event,) = sse.read_events(stream.fail(RateLimited("Too much.")))
    failed = msgspec.json.decode(event.data)
    assert failed["type"] == "response.failed"
    response = failed["response"]
    assert response["status"] == "failed"
    assert response["error"] == {"code": "rate_limit_exceeded", "message": "Too much."}
    (item,) = response["output"]
    assert item["status"] == "incomplete"
    assert item["content"][0]["text"] == "half an ans"


def test_an_answer_without_an_end_is_refused() -> None:
    stream = stream_of()
    piece = delta("x" * (RELAY_BYTES_MAX // 4))
    with pytest.raises(UpstreamBroken, match="longer than"):
        [stream.feed(piece) for _ in range(5)]


def test_an_event_without_an_end_is_refused() -> None:
    stream = stream_of()
    with pytest.raises(UpstreamBroken, match="larger than"):
        stream.feed(b"data: " + b"x" * RELAY_BYTES_MAX)


def test_a_name_that_comes_in_pieces_and_one_that_comes_again() -> None:
    def piece(**function: str) -> bytes:
        call = {"index": 0, "function": function}
        return delta(None, tool_calls=[call])

    (item,) = told(piece(name="get_"), piece(name="weather"), piece(arguments="{}"), DONE)[-1][
        "response"
    ]["output"]
    assert item["name"] == "get_weather"
    whole = delta(None, tool_calls=[{"index": 0, "id": "c", "function": {"name": "f"}}])
    (item,) = told(whole, piece(name="f", arguments="{}"), DONE)[-1]["response"]["output"]
    assert (item["name"], item["arguments"]) == ("f", "{}")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"choices": []}', b"\xff"])
def test_what_is_no_chat_is_no_response(body: bytes) -> None:
    assert read_completion(body, lambda prefix: prefix) is None


def test_thoughts_refusals_and_citations_of_a_whole_answer() -> None:
    citation = {"start_index": 0, "end_index": 1, "title": "t", "url": "u"}
    body = completion(
        "text",
        reasoning_content="why",
        annotations=[{"type": "url_citation", "url_citation": citation}],
    )
    reply = read_completion(body, lambda prefix: prefix)
    assert reply is not None
    thought, message = reply.items
    assert thought["content"] == [{"type": "reasoning_text", "text": "why"}]
    assert message["content"][0]["annotations"] == [{"type": "url_citation", **citation}]
    refusal = read_completion(completion(None, refusal="no"), lambda prefix: prefix)
    assert refusal is not None
    assert refusal.items[0]["content"] == [{"type": "refusal", "refusal": "no"}]


def test_an_old_call_of_a_function_is_a_call() -> None:
    body = completion(None, "function_call", function_call={"name": "f", "arguments": "{}"})
    reply = read_completion(body, lambda prefix: prefix)
    assert reply is not None
    assert [(item["name"], item["call_id"]) for item in reply.items] == [("f", "fc")]
