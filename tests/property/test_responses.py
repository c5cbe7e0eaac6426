"""Whatever callers send and providers answer: requests are read or refused, events are sound."""

import contextlib
import itertools
import json
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response
from tests.support.response_events import check_event

from headrace.dialects import sse
from headrace.dialects.base import Operation
from headrace.dialects.openai import OpenAIDialect
from headrace.dialects.openai_stream import assemble_chat
from headrace.dialects.responses.items import item_text
from headrace.dialects.responses.making import read_completion
from headrace.dialects.responses.output import Heading, write_response
from headrace.dialects.responses.request import chat_body, read_request
from headrace.dialects.responses.stream import ResponseStream
from headrace.errors import InvalidRequest

TOLD = read_request({"model": "m", "input": "x"}).told
HEADING = Heading("resp_1", 1, "m", TOLD)

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
WORDS = st.text(st.characters(exclude_categories=()), max_size=6)
CALL_PIECES = st.fixed_dictionaries(
    {},
    optional={
        "index": st.integers(0, 2) | st.none(),
        "id": st.sampled_from(["call_a", "call_b", "", None]),
        "function": st.fixed_dictionaries(
            {}, optional={"name": st.sampled_from(["f", "g", ""]), "arguments": WORDS | ANYTHING}
        ),
    },
)
DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "content": WORDS | st.none() | st.lists(st.fixed_dictionaries({"text": WORDS}), max_size=2),
        "refusal": WORDS,
        "reasoning_content": WORDS,
        "tool_calls": st.lists(CALL_PIECES, max_size=2),
        "annotations": st.lists(
            st.fixed_dictionaries(
                {
                    "type": st.just("url_citation"),
                    "url_citation": st.just(
                        {"start_index": 0, "end_index": 1, "title": "t", "url": "u"}
                    ),
                }
            ),
            max_size=1,
        ),
    },
)
LOGPROBS = st.none() | st.just(
    {"content": [{"token": "a", "logprob": -0.5, "bytes": None, "top_logprobs": []}]}
)
CHUNKS = st.lists(
    st.fixed_dictionaries(
        {"delta": DELTAS, "logprobs": LOGPROBS},
        optional={"finish_reason": st.sampled_from(["stop", "length", "tool_calls", None])},
    ),
    max_size=8,
)


def numbered() -> Callable[[str], str]:
    count = itertools.count()
    return lambda prefix: f"{prefix}_{next(count)}"


def transcript(chunks: list[dict[str, Any]]) -> bytes:
    events = [{"model": "m", "choices": [{"index": 0, **chunk}]} for chunk in chunks]
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    events.append({"model": "m", "choices": [], "usage": usage})
    return b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in events) + (
        b"data: [DONE]\n\n"
    )


def told(pieces: list[bytes]) -> list[dict[str, Any]]:
    """The events of a stream that comes in these pieces."""
    stream = ResponseStream(HEADING, numbered())
    written = stream.begin() + b"".join(stream.feed(piece) for piece in pieces)
    closing, reply = stream.close()
    written += closing + stream.end(write_response(HEADING, reply, completed_s=2))
    events = sse.read_events(written)
    decoded = [msgspec.json.decode(event.data) for event in events]
    assert [each["type"].encode() for each in decoded] == [event.name for event in events]
    return decoded


