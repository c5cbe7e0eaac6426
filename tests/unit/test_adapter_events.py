"""Events of a stream are the same, in whatever pieces their bytes come."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cache.key import decode_document
from headrace.dialects.anthropic_stream import disassemble_message
from headrace.dialects.openai_stream import disassemble_chat
from headrace.errors import InvalidRequest, UpstreamRefused
from headrace.library.events import EventReader, StreamEvent
from headrace.library.question import encode
from headrace.model import DialectName, Usage

CHAT: Any = {
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Water flows – slowly 💧."},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 5},
}
MESSAGE: Any = {
    "type": "message",
    "content": [{"type": "text", "text": "Water flows – slowly 💧."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "cache_read_input_tokens": 2, "output_tokens": 5},
}
TRANSCRIPTS: dict[DialectName, bytes] = {
    "openai": b": hello\n\n" + disassemble_chat(json.dumps(CHAT).encode(), include_usage=True),
    "anthropic": disassemble_message(json.dumps(MESSAGE).encode()),
}
USAGES: dict[DialectName, Usage] = {"openai": Usage(3, 5, 0), "anthropic": Usage(5, 5, 2)}

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5, alphabet="abc"), inner),
    max_leaves=10,
)


def read(dialect: DialectName, transcript: bytes, cuts: list[int]) -> list[StreamEvent]:
    reader = EventReader(dialect, "p")
    places = [0, *sorted(cut % (len(transcript) + 1) for cut in cuts), len(transcript)]
    pieces = [transcript[start:end] for start, end in itertools.pairwise(places)]
    return [event for piece in pieces for event in reader.read(piece)]


@given(
    st.sampled_from(["openai", "anthropic"]),
    st.lists(st.integers(0, 10_000)),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
)
def test_pieces_do_not_matter(dialect: DialectName, cuts: list[int], newline: bytes) -> None:
    transcript = TRANSCRIPTS[dialect]
    events = read(dialect, transcript, [])
    assert "".join(event.text for event in events) == "Water flows – slowly 💧."
    assert [event.usage for event in events if event.usage] == [USAGES[dialect]]
    assert [event.index for event in events] == list(range(len(events)))
    # The last blank line may be half of a longer newline, so something has to follow it.
    respelled = transcript.replace(b"\n", newline) + b":"
    assert read(dialect, respelled, cuts) == events


def test_a_newline_may_be_cut_in_two() -> None:
    transcript = b'event: x\r\ndata: {"a":\r\ndata: 1}\r\n\r\n'
    for cut in range(len(transcript)):
        assert read("openai", transcript, [cut]) == [StreamEvent(0, "", b'{"a":\n1}')]


@pytest.mark.parametrize("data", [b"[]", b"{", b"7", b'"text"', b"\xff", b'{"choices":[7]}'])
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_events_that_say_nothing_known_are_passed_on(dialect: DialectName, data: bytes) -> None:
    assert read(dialect, b"data: " + data + b"\n\n", []) == [StreamEvent(0, "", data)]


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_an_error_is_raised(dialect: DialectName) -> None:
    with pytest.raises(UpstreamRefused, match="Too hot") as caught:
        read(dialect, b'event: error\ndata: {"error":{"message":"Too hot"}}\n\n', [])
    assert caught.value.body == b'{"error":{"message":"Too hot"}}'


@given(st.dictionaries(st.text(max_size=5, alphabet="abc"), plain))
def test_a_request_is_read_as_any_other_spelling_of_it(document: dict[str, Any]) -> None:
    respelled = json.dumps(document, indent=2, sort_keys=True).encode()
    assert decode_document(encode(document)) == decode_document(respelled)


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), b"x", {1}, object(), "\udfff"])
def test_what_json_cannot_carry_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequest, match="not plain JSON data"):
        encode({"deep": [{"inside": value}]})
