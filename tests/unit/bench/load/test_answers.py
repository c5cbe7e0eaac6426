"""Answers are read alike, however the network cuts them."""

import pytest

from headrace.bench.load.answers import Streamed, Whole

EVENTS = (
    'data: {"choices": [{"delta": {"content":"one"}}]}',
    'data: {"choices": [{"delta": {"content": "two"}}]}',
    'data: {"choices": [{"delta": {"content": ""}}]}',
    'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}',
    "data: [DONE]",
)


def stream(end: str) -> bytes:
    return "".join(event + end + end for event in EVENTS).encode()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_stream_may_be_cut_anywhere(end: str) -> None:
    """Between the two characters that end a line too."""
    whole = stream(end)
    for place in range(len(whole) + 1):
        answer = Streamed()
        tokens = answer.feed(whole[:place]) + answer.feed(whole[place:])
        assert (tokens, answer.ending(), answer.size) == (2, ("ok", ""), len(whole)), place


def test_a_stream_may_come_byte_by_byte() -> None:
    answer = Streamed()
    assert sum(answer.feed(bytes([byte])) for byte in stream("\r\n")) == 2
    assert answer.ending() == ("ok", "")


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b'{"choices": [{"message": {}}]}', "ok"),
        (b'{"data": [{"embedding": [0.5]}]}', "ok"),
        (b'{"choices": [], "data": null}', "malformed"),
        (b'{"choices": {}}', "malformed"),
        (b'{"choices": [1', "malformed"),
        (b"", "malformed"),
    ],
)
def test_an_answer_has_choices_or_vectors(body: bytes, outcome: str) -> None:
    answer = Whole()
    answer.feed(body[:3])
    answer.feed(body[3:])
    assert answer.ending()[0] == outcome