class Listener:
    """Puts a response together from its events alone, and checks their order on the way."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.done: set[int] = set()

    def take(self, event: dict[str, Any]) -> None:
        kind = event["type"].removeprefix("response.")
        if kind == "output_item.added":
            assert event["output_index"] == len(self.items)
            self.items.append(event["item"])
        elif kind == "output_item.done":
            item = self.items[event["output_index"]]
            # All of it was told piece by piece before, but for names that came too late.
            item["name"] = item.get("name") or event["item"].get("name")
            event["item"].setdefault("name", None)
            assert {**item, "status": ""} == {**event["item"], "status": ""}
            assert event["output_index"] not in self.done
            self.done.add(event["output_index"])
        elif "output_index" in event:
            assert event["output_index"] not in self.done
            item = self.items[event["output_index"]]
            assert item["id"] == event["item_id"]
            self._fill(item, kind, event)

    def _fill(self, item: dict[str, Any], kind: str, event: dict[str, Any]) -> None:
        if kind == "function_call_arguments.delta":
            item["arguments"] += event["delta"]
            return
        if kind == "function_call_arguments.done":
            assert item["arguments"] == event["arguments"]
            return
        content, at = item["content"], event["content_index"]
        if kind == "content_part.added":
            assert at == len(content)
            content.append({**event["part"], "logprobs": [], "annotations": []})
            if event["part"]["type"] != "output_text":
                content[at] = event["part"]
        elif kind == "output_text.delta":
            content[at]["text"] += event["delta"]
            content[at]["logprobs"] += event["logprobs"]
        elif kind == "output_text.annotation.added":
            content[at]["annotations"].append(event["annotation"])
        elif kind == "refusal.delta":
            content[at]["refusal"] += event["delta"]
        elif kind == "reasoning_text.delta":
            content[at]["text"] += event["delta"]
        elif kind == "content_part.done":
            assert content[at].get("text") == event["part"].get("text")
            assert content[at].get("refusal") == event["part"].get("refusal")


@given(CHUNKS, st.lists(st.integers(0, 4000), max_size=6))
def test_events_are_sound_and_tell_all_of_the_response(
    chunks: list[dict[str, Any]], cuts: list[int]
) -> None:
    whole = transcript(chunks)
    ends = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    pieces = [whole[start:end] for start, end in itertools.pairwise(ends)]
    events = told(pieces)
    assert events == told([whole]), "where the bytes are cut makes no difference"
    listener = Listener()
    for number, event in enumerate(events):
        check_event(event)
        assert event["sequence_number"] == number
        listener.take(event)
    assert [each["type"] for each in events[:2]] == ["response.created", "response.in_progress"]
    response = events[-1]["response"]
    Response.model_validate(response)
    assert [{"name": None, **i, "status": ""} for i in response["output"]] == [
        {**i, "status": ""} for i in listener.items
    ]
    assert listener.done == set(range(len(listener.items)))
    assert response["usage"]["total_tokens"] == 5


@given(CHUNKS)
def test_a_whole_answer_says_what_its_stream_said(chunks: list[dict[str, Any]]) -> None:
    sound = transcript([c for c in chunks if not has_surrogates(c)])
    streamed = told([sound])[-1]["response"]["output"]
    reply = read_completion(assemble_chat(sound), numbered())
    if reply is None:
        assert not [c for c in chunks if not has_surrogates(c)]
        return
    for kind in ("message", "reasoning"):
        assert "".join(words(reply.items, kind)) == "".join(words(streamed, kind))


def has_surrogates(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    # The other way round: parts of contents are not put together by assembling.
    delta = value["delta"]
    return isinstance(delta.get("content"), list) or "refusal" in delta


def words(items: Any, kind: str) -> list[str]:
    return [item_text(item).replace("\n", "") for item in items if item["type"] == kind]


FIELDS = [
    *(
        "input",
        "instructions",
        "tools",
        "tool_choice",
        "text",
        "reasoning",
        "metadata",
        "user",
        "n",
    ),
    *("stream", "store", "previous_response_id", "conversation", "truncation", "include"),
    *("top_logprobs", "parallel_tool_calls", "background", "temperature", "max_output_tokens"),
]
ITEMS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(
                ["message", "function_call", "function_call_output", "reasoning"]
            )
        },
        optional={
            name: ANYTHING | st.sampled_from(["user", "assistant", "c1", "completed"])
            for name in ("role", "content", "call_id", "name", "arguments", "output", "status")
        },
    )
    | ANYTHING,
    max_size=4,
)


@given(
    st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=4),
    ITEMS | st.text(max_size=5),
)
def test_any_request_is_read_or_refused(fields: dict[str, Any], items: Any) -> None:
    document = {"model": "m", "input": items, **fields}
    with contextlib.suppress(InvalidRequest):
        asked = read_request(document)
        body = msgspec.json.decode(chat_body(asked))
        OpenAIDialect().read_request(Operation.CHAT, body)
        Response.model_validate(write_response(Heading("r", 1, "m", asked.told)))
